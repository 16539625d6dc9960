"""What the verbs of `python -m titleclf.epg` do with their arguments, and say of it."""

import argparse
import csv
import sys
from pathlib import Path

from titleclf.epg import console as told
from titleclf.epg.edits import undo
from titleclf.epg.fill import Decider, Filler, When, fill
from titleclf.epg.genres import Labels, check_genres
from titleclf.epg.harvest import harvest
from titleclf.epg.html_report import page
from titleclf.epg.kodi import write_genres
from titleclf.epg.lint import lint
from titleclf.epg.overrides import Overrides
from titleclf.epg.profiles import PROFILES, Profile
from titleclf.epg.report import report
from titleclf.epg.streams import STANDARD
from titleclf.runtime.bundle.reader import default_model, model_folder
from titleclf.runtime.classifier import Classifier
from titleclf.runtime.errors import InputError
from titleclf.runtime.files import reconfigure, replacing, write_text

_FOUND = 1  # exit code of `lint`: nothing is wrong with the command, but with the guide


def run_fill(arguments: argparse.Namespace) -> None:
    """Fill a guide."""
    filler = _filler(arguments, is_marked=arguments.mark)
    output = None if arguments.in_place else arguments.output
    _write_genres(arguments, output or arguments.guide)
    outcomes = fill(arguments.guide, output, filler)
    _say(told.filled(outcomes))
    if filler.decider.overrides is not None:
        _say_unused(filler.decider.overrides.unused(), arguments.overrides)


def run_undo(arguments: argparse.Namespace) -> None:
    """Take out what was filled in with a mark."""
    count = undo(arguments.guide, None if arguments.in_place else arguments.output)
    _say(f"{count:,} programmes had categories with the mark of fill --mark")


def run_lint(arguments: argparse.Namespace) -> int:
    """Print which categories a reader does not understand; return 1 if there are programmes that it can't place."""
    found = lint(arguments.guide, PROFILES[arguments.profile], Labels.shipped())
    _print(told.linted(found, arguments.profile))
    return _FOUND if found.blind else 0


def run_harvest(arguments: argparse.Namespace) -> None:
    """Write the titles of guides with the genres that their categories stand for."""
    labels = Labels.read(Path(arguments.labels)) if arguments.labels else Labels.shipped()
    found = harvest(arguments.guides, labels)
    rows = list(found.titles())
    if not rows:
        raise InputError(
            f"{', '.join(arguments.guides)} must have programmes with categories that --labels knows. Got none. "
            "Name other guides."
        )
    with replacing(Path(arguments.output)) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([("title", "category", "lang"), *rows])
    _say(told.harvested(found))


def run_report(arguments: argparse.Namespace) -> None:
    """Print what a guide lacks and would get, and write it as a page."""
    found = report(arguments.guide, _filler(arguments, is_marked=False))
    _print(told.reported(found))
    _say_unused(found.unused_overrides, arguments.overrides)
    if arguments.html:
        write_text(Path(arguments.html), page(found))


def _filler(arguments: argparse.Namespace, *, is_marked: bool) -> Filler:
    profile = PROFILES[arguments.profile] if arguments.profile else None
    if arguments.when is When.unknown and profile is None:
        raise InputError(f"--when {When.unknown} must have a --profile. Got none. Name the reader of the guide.")
    return Filler(_decider(arguments, profile), profile, arguments.when, is_marked)


def _decider(arguments: argparse.Namespace, profile: Profile | None) -> Decider:
    names = arguments.model or [default_model()]
    models = [Classifier.load(model_folder(name)) for name in names]
    _say(f"model: {', then '.join(names)}")
    categories = list(dict.fromkeys(category for model in models for category in model.categories))
    if profile is not None:
        check_genres(categories, f"a model for --profile {profile.name}")
    overrides = Overrides.read(Path(arguments.overrides), categories) if arguments.overrides else None
    return Decider([(model, model.least_at(arguments.precision)) for model in models], overrides)


def _write_genres(arguments: argparse.Namespace, output: str) -> None:
    if arguments.profile != "kodi":
        if arguments.genres:
            raise InputError("--genres must be used with --profile kodi. Got it alone. Leave it out.")
        return
    if arguments.genres or output != STANDARD:
        path = Path(arguments.genres) if arguments.genres else Path(output).resolve().with_name("genres.xml")
        state = "written" if write_genres(path) else "there already"
        _say(f"genres: {path} {state}. Name it in the settings of Kodi's add-on for guides (PVR IPTV Simple Client).")


def _print(text: str) -> None:
    # Titles are UTF-8 whatever the locale says.
    reconfigure(sys.stdout, encoding="utf-8")
    print(text)


def _say(text: str) -> None:
    reconfigure(sys.stderr, encoding="utf-8", errors="backslashreplace")
    print(text, file=sys.stderr)


def _say_unused(lines: list[int], overrides: str | None) -> None:
    if lines:
        _say(
            f"{overrides}: no title of the guide was asked for in line {', '.join(map(str, lines[:10]))}"
            f"{f' and {len(lines) - 10:,} more' if len(lines) > 10 else ''}"
        )
