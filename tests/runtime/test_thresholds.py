import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from titleclf.runtime.errors import InputError
from titleclf.runtime.thresholds import TagThresholds, Thresholds

PRECISIONS = [0.5, 0.9, 0.95, 0.97, 0.99]


@pytest.fixture
def thresholds() -> Thresholds:
    least: dict[str, list[float | None]] = {
        "film": [0.1, 0.4, 0.5, 0.6, 0.9],
        "news": [0.2, 0.3, 0.35, 0.38, None],
        "never": [None] * 5,
    }
    return Thresholds(PRECISIONS, least, {})


@pytest.fixture
def tag_thresholds(thresholds: Thresholds) -> TagThresholds:
    return TagThresholds(PRECISIONS, thresholds.least, {}, {"film": 0.45, "news": 0.01, "never": 0.5})


def test_by_default_the_best_category_is_always_named(thresholds):
    assert thresholds.default().tolist() == [0.0, 0.0, 0.0]


def test_by_default_tags_have_their_own_thresholds(tag_thresholds):
    assert tag_thresholds.default().tolist() == [0.45, 0.01, 0.5]


def test_a_category_that_never_reaches_a_precision_is_never_named(thresholds):
    assert thresholds.at(0.5).tolist() == [0.1, 0.2, np.inf]
    assert thresholds.at(0.99).tolist() == [0.9, np.inf, np.inf]


def test_between_two_precisions_the_higher_one_counts(thresholds):
    assert thresholds.at(0.96).tolist() == thresholds.at(0.97).tolist()
    assert thresholds.at(0.1).tolist() == thresholds.at(0.5).tolist()
    assert thresholds.at(0.95)[0] < thresholds.at(0.96)[0]


def test_a_precision_only_raises_the_thresholds_of_tags(tag_thresholds):
    assert tag_thresholds.at(0.5).tolist() == [0.45, 0.2, np.inf]
    assert tag_thresholds.at(0.95).tolist() == [0.5, 0.35, np.inf]
    before = tag_thresholds.default()
    for precision in PRECISIONS:
        assert (tag_thresholds.at(precision) >= before).all()
        before = tag_thresholds.at(precision)


@pytest.mark.parametrize("kind", ["thresholds", "tag_thresholds"])
def test_a_precision_above_the_fitted_ones_is_refused(request, kind):
    with pytest.raises(InputError) as caught:
        request.getfixturevalue(kind).at(0.999)
    assert str(caught.value) == (
        "a target precision must be at most 0.99, the highest that the model was fitted to. Got 0.999. "
        "Ask for less, or train with evaluate.target_precision=0.999."
    )


@pytest.mark.parametrize("kind", ["thresholds", "tag_thresholds"])
def test_a_wish_raises_its_category_and_no_other(request, kind):
    fitted = request.getfixturevalue(kind)
    wishing = replace(fitted, wishes={"film": 0.96})
    assert wishing.at(0.5)[1] == fitted.at(0.5)[1]
    assert wishing.at(0.5)[0] == fitted.at(0.96)[0] > fitted.at(0.5)[0]
    assert wishing.at(0.98)[0] == fitted.at(0.98)[0]
    assert wishing.default().tolist() == fitted.default().tolist()
    assert wishing.wanted(0.5) == {"film": 0.96, "news": 0.5, "never": 0.5}


@pytest.mark.parametrize("kind", ["thresholds", "tag_thresholds"])
def test_thresholds_survive_json(request, kind):
    wishing = replace(request.getfixturevalue(kind), wishes={"news": 0.95})
    copy = type(wishing).from_mapping(json.loads(json.dumps(asdict(wishing))), ["film", "news", "never"], "here")
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


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"named": {"film": 0.1}}, "here.named must be a probability for each category. Train again."),
        ({"named": {"film": 0.1, "news": 2}}, "here.named must be a probability for each category. Train again."),
        ({"named": {"film": 0.1, "news": None}}, "here.named.news must be of type float. Got None."),
        ({"precisions": [0.5]}, "here must be rising precisions and a probability for each, by category. Train again."),
    ],
)
def test_damaged_thresholds_of_tags_are_refused(change, sentence):
    least = {"film": [0.1, 0.2], "news": [0.3, None]}
    values = {"precisions": [0.5, 0.9], "least": least, "wishes": {}, "named": {"film": 0.1, "news": 0.3}}
    TagThresholds.from_mapping(values, ["film", "news"], "here")
    with pytest.raises(InputError) as caught:
        TagThresholds.from_mapping({**values, **change}, ["film", "news"], "here")
    assert str(caught.value) == sentence
