"""Prediction in numpy: the same bundles and the same answers, without torch."""
