"""titleclf as a library: its public names and their results."""

import subprocess
import sys

import numpy as np
import pytest

import titleclf
from titleclf import Classifier, InputError, Prediction
from titleclf.runtime.text.programmes import Programmes


@pytest.mark.usefixtures("shipped_model")
def test_a_classifier_is_loaded_from_a_path_a_string_or_the_package(run):
    for classifier in (Classifier.load(run), Classifier.load(str(run)), Classifier.load()):
        (prediction,) = classifier.predict(["Match of the Day"], top=2)
        assert isinstance(prediction, Prediction)
        assert (prediction.title, prediction.category, prediction.named) == ("Match of the Day", "Sports", ("Sports",))
        assert [name for name, _ in prediction.candidates][:1] == ["Sports"]
        assert len(prediction.candidates) == 2
        assert prediction.probability == prediction.candidates[0][1]


@pytest.mark.usefixtures("no_shipped_model")
def test_without_a_shipped_model_its_folder_is_named():
    with pytest.raises(InputError, match=r"data/model must be a folder with a model. Got nothing there."):
        Classifier.load()


def test_predictions_keep_the_order_of_titles_and_none_has_none(run):
    classifier = Classifier.load(run)
    titles = ["Tagesschau", "", "Match of the Day", "Tagesschau"]
    assert [prediction.title for prediction in classifier.predict(titles)] == titles
    assert classifier.predict([]) == []
    assert classifier.predict(titles)[1] == Prediction("", (), ())


def test_by_default_tags_above_their_thresholds_are_named(tags_run):
    classifier = Classifier.load(tags_run)
    titles = ["Match of the Day", "Tagesschau", "Swan Lake Ballet"]
    probabilities = classifier.probabilities(Programmes(titles))
    for prediction, row in zip(classifier.predict(titles), probabilities, strict=True):
        above = np.flatnonzero(row >= classifier.thresholds.default())
        assert sorted(prediction.named) == sorted(classifier.categories[place] for place in above)


def test_a_category_below_the_minimum_probability_is_not_named(run):
    classifier = Classifier.load(run)
    (prediction,) = classifier.predict(["Match of the Day"], min_probability=1.1)
    assert prediction.category is None
    assert prediction.candidates


def test_truncated_titles_are_predicted_and_can_be_counted(run):
    classifier = Classifier.load(run)
    titles = ["x" * 10_000, "Tagesschau"]
    assert [len(prediction.candidates) for prediction in classifier.predict(titles)] == [1, 1]
    assert classifier.contents.characters.count_truncated(titles) == 1


def test_a_single_title_in_place_of_a_list_is_refused(run):
    with pytest.raises(TypeError, match=r"^programmes must be a list. Got a single one. Pass \['Tagesschau'\].$"):
        Classifier.load(run).predict("Tagesschau")


def test_importing_the_package_imports_neither_numpy_nor_torch_and_its_names_exist():
    code = "import sys, titleclf; print('numpy' in sys.modules); titleclf.Classifier; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
    for name in titleclf.__all__:
        assert getattr(titleclf, name)
    misspelt = "Classifer"
    with pytest.raises(AttributeError, match=f"module 'titleclf' has no attribute '{misspelt}'"):
        getattr(titleclf, misspelt)
