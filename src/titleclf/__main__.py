"""`titleclf VERB`: runs a command, and imports no other: most need no torch."""

import difflib
import sys
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from titleclf import __version__
from titleclf.runtime.errors import InputError, exit_codes, missing_extra


class Verb(NamedTuple):
    """A command: its module, one line of help, and an example."""

    module: str
    help: str
    example: str


_VERBS = {
    "predict": Verb(
        "titleclf.predict.__main__", "predict the categories of titles", 'predict "Match of the Day" Tagesschau'
    ),
    "predict_dataset": Verb(
        "titleclf.predict.dataset",
        "predict the categories of Parquet data sets of any size, in several processes",
        "predict_dataset guide.parquet answers",
    ),
    "epg": Verb(
        "titleclf.epg.__main__",
        "fill the missing categories of a TV guide: fill, undo, lint, channels, harvest, report",
        "epg fill guide.xml.gz -o filled.xml.gz",
    ),
    "serve": Verb(
        "titleclf.serve.__main__",
        "serve a web page and a JSON API for titles and guides, and keep guides filled",
        "serve --watch guide.xml.gz --profile kodi",
    ),
    "train": Verb("titleclf.train", "train a model on titles with categories", "train data.path=my.csv"),
    "sweep": Verb("titleclf.sweep", "search for the best training settings", "sweep sweep.trials=40 data.path=my.csv"),
    "evaluate": Verb(
        "titleclf.evaluate.__main__", "evaluate a model on titles with categories", "evaluate path=labelled.csv"
    ),
    "export": Verb(
        "titleclf.export", "export the newest model as a bundle, embeddings or ONNX", "export output=my-model"
    ),
    "pretrain": Verb("titleclf.pretrain", "pre-train embeddings on unlabelled titles", "pretrain titles=my.txt"),
}
_EPG_VERBS = {verb: f"epg {verb}" for verb in ("fill", "undo", "lint", "channels", "harvest", "report")}


@exit_codes
def main() -> None:
    """Run the command that the first argument names."""
    program = "python -m titleclf" if Path(sys.argv[0]).name == "__main__.py" else "titleclf"
    match sys.argv[1:]:
        case [] | ["-h" | "--help", *_]:
            print(_overview(program))
        case ["--version", *_]:
            print(f"titleclf {__version__}")
        case [verb, *arguments] if verb in _VERBS:
            sys.argv = [f"{program} {verb}", *arguments]
            _run(verb)
        case [unknown, *_]:
            raise InputError(
                f"{program} needs one of {', '.join(_VERBS)}. Got {unknown}. {_did_you_mean(program, unknown)}"
            )


def _run(verb: str) -> None:
    try:
        import_module(_VERBS[verb].module).main()
    except ModuleNotFoundError as error:
        if line := missing_extra(verb, error):
            raise InputError(line) from error
        raise


def _overview(program: str) -> str:
    width = max(map(len, _VERBS))
    verbs = "\n".join(f"  {name:<{width}}  {verb.help}" for name, verb in _VERBS.items())
    examples = "\n".join(f"  {program} {verb.example}" for verb in _VERBS.values())
    return (
        f"usage: {program} VERB ...\n\n{verbs}\n\nexamples:\n{examples}\n\n"
        f"{program} VERB --help shows the options of a command, {program} --version the version."
    )


def _did_you_mean(program: str, verb: str) -> str:
    close = difflib.get_close_matches(verb, [*_VERBS, *_EPG_VERBS], n=1)
    if not close:
        return f"List all with {program} --help."
    return f"Did you mean {program} {_EPG_VERBS.get(close[0], close[0])}?"


if __name__ == "__main__":
    main()
