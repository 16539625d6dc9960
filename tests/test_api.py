"""titleclf as a library: its public names and their results."""

import io
import json
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import titleclf
from titleclf import Classifier, InputError, Prediction
from titleclf.predict.__main__ import main
from titleclf.runtime.prediction import Predictions
from titleclf.runtime.text.programmes import Programmes
from titleclf.training.trained_model import load_trained


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


def test_probabilities_are_those_of_predictions_in_the_order_of_the_classes(run):
    classifier = Classifier.load(run)
    titles = ["Match of the Day", "Tagesschau"]
    probabilities = classifier.predict_proba(np.array(titles))
    assert classifier.classes_.tolist() == ["Music", "News", "Sports"]
    assert probabilities.shape == (2, 3)
    for prediction, row in zip(classifier.predict(titles, top=3), probabilities, strict=True):
        assert dict(prediction.candidates) == pytest.approx(dict(zip(classifier.classes_, row, strict=True)))
    assert classifier.predict_proba([]).shape == (0, 3)


def test_explanations_are_of_the_best_category_of_each_programme(run):
    classifier = Classifier.load(run)
    programmes = ["Match of the Day", "", {"title": "Top of the Pops", "channel": "BBC"}]
    first, none, last = classifier.explain(programmes)
    assert none is None
    assert first is not None
    assert last is not None
    assert [first.category, None, last.category] == [answer.category for answer in classifier.predict(programmes)]
    logits = classifier.logits(Programmes(["Match of the Day"]))[0]
    assert first.lead == pytest.approx(logits.max() - logits.mean(), abs=1e-4)


def test_a_network_that_can_not_be_taken_apart_is_not_explained(run):
    classifier = load_trained(run)
    with pytest.raises(InputError, match=r"^an explanation needs the network of a bundle. Got TorchNetwork. Load the"):
        classifier.explain(["Tagesschau"])


def test_a_prediction_becomes_plain_values(run):
    classifier = Classifier.load(run)
    (prediction,) = classifier.predict(["Match of the Day"], top=2)
    (explanation,) = classifier.explain(["Match of the Day"])
    assert explanation is not None
    whole = prediction._replace(explanation=explanation, kind=("film", 0.5))
    values = json.loads(json.dumps(whole.asdict()))
    assert values == {
        "title": "Match of the Day",
        "category": "Sports",
        "probability": prediction.probability,
        "named": ["Sports"],
        "candidates": [{"category": name, "probability": value} for name, value in prediction.candidates],
        "kind": "film",
        "kind_probability": 0.5,
        "explanation": explanation.asdict(),
    }
    assert prediction.asdict().keys().isdisjoint({"kind", "explanation"})


def test_predictions_become_a_frame_with_the_columns_of_the_csv_output(monkeypatch, capsys, run):
    titles = ["Match of the Day", ""]
    frame = Classifier.load(run).predict(titles, top=2).to_frame()
    monkeypatch.setattr(sys, "argv", ["predict", "--model", str(run), "--top", "2", "--format", "csv", *titles])
    main()
    expected = pd.read_csv(io.StringIO(capsys.readouterr().out), keep_default_na=True)
    pd.testing.assert_frame_equal(frame.fillna(np.nan), expected.assign(title=titles), check_dtype=False, atol=1e-4)


def test_a_frame_has_a_column_for_each_candidate_and_joined_tags():
    tags = Prediction("a", (("Live", 0.75), ("Sports", 0.5)), ("Live", "Sports"), kind=("film", 0.5))
    frame = Predictions([tags, Prediction("b", (("News", 0.25),), ())]).to_frame()
    assert frame.astype(object).where(frame.notna(), None).to_numpy().tolist() == [
        ["a", "Live|Sports", "Live", 0.75, "Sports", 0.5, "film", 0.5],
        ["b", None, "News", 0.25, None, None, None, None],
    ]
    assert list(Predictions().to_frame().columns) == ["title", "category", "candidate", "probability"]


def test_classifiers_and_predictions_are_shown_in_a_line(run):
    assert re.fullmatch(r"<Classifier: ngram, 3 categories, a memory of \d\d titles>", repr(Classifier.load(run)))
    candidates = (("Sports", 0.914), ("News", 0.05))
    assert repr(Prediction("Heat", candidates, ("Sports",))) == "<Prediction of 'Heat': 'Sports' 91%>"
    assert repr(Prediction("Heat", candidates, ())) == "<Prediction of 'Heat': unsure, 'Sports' 91%>"
    assert repr(Prediction("Heat", candidates, ("Sports", "News"))) == "<Prediction of 'Heat': 'Sports|News' 91%>"
    assert repr(Prediction("", (), ())) == "<Prediction of '': none>"


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
