"""What only training, the service, ONNX or Ray need: who predicts can do without, and is told how to get it."""

from collections.abc import Iterator
from contextlib import contextmanager

from titleclf.errors import InputError

# As they are imported; pyproject.toml has them as distributions.
_TRAINING = ("hydra", "matplotlib", "omegaconf", "pandas", "safetensors", "scipy", "sklearn", "torch")
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
