import numpy as np
import pytest
from scipy.special import expit
from sklearn.metrics import accuracy_score, average_precision_score, f1_score, precision_score, recall_score

from tests.helpers.evaluation import contents_of
from titleclf.evaluate.metrics import by_language
from titleclf.evaluate.tag_metrics import (
    average_precisions,
    calibration,
    expected_calibration_error,
    loss,
    measure,
    negative_log_likelihood,
    summary,
)
from titleclf.runtime.calibration import NO_TAG_TEMPERATURE, TagTemperature
from titleclf.runtime.thresholds import TagThresholds
from titleclf.training.calibration import fit_tag_temperature

GENERATOR = np.random.default_rng(1)
LOGITS = GENERATOR.normal(size=(301, 5)) * 2 - 1
PROBABILITIES = expit(LOGITS)
TAGS = GENERATOR.random((301, 5)) < PROBABILITIES
TAGS[:, 4] = False  # a tag without titles
LANGUAGES = np.array(["de"] * 100 + ["en"] * 201)
THRESHOLDS = dict(zip("abcde", [0.3, 0.4, 0.5, 0.6, 0.7], strict=True))
PREDICTED = np.array(list(THRESHOLDS.values())) <= PROBABILITIES


@pytest.fixture(scope="module")
def metrics():
    contents = contents_of(list("abcde"), NO_TAG_TEMPERATURE, TagThresholds([], {}, {}, THRESHOLDS))
    return measure(LOGITS, TAGS, LANGUAGES, contents, bins=10)


def test_the_scores_are_those_of_scikit_learn(metrics):
    assert metrics["titles"] == 301
    assert metrics["micro_f1"] == pytest.approx(f1_score(TAGS, PREDICTED, average="micro"))
    assert metrics["macro_f1"] == pytest.approx(f1_score(TAGS[:, :4], PREDICTED[:, :4], average="macro"))
    assert metrics["subset_accuracy"] == pytest.approx(accuracy_score(TAGS, PREDICTED))
    assert metrics["micro_precision"] == pytest.approx(precision_score(TAGS, PREDICTED, average="micro"))
    assert metrics["micro_recall"] == pytest.approx(recall_score(TAGS, PREDICTED, average="micro"))
    average = average_precision_score(TAGS[:, :4], PROBABILITIES[:, :4], average="macro")
    assert metrics["mean_average_precision"] == pytest.approx(average)
    assert metrics["tags_a_title"] == pytest.approx(TAGS.sum(axis=1).mean())
    b = metrics["categories"]["b"]
    assert b["precision"] == pytest.approx(precision_score(TAGS[:, 1], PREDICTED[:, 1]))
    assert b["recall"] == pytest.approx(recall_score(TAGS[:, 1], PREDICTED[:, 1]))
    assert b["f1"] == pytest.approx(f1_score(TAGS[:, 1], PREDICTED[:, 1]))
    assert b["average_precision"] == pytest.approx(average_precision_score(TAGS[:, 1], PROBABILITIES[:, 1]))
    assert (b["support"], b["threshold"]) == (TAGS[:, 1].sum(), 0.4)
    assert metrics["languages"]["de"] == summary(PREDICTED[:100], TAGS[:100])
    assert metrics["expected_calibration_error"] == metrics["uncalibrated_error"]


def test_a_tag_without_titles_is_left_out_of_means():
    assert average_precisions(PROBABILITIES, TAGS)[4] is None
    assert summary(TAGS, TAGS)["macro_f1"] == 1.0


def test_predicting_no_tag_at_all_does_not_divide_by_zero():
    nothing = np.zeros_like(TAGS)
    expected = {
        "titles": 301,
        "micro_f1": 0.0,
        "macro_f1": 0.0,
        "subset_accuracy": pytest.approx((~TAGS.any(axis=1)).mean()),
    }
    assert summary(nothing, TAGS) == expected


def test_the_probability_of_each_tag_is_a_sigmoid():
    assert NO_TAG_TEMPERATURE.probabilities(LOGITS) == pytest.approx(PROBABILITIES)
    assert TagTemperature(2.0, -0.5).probabilities(LOGITS) == pytest.approx(expit(LOGITS / 2 - 0.5))


def test_probabilities_of_extreme_logits_do_not_overflow():
    assert NO_TAG_TEMPERATURE.probabilities(np.array([[-1e4, 1e4, -np.inf]])).tolist() == [[0.0, 1.0, 0.0]]


def test_negative_log_likelihood_by_hand():
    logits = np.array([[0.0, np.log(3)]])
    expected = -np.log(0.5) - np.log(0.25)
    assert negative_log_likelihood(logits, np.array([[True, False]])) == pytest.approx(expected)
    assert np.isfinite(negative_log_likelihood(np.array([[-1e4, 1e4]]), np.array([[True, False]])))


@pytest.mark.parametrize("true", [TagTemperature(2.5, 0.0), TagTemperature(0.5, -1.5)])
def test_the_temperature_of_the_tags_is_recovered(true):
    generator = np.random.default_rng(2)
    logits = generator.normal(size=(20_000, 3)) * 2
    tags = generator.random((20_000, 3)) < true.probabilities(logits)
    fitted = fit_tag_temperature(logits, tags)
    assert fitted.value == pytest.approx(true.value, rel=0.05)
    assert fitted.shift == pytest.approx(true.shift, abs=0.05)
    assert expected_calibration_error(fitted.probabilities(logits), tags, bins=15) < 0.01


def test_a_few_titles_without_an_error_do_not_make_the_model_certain_of_tags():
    logits = np.array([[0.5, -0.5], [-0.5, 0.5], [0.6, -0.6]])
    fitted = fit_tag_temperature(logits, logits > 0)
    assert fitted.probabilities(logits).max(axis=1).mean() == pytest.approx(4 / 5, abs=0.02)


def test_calibration_error_by_hand():
    # Two bins: two pairs of 0.4 (one true), two of 0.9 (one true).
    probabilities, tags = np.array([[0.4, 0.9], [0.4, 0.9]]), np.array([[True, False], [False, True]])
    assert expected_calibration_error(probabilities, tags, bins=2) == pytest.approx((2 * 0.1 + 2 * 0.4) / 4)
    assert calibration(probabilities, tags, bins=2)[0] == {"confidence": 0.4, "share": 0.5, "pairs": 2}
    assert expected_calibration_error(np.array([[1.0]]), np.array([[True]]), bins=5) == 0.0


def test_the_loss_to_noise_is_in_micro_f1():
    right, nothing = np.array([[True, False]]), np.array([[False, False]])
    assert loss(right, nothing, right) == 1.0
    assert loss(nothing, right, right) == -1.0


def test_languages_come_with_the_most_titles_first(metrics):
    assert [line.split("|")[1].strip() for line in by_language(metrics).splitlines()[2:]] == ["en", "de"]
