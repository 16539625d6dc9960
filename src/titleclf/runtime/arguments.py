"""Argument types that several commands share, and the name by which a command was called."""

import argparse
import sys


def count(text: str) -> int:
    """Parse an integer above 0."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be an integer above 0. Got {text}.")
    return int(text)


def fraction(text: str) -> float:
    """Parse a number in [0, 1]."""
    value = _number(text)
    if value is None or not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"must be in [0, 1]. Got {text}.")
    return value


def precision(text: str) -> float:
    """Parse a number in (0, 1)."""
    value = _number(text)
    if value is None or not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"must be in (0, 1). Got {text}.")
    return value


def program(verb: str) -> str:
    """Return how the user called `verb`: as `titleclf <verb>` or as `python -m titleclf.<verb>`."""
    name = sys.argv[0]  # set by titleclf.__main__ in the first case, else a file
    return name if name.endswith(f"titleclf {verb}") else f"python -m titleclf.{verb}"


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
