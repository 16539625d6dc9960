"""`python -m titleclf.epg <verb>`: fill the missing categories of a TV guide, undo it, check and learn from guides."""

import argparse
import signal
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path

from titleclf.epg import commands
from titleclf.epg.console import MAX_ROWS
from titleclf.epg.fill import When
from titleclf.epg.profiles import PROFILES
from titleclf.epg.streams import STANDARD
from titleclf.runtime.arguments import Parser, called_as, count, precision
from titleclf.runtime.errors import InputError, exit_codes
from titleclf.runtime.files import check_parent, same_file

_EXAMPLES = (
    "{program} report guide.xml.gz --html report.html",
    "{program} fill guide.xml.gz -o filled.xml.gz --profile tvheadend",
    "{program} fill guide.xml --in-place --mark --profile kodi",
    "{program} fill guide.xml -o filled.xml --changes changes.csv",
    "{program} fill --from tv_grab_de -o filled.xml --quiet --log fill.log",
    "{program} fill https://example.org/guide.xml.gz -o filled.xml",
    "{program} undo filled.xml.gz -o guide.xml.gz",
    "{program} lint guide.xml.gz --profile jellyfin",
    "{program} channels guide.xml.gz",
    "{program} harvest guides/*.xml.gz -o titles.csv",
)
_WRITTEN = {
    "output": "-o",
    "changes": "--changes",
    "genres": "--genres (Kodi's genres.xml)",
    "html": "--html",
    "log": "--log",
}
_READ = {
    "guide": "the guide",
    "guides": "a guide",
    "overrides": "--overrides",
    "labels": "--labels",
    "channels": "--channels",
}
_HARVESTED = ("channel", "minutes", "description", "sub_title", "year")
_GUIDE = "an XMLTV file or its URL, plain or packed (gzip, bzip2, xz, zstd, zip); - is standard input"


@exit_codes
def main() -> None:
    """Run the command line."""
    # Temporary files must go when a service is stopped, as after Ctrl-C.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    warnings.formatwarning = lambda message, *_, **__: f"{message}\n"
    arguments = _parser().parse_args()
    if arguments.run is commands.run_fill:
        if arguments.grabber is not None and arguments.in_place:
            raise InputError("--in-place must be used with a file. Got --from. Pass -o OUT.")
        arguments.genres = _genres_path(arguments)
    _check_outputs(arguments)
    code = commands.run(arguments)
    sys.stdout.flush()  # here, where `exit_codes` handles a closed pipe
    sys.exit(code)


def _genres_path(arguments: argparse.Namespace) -> str | None:
    """Return the genres.xml to write beside the guide, if any."""
    if arguments.profile != "kodi":
        if arguments.genres:
            raise InputError("--genres must be used with --profile kodi. Got another profile, or none. Leave it out.")
        return None
    guide = arguments.guide if arguments.in_place else arguments.output
    if arguments.genres or guide == STANDARD:
        given: str | None = arguments.genres
        return given
    return str(Path(guide).resolve().with_name("genres.xml"))


def _check_outputs(arguments: argparse.Namespace) -> None:
    """Refuse outputs without a name, in folders that do not exist, and those that are another file of the verb."""
    for name, called in _WRITTEN.items():
        if getattr(arguments, name, None) == "":
            raise InputError(f"{called} must name a file. Got an empty name. Check the variable that it is from.")
    written, read = _files(arguments, _WRITTEN), _files(arguments, _READ)
    for place, (name, path) in enumerate(written):
        check_parent(Path(path))
        for other, other_path in [*written[place + 1 :], *read]:
            # An output that is the guide is refused where it may be filled in place.
            if (name, other) != ("-o", "the guide") and same_file(Path(path), Path(other_path)):
                raise InputError(f"{name} must not be the file of {other}. Got {path} for both. Name another file.")


def _files(arguments: argparse.Namespace, names: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the files of arguments, each after how it is called."""
    given = [(called, getattr(arguments, name, None) or []) for name, called in names.items()]
    paths = [(called, path) for called, value in given for path in ([value] if isinstance(value, str) else value)]
    return [(called, path) for called, path in paths if path != STANDARD]


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog=called_as("epg"),
        description="Add the categories that an XMLTV guide lacks; every other byte stays as it is.",
        epilog=_examples(),
    )
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    for verb, (add, about) in {
        "fill": (_add_fill, "add missing categories where the model is sure"),
        "undo": (_add_undo, "remove what fill --mark added"),
        "lint": (_add_lint, "list the categories that a player does not understand"),
        "channels": (_add_channels, "show what kind of channel each one is"),
        "harvest": (_add_harvest, "write labelled titles to train on"),
        "report": (_add_report, "show what is missing and would be filled"),
    }.items():
        add(verbs.add_parser(verb, help=about, epilog=_examples(verb)))
    return parser


def _examples(verb: str = "") -> str:
    """Return the examples of a verb; by default of all."""
    examples = [line for line in _EXAMPLES if f"{{program}} {verb}" in line]
    return "\n  ".join(["examples:", *examples]).format(program=called_as("epg")) + "\n"


def _add_fill(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=commands.run_fill)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("guide", nargs="?", metavar="GUIDE", help=_GUIDE)
    source.add_argument(
        "--from",
        dest="grabber",
        metavar="COMMAND",
        help="fill what this grabber prints, once it has ended with exit code 0; otherwise the old output stays",
    )
    _add_repair(parser)
    _add_output(parser)
    _add_decisions(parser)
    parser.add_argument(
        "--changes",
        metavar="CSV",
        help="also write a row for each filled programme: start, title, channel, category, evidence, probability",
    )
    parser.add_argument("--mark", action="store_true", help="add a keyword for each filled category; undo needs it")
    parser.add_argument("--quiet", action="store_true", help="print errors only")
    parser.add_argument("--log", metavar="FILE", help="append a line with the time and the result, or the error")
    parser.add_argument(
        "--genres", metavar="FILE", help="with --profile kodi: its genres.xml (default: beside the output)"
    )


def _add_undo(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=commands.run_undo)
    _add_guide(parser)
    _add_output(parser)


def _add_lint(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "List the categories that a player does not understand. The exit code is 1 if it understands none of a\n"
        "programme's categories, but knows their genre by another name."
    )
    parser.set_defaults(run=commands.run_lint)
    _add_guide(parser)
    parser.add_argument("--profile", choices=PROFILES, required=True, help="the player that reads the guide")
    parser.add_argument(
        "--top", type=count, default=MAX_ROWS, metavar="N", help=f"list the N most frequent ones (default: {MAX_ROWS})"
    )
    _add_labels(parser)


def _add_channels(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Show what kind of channel each one of a guide is: its entry in the channel list of titleclf, by its display\n"
        "name or else by its id, and the categories of that entry."
    )
    parser.set_defaults(run=commands.run_channels)
    _add_guides(parser)
    _add_channel_list(parser)


def _add_channel_list(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--channels", metavar="CSV", help="your own, ahead of the list: columns name, and categories (joined by ;)"
    )


def _add_harvest(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=commands.run_harvest)
    _add_guides(parser)
    parser.add_argument("-o", "--output", metavar="CSV", required=True, help="the file to write: title, category, lang")
    parser.add_argument(
        "--fields",
        nargs="+",
        choices=_HARVESTED,
        default=[],
        metavar="NAME",
        help=f"more columns, a row for each title on each channel if channel is one: {', '.join(_HARVESTED)}",
    )
    _add_labels(parser)


def _add_report(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=commands.run_report)
    _add_guide(parser)
    _add_decisions(parser)
    parser.add_argument("--html", metavar="FILE", help="also write an HTML page")


def _add_guide(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("guide", metavar="GUIDE", help=_GUIDE)
    _add_repair(parser)


def _add_guides(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("guides", nargs="+", metavar="GUIDE", help=_GUIDE)
    _add_repair(parser)


def _add_repair(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--repair",
        action="store_true",
        help="replace what XML does not allow in texts, as & and control characters, and list it",
    )


def _add_output(parser: argparse.ArgumentParser) -> None:
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument(
        *("-o", "--output"),
        metavar="OUT",
        help="the file to write (.gz, .bz2, .xz, .zst, .zip: packed); - is standard output",
    )
    target.add_argument("--in-place", action="store_true", help="replace the guide, and keep the old one as GUIDE.bak")


def _add_decisions(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model",
        action="append",
        metavar="DIR",
        help="as for predict (default: shipped); if given several times, the first model that is sure enough decides",
    )
    parser.add_argument(
        "--precision",
        type=precision,
        default=0.9,
        metavar="P",
        help="fill only where a fraction P of such answers is correct (default: 0.9)",
    )
    parser.add_argument("--profile", choices=PROFILES, help="write category texts that this player understands")
    parser.add_argument(
        "--when",
        choices=list(map(str, When)),
        help="fill programmes without a category, or also those whose categories the player does not understand "
        "(the default with --profile)",
    )
    parser.add_argument(
        "--overrides",
        metavar="CSV",
        help="a table of your own decisions, with the columns title, pattern or channel, and category",
    )
    _add_labels(parser)
    _add_channel_list(parser)


def _add_labels(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--labels", metavar="CSV", help="what your guide's categories mean, ahead of titleclf's own table"
    )


if __name__ == "__main__":
    main()
