"""Labelled and unlabelled titles: read, split, corrected and turned into arrays."""
