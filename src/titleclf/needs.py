"""What only training or the service needs: whoever predicts can do without it, and is told how to get it."""

# As they are imported; pyproject.toml has them as distributions.
_TRAINING = ("hydra", "matplotlib", "omegaconf", "pandas", "safetensors", "scipy", "sklearn", "torch")
_SERVING = ("fastapi", "httptools", "pydantic", "starlette", "uvicorn")


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
