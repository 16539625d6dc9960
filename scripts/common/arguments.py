"""Command lines of the scripts."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from titleclf.runtime.arguments import Parser
from titleclf.runtime.errors import InputError


def script_parser(name: str, description: str) -> argparse.ArgumentParser:
    """Return the parser of `python -m scripts.NAME`."""
    return Parser(prog=f"python -m scripts.{name}", description=description)


def report_parser(name: str, description: str) -> argparse.ArgumentParser:
    """Return the parser of a script that writes a report, by default results/NAME.md."""
    parser = script_parser(name, description)
    report = Path(f"results/{name}.md")
    parser.add_argument("--output", type=Path, default=report, metavar="FILE", help="the report (%(default)s)")
    return parser


def add_name(parser: argparse.ArgumentParser) -> None:
    """Add the option that names data which the report must not show."""
    parser.add_argument(
        "--name", default="", metavar="TEXT", help="a name for the data; the report then hides its files"
    )


def add_guides(parser: argparse.ArgumentParser) -> None:
    """Add the options of a measurement on real guides."""
    parser.add_argument("--guides", type=Path, nargs="+", required=True, metavar="FILE", help="XMLTV, also .gz")
    add_name(parser)


def add_sources(parser: argparse.ArgumentParser) -> None:
    """Add the options of a measurement on sources that training leaves out."""
    parser.add_argument("--programmes", required=True, metavar="PARQUET", help="programmes with a column `source`")
    parser.add_argument("--titles", nargs="*", default=[], metavar="CSV", help="titles alone, to train on beside them")
    parser.add_argument("--left-out", nargs="+", required=True, metavar="SOURCE", help="sources to evaluate on")


def parse_with_overrides(parser: argparse.ArgumentParser, given: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse a command line of options and `key=value` overrides; the overrides end up in `overrides`.

    Raises
    ------
    InputError
        If an override is not of the form `key=value`.
    """
    parser.add_argument(
        "overrides", nargs="*", metavar="key=value", help="settings as for python -m titleclf.train, before the options"
    )
    arguments = parser.parse_intermixed_args(given)
    malformed = [override for override in arguments.overrides if "=" not in override]
    if malformed:
        raise InputError(f"overrides must read key=value. Got {' '.join(malformed)}. See --help.")
    return arguments
