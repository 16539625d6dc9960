"""Measurements and tools for developers, run as `python -m scripts.NAME`; `--help` lists the options."""
