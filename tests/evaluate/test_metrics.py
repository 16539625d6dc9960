import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from tests.helpers.evaluation import contents_of
from titleclf.evaluate.metrics import calibration, expected_calibration_error, measure, negative_log_likelihood, summary
from titleclf.runtime.calibration import NO_TEMPERATURE, Temperature
from titleclf.runtime.choices import Task
from titleclf.runtime.tasks import TASKS
from titleclf.training.calibration import fit_temperature


def test_probabilities_add_up_and_a_higher_temperature_flattens_them():
    logits = np.array([[2.0, 0.0, -1.0]])
    sharp, flat = NO_TEMPERATURE.probabilities(logits), Temperature(4.0, 0.0).probabilities(logits)
    assert sharp.sum() == pytest.approx(1.0)
    assert sharp[0, 0] == pytest.approx(np.exp(2) / (np.exp(2) + 1 + np.exp(-1)))
    assert flat[0, 0] < sharp[0, 0]


def test_probabilities_equal_those_of_scipy_however_large_logits_are():
    logits = np.random.default_rng(1).normal(size=(101, 7)) * np.logspace(-3, 4, 7)
    assert np.abs(NO_TEMPERATURE.probabilities(logits) - softmax(logits, axis=1)).max() < 1e-12
    log_probabilities = NO_TEMPERATURE.log_probabilities(logits)
    assert np.allclose(log_probabilities, log_softmax(logits, axis=1), rtol=1e-12, atol=1e-12)


def test_a_slope_sharpens_unsure_predictions_and_keeps_the_order():
    logits = np.array([[5.0, 0.0, -1.0], [0.2, 0.1, 0.0]])
    plain, sloped = Temperature(1.5, 0.0).probabilities(logits), Temperature(1.5, 0.5).probabilities(logits)
    ratios = (sloped / plain).max(axis=1)
    assert ratios[1] > ratios[0] > 1
    assert (sloped.argsort(axis=1) == plain.argsort(axis=1)).all()


def test_negative_log_likelihood_by_hand():
    logits = np.log(np.array([[0.5, 0.5], [0.25, 0.75]]))
    assert negative_log_likelihood(logits, np.array([0, 1])) == pytest.approx(-(np.log(0.5) + np.log(0.75)) / 2)


def test_calibration_error_by_hand():
    # Two bins: two titles of confidence 0.4 (one right), two of 0.9 (one right).
    probabilities = np.array([[0.4, 0.3, 0.3], [0.4, 0.3, 0.3], [0.9, 0.1, 0.0], [0.9, 0.1, 0.0]])
    labels = np.array([0, 1, 0, 2])
    assert expected_calibration_error(probabilities, labels, bins=2) == pytest.approx((2 * 0.1 + 2 * 0.4) / 4)


def test_empty_bins_are_left_out():
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6]])
    assert calibration(probabilities, np.array([0, 1, 1]), bins=5) == [
        {"confidence": 0.6, "accuracy": 1.0, "titles": 1},
        {"confidence": 0.9, "accuracy": 0.5, "titles": 2},
    ]


def test_certain_predictions_fall_into_the_last_bin():
    assert expected_calibration_error(np.array([[1.0, 0.0]]), np.array([0]), bins=5) == 0.0


@pytest.mark.parametrize("slope", [0.0, 0.4])
def test_the_temperature_of_the_labels_is_recovered(slope):
    generator = np.random.default_rng(1)
    logits = generator.normal(size=(20_000, 3)) * 3
    true = Temperature(2.5, slope)
    probabilities = true.probabilities(logits)
    labels = (generator.random((20_000, 1)) > probabilities.cumsum(axis=1)).sum(axis=1)
    fitted = fit_temperature(logits, labels)
    assert fitted.value == pytest.approx(2.5, rel=0.1)
    expected = negative_log_likelihood(logits, labels, true)
    assert expected - 1e-3 < negative_log_likelihood(logits, labels, fitted) <= expected
    assert expected_calibration_error(probabilities, labels, bins=15) < 0.02


def test_a_few_titles_without_an_error_do_not_make_the_model_certain():
    logits = np.log(np.array([[0.6, 0.4], [0.4, 0.6], [0.7, 0.3]]))
    fitted = fit_temperature(logits, np.array([0, 1, 0]))
    assert fitted.probabilities(logits).max(axis=1).mean() == pytest.approx(4 / 5, abs=0.02)


def test_the_summary_counts_only_categories_that_occur():
    scores = summary(np.array([0, 0, 1, 1]), np.array([0, 0, 1, 0]))
    assert scores["accuracy"] == 0.75
    assert scores["macro_f1"] == pytest.approx((2 * 1 * (2 / 3) / (1 + 2 / 3) + 2 * 0.5 * 1 / 1.5) / 2)
    assert summary(np.array([0, 2]), np.array([0, 0]))["macro_f1"] == pytest.approx(2 / 3)


def test_categories_languages_and_confusion_are_measured():
    logits = np.array([[2.0, 0, 0], [0, 2.0, 0], [0, 2.0, 0], [2.0, 0, 0]])
    labels, languages = np.array([0, 1, 0, 0]), np.array(["de", "en", "en", "de"])
    contents = contents_of(["a", "b", "c"], NO_TEMPERATURE, TASKS[Task.single].no_thresholds)
    metrics = measure(logits, labels, languages, contents, bins=10)
    assert metrics["categories"]["a"] == {"precision": 1.0, "recall": pytest.approx(2 / 3), "f1": 0.8, "support": 3}
    assert metrics["categories"]["c"]["support"] == 0
    assert metrics["languages"]["de"]["accuracy"] == 1.0
    assert metrics["languages"]["en"] == {"titles": 2, "accuracy": 0.5, "macro_f1": pytest.approx(1 / 3)}
    assert metrics["confusion"] == [[2, 1, 0], [0, 1, 0], [0, 0, 0]]
    assert metrics["expected_calibration_error"] == metrics["uncalibrated_error"]
