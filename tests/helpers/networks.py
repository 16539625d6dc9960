"""Models of every architecture with random weights, and programmes on which implementations are compared."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from tests.helpers.training import compose_train
from titleclf.runtime.architecture import ModelConfig, NgramConfig
from titleclf.runtime.arrays import Floats
from titleclf.runtime.bundle.contents import Bundle
from titleclf.runtime.bundle.folding import LEVELS, SCALES
from titleclf.runtime.classifier import Classifier
from titleclf.runtime.files import CHECKOUT
from titleclf.runtime.text.programmes import EDGES, FieldVocabulary, Programmes
from titleclf.training.bundle_writer import write_bundle
from titleclf.training.fold import fold
from titleclf.training.network import TorchNetwork
from titleclf.training.trained_model import TrainedModel, bundle_of, load_trained

MODEL = CHECKOUT / "data" / "model"  # the model that ships
TITLES = [
    "Match of the Day",
    "",
    " ",
    "a",
    "Tagesschau",
    "Tagesschua",
    "日本沈没",
    "The Boat Race, the Grand National and the Six Nations",
    "🎉",
    "x" * 10_000,
    "Match of the Day",
]
LENGTH = 101  # longer than any title of the runs
SIZES = {"bag": [], "ngram": ["model.buckets=997"], "conv": ["model.channels=11"]}
FIELDS = FieldVocabulary(["news.24", "sport.one"], list(map(float, EDGES)))


def with_network(
    run: Path, kind: str, *overrides: str, boundary: bool = True, fields: FieldVocabulary | None = None
) -> TrainedModel:
    """Return a run's model with a network of another architecture and random weights, those of fields included."""
    model = load_trained(run)
    config = compose_train(f"model={kind}", "model.dim=7", *SIZES[kind], *overrides).model
    characters = replace(model.contents.characters, length=LENGTH, boundary=boundary)
    network = TorchNetwork(config, characters, len(model.categories), fields)
    torch.manual_seed(1)
    for name, parameter in network.named_parameters():
        nn.init.normal_(parameter, std=0.3)
        if name.startswith("context."):
            parameter.data[0] = 0  # as in training, unknown fields add nothing
    title_thresholds = None if fields is None else model.thresholds
    contents = replace(model.contents, characters=characters, fields=fields, title_thresholds=title_thresholds)
    return Classifier(contents, network)


def with_random_fields(titles: list[str]) -> Programmes:
    """Return programmes with random fields among `FIELDS`, always the same; some are unknown."""
    return FIELDS.with_random_fields(titles, np.random.default_rng(1))


def table_of(model: TrainedModel) -> torch.Tensor:
    """Return the n-gram table of a model."""
    table = model.network.get_parameter("encoder.ngrams.weight")
    return table.detach()


def folded(model: TrainedModel) -> Bundle:
    """Return the bundle of a model, folded."""
    bundle = bundle_of(model)
    return replace(bundle, weights=fold(bundle.weights, model.task))


def written(model: TrainedModel, tmp_path: Path) -> Path:
    """Write the bundle of a model, and return its folder."""
    write_bundle(bundle_of(model), tmp_path / "written")
    return tmp_path / "written"


def centred(logits: Floats) -> Floats:
    """Return logits (titles, categories) around their mean: with one category, only their differences count."""
    differences: Floats = logits - logits.mean(axis=1, keepdims=True)
    return differences


def rounding_errors(bundle: Bundle, titles: list[str]) -> Floats:
    """Return a bound (titles,) on the change of logits by folding: half of the largest step for each feature.

    A title has at most six features for each character. All may be rounded the same way, as in a title of one letter,
    and centring doubles the error.
    """
    features = 6 * np.array([min(len(title), bundle.contents.characters.length) + 2 for title in titles])
    bound: Floats = np.sqrt(features) * largest_step(bundle)
    return bound


def largest_step(bundle: Bundle) -> float:
    """Return the largest difference between neighbouring scores of a folded bundle."""
    return float(bundle.weights[SCALES].max() * (LEVELS[127] - LEVELS[126]))


@dataclass
class UnknownConfig(ModelConfig):
    """A model of a kind that no network implements."""


@dataclass
class UnknownNgramConfig(NgramConfig):
    """A model of a kind that no network implements, with the configuration of n-grams."""


def unknown_model(config: type[UnknownConfig | UnknownNgramConfig]) -> ModelConfig:
    """Return a model of an unknown kind."""
    known = "model=bag" if config is UnknownConfig else "model=ngram"
    return config(**vars(compose_train(known, "model.dim=7").model))
