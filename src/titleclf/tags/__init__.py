"""Titles with several categories, their tags: what is different from titles with one, under the same names."""
