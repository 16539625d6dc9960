"""Coverage and precision at the thresholds of a model."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import precision_score, recall_score

from tests.helpers.probabilities import CATEGORIES, calibrated, calibrated_tags, reached
from titleclf.evaluate.coverage import (
    coverage,
    coverage_curve,
    coverage_sentence,
    precision_and_recall,
    tag_coverage,
    tag_coverage_sentence,
)
from titleclf.runtime.thresholds import Thresholds
from titleclf.training.threshold_fit import fit_tag_thresholds, fit_thresholds

REPORTED = ["0.8", "0.85", "0.87", "0.9", "0.95", "0.98"]


def without(category: str, thresholds: Thresholds) -> Thresholds:
    """Return thresholds with a category that never reaches any precision."""
    return replace(thresholds, least={**thresholds.least, category: [None] * len(thresholds.precisions)})


def test_coverage_is_measured_at_the_thresholds():
    probabilities, labels = calibrated(3)
    thresholds = without("never", fit_thresholds(*calibrated(1), CATEGORIES, wishes={}, target=0.9))
    measured = coverage(probabilities, labels, thresholds, target=0.87)
    assert list(measured["coverage"]) == list(measured["coverage_at_precision"]) == REPORTED
    precisions, fraction = reached(probabilities, labels, thresholds.at(0.87))
    assert measured["coverage"]["0.87"]["coverage"] == fraction
    assert measured["thresholds"]["film"]["precision"] == precisions[0]
    assert sum(row["taken"] for row in measured["thresholds"].values()) == len(labels)
    never = measured["thresholds"]["never"]
    assert (never["threshold"], never["answered"], never["coverage"], never["precision"]) == (None, 0, 0.0, None)


def test_the_largest_coverage_at_a_precision_by_hand():
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.6, 0.4]])
    thresholds = Thresholds([0.99], {"a": [None], "b": [None]}, {})
    measured = coverage(probabilities, np.array([0, 1, 0, 0]), thresholds, target=0.75)
    assert measured["coverage_at_precision"] == {
        "0.75": 1.0,
        "0.8": 0.25,
        "0.85": 0.25,
        "0.9": 0.25,
        "0.95": 0.25,
        "0.98": 0.25,
    }
    assert measured["coverage"]["0.9"] == {"coverage": 0.0, "precision": None}
    wrong = coverage(probabilities, np.ones(4, dtype=np.int64), thresholds, target=0.75)
    assert wrong["coverage_at_precision"]["0.8"] == 0.0


def test_the_coverage_curve_does_not_separate_equally_confident_titles():
    coverages, precisions = coverage_curve(np.array([0.5, 0.9, 0.5, 0.7]), np.array([True, True, False, True]))
    assert coverages.tolist() == [0.25, 0.5, 1.0]
    assert precisions.tolist() == [1.0, 1.0, 0.75]


def test_the_sentence_on_coverage():
    row: dict[str, Any] = {"coverage": 0.4, "precision": 0.94}
    metrics = {"target_precision": 0.95, "coverage": {"0.95": row}}
    assert coverage_sentence(metrics) == "With `--precision 0.95` it answers 40.0% of them, 94.0% correctly."
    row["precision"] = None
    assert coverage_sentence(metrics) == "With `--precision 0.95` it answers none of them."


def test_coverage_of_tags_is_measured_at_the_thresholds():
    probabilities, tags = calibrated_tags(3)
    thresholds = without("never", fit_tag_thresholds(*calibrated_tags(1), CATEGORIES, wishes={}, target=0.9))
    measured = tag_coverage(probabilities, tags, thresholds, target=0.87)
    assert list(measured["coverage"]) == REPORTED
    named = probabilities >= thresholds.at(0.87)
    row = measured["coverage"]["0.87"]
    assert row["precision"] == pytest.approx(precision_score(tags, named, average="micro"))
    assert row["recall"] == pytest.approx(recall_score(tags, named, average="micro"))
    film = measured["thresholds"]["film"]
    assert film["precision"] == pytest.approx(precision_score(tags[:, 0], named[:, 0]))
    assert (film["wanted"], film["named"]) == (0.87, named[:, 0].sum())
    assert measured["thresholds"]["never"]["threshold"] is None
    assert measured["thresholds"]["never"]["precision"] is None
    assert measured["unasked"] == precision_and_recall(probabilities, tags, thresholds.default())


def test_the_sentence_on_coverage_of_tags():
    row: dict[str, Any] = {"recall": 0.4, "precision": 0.94}
    metrics = {"target_precision": 0.95, "coverage": {"0.95": row}}
    assert tag_coverage_sentence(metrics) == ("With `--precision 0.95` it names 40.0% of their tags, 94.0% correctly.")
    row["precision"] = None
    assert tag_coverage_sentence(metrics) == "With `--precision 0.95` it names no tag."
