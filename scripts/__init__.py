"""Programs that are run by hand: `python scripts/<name>.py --help`."""
