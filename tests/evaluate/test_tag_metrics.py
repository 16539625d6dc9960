import numpy as np
import pytest
from scipy.special import expit
from sklearn.metrics import accuracy_score, average_precision_score, f1_score, precision_score, recall_score
from titleclf.runtime.tag_calibration import NO_TEMPERATURE, TagTemperature, probabilities

from titleclf.evaluate.tag_metrics import (
    average_precisions,
    by_language,
    calibration,
    expected_calibration_error,
    lost,
    measure,
    negative_log_likelihood,
    summary,
)
from titleclf.training.calibration import fit_tag_temperature as fit_temperature

GENERATOR = np.random.default_rng(1)
LOGITS = GENERATOR.normal(size=(301, 5)) * 2 - 1
TAGS = GENERATOR.random((301, 5)) < expit(LOGITS)
TAGS[:, 4] = False  # a tag that no title has
LEAST = dict(zip("abcde", [0.3, 0.4, 0.5, 0.6, 0.7], strict=True))
NAMED = expit(LOGITS) >= np.array(list(LEAST.values()))


def test_the_scores_are_those_of_scikit_learn():
    found = measure(LOGITS, TAGS, np.array(["de"] * 100 + ["en"] * 201), LEAST, NO_TEMPERATURE, bins=10)
    assert found["titles"] == 301
    assert found["micro_f1"] == pytest.approx(f1_score(TAGS, NAMED, average="micro"))
    assert found["macro_f1"] == pytest.approx(f1_score(TAGS[:, :4], NAMED[:, :4], average="macro"))
    assert found["subset_accuracy"] == pytest.approx(accuracy_score(TAGS, NAMED))
    assert found["micro_precision"] == pytest.approx(precision_score(TAGS, NAMED, average="micro"))
    assert found["micro_recall"] == pytest.approx(recall_score(TAGS, NAMED, average="micro"))
    average = average_precision_score(TAGS[:, :4], expit(LOGITS)[:, :4], average="macro")
    assert found["mean_average_precision"] == pytest.approx(average)
    assert found["tags_a_title"] == pytest.approx(TAGS.sum(axis=1).mean())
    b = found["categories"]["b"]
    assert b["precision"] == pytest.approx(precision_score(TAGS[:, 1], NAMED[:, 1]))
    assert b["recall"] == pytest.approx(recall_score(TAGS[:, 1], NAMED[:, 1]))
    assert b["f1"] == pytest.approx(f1_score(TAGS[:, 1], NAMED[:, 1]))
    assert b["average_precision"] == pytest.approx(average_precision_score(TAGS[:, 1], expit(LOGITS)[:, 1]))
    assert (b["support"], b["threshold"]) == (TAGS[:, 1].sum(), 0.4)
    assert found["languages"]["de"] == summary(NAMED[:100], TAGS[:100])
    assert found["expected_calibration_error"] == found["uncalibrated_error"]


def test_a_tag_that_no_title_has_counts_in_no_mean():
    assert average_precisions(expit(LOGITS), TAGS)[4] is None
    assert summary(TAGS, TAGS)["macro_f1"] == 1.0


def test_nothing_named_is_no_division_by_zero():
    nothing = np.zeros_like(TAGS)
    expected = {
        "titles": 301,
        "micro_f1": 0.0,
        "macro_f1": 0.0,
        "subset_accuracy": pytest.approx((~TAGS.any(axis=1)).mean()),
    }
    assert summary(nothing, TAGS) == expected


def test_probabilities_are_sigmoids_of_their_own():
    assert probabilities(LOGITS, NO_TEMPERATURE) == pytest.approx(expit(LOGITS))
    assert probabilities(LOGITS, TagTemperature(2.0, -0.5)) == pytest.approx(expit(LOGITS / 2 - 0.5))


def test_probabilities_far_from_a_half_are_no_overflow():
    assert probabilities(np.array([[-1e4, 1e4, -np.inf]]), NO_TEMPERATURE).tolist() == [[0.0, 1.0, 0.0]]


def test_negative_log_likelihood_by_hand():
    logits = np.array([[0.0, np.log(3)]])
    expected = -np.log(0.5) - np.log(0.25)
    assert negative_log_likelihood(logits, np.array([[True, False]])) == pytest.approx(expected)
    assert np.isfinite(negative_log_likelihood(np.array([[-1e4, 1e4]]), np.array([[True, False]])))


@pytest.mark.parametrize("true", [TagTemperature(2.5, 0.0), TagTemperature(0.5, -1.5)])
def test_the_temperature_that_made_tags_is_found(true):
    generator = np.random.default_rng(2)
    logits = generator.normal(size=(20_000, 3)) * 2
    tags = generator.random((20_000, 3)) < probabilities(logits, true)
    found = fit_temperature(logits, tags)
    assert found.value == pytest.approx(true.value, rel=0.05)
    assert found.shift == pytest.approx(true.shift, abs=0.05)
    assert expected_calibration_error(probabilities(logits, found), tags, bins=15) < 0.01


def test_calibration_error_by_hand():
    # Two bins: two pairs of 0.4 (one true), two of 0.9 (one true).
    shares, tags = np.array([[0.4, 0.9], [0.4, 0.9]]), np.array([[True, False], [False, True]])
    assert expected_calibration_error(shares, tags, bins=2) == pytest.approx((2 * 0.1 + 2 * 0.4) / 4)
    assert calibration(shares, tags, bins=2)[0] == {"confidence": 0.4, "share": 0.5, "pairs": 2}
    assert expected_calibration_error(np.array([[1.0]]), np.array([[True]]), bins=5) == 0.0


def test_what_noise_costs_is_micro_f1():
    clean, spoilt = np.array([[True, False]]), np.array([[False, False]])
    assert lost(clean, spoilt, clean) == 1.0
    assert lost(spoilt, clean, clean) == -1.0


def test_languages_come_with_the_most_titles_first():
    found = measure(LOGITS, TAGS, np.array(["de"] * 100 + ["en"] * 201), LEAST, NO_TEMPERATURE, bins=10)
    assert [line.split("|")[1].strip() for line in by_language(found).splitlines()[2:]] == ["en", "de"]
