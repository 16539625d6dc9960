import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_score, recall_score
from titleclf.evaluate.tag_coverage import answered, coverage, precision_and_recall
from titleclf.runtime.tag_thresholds import TagThresholds, best_for_all, best_thresholds

from titleclf.runtime.errors import InputError

CATEGORIES = ["film", "news", "rare"]


def titles(seed: int, count: int = 4_000):
    """Return probabilities (titles, categories) and tags that come true as often as they say."""
    generator = np.random.default_rng(seed)
    shares = generator.beta([0.5, 1.0, 0.05], [0.5, 2.0, 9.0], size=(count, 3))
    return shares, generator.random((count, 3)) < shares


@pytest.fixture
def fitted():
    return TagThresholds.of_tags(*titles(1), CATEGORIES, {}, [])


def test_with_many_titles_each_tag_has_the_threshold_of_its_own_best_f1():
    shares, tags = titles(1, 50_000)
    found = best_thresholds(shares, tags)
    for number in (0, 1):
        scores = [f1_score(tags[:, number], shares[:, number] >= least) for least in np.arange(1, 100) / 100]
        own = f1_score(tags[:, number], shares[:, number] >= found[number])
        assert own > max(scores) - 0.001
    assert found[0] != found[1]


def test_a_few_titles_do_not_set_a_threshold():
    shares, tags = titles(1)
    lonely = np.zeros((len(tags), 1), dtype=bool)
    lonely[:3] = True
    faint = np.where(lonely, 0.05, 0.04)
    found = best_thresholds(np.hstack([shares, faint]), np.hstack([tags, lonely]))
    assert found[3] == pytest.approx(best_for_all(shares, tags), abs=0.05)  # its own best is 0.05, by three titles
    never = best_thresholds(np.hstack([shares, faint]), np.hstack([tags, ~lonely & lonely]))
    assert never[3] == best_for_all(shares, tags)


def test_the_one_for_all_has_the_best_micro_f1():
    shares, tags = titles(2)
    scores = [f1_score(tags, shares >= least, average="micro") for least in np.arange(1, 100) / 100]
    assert f1_score(tags, shares >= best_for_all(shares, tags), average="micro") == pytest.approx(max(scores))


def test_no_tags_at_all_have_a_threshold():
    nothing = np.zeros((4, 2), dtype=bool)
    assert np.isfinite(best_thresholds(np.full((4, 2), 0.5), nothing)).all()


@pytest.mark.parametrize("precision", [0.6, 0.8, 0.95])
def test_a_wanted_precision_is_reached_on_other_titles(fitted, precision):
    shares, tags = titles(2)
    named = shares >= fitted.at(precision)
    for number in range(2):
        assert precision_score(tags[:, number], named[:, number]) > precision - 0.05


def test_a_wanted_precision_only_takes_tags_away(fitted):
    before = fitted.unasked()
    for precision in fitted.precisions:
        assert (fitted.at(precision) >= before).all()
        before = fitted.at(precision)


def test_a_wish_raises_its_tag_and_no_other(fitted):
    wishing = replace(fitted, wishes={"news": 0.97})
    assert wishing.at(0.5)[0] == fitted.at(0.5)[0]
    assert wishing.at(0.5)[1] == fitted.at(0.97)[1] > fitted.at(0.5)[1]
    assert wishing.unasked().tolist() == fitted.unasked().tolist()


def test_more_precision_than_was_fitted_is_refused(fitted):
    with pytest.raises(InputError, match=r"a wanted precision must be at most 0.99, the highest that the model was"):
        fitted.at(0.999)
    assert TagThresholds.of_tags(*titles(1), CATEGORIES, {}, [0.999]).at(0.999).shape == (3,)


def test_thresholds_travel_as_json(fitted):
    copy = TagThresholds.from_mapping(json.loads(json.dumps(asdict(fitted))), CATEGORIES, "here")
    assert copy == fitted


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"named": {"film": 0.1}}, "here.named must be a probability for each category. Train again."),
        ({"named": {"film": 0.1, "news": 2}}, "here.named must be a probability for each category. Train again."),
        ({"named": {"film": 0.1, "news": None}}, "here.named.news must be of type float. Got None."),
        ({"precisions": [0.5]}, "here must be rising precisions and a probability for each, by category. Train again."),
    ],
)
def test_damaged_thresholds_are_refused(change, sentence):
    least = {"film": [0.1, 0.2], "news": [0.3, None]}
    values = {"precisions": [0.5, 0.9], "least": least, "wishes": {}, "named": {"film": 0.1, "news": 0.3}}
    TagThresholds.from_mapping(values, ["film", "news"], "here")
    with pytest.raises(InputError) as caught:
        TagThresholds.from_mapping({**values, **change}, ["film", "news"], "here")
    assert str(caught.value) == sentence


def test_coverage_tells_what_the_thresholds_do(fitted):
    shares, tags = titles(3)
    fitted.least["rare"] = [None] * len(fitted.precisions)
    found = coverage(shares, tags, fitted, target=0.87)
    assert list(found["coverage"]) == ["0.8", "0.85", "0.87", "0.9", "0.95", "0.98"]
    named = shares >= fitted.at(0.87)
    both = found["coverage"]["0.87"]
    assert both["precision"] == pytest.approx(precision_score(tags, named, average="micro"))
    assert both["recall"] == pytest.approx(recall_score(tags, named, average="micro"))
    film = found["thresholds"]["film"]
    assert film["precision"] == pytest.approx(precision_score(tags[:, 0], named[:, 0]))
    assert (film["wanted"], film["named"]) == (0.87, named[:, 0].sum())
    assert found["thresholds"]["rare"]["threshold"] is None
    assert found["thresholds"]["rare"]["precision"] is None
    assert found["unasked"] == precision_and_recall(shares, tags, fitted.unasked())


def test_the_sentence_of_the_model_card():
    metrics = {"target_precision": 0.95, "coverage": {"0.95": {"recall": 0.4, "precision": 0.94}}}
    assert answered(metrics) == (
        "Asked to be right 95% of the time (`--precision 0.95`), it names 40.0% of their tags, "
        "and 94.0% of what it names is right."
    )
    metrics["coverage"]["0.95"]["precision"] = None
    assert answered(metrics).endswith("it names no tag.")
