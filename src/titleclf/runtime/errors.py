"""What a user reads when something is wrong, and the exit code that goes with it."""

import functools
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Never

BAD_INPUT = 2
INTERRUPTED = 130


class InputError(ValueError):
    """A mistake that the user can mend: `<where> must <rule>. Got <value>. <what to do>.` is all they see of it."""


def exit_codes(command: Callable[[], None]) -> Callable[[], None]:
    """Turn what a user can cause into one line on standard error and an exit code: 2, or 130 for Ctrl-C."""

    @functools.wraps(command)
    def guarded() -> None:
        try:
            command()
            sys.stdout.flush()
        except InputError as error:
            _leave(str(error), BAD_INPUT)
        except BrokenPipeError:
            _drop_output()  # the reader (`| head`) has what it wanted
            sys.exit(0)
        except OSError as error:
            if error.errno is None:
                raise
            _leave(
                f"{error.filename or 'the output'} must be readable and writable. Got: {os.strerror(error.errno)}. "
                "Check permissions and free space.",
                BAD_INPUT,
            )
        except KeyboardInterrupt as interrupt:
            _leave(f"Interrupted. {interrupt}".strip(), INTERRUPTED)

    return guarded


def _leave(line: str, code: int) -> Never:
    print(line, file=sys.stderr)
    try:
        sys.stdout.flush()
    except OSError:
        _drop_output()
    sys.exit(code)


def _drop_output() -> None:
    # Python flushes once more at exit: give it somewhere to do so.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


# As they are imported; pyproject.toml has them as distributions.
_TRAINING = ("hydra", "matplotlib", "omegaconf", "pandas", "scipy", "sklearn", "torch")
_SERVING = ("fastapi", "httptools", "pydantic", "starlette", "uvicorn")
_SWEEPER = "hydra/sweeper/optuna"  # as Hydra looks for it
_ONNX = ("onnx", "onnxruntime")
_RAY = ("ray", "pyarrow")


def lacking(verb: str, error: BaseException) -> str | None:
    """Return what a user must know if `verb` ended because a module of an extra is not installed, else None."""
    if not isinstance(error, ModuleNotFoundError):
        return None
    if error.name in _SERVING:  # of the one verb that serves, whatever file it is in
        verb, what, extra = "serve", "the service", "serve"
    elif error.name in _TRAINING:
        what, extra = "training", "train"
    else:
        return None
    return (
        f"titleclf {verb} must have what {what} needs. Got no module named {error.name}. "
        f"Install it: pip install 'titleclf[{extra}]'."
    )


def lacking_sweeper(missing: str | None) -> str | None:
    """Return what a user must know if Hydra misses the sweeper that searches, else None."""
    if missing != _SWEEPER:
        return None
    return "A search must have hydra-optuna-sweeper. Got no such package. Install it: pip install 'titleclf[sweep]'."


@contextmanager
def needing_onnx() -> Iterator[None]:
    """Say what a user must know if a module for ONNX is imported here and is not installed.

    Raises
    ------
    InputError
        If it is not.
    """
    with _needing("what ONNX needs", _ONNX, "onnx"):
        yield


@contextmanager
def needing_ray() -> Iterator[None]:
    """Say what a user must know if a module for data sets is imported here and is not installed.

    Raises
    ------
    InputError
        If it is not.
    """
    with _needing("what data sets need", _RAY, "ray"):
        yield


@contextmanager
def _needing(what: str, names: tuple[str, ...], extra: str) -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name not in names:
            raise
        raise InputError(
            f"titleclf must have {what}. Got no module named {error.name}. Install it: pip install 'titleclf[{extra}]'."
        ) from error
