import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from titleclf.config.schemas import CategoryPrecision
from titleclf.data.targets import named_wishes
from titleclf.evaluate.coverage import REPORTED, abstention, answered
from titleclf.runtime.errors import InputError
from titleclf.runtime.thresholds import Thresholds

CATEGORIES = ["film", "news", "never"]


def titles(seed: int, count: int = 3_000):
    """Return probabilities (titles, categories) and labels that come true as often as they say."""
    generator = np.random.default_rng(seed)
    shares = generator.dirichlet([0.6, 0.4, 0.0001], size=count)
    return shares, (generator.random((count, 1)) > shares.cumsum(axis=1)).sum(axis=1)


@pytest.fixture
def fitted():
    return Thresholds.fit(*titles(1), CATEGORIES, wishes={})


def reached(thresholds, precision, shares, labels):
    """Return for each category that is named how often it is right, and how many titles are answered."""
    predicted = shares.argmax(axis=1)
    named = shares.max(axis=1) >= thresholds.at(precision)[predicted]
    return {one: (labels[named & (predicted == one)] == one).mean() for one in set(predicted[named])}, named.mean()


@pytest.mark.parametrize("seed", [1, 2])
def test_categories_are_about_as_precise_as_wanted(fitted, seed):
    for precision in fitted.precisions:
        precisions, share = reached(fitted, precision, *titles(seed))
        assert share > 0
        assert min(precisions.values()) > precision - (0.01 if seed == 1 else 0.05)


def test_all_answers_together_are_nearly_as_precise_as_wanted_where_titles_are_few():
    # Of 60 titles the luckiest threshold promises too much; over many runs, what is promised must nearly be kept.
    right, answers = np.zeros(len(REPORTED)), np.zeros(len(REPORTED))
    for seed in range(40):
        few = Thresholds.fit(*titles(100 + seed, 60), CATEGORIES, wishes={})
        shares, labels = titles(200 + seed, 500)
        confidence, predicted = shares.max(axis=1), shares.argmax(axis=1)
        for place, precision in enumerate(REPORTED):
            named = confidence >= few.at(precision)[predicted]
            right[place] += (predicted == labels)[named].sum()
            answers[place] += named.sum()
    assert (right / answers > np.array(REPORTED) - 0.02).all()
    assert (answers > 40 * 500 * 0.4).all()


def test_more_precision_never_lowers_a_threshold(fitted):
    rows = np.array([fitted.at(precision) for precision in fitted.precisions])
    assert (rows[1:] >= rows[:-1]).all()


def test_more_precision_answers_fewer_titles(fitted):
    shares = [reached(fitted, precision, *titles(1))[1] for precision in fitted.precisions]
    assert sorted(shares, reverse=True) == shares
    assert shares[0] > shares[-1]


def test_by_hand():
    # "a" is right twice and then wrong; "b" is wrong; "c" is never predicted, and has what all categories have.
    shares = np.array([[0.9, 0.1, 0], [0.8, 0.2, 0], [0.7, 0.3, 0], [0.05, 0.95, 0]])
    found = Thresholds.fit(shares, np.array([0, 0, 1, 0]), ["a", "b", "c"], wishes={})
    of_all = {}  # as if 20 answers more were as often right as these are sure
    for least, right, sure in [(0.95, 0, [0.95]), (0.9, 1, [0.95, 0.9]), (0.8, 2, [0.95, 0.9, 0.8])]:
        of_all[least] = (right + 20 * np.mean(sure)) / (len(sure) + 20)
    assert of_all == pytest.approx({0.95: 0.905, 0.9: 0.886, 0.8: 0.855}, abs=1e-3)
    assert found.at(0.5).tolist() == [0.7, 0.7, 0.7]
    assert found.at(0.85).tolist() == [0.8, 0.95, 0.8]  # b: 20 * 0.905 / 21 = 0.862, and 20 * 0.886 / 21 = 0.844
    assert found.at(0.9).tolist() == [0.95, np.inf, 0.95]  # a from 0.9 on: (1 + 20 * 0.886) / 21 = 0.892


def test_a_few_lucky_titles_set_no_threshold():
    shares, labels = np.full((3, 2), [0.6, 0.4]), np.zeros(3, dtype=int)
    assert Thresholds.fit(shares, labels, ["a", "b"], {}).at(0.9).tolist() == [np.inf, np.inf]
    shares, labels = np.full((90, 2), [0.6, 0.4]), np.zeros(90, dtype=int)
    assert Thresholds.fit(shares, labels, ["a", "b"], {}).at(0.9)[0] == 0.6


def test_a_category_that_is_always_wrong_is_silent_where_the_others_answer():
    shares = np.array([[0.9, 0.1]] * 50 + [[0.1, 0.9]] * 50)
    labels = np.zeros(100, dtype=int)
    assert Thresholds.fit(shares, labels, ["a", "b"], {}).at(0.8).tolist() == [0.9, np.inf]


def test_without_any_titles_nothing_is_answered():
    found = Thresholds.fit(np.zeros((0, 2)), np.zeros(0, dtype=int), ["a", "b"], {})
    assert found.at(0.5).tolist() == [np.inf, np.inf]


def test_equally_sure_titles_are_not_parted():
    shares = np.full((20, 2), [0.9, 0.1])
    labels = np.array([0] * 12 + [1] * 8)
    assert Thresholds.fit(shares, labels, ["a", "b"], {}).at(0.8)[0] == np.inf


def test_between_two_precisions_the_higher_one_counts(fitted):
    assert fitted.at(0.96).tolist() == fitted.at(0.97).tolist()
    assert fitted.at(0.1).tolist() == fitted.at(0.5).tolist()
    exact = Thresholds.fit(*titles(1), CATEGORIES, {}, more=[0.96])
    assert fitted.at(0.95)[0] < exact.at(0.96)[0] < fitted.at(0.97)[0]


def test_more_precision_than_was_fitted_is_refused(fitted):
    with pytest.raises(InputError) as caught:
        fitted.at(0.999)
    assert str(caught.value) == (
        "a wanted precision must be at most 0.99, the highest that the model was fitted to. Got 0.999. "
        "Ask for less, or train with evaluate.target_precision=0.999."
    )
    assert Thresholds.fit(*titles(1), CATEGORIES, {}, more=[0.999]).at(0.999).shape == (3,)


def test_a_wish_raises_its_category_and_no_other(fitted):
    wishing = Thresholds.fit(*titles(1), CATEGORIES, wishes={"news": 0.96})
    film, news, _ = wishing.at(0.8)
    assert film == fitted.at(0.8)[0]
    assert fitted.at(0.95)[1] <= news <= fitted.at(0.97)[1]
    assert wishing.at(0.98)[1] == fitted.at(0.98)[1]


def test_wishes_must_name_categories():
    assert named_wishes([CategoryPrecision("news", 0.9)], CATEGORIES) == {"news": 0.9}
    with pytest.raises(InputError) as caught:
        named_wishes([CategoryPrecision("News", 0.9)], CATEGORIES)
    assert str(caught.value) == (
        "evaluate.category_precision must name some of film; news; never. Got News. "
        "Write it as it stands there, or leave it out."
    )


def test_thresholds_travel_as_json(fitted):
    wishing = replace(fitted, wishes={"news": 0.95}, least={**fitted.least, "never": [None] * len(fitted.precisions)})
    copy = Thresholds.from_mapping(json.loads(json.dumps(asdict(wishing))), CATEGORIES, "here")
    assert copy == wishing


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"precisions": [0.9, 0.5]}, "here must be rising precisions and a probability for each, by category."),
        ({"precisions": [0.5]}, "here must be rising precisions and a probability for each, by category."),
        ({"least": {"film": [0.1, 0.2]}}, "here must be rising precisions and a probability for each, by category."),
        ({"least": {"film": [0.1, 2], "news": [0.1, 0.2]}}, "here must be rising precisions and a probability for"),
        ({"least": {"film": [float("nan"), 0.1], "news": [0.1, 0.2]}}, "here must be rising precisions"),
        ({"wishes": {"sport": 0.9}}, "here must be rising precisions and a probability for each, by category."),
        ({"least": {"film": ["0.1", 0.2]}}, "here.least.film must be of type float. Got '0.1'."),
        ({"least": [0.1]}, "here.least must be of type dict. Got [0.1]."),
        ({"more": 1}, "here must have the keys least, precisions, wishes. Missing or unknown: more."),
    ],
)
def test_damaged_thresholds_are_refused(change, sentence):
    values = {"precisions": [0.5, 0.9], "least": {"film": [0.1, 0.2], "news": [0.3, None]}, "wishes": {}}
    Thresholds.from_mapping(values, ["film", "news"], "here")
    with pytest.raises(InputError) as caught:
        Thresholds.from_mapping({**values, **change}, ["film", "news"], "here")
    assert str(caught.value).startswith(sentence)


def test_abstention_tells_what_the_thresholds_do(fitted):
    shares, labels = titles(3)
    fitted.least["never"] = [None] * len(fitted.precisions)
    found = abstention(shares, labels, fitted, target=0.87)
    assert (
        list(found["coverage"])
        == list(found["coverage_at_precision"])
        == ["0.8", "0.85", "0.87", "0.9", "0.95", "0.98"]
    )
    precisions, share = reached(fitted, 0.87, shares, labels)
    assert found["coverage"]["0.87"]["coverage"] == share
    assert found["thresholds"]["film"]["precision"] == precisions[0]
    assert sum(row["taken"] for row in found["thresholds"].values()) == len(labels)
    never = found["thresholds"]["never"]
    assert (never["threshold"], never["answered"], never["coverage"], never["precision"]) == (None, 0, 0.0, None)


def test_the_largest_share_at_a_precision_by_hand():
    shares = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.6, 0.4]])
    thresholds = Thresholds([0.99], {"a": [None], "b": [None]}, {})
    found = abstention(shares, np.array([0, 1, 0, 0]), thresholds, target=0.75)
    assert found["coverage_at_precision"] == {
        "0.75": 1.0,
        "0.8": 0.25,
        "0.85": 0.25,
        "0.9": 0.25,
        "0.95": 0.25,
        "0.98": 0.25,
    }
    assert found["coverage"]["0.9"] == {"coverage": 0.0, "precision": None}
    wrong = abstention(shares, np.ones(4, dtype=int), thresholds, target=0.75)
    assert wrong["coverage_at_precision"]["0.8"] == 0.0


def test_the_sentence_of_the_model_card():
    metrics = {"target_precision": 0.95, "coverage": {"0.95": {"coverage": 0.4, "precision": 0.94}}}
    assert answered(metrics) == (
        "Asked to be right 95% of the time (`--precision 0.95`), it answers 40.0% of them, "
        "and 94.0% of these answers are right."
    )
    metrics["coverage"]["0.95"]["precision"] = None
    assert answered(metrics).endswith("it answers none of them.")
