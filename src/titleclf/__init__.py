"""titleclf tells what kind of programme a TV title is, character by character."""

import sys
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from titleclf.runtime.classifier import Classifier
    from titleclf.runtime.errors import InputError
    from titleclf.runtime.prediction import Prediction

__version__ = "0.1.0"
__all__ = ["Classifier", "InputError", "Prediction", "__version__"]

_HOMES = {
    "Classifier": "titleclf.runtime.classifier",
    "InputError": "titleclf.runtime.errors",
    "Prediction": "titleclf.runtime.prediction",
}

if not TYPE_CHECKING:  # else a misspelt name would pass for one of any type

    def __getattr__(name: str) -> object:
        """Import what is asked for only then: commands that need none of it start sooner."""
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(_HOMES[name]), name)


def _in_one_line(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    from titleclf.runtime.errors import BAD_INPUT, lacking

    if issubclass(kind, KeyboardInterrupt):
        print("Interrupted.", file=sys.stderr)
    elif line := lacking(_verb(Path(sys.argv[0])), error):  # by then the verb's file
        print(line, file=sys.stderr)
        sys.exit(BAD_INPUT)
    else:
        sys.__excepthook__(kind, error, trace)


def _verb(file: Path) -> str:
    return file.parent.name if file.stem == "__main__" else file.stem


# While `python -m titleclf.<verb>` looks for the verb, its name is still "-m". From there on torch is imported for
# seconds, or is not there, before any command could catch a Ctrl-C or say so.
if sys.argv[:1] == ["-m"]:
    sys.excepthook = _in_one_line
