"""Thresholds reach their precision on other titles, however few titles they were fitted to."""

import numpy as np
import pytest
from scipy.stats import beta
from sklearn.metrics import f1_score, precision_recall_curve, precision_score

from tests.helpers.probabilities import CATEGORIES, calibrated, calibrated_tags, reached
from titleclf.evaluate.coverage import REPORTED
from titleclf.runtime.arrays import Floats, Labels
from titleclf.runtime.errors import InputError
from titleclf.runtime.thresholds import TagThresholds, Thresholds
from titleclf.training.threshold_fit import (
    PRECISIONS,
    best_threshold_for_all,
    best_thresholds,
    even_odds,
    fit_tag_thresholds,
    fit_thresholds,
    lowest_probabilities,
)

CANDIDATES = np.arange(1, 100) / 100
AB = ["a", "b"]


@pytest.fixture(scope="module")
def fitted() -> Thresholds:
    return fit_thresholds(*calibrated(1), CATEGORIES, wishes={}, target=0.9)


@pytest.fixture(scope="module")
def fitted_tags() -> TagThresholds:
    return fit_tag_thresholds(*calibrated_tags(1), CATEGORIES, wishes={}, target=0.9)


def fit(probabilities: Floats, labels: Labels, categories: list[str] = AB) -> Thresholds:
    return fit_thresholds(probabilities, labels, categories, wishes={}, target=0.9)


def test_thresholds_are_fitted_at_the_same_precisions_and_at_the_target_and_the_wishes(fitted, fitted_tags):
    assert fitted.precisions == fitted_tags.precisions == list(PRECISIONS)
    wishing = fit_thresholds(*calibrated(1), CATEGORIES, wishes={"news": 0.96}, target=0.87)
    assert wishing.precisions == sorted([*PRECISIONS, 0.87, 0.96])
    assert list(fitted.least) == list(fitted_tags.least) == list(fitted_tags.named) == CATEGORIES


@pytest.mark.parametrize("seed", [1, 2])
def test_categories_reach_about_the_target_precision(fitted, seed):
    for precision in fitted.precisions:
        precisions, coverage = reached(*calibrated(seed), fitted.at(precision))
        assert coverage > 0
        assert min(precisions.values()) > precision - (0.01 if seed == 1 else 0.05)


def test_all_predictions_together_nearly_reach_the_target_precision_with_few_titles():
    # With 60 titles the luckiest threshold promises too much; over many fits, the precision must nearly be reached.
    right, predictions = np.zeros(len(REPORTED)), np.zeros(len(REPORTED))
    for seed in range(40):
        few = fit(*calibrated(100 + seed, 60), CATEGORIES)
        probabilities, labels = calibrated(200 + seed, 500)
        confidence, predicted = probabilities.max(axis=1), probabilities.argmax(axis=1)
        for place, precision in enumerate(REPORTED):
            is_named = confidence >= few.at(precision)[predicted]
            right[place] += (predicted == labels)[is_named].sum()
            predictions[place] += is_named.sum()
    few_titles = np.array(REPORTED) <= 0.9  # more is too much to promise
    assert (right[few_titles] / predictions[few_titles] > np.array(REPORTED)[few_titles]).all()
    assert (predictions[few_titles] > 40 * 500 * 0.4).all()
    assert (predictions[~few_titles] < 40 * 500 * 0.1).all()


def test_a_higher_precision_never_lowers_a_threshold(fitted):
    thresholds = np.array([fitted.at(precision) for precision in fitted.precisions])
    assert (thresholds[1:] >= thresholds[:-1]).all()


def test_a_higher_precision_covers_fewer_titles(fitted):
    coverage = [reached(*calibrated(1), fitted.at(precision))[1] for precision in fitted.precisions]
    assert sorted(coverage, reverse=True) == coverage
    assert coverage[0] > coverage[-1]


def test_thresholds_by_hand():
    # "a" is right twice and then wrong; "b" is wrong; "c" is never predicted, and gets the estimate of all categories.
    probabilities = np.array([[0.9, 0.1, 0], [0.8, 0.2, 0], [0.7, 0.3, 0], [0.05, 0.95, 0]])
    thresholds = fit(probabilities, np.array([0, 0, 1, 0]), ["a", "b", "c"])
    overall = {}  # with 20 more predictions, right as often as these are confident
    for threshold, right, confidence in [(0.95, 0, [0.95]), (0.9, 1, [0.95, 0.9]), (0.8, 2, [0.95, 0.9, 0.8])]:
        overall[threshold] = (right + 20 * np.mean(confidence)) / (len(confidence) + 20)
    assert overall == pytest.approx({0.95: 0.905, 0.9: 0.886, 0.8: 0.855}, abs=1e-3)
    # The lower bound for a is that of 1 and 20 * 0.886 of 21 right from 0.9 on, of 2 and 20 * 0.855 of 22 from 0.8 on.
    for threshold, right, others in [(0.9, 1, 1), (0.8, 2, 2)]:
        hits = right + 20 * overall[threshold]
        bound = beta.ppf(0.1, hits, 20 + others - hits + 1)
        assert bound == pytest.approx({0.9: 0.750, 0.8: 0.726}[threshold], abs=1e-3)
    assert thresholds.at(0.7).tolist() == [0.8, 0.95, 0.8]  # b: 20 * 0.905 of 21 give 0.715, and 20 * 0.886 give 0.694
    assert thresholds.at(0.75).tolist() == [0.9, np.inf, 0.95]
    assert thresholds.at(0.8).tolist() == [np.inf, np.inf, np.inf]
    # From 0.7 on, where two of the four are right, predictions are as often wrong as right, below 0.8 more often wrong.
    assert thresholds.at(0.5).tolist() == [0.8, 0.8, 0.8]


def test_no_prediction_below_even_odds_is_named_however_good_the_others_are():
    confidence = np.repeat([0.95, 0.6, 0.55], [400, 100, 100])
    right = np.array([True] * 398 + [False] * 2 + [True] * 70 + [False] * 30 + [True] * 30 + [False] * 70)
    predicted = np.zeros(600, dtype=int)
    assert lowest_probabilities(confidence, predicted, right, 1, [0.8]) == [[0.55]]
    assert even_odds(confidence, predicted, right, 2) == [0.6, 0.6]  # of the other there are none: as of all
    assert even_odds(confidence - 0.5, predicted, right, 1) == [0.5]  # and never below that
    labels = np.where(right, 0, 1)
    probabilities = np.stack([confidence, 1 - confidence], axis=1)
    assert fit(probabilities, labels).at(0.8).tolist() == [0.6, 0.6]


def test_a_few_lucky_titles_set_no_threshold():
    probabilities, labels = np.full((3, 2), [0.6, 0.4]), np.zeros(3, dtype=int)
    assert fit(probabilities, labels).at(0.9).tolist() == [np.inf, np.inf]
    probabilities, labels = np.full((90, 2), [0.6, 0.4]), np.zeros(90, dtype=int)
    assert fit(probabilities, labels).at(0.9)[0] == 0.6


def test_a_category_that_is_always_wrong_is_never_named_where_the_others_are():
    probabilities = np.array([[0.9, 0.1]] * 400 + [[0.1, 0.9]] * 400)
    assert fit(probabilities, np.zeros(800, dtype=int)).at(0.8).tolist() == [0.9, np.inf]


def test_without_any_titles_no_category_is_named():
    assert fit(np.zeros((0, 2)), np.zeros(0, dtype=int)).at(0.5).tolist() == [np.inf, np.inf]


def test_equally_confident_titles_are_not_separated():
    probabilities = np.full((20, 2), [0.9, 0.1])
    assert fit(probabilities, np.array([0] * 12 + [1] * 8)).at(0.8)[0] == np.inf


def test_between_two_precisions_the_higher_one_counts(fitted):
    assert fitted.at(0.96).tolist() == fitted.at(0.97).tolist()
    assert fitted.at(0.1).tolist() == fitted.at(0.5).tolist()
    exact = fit_thresholds(*calibrated(1), CATEGORIES, wishes={}, target=0.96)
    assert fitted.at(0.95)[0] < exact.at(0.96)[0] < fitted.at(0.97)[0]


def test_a_precision_above_the_fitted_ones_is_refused_unless_it_is_the_target(fitted, fitted_tags):
    for thresholds in (fitted, fitted_tags):
        with pytest.raises(
            InputError, match=r"a target precision must be at most 0.99, the highest that the model was"
        ):
            thresholds.at(0.999)
    assert fit_thresholds(*calibrated(1), CATEGORIES, {}, target=0.999).at(0.999).shape == (3,)
    assert fit_tag_thresholds(*calibrated_tags(1), CATEGORIES, {}, target=0.999).at(0.999).shape == (3,)


def test_a_wish_raises_its_category_and_no_other(fitted):
    wishing = fit_thresholds(*calibrated(1), CATEGORIES, wishes={"news": 0.96}, target=0.9)
    film, news, _ = wishing.at(0.8)
    assert film == fitted.at(0.8)[0]
    assert fitted.at(0.95)[1] <= news <= fitted.at(0.97)[1]
    assert wishing.at(0.98)[1] == fitted.at(0.98)[1]


# Tags


def test_with_many_titles_each_tag_has_the_threshold_of_its_own_best_f1():
    probabilities, tags = calibrated_tags(1, 50_000)
    thresholds = best_thresholds(probabilities, tags)
    for number in (0, 1):
        precisions, recalls, _ = precision_recall_curve(tags[:, number], probabilities[:, number])
        best = (2 * precisions * recalls / (precisions + recalls)).max()  # at any threshold
        assert f1_score(tags[:, number], probabilities[:, number] >= thresholds[number]) > best - 0.001
    assert thresholds[0] != thresholds[1]


def test_a_few_titles_do_not_set_the_threshold_of_a_tag():
    probabilities, tags = calibrated_tags(1)
    lonely = np.zeros((len(tags), 1), dtype=np.bool_)
    lonely[:3] = True
    faint = np.hstack([probabilities, np.where(lonely, 0.05, 0.04)])
    thresholds = best_thresholds(faint, np.hstack([tags, lonely]))
    for_all = best_threshold_for_all(probabilities, tags)
    assert thresholds[3] == pytest.approx(for_all, abs=0.05)  # its own best is 0.05, by three titles
    never = best_thresholds(faint, np.hstack([tags, np.zeros_like(lonely)]))
    assert never[3] == for_all


def test_the_threshold_for_all_tags_has_the_best_micro_f1():
    probabilities, tags = calibrated_tags(2)
    scores = [f1_score(tags, probabilities >= candidate, average="micro") for candidate in CANDIDATES]
    score = f1_score(tags, probabilities >= best_threshold_for_all(probabilities, tags), average="micro")
    assert score == pytest.approx(max(scores))


def test_tags_without_titles_get_a_threshold():
    nothing = np.zeros((4, 2), dtype=np.bool_)
    assert np.isfinite(best_thresholds(np.full((4, 2), 0.5), nothing)).all()


@pytest.mark.parametrize("precision", [0.6, 0.8, 0.95])
def test_tags_reach_a_target_precision_on_other_titles(fitted_tags, precision):
    probabilities, tags = calibrated_tags(2)
    named = probabilities >= fitted_tags.at(precision)
    for number in range(2):
        assert precision_score(tags[:, number], named[:, number]) > precision - 0.05


def test_a_target_precision_never_adds_a_tag(fitted_tags):
    before = fitted_tags.default()
    for precision in fitted_tags.precisions:
        assert (fitted_tags.at(precision) >= before).all()
        before = fitted_tags.at(precision)


def test_a_wish_raises_its_tag_and_no_other(fitted_tags):
    wishing = fit_tag_thresholds(*calibrated_tags(1), CATEGORIES, wishes={"news": 0.97}, target=0.9)
    assert wishing.at(0.5)[0] == fitted_tags.at(0.5)[0]
    assert wishing.at(0.5)[1] == fitted_tags.at(0.97)[1] > fitted_tags.at(0.5)[1]
    assert wishing.default().tolist() == fitted_tags.default().tolist()
