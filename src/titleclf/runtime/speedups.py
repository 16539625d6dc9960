"""What is compiled of prediction, where the installation could compile it: the same answers in less time."""

import os
from importlib import import_module
from types import ModuleType


def _found() -> ModuleType | None:
    if os.environ.get("TITLECLF_PURE") == "1":
        return None
    try:
        return import_module("titleclf.runtime._speedups")
    except ModuleNotFoundError:
        return None


compiled = _found()
