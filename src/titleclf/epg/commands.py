"""The verbs of `python -m titleclf.epg`, which print what the other modules return."""

import argparse
import csv
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr
from pathlib import Path

from titleclf.epg.changes import changes_table
from titleclf.epg.channels import channels
from titleclf.epg.console import (
    channels_summary,
    channels_table,
    fill_summary,
    harvest_summary,
    lint_summary,
    repairs_summary,
    report_summary,
)
from titleclf.epg.decisions import Decider
from titleclf.epg.edits import undo
from titleclf.epg.fill import Filler, When, fill
from titleclf.epg.genres import GenreTable, check_genres
from titleclf.epg.grabbers import grabbed
from titleclf.epg.harvest import harvest
from titleclf.epg.html_report import html_page
from titleclf.epg.kodi import genres_file
from titleclf.epg.lint import lint
from titleclf.epg.overrides import Overrides
from titleclf.epg.parser import airings
from titleclf.epg.profiles import PROFILES
from titleclf.epg.report import report
from titleclf.epg.run_log import logged
from titleclf.epg.streams import STANDARD, display_name, repairing, rereadable
from titleclf.epg.urls import is_url
from titleclf.runtime.bundle.reader import model_folder
from titleclf.runtime.classifier import Classifier
from titleclf.runtime.errors import InputError
from titleclf.runtime.files import SHIPPED, reconfigure, replacing, write_text
from titleclf.runtime.text.channels import ChannelList

_FINDINGS = 1  # exit code of `lint` if a guide has programmes that the player can't place
_LISTED_LINES = 10


def run(arguments: argparse.Namespace) -> int | None:
    """Run a verb, on repaired guides if they are to be repaired, and return its exit code."""
    guides = getattr(arguments, "guides", None) or [arguments.guide]
    with ExitStack() as stack:
        for guide in guides:
            if arguments.repair and guide is not None:  # None: a grabber's, which is still to come
                stack.enter_context(_repaired(guide))
        code: int | None = arguments.run(arguments)
    return code


@contextmanager
def _repaired(guide: str) -> Iterator[None]:
    with repairing(guide) as repairs:
        yield
    _print_status(repairs_summary(repairs, display_name(guide)))


def run_fill(arguments: argparse.Namespace) -> None:
    """Fill a guide, or the output of a grabber; if asked for, with a line in a log, and with errors alone in sight."""
    with ExitStack() as stack:
        log = None
        if arguments.log:
            log = stack.enter_context(logged(Path(arguments.log), arguments.output or arguments.guide))
        if arguments.quiet:  # progress bars and warnings of other modules, too
            nowhere = stack.enter_context(Path(os.devnull).open("w", encoding="utf-8"))
            stack.enter_context(redirect_stderr(nowhere))
        summary = _fill(arguments)
        if log is not None:
            log(summary)


def _fill(arguments: argparse.Namespace) -> str:
    filler = _filler(arguments, with_keywords=arguments.mark)
    output = None if arguments.in_place else arguments.output
    with _fetched(arguments) as guide, ExitStack() as stack:  # all files are written, or none
        is_new = stack.enter_context(genres_file(Path(arguments.genres))) if arguments.genres else None
        on_settled = stack.enter_context(changes_table(Path(arguments.changes))) if arguments.changes else None
        tally = fill(guide, output, filler, on_settled)
    if is_new is not None:
        _print_genres(arguments.genres, is_new=is_new)
    summary = fill_summary(tally)
    _print_status(summary)
    if filler.decider.overrides is not None:
        _print_unused(filler.decider.overrides.unused(), arguments.overrides)
    return summary


@contextmanager
def _fetched(arguments: argparse.Namespace) -> Iterator[str]:
    """Yield the guide to fill, after a command or a server has given all of it.

    Raises
    ------
    InputError
        If there is none, or if one without programmes would replace a file: many grabbers print that when they fail.
    """
    if arguments.grabber is None and not is_url(arguments.guide):
        yield arguments.guide
        return
    with ExitStack() as stack:
        if arguments.grabber is not None:
            guide = stack.enter_context(grabbed(arguments.grabber, quiet=arguments.quiet))
            if arguments.repair:
                stack.enter_context(_repaired(guide))
        else:
            guide = arguments.guide
            stack.enter_context(rereadable(guide))
        if arguments.output != STANDARD and next(airings(guide), None) is None:
            raise InputError(f"{display_name(guide)} must have programmes. Got none. Try again later.")
        yield guide


def run_undo(arguments: argparse.Namespace) -> None:
    """Remove what `fill --mark` added."""
    count = undo(arguments.guide, None if arguments.in_place else arguments.output)
    _print_status(f"{count:,} programmes had categories added by fill --mark")


def run_lint(arguments: argparse.Namespace) -> int:
    """Print the categories that a player does not understand; return 1 if there are programmes that it can't place."""
    result = lint(arguments.guide, PROFILES[arguments.profile], _genre_table(arguments.labels))
    _print_result(lint_summary(result, arguments.profile, arguments.top))
    return _FINDINGS if result.blind else 0


def run_channels(arguments: argparse.Namespace) -> None:
    """Print the channels of guides with their categories in the channel list."""
    known = ChannelList.shipped()
    if arguments.channels:
        known = known.merged(ChannelList.read(Path(arguments.channels)))
    result = channels(arguments.guides, known)
    if result.channels:
        _print_result(channels_table(result))
    _print_status(channels_summary(result))


def run_harvest(arguments: argparse.Namespace) -> None:
    """Write the titles of guides with the genres of their categories."""
    result = harvest(arguments.guides, _genre_table(arguments.labels), arguments.fields)
    rows = [
        (row.programme.title, row.genre, row.lang, *(getattr(row.programme, name) for name in arguments.fields))
        for row in result.rows()
    ]
    if not rows:
        raise InputError(
            f"{', '.join(arguments.guides)} must have programmes with categories in the table of labels. Got none. "
            "Name other guides, or pass --labels."
        )
    with replacing(Path(arguments.output)) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([("title", "category", "lang", *arguments.fields), *rows])
    _print_status(harvest_summary(result))


def run_report(arguments: argparse.Namespace) -> None:
    """Print what a guide lacks and would get, and write it as a page."""
    result = report(arguments.guide, _filler(arguments, with_keywords=False))
    _print_result(report_summary(result))
    _print_unused(result.unused_overrides, arguments.overrides)
    if arguments.html:
        write_text(Path(arguments.html), html_page(result))


def _filler(arguments: argparse.Namespace, *, with_keywords: bool) -> Filler:
    when = When.of(arguments.when, arguments.profile)
    profile = PROFILES[arguments.profile] if arguments.profile else None
    return Filler(_decider(arguments), profile, when, with_keywords, _genre_table(arguments.labels))


def _genre_table(labels: str | None) -> GenreTable:
    """Return the table that comes with titleclf, with the user's own rows before it."""
    table = GenreTable.shipped()
    return table if labels is None else table.merged(GenreTable.read(Path(labels)))


def _decider(arguments: argparse.Namespace) -> Decider:
    names = arguments.model or [SHIPPED]
    channels = None if arguments.channels is None else ChannelList.read(Path(arguments.channels))
    models = [Classifier.load(model_folder(name), channels) for name in names]
    _print_status(f"model: {', then '.join(names)}")
    categories = list(dict.fromkeys(category for model in models for category in model.categories))
    check_genres(categories, "a model for guides")
    overrides = Overrides.read(Path(arguments.overrides), categories) if arguments.overrides else None
    return Decider([(model, model.thresholds_at(arguments.precision)) for model in models], overrides)


def _print_genres(path: str, *, is_new: bool) -> None:
    state = "written" if is_new else "there already"
    _print_status(
        f"genres: {path} {state}. Name it in the settings of Kodi's add-on for guides (PVR IPTV Simple Client)."
    )


def _print_result(text: str) -> None:
    reconfigure(sys.stdout, encoding="utf-8")  # whatever the locale: titles may have any character
    print(text)


def _print_status(text: str) -> None:
    reconfigure(sys.stderr, encoding="utf-8", errors="backslashreplace")
    print(text, file=sys.stderr)


def _print_unused(lines: list[int], overrides: str | None) -> None:
    if lines:
        listed = ", ".join(map(str, lines[:_LISTED_LINES]))
        more = f" and {len(lines) - _LISTED_LINES:,} more" if len(lines) > _LISTED_LINES else ""
        _print_status(f"{overrides}: no programme of the guide matches line {listed}{more}")
