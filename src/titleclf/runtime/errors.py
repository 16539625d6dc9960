"""Errors that a user can fix, and their exit codes."""

import functools
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Never

BAD_INPUT = 2
INTERRUPTED = 130


class InputError(ValueError):
    """A mistake that the user can fix: one line with what is wrong and where, the value, and what to do."""


def exit_codes(command: Callable[[], None]) -> Callable[[], None]:
    """Turn errors that a user can cause into one line on standard error and an exit code: 2, or 130 for Ctrl-C."""

    @functools.wraps(command)
    def guarded() -> None:
        try:
            command()
            sys.stdout.flush()
        except InputError as error:
            _exit(str(error), BAD_INPUT)
        except BrokenPipeError:
            _discard_output()  # the reader (`| head`) has closed the pipe
            sys.exit(0)
        except OSError as error:
            if error.errno is None:
                raise
            where = (
                f"{error.filename} must be readable and writable" if error.filename else "the output must be writable"
            )
            _exit(f"{where}. Got: {os.strerror(error.errno)}. Check permissions and free space.", BAD_INPUT)
        except KeyboardInterrupt as interrupt:
            _exit(f"Interrupted. {interrupt}".strip(), INTERRUPTED)

    return guarded


def _exit(line: str, code: int) -> Never:
    print(line, file=sys.stderr)
    try:
        sys.stdout.flush()
    except OSError:
        _discard_output()
    sys.exit(code)


def _discard_output() -> None:
    # Python flushes once more at exit, which would fail again.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


# The import names of each extra's modules; pyproject.toml lists their distributions.
EXTRAS = {
    "train": ("hydra", "matplotlib", "omegaconf", "pandas", "scipy", "sklearn", "torch"),
    "serve": ("fastapi", "httptools", "prometheus_client", "pydantic", "starlette", "uvicorn"),
    "onnx": ("onnx", "onnxruntime"),
    "ray": ("pyarrow", "ray"),
    "sweep": ("optuna", "sqlalchemy"),
    "zstd": ("backports", "backports.zstd"),
}


def missing_extra(verb: str, error: BaseException) -> str | None:
    """Return the message for a `verb` that failed because a module of its extra is not installed, else None."""
    if isinstance(error, ModuleNotFoundError):
        # Only one verb serves and only one sweeps, however they were started.
        for extra, needed_by in (("serve", "serve"), ("sweep", "sweep"), ("train", verb)):
            if error.name in EXTRAS[extra]:
                return _missing(f"titleclf {needed_by}", extra, error)
    return None


@contextmanager
def require_extra(extra: str) -> Iterator[None]:
    """Import modules of an extra in this block.

    Raises
    ------
    InputError
        If one of them is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name not in EXTRAS[extra]:
            raise
        raise InputError(_missing("titleclf", extra, error)) from error


def _missing(program: str, extra: str, error: ModuleNotFoundError) -> str:
    return (
        f"{program} needs the extra {extra}. Got no module named {error.name}. "
        f"Install it in the checkout: pip install '.[{extra}]'."
    )
