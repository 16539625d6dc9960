"""What only training needs: whoever predicts can do without it, and is told in one line how to get it."""

# As they are imported; pyproject.toml has them as distributions.
_TRAINING = ("hydra", "matplotlib", "omegaconf", "pandas", "safetensors", "scipy", "sklearn", "torch")


def lacking(verb: str, error: BaseException) -> str | None:
    """Return what a user must know if `verb` ended because a module for training is not installed, else None."""
    if not isinstance(error, ModuleNotFoundError) or error.name not in _TRAINING:
        return None
    return (
        f"titleclf {verb} must have what training needs. Got no module named {error.name}. "
        "Install it: pip install 'titleclf[train]'."
    )
