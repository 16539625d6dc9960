"""Noise for titles: misspellings and the formats of guides."""
