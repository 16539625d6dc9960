"""What only training or ONNX need: whoever predicts can do without it, and is told in one line how to get it."""

from collections.abc import Iterator
from contextlib import contextmanager

from titleclf.errors import InputError

# As they are imported; pyproject.toml has them as distributions.
_TRAINING = ("hydra", "matplotlib", "omegaconf", "pandas", "safetensors", "scipy", "sklearn", "torch")
_SWEEPER = "hydra/sweeper/optuna"  # as Hydra looks for it
_ONNX = ("onnx", "onnxruntime")


def lacking(verb: str, error: BaseException) -> str | None:
    """Return what a user must know if `verb` ended because a module for training is not installed, else None."""
    if not isinstance(error, ModuleNotFoundError) or error.name not in _TRAINING:
        return None
    return (
        f"titleclf {verb} must have what training needs. Got no module named {error.name}. "
        "Install it: pip install 'titleclf[train]'."
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
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name not in _ONNX:
            raise
        raise InputError(
            f"titleclf must have what ONNX needs. Got no module named {error.name}. "
            "Install it: pip install 'titleclf[onnx]'."
        ) from error
