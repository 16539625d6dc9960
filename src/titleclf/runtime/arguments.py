"""The parser and the argument types that commands share, and the name by which a command was called."""

import argparse
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Never

from titleclf.runtime.errors import BAD_INPUT

# What argparse says, and the same in the sentences of titleclf.
_SENTENCES = (
    (r"argument (.+?): (must .+)", r"\1 \2"),
    (r"argument (.+?): expected .+", r"\1 must have a value. Got none."),
    (r"argument (.+?): ignored explicit argument '(.*)'", r"\1 must have no value. Got \2."),
    (r"argument (.+?): not allowed with argument (.+)", r"\1 must be used without \2. Got both."),
    (r"argument (.+?): invalid (\w+) value: '(.*)'", r"\1 must be of type \2. Got \3."),
    (r"the following arguments are required: (.+)", r"\1 must be given. Got none."),
    (r"one of the arguments (\S+) (\S+) is required", r"\1 or \2 must be given. Got neither."),
)


class Parser(argparse.ArgumentParser):
    """A parser whose help keeps its line breaks, whose options can't be cut short, and whose errors are one line."""

    def __init__(self, *, allow_abbrev: bool = False, **options: Any) -> None:
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(allow_abbrev=allow_abbrev, **options)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Refuse unknown options here, where a verb of a command still knows its own."""
        known, rest = super().parse_known_args(args, namespace)
        if any(argument.startswith("-") for argument in rest):
            self.error(f"unrecognized arguments: {' '.join(rest)}")
        return known, rest

    def error(self, message: str) -> Never:
        """Exit with one line: what is wrong, what was got, and what to do."""
        self.exit(BAD_INPUT, f"{sentence(self, message)}\n")


def sentence(parser: argparse.ArgumentParser, message: str) -> str:
    """Return in one line what `parser` found wrong."""
    see = f"See {parser.prog} --help."
    if match := re.fullmatch(r"unrecognized arguments: (.+)", message, re.DOTALL):
        return _unrecognized(parser, match[1].split(), see)
    if match := re.fullmatch(r"argument (.+?): invalid choice: '?(.*?)'? \(choose from (.+)\)", message, re.DOTALL):
        options = match[3].replace("'", "").split(", ")
        advice = did_you_mean(match[2], options, "Take one of them.")
        return f"{match[1]} must be one of {', '.join(options)}. Got {match[2]}. {advice}"
    for pattern, replacement in _SENTENCES:
        if match := re.fullmatch(pattern, message, re.DOTALL):
            return f"{match.expand(replacement)} {see}"
    return f"{parser.prog} must be called as its help says. Got: {message}. {see}"


def _unrecognized(parser: argparse.ArgumentParser, arguments: list[str], see: str) -> str:
    option = next((argument.partition("=")[0] for argument in arguments if argument.startswith("-")), None)
    if option is None:
        return f"{parser.prog} must be given fewer arguments. Got also {' '.join(arguments)}. {see}"
    options = re.findall(r"--[\w-]+", parser.format_usage())
    return f"{option} must be an option of {parser.prog}. Got an unknown one. {did_you_mean(option, options, see)}"


def did_you_mean(got: str, options: Iterable[str], otherwise: str) -> str:
    """Return advice for a wrong name: the option that is most similar, or `otherwise` if none is."""
    import difflib  # only for errors: every command would start later

    close = difflib.get_close_matches(got, options, n=1)
    return f"Did you mean {close[0]}?" if close else otherwise


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


def called_as(verb: str) -> str:
    """Return how the user called `verb`: as `titleclf <verb>` or as `python -m titleclf.<verb>`."""
    name = sys.argv[0]  # set by titleclf.__main__ in the first case, else a file
    return name if name.endswith(f"titleclf {verb}") else f"python -m titleclf.{verb}"


def program(verb: str) -> str:
    """Return a command that runs `verb` if it is typed as it is, even if titleclf is in no `python` of the shell."""
    import shutil  # only for hints, like what _python needs

    called = called_as(verb)
    if called.startswith("titleclf") and shutil.which("titleclf"):
        return called
    module = "titleclf " if called.startswith("python -m titleclf ") else "titleclf."
    return f"{_python()} -m {module}{verb}"


def _python() -> str:
    """Return the running interpreter as a shell finds it: by name, or by a path below this folder or from the root."""
    import shlex
    import shutil

    running = Path(sys.executable)
    if shutil.which(running.name) == sys.executable:
        return running.name
    return shlex.quote(str(running.relative_to(Path.cwd()) if running.is_relative_to(Path.cwd()) else running))


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
