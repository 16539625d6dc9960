"""`titleclf <verb>`: one door to all commands. Each is imported only when asked for: most need no torch."""

import difflib
import sys
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from titleclf import __version__
from titleclf.runtime.errors import InputError, exit_codes, lacking


class Verb(NamedTuple):
    """Where a command is, what it does, and how it is called."""

    module: str
    about: str
    example: str


_VERBS = {
    "predict": Verb(
        "titleclf.predict.__main__", "tell the categories of titles", 'predict "Match of the Day" Tagesschau'
    ),
    "predict_dataset": Verb(
        "titleclf.predict.dataset",
        "tell those of Parquet data sets of any size, in several processes",
        "predict_dataset guide.parquet answers",
    ),
    "epg": Verb(
        "titleclf.epg.__main__",
        "fill the categories that a TV guide lacks: fill, undo, lint, harvest, report",
        "epg fill guide.xml.gz -o filled.xml.gz",
    ),
    "serve": Verb(
        "titleclf.serve.__main__",
        "a page and a JSON interface for titles and guides, and guides served filled",
        "serve --watch guide.xml.gz --profile kodi",
    ),
    "train": Verb("titleclf.train", "train a model on titles with categories", "train data.path=my.csv"),
    "sweep": Verb("titleclf.sweep", "search the values that train best", "sweep sweep.trials=40 data.path=my.csv"),
    "evaluate": Verb(
        "titleclf.evaluate.__main__", "judge a model on titles with categories", "evaluate path=labelled.csv"
    ),
    "export": Verb("titleclf.export", "copy the newest model out", "export output=my-model"),
    "pretrain": Verb("titleclf.pretrain", "train embeddings on titles without", "pretrain titles=my.txt"),
}
_OF_GUIDES = {verb: f"epg {verb}" for verb in ("fill", "undo", "lint", "harvest", "report")}


@exit_codes
def main() -> None:
    """Run the verb that the first argument names."""
    door = "python -m titleclf" if Path(sys.argv[0]).name == "__main__.py" else "titleclf"
    match sys.argv[1:]:
        case [] | ["-h" | "--help", *_]:
            print(_overview(door))
        case ["--version", *_]:
            print(f"titleclf {__version__}")
        case [verb, *arguments] if verb in _VERBS:
            sys.argv = [f"{door} {verb}", *arguments]
            _run(verb)
        case [other, *_]:
            raise InputError(
                f"{door} must be given one of {', '.join(_VERBS)}. Got {other}. {_did_you_mean(door, other)}"
            )


def _run(verb: str) -> None:
    try:
        import_module(_VERBS[verb].module).main()
    except ModuleNotFoundError as error:
        if line := lacking(verb, error):
            raise InputError(line) from error
        raise


def _overview(door: str) -> str:
    width = max(map(len, _VERBS))
    verbs = "\n".join(f"  {name:<{width}}  {verb.about}" for name, verb in _VERBS.items())
    examples = "\n".join(f"  {door} {verb.example}" for verb in _VERBS.values())
    return (
        f"usage: {door} VERB ...\n\n{verbs}\n\nexamples:\n{examples}\n\n"
        f"{door} VERB --help tells more, {door} --version which titleclf this is."
    )


def _did_you_mean(door: str, got: str) -> str:
    close = difflib.get_close_matches(got, [*_VERBS, *_OF_GUIDES], n=1)
    return f"Did you mean {door} {_OF_GUIDES.get(close[0], close[0])}?" if close else f"List all with {door} --help."


if __name__ == "__main__":
    main()
