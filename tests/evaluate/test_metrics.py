import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from titleclf.evaluate.coverage import coverage_curve
from titleclf.evaluate.metrics import calibration, expected_calibration_error, measure, negative_log_likelihood, summary
from titleclf.runtime.calibration import NO_TEMPERATURE, Temperature, log_probabilities, probabilities
from titleclf.training.calibration import fit_temperature


def test_probabilities_add_up_and_temperature_flattens_them():
    logits = np.array([[2.0, 0.0, -1.0]])
    sharp, flat = probabilities(logits, NO_TEMPERATURE), probabilities(logits, Temperature(4.0, 0.0))
    assert sharp.sum() == pytest.approx(1.0)
    assert sharp[0, 0] == pytest.approx(np.exp(2) / (np.exp(2) + 1 + np.exp(-1)))
    assert flat[0, 0] < sharp[0, 0]


def test_probabilities_are_those_of_scipy_however_large_logits_are():
    logits = np.random.default_rng(1).normal(size=(101, 7)) * np.logspace(-3, 4, 7)
    assert np.abs(probabilities(logits, NO_TEMPERATURE) - softmax(logits, axis=1)).max() < 1e-12
    assert np.allclose(log_probabilities(logits, NO_TEMPERATURE), log_softmax(logits, axis=1), rtol=1e-12, atol=1e-12)


def test_a_slope_sharpens_the_unsure_and_keeps_the_order():
    logits = np.array([[5.0, 0.0, -1.0], [0.2, 0.1, 0.0]])
    plain, sloped = probabilities(logits, Temperature(1.5, 0.0)), probabilities(logits, Temperature(1.5, 0.5))
    gained = (sloped / plain).max(axis=1)
    assert gained[1] > gained[0] > 1
    assert (sloped.argsort(axis=1) == plain.argsort(axis=1)).all()


def test_negative_log_likelihood_by_hand():
    logits = np.log(np.array([[0.5, 0.5], [0.25, 0.75]]))
    assert negative_log_likelihood(logits, np.array([0, 1])) == pytest.approx(-(np.log(0.5) + np.log(0.75)) / 2)


def test_calibration_error_by_hand():
    # Two bins: two titles of confidence 0.4 (one right), two of 0.9 (one right).
    shares = np.array([[0.4, 0.3, 0.3], [0.4, 0.3, 0.3], [0.9, 0.1, 0.0], [0.9, 0.1, 0.0]])
    labels = np.array([0, 1, 0, 2])
    assert expected_calibration_error(shares, labels, bins=2) == pytest.approx((2 * 0.1 + 2 * 0.4) / 4)


def test_bins_without_titles_are_left_out():
    shares = np.array([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6]])
    assert calibration(shares, np.array([0, 1, 1]), bins=5) == [
        {"confidence": 0.6, "accuracy": 1.0, "titles": 1},
        {"confidence": 0.9, "accuracy": 0.5, "titles": 2},
    ]


def test_coverage_by_hand_does_not_part_equally_sure_titles():
    shares, precisions = coverage_curve(np.array([0.5, 0.9, 0.5, 0.7]), np.array([True, True, False, True]))
    assert shares.tolist() == [0.25, 0.5, 1.0]
    assert precisions.tolist() == [1.0, 1.0, 0.75]


def test_certainty_falls_into_the_last_bin():
    assert expected_calibration_error(np.array([[1.0, 0.0]]), np.array([0]), bins=5) == 0.0


@pytest.mark.parametrize("slope", [0.0, 0.4])
def test_the_temperature_that_made_labels_is_found(slope):
    generator = np.random.default_rng(1)
    logits = generator.normal(size=(20_000, 3)) * 3
    shares = probabilities(logits, Temperature(2.5, slope))
    labels = (generator.random((20_000, 1)) > shares.cumsum(axis=1)).sum(axis=1)
    found = fit_temperature(logits, labels)
    assert found.value == pytest.approx(2.5, rel=0.1)
    truth = negative_log_likelihood(logits, labels, Temperature(2.5, slope))
    assert truth - 1e-3 < negative_log_likelihood(logits, labels, found) <= truth
    assert expected_calibration_error(shares, labels, bins=15) < 0.02


def test_summary_counts_only_categories_that_occur():
    found = summary(np.array([0, 0, 1, 1]), np.array([0, 0, 1, 0]))
    assert found["accuracy"] == 0.75
    assert found["macro_f1"] == pytest.approx((2 * 1 * (2 / 3) / (1 + 2 / 3) + 2 * 0.5 * 1 / 1.5) / 2)
    assert summary(np.array([0, 2]), np.array([0, 0]))["macro_f1"] == pytest.approx(2 / 3)


def test_measure_tells_categories_languages_and_confusion():
    logits = np.array([[2.0, 0, 0], [0, 2.0, 0], [0, 2.0, 0], [2.0, 0, 0]])
    labels, languages = np.array([0, 1, 0, 0]), np.array(["de", "en", "en", "de"])
    found = measure(logits, labels, languages, ["a", "b", "c"], temperature=NO_TEMPERATURE, bins=10)
    assert found["categories"]["a"] == {"precision": 1.0, "recall": pytest.approx(2 / 3), "f1": 0.8, "support": 3}
    assert found["categories"]["c"]["support"] == 0
    assert found["languages"]["de"]["accuracy"] == 1.0
    assert found["languages"]["en"] == {"titles": 2, "accuracy": 0.5, "macro_f1": pytest.approx(1 / 3)}
    assert found["confusion"] == [[2, 1, 0], [0, 1, 0], [0, 0, 0]]
    assert found["expected_calibration_error"] == found["uncalibrated_error"]
