"""Validation in two halves, titles never seen and noisy copies of known ones: together they choose the epoch."""

import numpy as np
import pandas as pd

from titleclf.bundle import Bundle
from titleclf.config import Format, Misspelling
from titleclf.data import Data
from titleclf.metrics import negative_log_likelihood, summary
from titleclf.noise import misspell, reformat
from titleclf.titles import labels_of

History = list[dict[str, float]]


def noisy_copies(titles: pd.DataFrame, count: int, generator: np.random.Generator) -> pd.DataFrame:
    """Return at most `count` of the titles as guides may write them: half of them misspelt, half reformatted."""
    copies = titles.iloc[generator.permutation(len(titles))[:count]].reset_index(drop=True)
    half = len(copies) // 2
    names = list(copies["title"])
    misspelt = misspell(names[:half], list(Misspelling), 1, generator)
    return copies.assign(title=[*misspelt, *reformat(names[half:], list(Format), generator)])


def validate(data: Data, known: pd.DataFrame, bundle: Bundle) -> dict[str, float]:
    """Return loss, accuracy and macro-F1 on titles never seen, and accuracy and macro-F1 on copies of `known` ones."""
    unseen = data.sides.validation
    logits, labels = bundle.network_logits(list(unseen["title"]))[0], labels_of(unseen, data.categories)
    scores = summary(logits.argmax(axis=1), labels)
    known_logits, known_labels = bundle.network_logits(list(known["title"]))[0], labels_of(known, data.categories)
    known_scores = summary(known_logits.argmax(axis=1), known_labels)
    return {
        "validation_loss": negative_log_likelihood(logits, labels),
        "accuracy": scores["accuracy"],
        "macro_f1": scores["macro_f1"],
        "known_accuracy": known_scores["accuracy"],
        "known_macro_f1": known_scores["macro_f1"],
    }


def best_epoch(history: History) -> int:
    """Return the first epoch with the best mean of both halves' accuracy and macro-F1, 0 before any.

    Unseen titles alone would choose an epoch that is too early for the known ones.
    """
    names = ("accuracy", "macro_f1", "known_accuracy", "known_macro_f1")
    best = max(history, key=lambda row: sum(row[name] for name in names), default={"epoch": 0})
    return int(best["epoch"])
