"""`python -m titleclf.epg <verb>`: fill the missing categories of a TV guide, and what belongs to that."""

import argparse
import signal
import sys

from titleclf.epg import commands
from titleclf.epg.fill import When
from titleclf.epg.profiles import PROFILES
from titleclf.runtime.arguments import precision, program
from titleclf.runtime.errors import exit_codes

_EXAMPLES = (
    "{program} report guide.xml.gz --html report.html",
    "{program} fill guide.xml.gz -o filled.xml.gz --profile tvheadend",
    "{program} fill guide.xml --in-place --mark --profile kodi",
    "tv_grab_de | {program} fill - -o - > filled.xml",
    "{program} undo filled.xml.gz -o guide.xml.gz",
    "{program} lint guide.xml.gz --profile jellyfin",
    "{program} harvest guides/*.xml.gz -o titles.csv",
)
_GUIDE = "an XMLTV file, plain, gzipped or xz; - is standard input"


@exit_codes
def main() -> None:
    """Run the command line."""
    # When a service is stopped, what is half written has to go, as after Ctrl-C.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    arguments = _parser().parse_args()
    code = arguments.run(arguments)
    sys.stdout.flush()  # where a reader that has left is no error
    sys.exit(code)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program("epg"),
        description="Fill the categories that an XMLTV guide lacks, and leave the rest of it byte for byte as it is.",
        epilog=_examples(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    verbs = parser.add_subparsers(required=True, metavar="fill|undo|lint|harvest|report")
    for verb, (add, about) in {
        "fill": (_add_fill, "add categories where the model is sure"),
        "undo": (_add_undo, "take out what fill --mark put in"),
        "lint": (_add_lint, "which categories a reader understands"),
        "harvest": (_add_harvest, "titles to train on"),
        "report": (_add_report, "what is missing and would be filled"),
    }.items():
        epilog, shown_as = _examples(verb), argparse.RawDescriptionHelpFormatter
        add(verbs.add_parser(verb, help=about, allow_abbrev=False, epilog=epilog, formatter_class=shown_as))
    return parser


def _examples(verb: str = "") -> str:
    """Return the examples of a verb, or all."""
    shown = [line for line in _EXAMPLES if f"{{program}} {verb}" in line]
    return "\n  ".join(["examples:", *shown]).format(program=program("epg")) + "\n"


def _add_fill(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=commands.run_fill)
    _add_guide(parser)
    _add_output(parser)
    _add_decisions(parser)
    parser.add_argument("--mark", action="store_true", help="add a keyword that says so; undo finds what was filled")
    parser.add_argument(
        "--genres", metavar="FILE", help="with --profile kodi: its genres.xml (default: beside the output)"
    )


def _add_undo(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=commands.run_undo)
    _add_guide(parser)
    _add_output(parser)


def _add_lint(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "List the categories that a reader does not understand. Exit code 1 if it can place none of a\n"
        "programme's although it has a word for what they mean."
    )
    parser.set_defaults(run=commands.run_lint)
    _add_guide(parser)
    parser.add_argument("--profile", choices=PROFILES, required=True, help="the reader of the guide")


def _add_harvest(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=commands.run_harvest)
    parser.add_argument("guides", nargs="+", metavar="GUIDE", help=_GUIDE)
    parser.add_argument("-o", "--output", metavar="CSV", required=True, help="where to: title, category, lang")
    parser.add_argument("--labels", metavar="CSV", help="what labels mean (default: titleclf's own table)")


def _add_report(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=commands.run_report)
    _add_guide(parser)
    _add_decisions(parser)
    parser.add_argument("--html", metavar="FILE", help="write it as a page, too")


def _add_guide(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("guide", metavar="GUIDE", help=_GUIDE)


def _add_output(parser: argparse.ArgumentParser) -> None:
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("-o", "--output", metavar="OUT", help="where to; .gz and .xz are packed, - is standard output")
    target.add_argument("--in-place", action="store_true", help="replace the guide, and keep it as GUIDE.bak")


def _add_decisions(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model",
        action="append",
        metavar="DIR",
        help="as for predict; may be given several times: the first that is sure enough of a title names it",
    )
    parser.add_argument(
        "--precision",
        type=precision,
        default=0.9,
        metavar="P",
        help="fill only where a share P of such answers is right (default: 0.9)",
    )
    parser.add_argument("--profile", choices=PROFILES, help="write the words that this reader understands")
    parser.add_argument(
        "--when",
        type=When,
        choices=list(When),
        default=When.missing,
        help="programmes without a category (the default), all, or those that the reader knows no category of",
    )
    parser.add_argument("--overrides", metavar="CSV", help="your own: columns title or pattern, and category")


if __name__ == "__main__":
    main()
