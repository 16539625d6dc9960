"""Predictions of programmes, with few imports and little memory."""

import math
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.helpers.commands import one_line
from tests.helpers.networks import TITLES
from tests.helpers.titles import FIELDS, FIELDS_HEADER
from titleclf.runtime import classifier as module
from titleclf.runtime.arrays import Floats
from titleclf.runtime.bundle.reader import read_bundle
from titleclf.runtime.choices import Task
from titleclf.runtime.classifier import Classifier, classifier_of
from titleclf.runtime.errors import InputError
from titleclf.runtime.network import LinearNetwork
from titleclf.runtime.prediction import Prediction
from titleclf.runtime.text.programmes import Programme, Programmes

# Five programmes, of which two are the same.
SAME = Programmes(["a"] * 5, {"channel": ["news.24", "news.24", "x", None, "x"], "minutes": [15, 15, 15, None, 0.0]})


def test_no_titles_have_no_probabilities_and_no_predictions(run):
    classifier = Classifier.load(run)
    assert classifier.probabilities(Programmes([])).shape == (0, 3)
    assert classifier.predict([]) == []
    assert classifier.predict(Programmes([], {"channel": []}), 2) == []


def test_a_bundle_that_was_read_predicts_as_the_classifier_that_is_loaded(run):
    loaded = Classifier.load(run)
    assert classifier_of(read_bundle(run)).predict(TITLES, 2) == loaded.predict(TITLES, 2)
    assert (loaded.task, loaded.categories) == (Task.single, ["Music", "News", "Sports"])
    assert loaded.thresholds is loaded.contents.thresholds


@pytest.mark.parametrize("top", [1, 2, 9])
@pytest.mark.parametrize("model", ["run", "tags_run", "fields_run"])
def test_predictions_rank_the_probabilities(request, model, top):
    classifier = Classifier.load(request.getfixturevalue(model))
    thresholds = classifier.thresholds.default()
    rows = classifier.probabilities(Programmes(TITLES))
    targets = classifier.targets(Programmes(TITLES))
    for prediction, title, row, target in zip(classifier.predict(TITLES, top), TITLES, rows, targets, strict=True):
        assert prediction.title == title
        if not title.strip():
            assert (prediction.candidates, prediction.named, prediction.probability) == ((), (), None)
            continue
        order = np.argsort(-row, kind="stable")
        names, probabilities = zip(*prediction.candidates, strict=True)
        assert list(names) == [classifier.categories[place] for place in order[: len(names)]]
        assert list(probabilities) == pytest.approx(row[order[: len(names)]])
        if classifier.task is Task.single:
            assert prediction.named == (classifier.categories[target],) == names[:1]
            assert len(names) == min(top, 3)
        else:
            assert set(prediction.named) == {classifier.categories[place] for place in np.flatnonzero(target)}
            assert (target == (row >= thresholds)).all()
            assert len(names) >= min(top, len(row))


def test_titles_have_the_same_predictions_in_batches_of_any_size(run, monkeypatch):
    classifier = Classifier.load(run)
    whole = classifier.predict(TITLES * 3, 2)
    monkeypatch.setattr(module, "_CHUNK", 3)
    in_chunks = Classifier.load(run).predict(TITLES * 3, 2)
    assert [(found.title, found.named) for found in in_chunks] == [(found.title, found.named) for found in whole]
    for found, expected in zip(in_chunks, whole, strict=True):
        assert dict(found.candidates) == pytest.approx(dict(expected.candidates))


# Fields


def test_the_same_title_on_another_channel_may_have_another_category(fields_run):
    classifier = Classifier.load(fields_run)
    channels = ["sport.one", "news.24", "sport.one", None]
    found = classifier.predict([Programme("Qwertz", channel) for channel in channels])
    assert [prediction.category for prediction in found[:3]] == ["Sports", "News", "Sports"]
    (alone,) = classifier.predict(["Qwertz"])
    assert found[3].named == alone.named
    assert found[3].probability == pytest.approx(alone.probability)
    news = classifier.categories.index("News")
    long, short = classifier.probabilities(Programmes(["Qwertz", "Qwertz"], {"minutes": [100, 15]}))[:, news]
    assert short > long + 0.02


@pytest.mark.parametrize("field", ["channel", "minutes", "description", "sub_title", "year"])
def test_each_field_speaks_for_its_category(fields_run, field):
    classifier = Classifier.load(fields_run)
    column = FIELDS_HEADER.index(field) - 3
    for category, values in FIELDS.items():
        (alone, programme) = classifier.logits(
            Programmes.checked(["Qwertz", {"title": "Qwertz", field: values[column]}])
        )
        place = classifier.categories.index(category)
        if values[column]:
            assert (programme - alone)[place] == (programme - alone).max() > 0


def test_programmes_are_predicted_however_they_are_passed(fields_run):
    classifier = Classifier.load(fields_run)
    rows = [Programme("Qwertz", "sport.one"), Programme("Qwertz", None, 15.0), Programme("Qwertz")]
    expected = classifier.predict_programmes(Programmes.of(rows), 2)
    mappings = [{"title": "Qwertz", "channel": " sport.one ", "other": 5}, {"title": "Qwertz", "minutes": "15"}]
    nothing = {"title": "Qwertz", "channel": None, "minutes": math.nan, "description": " "}
    frame = pd.DataFrame(rows).assign(more=[1, 2, 3])
    for programmes in (
        rows,
        tuple(rows),
        iter(rows),
        Programmes.of(rows),
        [*mappings, nothing],
        [rows[0], mappings[1], "Qwertz"],
        frame,
        frame[["minutes", "channel", "title"]],
    ):
        assert classifier.predict(programmes, 2) == expected


def test_the_names_of_languages_have_no_country(fields_run):
    classifier = Classifier.load(fields_run)
    languages = [Programme("Qwertz", language=language) for language in ("de", "DE", "de-AT", "de_CH")]
    assert len({prediction.candidates for prediction in classifier.predict(languages, 3)}) == 1


def test_titles_alone_have_thresholds_of_their_own(fields_run):
    classifier = Classifier.load(fields_run)
    with_fields, for_titles = classifier.thresholds_at(0.9)
    assert np.array_equal(with_fields, classifier.thresholds.at(0.9))
    title_thresholds = classifier.contents.title_thresholds
    assert title_thresholds is not None
    assert np.array_equal(for_titles, title_thresholds.at(0.9))
    apart = np.stack([np.zeros(3), np.full(3, 1.1)])  # all are named, or none
    rows = [Programme("Qwertz", "x"), Programme("Qwertz", minutes=15), Programme("Qwertz"), Programme("Qwertz", year=0)]
    found = classifier.predict(rows, 1, apart)
    assert [prediction.category is not None for prediction in found] == [True, True, False, True]
    assert classifier.predict(["Qwertz"], 3, apart)[0].named == ()
    assert classifier.predict(["Qwertz"], 1, 0.0)[0].named


def test_a_model_without_fields_has_one_threshold_for_each_category(run):
    classifier = Classifier.load(run)
    assert classifier.contents.title_thresholds is None
    assert np.array_equal(classifier.thresholds_at(0.9), classifier.thresholds.at(0.9))
    apart = np.stack([np.zeros(3), np.full(3, 1.1)])
    assert classifier.predict(["Qwertz"], 1, apart)[0].named == ()


@pytest.mark.parametrize("values", [0.0, 1.1, np.zeros(3), np.array([1.1, 1.1, 1.1])])
def test_a_minimum_probability_is_one_number_or_one_for_each_category(run, values):
    found = Classifier.load(run).predict(["Tagesschau"], 1, values)
    assert bool(found[0].named) == (np.max(values) < 1)


class Recording:
    """A network that keeps the batches that it was given."""

    def __init__(self, network: LinearNetwork) -> None:
        self.network, self.model, self.batch_size = network, network.model, network.batch_size
        self.familiarities, self.batches = network.familiarities, list[Programmes]()

    def logits(self, programmes: Programmes) -> Floats:
        self.batches.append(programmes)
        return self.network.logits(programmes)


def test_the_same_programmes_are_predicted_once(fields_run):
    classifier = Classifier.load(fields_run)
    network = Recording(classifier.network)
    found = Classifier(classifier.contents, network).predict(SAME)
    (batch,) = network.batches
    assert list(batch) == [SAME[row] for row in (0, 2, 3, 4)]
    for prediction, programme in zip(found, SAME, strict=True):
        (alone,) = classifier.predict([programme])
        assert prediction.named == alone.named
        assert prediction.probability == pytest.approx(alone.probability)


def test_a_model_without_fields_ignores_them(run):
    classifier = Classifier.load(run)
    assert classifier.columns == set()
    assert classifier.predict([Programme("Qwertz", "news.24", 5)]) == classifier.predict(["Qwertz"])
    network = Recording(classifier.network)
    Classifier(classifier.contents, network).predict(SAME)
    assert network.batches == [Programmes(["a"])]


@pytest.mark.parametrize(
    ("programme", "sentence"),
    [
        (5, "programmes[1] must be a title, or a programme with a title. Got 5. Pass text."),
        (
            {"title": "a", "minutes": True},
            "programmes[1]: minutes must be minutes, 0 or more, or empty. Got True. Write a number.",
        ),
        (
            {"title": "a", "channel": 5},
            "programmes[1]: channel must be UTF-8 text. Got 5. Put it in quotes, or leave it empty.",
        ),
    ],
)
def test_invalid_programmes_are_refused_by_every_model(run, fields_run, programme, sentence):
    for folder in (run, fields_run):
        with pytest.raises(InputError) as caught:
            Classifier.load(folder).predict(["a", programme])
        assert one_line(str(caught.value)) == sentence


@pytest.mark.parametrize("top", [0, -1, 1.5, "2", None, True])
def test_top_must_be_a_number_of_candidates(run, top):
    with pytest.raises(InputError) as caught:
        Classifier.load(run).predict(["a"], top=top)
    sentence = f"top must be an integer above 0. Got {top!r}. Pass 1 for the best category alone."
    assert one_line(str(caught.value)) == sentence


def test_no_title_has_no_category(run):
    none, some, nan = Classifier.load(run).predict(title for title in (None, "Qwertz", math.nan))
    assert none == nan == Prediction("", (), ())
    assert some.category is not None


# Imports and memory

LARGE = ("torch", "pandas", "sklearn", "hydra", "omegaconf", "matplotlib", "scipy")
PREDICT = f"""
import sys
from pathlib import Path
from titleclf.predict.__main__ import main

sys.argv = ["predict", "--model", sys.argv[1], "Match of the Day", "Match of teh Day"]
main()
print([name for name in {LARGE} if name in sys.modules])
print(Path("/proc/self/status").read_text())
"""


@pytest.mark.parametrize("module", ["titleclf.predict.__main__", "titleclf.epg.__main__", "titleclf.epg.commands"])
def test_neither_prediction_nor_guides_import_a_large_package(tmp_path, module):
    code = f"import sys, {module}; print([name for name in {LARGE} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


SLOW = ("tempfile", "random", "threading", "numpy.ma", "numpy.random", "http", "email")
FIRST = f"""
import sys
import numpy
before = set(sys.modules)
from titleclf.predict.__main__ import main

sys.argv = ["predict", "--model", "shipped", "Match of the Day"]
main()
print([name for name in {SLOW} if name in set(sys.modules) - before])
"""


def test_the_first_prediction_waits_for_no_import_that_it_does_not_need(tmp_path):
    done = subprocess.run([sys.executable, "-c", FIRST], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[1:] == ["[]"]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no such file to read its memory from")
@pytest.mark.parametrize("model", ["run", "shipped"])
def test_a_prediction_needs_little_memory_and_no_large_package(run, tmp_path, model):
    command = [sys.executable, "-c", PREDICT, str(run) if model == "run" else model]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "Match of teh Day" in done.stdout
    assert "\n[]\n" in done.stdout
    peak = re.search(r"VmHWM:\s+(\d+) kB", done.stdout)
    assert peak is not None
    assert int(peak[1]) < 150_000
