"""Arguments that several commands share: numbers in their ranges, and which model is meant."""

import argparse
import sys


def count(text: str) -> int:
    """Read a whole number above 0."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number above 0. Got {text}.")
    return int(text)


def fraction(text: str) -> float:
    """Parse a number from 0 to 1."""
    number = _number(text)
    if number is None or not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"must be in [0, 1]. Got {text}.")
    return number


def precision(text: str) -> float:
    """Read a number between 0 and 1."""
    number = _number(text)
    if number is None or not 0 < number < 1:
        raise argparse.ArgumentTypeError(f"must be in (0, 1). Got {text}.")
    return number


def program(verb: str) -> str:
    """Return how the user called `verb`: `titleclf <verb>`, which `cli` leaves in place of a name, or its module."""
    called = sys.argv[0]
    return called if called.endswith(f"titleclf {verb}") else f"python -m titleclf.{verb}"


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
