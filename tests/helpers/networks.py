"""Models of every architecture with random weights, and programmes on which implementations are compared."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from tests.helpers.training import FEW_FEATURES, compose_train
from titleclf.runtime.architecture import ModelConfig, NgramConfig
from titleclf.runtime.arrays import Floats
from titleclf.runtime.bundle.contents import Bundle
from titleclf.runtime.bundle.familiarity import Familiarity, text_tables
from titleclf.runtime.bundle.folding import LEVELS, NGRAMS, SCALES, field_prefix
from titleclf.runtime.choices import Field
from titleclf.runtime.classifier import Classifier
from titleclf.runtime.files import CHECKOUT
from titleclf.runtime.text.fields import FieldEncoder
from titleclf.runtime.text.programmes import Programmes
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
FIELDS = tuple(Field)
CHANNELS = ["news.24", "Sport One HD", "日本テレビ", "x", "  ", "Россия 1"]
TEXTS = [
    "Headlines and reports of the day.",
    "",
    "LIVE: all goals",
    "समाचार की सुर्खियाँ",
    "日本沈没 2",
    "word " * 200,
    "!?",
]


def with_network(
    run: Path, kind: str, *overrides: str, boundary: bool = True, fields: Sequence[str] = ()
) -> TrainedModel:
    """Return a run's model with a network of another architecture and random weights, those of fields included."""
    model = load_trained(run)
    config = compose_model(kind, *overrides, fields=fields)
    characters = replace(model.contents.characters, length=LENGTH, boundary=boundary)
    network = TorchNetwork(config, characters, len(model.categories))
    torch.manual_seed(1)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.3)
    network.familiarities = random_familiarities(config)
    title_thresholds = model.thresholds if fields else None
    contents = replace(model.contents, characters=characters, title_thresholds=title_thresholds)
    return Classifier(contents, network)


def random_familiarities(model: ModelConfig) -> dict[str, Familiarity]:
    """Return the familiarity of each text, with every fifth bucket familiar, and most texts partly."""
    draw = np.random.default_rng(1)
    return {table.prefix: Familiarity(draw.random(table.buckets) < 0.2, 0.25) for table in text_tables(model)}


def compose_model(kind: str, *overrides: str, fields: Sequence[str] = ()) -> ModelConfig:
    """Return a small architecture that uses these fields."""
    used = f"model.fields.use=[{','.join(fields)}]"
    own = "data.path=own.csv"  # models of the shipped titles have no fields
    return compose_train(f"model={kind}", "model.dim=7", *SIZES[kind], *FEW_FEATURES, own, used, *overrides).model


def with_random_fields(titles: list[str], seed: int = 1) -> Programmes:
    """Return programmes with random fields, the same each time; about a third of each field is unknown."""
    draw = np.random.default_rng(seed)

    def some(values: Sequence[Any]) -> list[Any]:
        return [values[place] if draw.random() < 0.7 else None for place in draw.integers(0, len(values), len(titles))]

    columns = {
        "channel": some(CHANNELS),
        "minutes": some([0.0, 4.9, 5.0, 60.5, 1440.0]),
        "description": some(TEXTS),
        "sub_title": some(TEXTS),
        "year": some([0, 1899, 1975, 2024, 99_999]),
        "language": some(["de", "en_GB", "EN", "pt-BR"]),
    }
    return Programmes(titles, columns)


def table_of(model: TrainedModel) -> torch.Tensor:
    """Return the n-gram table of a model."""
    table = model.network.get_parameter("encoder.ngrams.weight")
    return table.detach()


def folded(model: TrainedModel) -> Bundle:
    """Return the bundle of a model, folded."""
    bundle = bundle_of(model)
    return replace(bundle, weights=fold(bundle.weights, model.task, len(bundle.contents.kinds)))


def written(model: TrainedModel, tmp_path: Path) -> Path:
    """Write the bundle of a model, and return its folder."""
    write_bundle(bundle_of(model), tmp_path / "written")
    return tmp_path / "written"


def centred(logits: Floats) -> Floats:
    """Return logits (titles, categories) around their mean: with one category, only their differences count."""
    differences: Floats = logits - logits.mean(axis=1, keepdims=True)
    return differences


def rounding_errors(bundle: Bundle, programmes: Programmes) -> Floats:
    """Return a bound (programmes,) on what folding may change a logit by: half of the largest step for each feature.

    A title has at most six features for each character. All may be rounded the same way, as in a title of one letter,
    and centring doubles the error.
    """
    length = bundle.contents.characters.length
    features = 6 * np.array([min(len(title), length) + 2 for title in programmes.titles])
    bound: Floats = np.sqrt(features) * largest_step(bundle)
    for name, bags in FieldEncoder(bundle.model.fields).encode(programmes).items():
        bound += np.sqrt(bags.counts) * largest_step(bundle, field_prefix(name))
    return bound


def largest_step(bundle: Bundle, table: str = NGRAMS) -> float:
    """Return the largest difference between neighbouring scores of a folded table."""
    return float(bundle.weights[f"{table}{SCALES}"].max() * (LEVELS[127] - LEVELS[126]))


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
