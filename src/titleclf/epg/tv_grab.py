"""`tv_grab_titleclf`: a grabber as XMLTV defines them, which fills what another grabber, a URL or a file gives."""

import argparse
import os
import sys
from contextlib import nullcontext
from pathlib import Path

from titleclf import __version__
from titleclf.epg import __main__ as epg
from titleclf.epg.days import Days, only_days
from titleclf.epg.profiles import PROFILES
from titleclf.epg.streams import STANDARD
from titleclf.epg.urls import is_url
from titleclf.runtime.arguments import Parser, count, did_you_mean
from titleclf.runtime.errors import InputError, exit_codes
from titleclf.runtime.files import write_text

_NAME = "tv_grab_titleclf"
_DESCRIPTION = "titleclf (fills the genres of another grabber, or of a guide on the web)"
_CAPABILITIES = ("baseline", "manualconfig")
_KEYS = (
    *("from", "guide", "profile", "precision", "when", "overrides", "labels", "channels", "model", "changes", "log"),
    "mark",
)
_SWITCH = {"yes": True, "no": False}
_HEAD = f"""# A line from=COMMAND (a grabber) or guide=URL (or a file), and any of these options of `titleclf epg fill`:
# {", ".join(_KEYS[2:])} (yes or no)
"""

Configuration = list[tuple[str, str]]


@exit_codes
def main() -> None:
    """Run the command line."""
    arguments = _parser().parse_args()
    path = arguments.config_file or Path.home() / ".xmltv" / f"{_NAME}.conf"
    if arguments.description:
        print(_DESCRIPTION)
    elif arguments.capabilities:
        print("\n".join(_CAPABILITIES))
    elif arguments.version:
        print(f"This is {_NAME} version {__version__}")
    elif arguments.configure:
        configure(path)
    else:
        _grab(arguments, read_configuration(path))


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog=_NAME, description="Print the guide of another grabber, of a URL or of a file, with genres.")
    parser.add_argument("--description", action="store_true", help="print what this grabber is")
    parser.add_argument("--capabilities", action="store_true", help="print what it can do, in the words of XMLTV")
    parser.add_argument("--version", action="store_true", help="print the version")
    parser.add_argument("--configure", action="store_true", help="ask what to fill, and write the configuration")
    parser.add_argument("--days", type=count, metavar="N", help="print N days (default: all there are)")
    parser.add_argument("--offset", type=_offset, metavar="N", help="begin N days after today (default: 0)")
    parser.add_argument(
        "--output", default=STANDARD, metavar="FILE", help="the file to write (default: standard output)"
    )
    parser.add_argument("--quiet", action="store_true", help="print errors only")
    parser.add_argument(
        "--config-file", type=Path, metavar="FILE", help=f"the configuration (default: ~/.xmltv/{_NAME}.conf)"
    )
    return parser


def _offset(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be an integer of 0 or more. Got {text}.")
    return int(text)


def _grab(arguments: argparse.Namespace, configuration: Configuration) -> None:
    """Fill a guide; its days are left to a grabber, which then fetches no others, and cut out of other guides."""
    asked = [(name, value) for name in ("days", "offset") if (value := getattr(arguments, name)) is not None]
    guides = [value for name, value in configuration if name == "guide"]
    options = ["-o", arguments.output, *(["--quiet"] if arguments.quiet else []), *guides]
    for name, value in configuration:
        if name == "from":
            options.append(f"--from={' '.join([value, *(f'--{option} {number}' for option, number in asked)])}")
        elif name == "mark":
            options += ["--mark"] if _SWITCH[value] else []
        elif name != "guide":
            options.append(f"--{name}={value}")
    days = Days.of(arguments.offset or 0, arguments.days)
    with only_days(guides[0], days) if guides and asked else nullcontext():
        sys.argv = ["titleclf epg", "fill", *options]
        epg.main()


def read_configuration(path: Path) -> Configuration:
    """Return the names and values of a configuration; one is `from` or `guide`.

    Raises
    ------
    InputError
        If there is no such file, or a line of it is wrong.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file. Run {_NAME} --configure.")
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    pairs = [_pair(line, f"{path}:{number}") for number, line in enumerate(lines, 1) if line and line[0] != "#"]
    sources = [name for name, _ in pairs if name in ("from", "guide")]
    if len(sources) != 1:
        got = " and ".join(sources) or "neither"
        raise InputError(f"{path} must have one line from=COMMAND or guide=URL. Got {got}. Correct it.")
    return pairs


def _pair(line: str, place: str) -> tuple[str, str]:
    name, _, value = (part.strip() for part in line.partition("="))
    if name not in _KEYS or not value:
        advice = did_you_mean(name, _KEYS, "Correct the line.") if name not in _KEYS else "Give it a value."
        raise InputError(f"{place}: must be NAME=VALUE with a name of {', '.join(_KEYS)}. Got {line}. {advice}")
    if name == "mark" and value not in _SWITCH:
        raise InputError(f"{place}: mark must be yes or no. Got {value}. Choose one of these.")
    if name == "from" and Path(value.split()[0]).name == _NAME:
        raise InputError(f"{place}: from must be another grabber. Got {_NAME} itself. Name yours.")
    return name, value if name == "from" else os.path.expanduser(value)  # noqa: PTH111 (it may be a URL)


def configure(path: Path) -> None:
    """Ask what to fill and for which player, and write the configuration.

    Raises
    ------
    InputError
        If an answer is wrong, or there is none.
    """
    source = _answer("What has your guide: a grabber such as tv_grab_de, or the URL or file of a guide? ")
    profile = _answer(f"Which player reads it: {', '.join(PROFILES)}? [tvheadend] ", "tvheadend")
    if profile not in PROFILES:
        advice = did_you_mean(profile, PROFILES, "Take one of them.")
        raise InputError(f"the player must be one of {', '.join(PROFILES)}. Got {profile}. {advice}")
    file = Path(source).expanduser()
    is_guide = is_url(source) or (file.is_file() and not os.access(file, os.X_OK))
    lines = (f"{'guide' if is_guide else 'from'}={source}", f"profile={profile}")
    for line in lines:
        _pair(line, _NAME)
    write_text(path, _HEAD + "\n".join(lines) + "\n")
    path.chmod(0o600)  # a URL may have a password
    print(f"{path} written. Try it: {_NAME} --output guide.xml")


def _answer(question: str, default: str = "") -> str:
    try:
        answer = input(question).strip() or default
    except EOFError:
        answer = ""
    if not answer:
        raise InputError(f"{_NAME} --configure must be answered. Got nothing. Run it in a terminal.")
    return answer


if __name__ == "__main__":
    main()
