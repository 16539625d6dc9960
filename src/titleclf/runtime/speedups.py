"""The compiled part of prediction, if it was compiled on installation: the same results, faster."""

import os
from importlib import import_module
from types import ModuleType


def _import() -> ModuleType | None:
    if os.environ.get("TITLECLF_PURE") == "1":
        return None
    try:
        return import_module("titleclf.runtime._speedups")
    except ModuleNotFoundError:
        return None


compiled = _import()
