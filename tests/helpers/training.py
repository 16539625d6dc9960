"""Configurations of small, fast training runs."""

from titleclf.config.hydra import compose
from titleclf.config.schemas import TrainConfig


def compose_train(*overrides: str) -> TrainConfig:
    """Return what `python -m titleclf.train` would be given; small models can't take the embeddings that ship."""
    groups = ("model=", "experiment=")
    model = [] if any(override.startswith(groups) for override in overrides) else ["model=ngram"]
    config: TrainConfig = compose("train", [*model, *overrides])
    return config


SMALL = ("device=cpu", "model.dim=9", "training.epochs=3", "training.batch_size=7", "evaluate.robustness_titles=0")
FEW_BUCKETS = "model.buckets=997"
CONTEXT = ("data.columns.channel=channel", "data.columns.duration=duration", "context.min_titles=2")
