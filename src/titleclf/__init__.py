"""titleclf predicts the genre of a TV programme from its title, character by character."""

import sys
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from titleclf.estimator import TitleClassifier as TitleClassifier
    from titleclf.runtime.classifier import Classifier
    from titleclf.runtime.errors import InputError
    from titleclf.runtime.prediction import Prediction

__version__ = "0.1.0"
# Without TitleClassifier: it needs an extra, and `import *` must work without.
__all__ = ["Classifier", "InputError", "Prediction", "__version__"]

_MODULES = {
    "Classifier": "titleclf.runtime.classifier",
    "InputError": "titleclf.runtime.errors",
    "Prediction": "titleclf.runtime.prediction",
    "TitleClassifier": "titleclf.estimator",
}

if not TYPE_CHECKING:  # type checkers would accept any misspelt name

    def __getattr__(name: str) -> object:
        """Import a name of the API on first use: commands that need none of them start sooner."""
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from titleclf.runtime.errors import require_extra

        with require_extra("train"):  # for TitleClassifier
            return getattr(import_module(_MODULES[name]), name)


def _report_in_one_line(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    from titleclf.runtime.errors import BAD_INPUT, missing_extra

    if issubclass(kind, KeyboardInterrupt):
        print("Interrupted.", file=sys.stderr)
    elif line := missing_extra(_verb(Path(sys.argv[0])), error):  # by now argv[0] is the verb's file
        print(line, file=sys.stderr)
        sys.exit(BAD_INPUT)
    else:
        sys.__excepthook__(kind, error, trace)


def _verb(file: Path) -> str:
    return file.parent.name if file.stem == "__main__" else file.stem


# `python -m titleclf.<verb>` imports this package while argv[0] is still "-m". Importing torch then takes seconds, or
# fails, before the command itself can handle Ctrl-C or a missing extra.
if sys.argv[:1] == ["-m"]:
    sys.excepthook = _report_in_one_line
