"""Titles and scores of an evaluation, as in reports."""

import numpy as np

from titleclf.data.dataset import LabelledTitles
from titleclf.data.targets import Targets
from titleclf.runtime.bundle.contents import BundleContents, Metrics, ModelInfo
from titleclf.runtime.calibration import TagTemperature, Temperature
from titleclf.runtime.choices import Task
from titleclf.runtime.text.characters import Characters
from titleclf.runtime.text.programmes import Programmes
from titleclf.runtime.thresholds import TagThresholds, Thresholds


def titles_with(titles: list[str], targets: Targets, languages: list[str] | None = None) -> LabelledTitles:
    """Return titles with their targets, in English unless `languages` are given."""
    kinds = np.full(len(titles), -1)
    languages = languages or ["en"] * len(titles)
    weights = np.ones(len(titles), dtype=np.float32)
    return LabelledTitles(Programmes(titles), targets, np.array(languages, dtype=str), kinds, weights)


def contents_of(
    categories: list[str], temperature: Temperature | TagTemperature, thresholds: Thresholds | TagThresholds
) -> BundleContents:
    """Return bundle contents in which only these three matter."""
    task = Task.multilabel if isinstance(thresholds, TagThresholds) else Task.single
    info = ModelInfo(None, 0, False, languages=[], seed=1, fingerprint="", metrics={}, is_refitted=False)
    characters = Characters("", casefold=True, boundary=True, length=9)
    return BundleContents(task, characters, categories, temperature, thresholds, None, info)


def scores(score: float, changed: float = 1.0, loss: float | None = 0.125, *, name: str = "accuracy") -> Metrics:
    """Return the scores of a group of eight titles in one condition."""
    return {"titles": 8, name: score, "macro_f1": score / 2, "changed": changed, "loss": loss}


def robustness_of(clean: float, name: str = "accuracy") -> Metrics:
    """Return the scores of a group of eight titles in several conditions; `name` is the main score."""
    return {
        "clean": {"titles": 8, name: clean, "macro_f1": clean},
        "misspellings": {edits: scores(clean - 0.1 * int(edits), name=name) for edits in ("1", "2", "3")},
        "kinds": {
            "insert": scores(clean - 0.1, name=name),
            "diacritics": scores(clean, changed=0.0, loss=None, name=name),
        },
        "formats": {"mark_before": scores(clean + 0.1, loss=-0.1, name=name), "any": scores(clean, name=name)},
    }
