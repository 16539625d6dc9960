"""Validation in two halves, titles never seen and noisy copies of known ones: together they choose the epoch."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from titleclf.data.augmentation.noise import misspell, reformat
from titleclf.data.dataset import Data
from titleclf.data.targets import context_ids_of, labels_of, tags_of
from titleclf.evaluate import tag_metrics
from titleclf.evaluate.metrics import SCORES, main_score, negative_log_likelihood, summary
from titleclf.runtime.arrays import Floats
from titleclf.runtime.bundle.contents import Metrics
from titleclf.runtime.choices import Format, Misspelling, Task
from titleclf.runtime.files import write_text
from titleclf.runtime.tag_calibration import NO_TEMPERATURE, probabilities
from titleclf.runtime.tag_thresholds import best_for_all
from titleclf.training import run as runs
from titleclf.training.trained_model import Bundle

RESULT = "validation.json"


def noisy_copies(titles: pd.DataFrame, count: int, generator: np.random.Generator) -> pd.DataFrame:
    """Return at most `count` of the titles as guides may write them: half of them misspelt, half reformatted."""
    copies = titles.iloc[generator.permutation(len(titles))[:count]].reset_index(drop=True)
    half = len(copies) // 2
    names = list(copies["title"])
    misspelt = misspell(names[:half], list(Misspelling), 1, generator)
    return copies.assign(title=[*misspelt, *reformat(names[half:], list(Format), generator)])


def validate(data: Data, known: pd.DataFrame, bundle: Bundle) -> dict[str, float]:
    """Return loss, accuracy and macro-F1 on titles never seen, and accuracy and macro-F1 on copies of `known` ones.

    Of titles with several tags, it is micro-F1 in place of accuracy.
    """
    unseen = data.sides.validation
    logits, known_logits = (network_logits(bundle, side) for side in (unseen, known))
    judge = _one_category if bundle.task is Task.single else _several_tags
    loss, scores, known_scores = judge(logits, unseen, known_logits, known, data.categories)
    first = main_score(scores)
    return {
        "validation_loss": loss,
        first: scores[first],
        "macro_f1": scores["macro_f1"],
        f"known_{first}": known_scores[first],
        "known_macro_f1": known_scores["macro_f1"],
    }


def network_logits(bundle: Bundle, titles: pd.DataFrame) -> Floats:
    """Return the network's logits (titles, categories) of a frame."""
    return bundle.network_logits(list(titles["title"]), context_ids_of(titles, bundle.contexts))[0]


def best_epoch(history: runs.History) -> int:
    """Return the first epoch with the best score, 0 before any.

    Unseen titles alone would choose an epoch that is too early for the known ones.
    """
    best = max(history, key=score, default={"epoch": 0})
    return int(best["epoch"])


def score(row: dict[str, float]) -> float:
    """Return what choosing goes by: the mean of both halves' accuracy (or micro-F1) and macro-F1."""
    return sum(row[name] for name in names(row)) / 4


def names(row: dict[str, float]) -> tuple[str, str, str, str]:
    """Return which values of an epoch are scores: of unseen titles, and of copies of known ones."""
    first = main_score(row)
    return first, "macro_f1", f"known_{first}", "known_macro_f1"


def scores_of(row: dict[str, float]) -> str:
    """Say how good an epoch is."""
    first, macro, known, _ = names(row)
    return f"{SCORES[first]} {row[first]:.1%}  macro-F1 {row[macro]:.1%}  known {row[known]:.1%}"


def write_scores(folder: Path, fingerprint: str, history: runs.History) -> None:
    """Write the validation scores of the epoch that a run keeps."""
    kept = history[best_epoch(history) - 1]
    write_text(folder / RESULT, json.dumps({"titles": fingerprint, "kept": kept}, indent=2) + "\n")


def read_scores(folder: Path) -> dict[str, float]:
    """Return the score of a run, the scores that it is the mean of, and the kept epoch."""
    kept = json.loads((folder / RESULT).read_text(encoding="utf-8"))["kept"]
    return {"score": score(kept), **{name: kept[name] for name in (*names(kept), "epoch")}}


def _one_category(
    logits: Floats, unseen: pd.DataFrame, known_logits: Floats, known: pd.DataFrame, categories: list[str]
) -> tuple[float, Metrics, Metrics]:
    labels, known_labels = labels_of(unseen, categories), labels_of(known, categories)
    scores = (summary(logits.argmax(axis=1), labels), summary(known_logits.argmax(axis=1), known_labels))
    return negative_log_likelihood(logits, labels), *scores


def _several_tags(
    logits: Floats, unseen: pd.DataFrame, known_logits: Floats, known: pd.DataFrame, categories: list[str]
) -> tuple[float, Metrics, Metrics]:
    # Probabilities are not calibrated yet, and F1 at 0.5 would tell more of that than of the network.
    tags, known_tags = tags_of(unseen, categories), tags_of(known, categories)
    shares, known_shares = (probabilities(one, NO_TEMPERATURE) for one in (logits, known_logits))
    least = best_for_all(shares, tags)
    scores = (tag_metrics.summary(shares >= least, tags), tag_metrics.summary(known_shares >= least, known_tags))
    return tag_metrics.negative_log_likelihood(logits, tags), *scores
