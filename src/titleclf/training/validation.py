"""Validation on unseen titles and on noisy copies of training titles, which together determine the best epoch."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from titleclf.config.saved import VALIDATION
from titleclf.data.augmentation.noise import misspell, reformat
from titleclf.data.dataset import LabelledTitles
from titleclf.evaluate import metrics as single
from titleclf.evaluate import tag_metrics as tags
from titleclf.evaluate.metrics import SCORES, main_score
from titleclf.runtime.arrays import Bools, Floats, Labels
from titleclf.runtime.bundle.contents import Metrics
from titleclf.runtime.calibration import NO_TAG_TEMPERATURE
from titleclf.runtime.choices import Format, Misspelling, Task
from titleclf.runtime.files import write_text
from titleclf.runtime.network import Network, logits_of
from titleclf.training.threshold_fit import best_threshold_for_all


class Measures(NamedTuple):
    """How one category and several tags are validated."""

    loss: Callable[[Floats, Any], float]
    scores: Callable[[Floats, Any, Floats, Any], tuple[Metrics, Metrics]]


def noisy_copies(titles: LabelledTitles, count: int, generator: np.random.Generator) -> LabelledTitles:
    """Return noisy copies of at most `count` titles: half of them misspelt, half reformatted."""
    copies = titles.take(generator.permutation(len(titles))[:count])
    half = len(copies) // 2
    misspelt = misspell(copies.titles[:half], list(Misspelling), 1, generator)
    return copies.with_titles([*misspelt, *reformat(copies.titles[half:], list(Format), generator)])


def validate(
    unseen: LabelledTitles, noisy_train: LabelledTitles, network: Network, task: Task, categories: int
) -> dict[str, float]:
    """Return the loss on unseen titles, and accuracy (for tags, micro-F1) and macro-F1 on both."""
    logits, noisy_logits = (logits_of(network, titles.programmes)[:, :categories] for titles in (unseen, noisy_train))
    measures = _MEASURES[task]
    scores, noisy_scores = measures.scores(logits, unseen.targets, noisy_logits, noisy_train.targets)
    main = main_score(scores)
    return {
        "validation_loss": measures.loss(logits, unseen.targets),
        main: scores[main],
        "macro_f1": scores["macro_f1"],
        f"known_{main}": noisy_scores[main],
        "known_macro_f1": noisy_scores["macro_f1"],
    }


def write_scores(folder: Path, fingerprint: str, row: dict[str, float]) -> None:
    """Write the validation scores of the epoch whose weights a run keeps."""
    write_text(folder / VALIDATION, json.dumps({"titles": fingerprint, "kept": row}, indent=2) + "\n")


def read_scores(folder: Path) -> dict[str, float]:
    """Return the score of a run, the four scores that it averages, and the kept epoch."""
    kept = json.loads((folder / VALIDATION).read_text(encoding="utf-8"))["kept"]
    return {"score": score(kept), **{name: kept[name] for name in (*score_names(kept), "epoch")}}


def score(row: dict[str, float]) -> float:
    """Return the score for choosing epochs and runs: the mean of accuracy (or micro-F1) and macro-F1 on both titles.

    Unseen titles alone would choose an epoch that is too early for known titles.
    """
    return sum(row[name] for name in score_names(row)) / 4


def score_names(row: dict[str, float]) -> tuple[str, str, str, str]:
    """Return the names of an epoch's scores: two on unseen titles, and two on noisy training titles."""
    main = main_score(row)
    return main, "macro_f1", f"known_{main}", "known_macro_f1"


def scores_line(row: dict[str, float]) -> str:
    """Return the scores of an epoch in a few words."""
    main, macro, noisy, _ = score_names(row)
    return f"{SCORES[main]} {row[main]:.1%}  macro-F1 {row[macro]:.1%}  noisy train {row[noisy]:.1%}"


def _single_scores(
    logits: Floats, labels: Labels, noisy_logits: Floats, noisy_labels: Labels
) -> tuple[Metrics, Metrics]:
    return single.summary(logits.argmax(axis=1), labels), single.summary(noisy_logits.argmax(axis=1), noisy_labels)


def _tag_scores(logits: Floats, truth: Bools, noisy_logits: Floats, noisy_truth: Bools) -> tuple[Metrics, Metrics]:
    # Probabilities are not calibrated yet: F1 at 0.5 would depend on calibration more than on the network.
    probabilities, noisy = (NO_TAG_TEMPERATURE.probabilities(values) for values in (logits, noisy_logits))
    threshold = best_threshold_for_all(probabilities, truth)
    return tags.summary(probabilities >= threshold, truth), tags.summary(noisy >= threshold, noisy_truth)


_MEASURES = {
    Task.single: Measures(single.negative_log_likelihood, _single_scores),
    Task.multilabel: Measures(tags.negative_log_likelihood, _tag_scores),
}
