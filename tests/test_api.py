"""titleclf as a library: what programs import, and what they get."""

import subprocess
import sys

import numpy as np
import pytest

import titleclf
from titleclf import Classifier, InputError, Prediction


@pytest.mark.usefixtures("shipped_model")
def test_a_classifier_is_loaded_from_a_path_a_string_or_the_package(run):
    for classifier in (Classifier.load(run), Classifier.load(str(run)), Classifier.load()):
        (found,) = classifier.predict(["Match of the Day"], top=2)
        assert isinstance(found, Prediction)
        assert (found.title, found.category, found.named) == ("Match of the Day", "Sports", ("Sports",))
        assert [name for name, _ in found.candidates][:1] == ["Sports"]
        assert len(found.candidates) == 2
        assert found.probability == found.candidates[0][1]


@pytest.mark.usefixtures("no_shipped_model")
def test_without_the_model_of_the_package_its_place_is_named():
    with pytest.raises(InputError, match=r"data/model must be a folder with a model. Got nothing there."):
        Classifier.load()


def test_titles_are_answered_in_their_order_and_none_in_none(run):
    classifier = Classifier.load(run)
    titles = ["Tagesschau", "", "Match of the Day", "Tagesschau"]
    assert [found.title for found in classifier.predict(titles)] == titles
    assert classifier.predict([]) == []
    assert classifier.predict(titles)[1] == Prediction("", (), ())


def test_by_default_tags_are_those_above_their_thresholds(tags_run):
    classifier = Classifier.load(tags_run)
    titles = ["Match of the Day", "Tagesschau", "Swan Lake Ballet"]
    shares, _ = classifier.probabilities(titles)
    for found, row in zip(classifier.predict(titles), shares, strict=True):
        above = np.flatnonzero(row >= classifier.thresholds.unasked())
        assert sorted(found.named) == sorted(classifier.categories[place] for place in above)


def test_a_category_less_probable_than_asked_is_not_named(run):
    classifier = Classifier.load(run)
    (found,) = classifier.predict(["Match of the Day"], least=1.1)
    assert found.category is None
    assert found.candidates


def test_cut_titles_are_counted_on_demand(run):
    classifier = Classifier.load(run)
    titles = ["x" * 10_000, "Tagesschau"]
    assert classifier.predict_counting(titles) == (classifier.predict(titles), 1)


def test_one_title_is_not_taken_for_titles(run):
    with pytest.raises(TypeError, match=r"^titles must be a list of titles. Got one title. Pass \['Tagesschau'\].$"):
        Classifier.load(run).predict("Tagesschau")


def test_the_package_itself_imports_nothing_large_and_knows_its_names():
    asked = "import sys, titleclf; print('numpy' in sys.modules); titleclf.Classifier; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
    for name in titleclf.__all__:
        assert getattr(titleclf, name)
    with pytest.raises(AttributeError, match="module 'titleclf' has no attribute 'Classifer'"):
        titleclf.Classifer  # noqa: B018
