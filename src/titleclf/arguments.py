"""Arguments that several commands share: numbers in their ranges, and which model is meant."""

import argparse
import sys
from pathlib import Path

from titleclf.errors import InputError
from titleclf.files import SHIPPED
from titleclf.saved import model_folder

LATEST = Path("outputs/latest")


def count(text: str) -> int:
    """Read a whole number above 0."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number above 0. Got {text}.")
    return int(text)


def share(text: str) -> float:
    """Read a number from 0 to 1."""
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


def default_model() -> str:
    """Return the model that is meant where none is named: the newest, or without any run the one that ships.

    Raises
    ------
    InputError
        If there is neither.
    """
    if LATEST.exists():
        return str(LATEST)
    if not model_folder(SHIPPED).exists():
        raise InputError(f"{LATEST} must exist. Got nothing there. Train a model with make train, or pass --model DIR.")
    return SHIPPED


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
