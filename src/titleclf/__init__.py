"""titleclf tells what kind of programme a TV title is, character by character."""

import sys
from types import TracebackType

__version__ = "0.1.0"


def _quiet_interrupt(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        print("Interrupted.", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


# While `python -m titleclf.<verb>` looks for the verb, its name is still "-m". From there on torch is imported for
# seconds, before any command could catch a Ctrl-C.
if sys.argv[:1] == ["-m"]:
    sys.excepthook = _quiet_interrupt
