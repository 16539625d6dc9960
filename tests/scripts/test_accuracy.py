import argparse
import dataclasses
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scripts.common.noise import CONDITIONS

from scripts import accuracy
from scripts.common import peers
from tests.helpers.titles import rows, write_csv
from tests.helpers.training import FEW_BUCKETS, SMALL
from tests.scripts.common.test_peers import FASTTEXT

MODELS = (peers.TITLECLF, peers.FASTTEXT, peers.SVC)
KINDS = (accuracy.UNSEEN, accuracy.KNOWN)


def recorded(requests, train):
    """Train as `train` does, and append the titles that the model scores to `requests`."""

    def train_and_record(*arguments):
        model = train(*arguments)
        requests.append([])

        def scores(titles):
            requests[-1].append(titles)
            return model.scores(titles)

        return dataclasses.replace(model, scores=scores)

    return train_and_record


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Run the script on the fifty titles; the report, its plot, and the titles that each model scored."""
    pytest.importorskip("fasttext", reason="fastText has wheels for Linux on x86-64 only")
    folder = tmp_path_factory.mktemp("accuracy")
    labelled = rows()
    train = write_csv(folder / "train_xx.v1.csv", labelled[:18] + labelled[20:38] + labelled[40:48])
    overlap = ("Match of the Day (1999)", "Sports", "en")  # the only programme in both files
    test = write_csv(folder / "test_xx.csv", labelled[18:20] + labelled[38:40] + labelled[48:] + [overlap])
    output = folder / "results" / "accuracy.md"
    requests: list[list[list[str]]] = []
    with pytest.MonkeyPatch.context() as patch:
        trainers = peers.trainers(FASTTEXT).items()
        patch.setattr(accuracy, "trainers", lambda _: {name: recorded(requests, train) for name, train in trainers})
        options = ["--train", train, "--test", test, "--name", "titles of nowhere", "--output", output, "--titles", 9]
        options += ["--fasttext", "bucket=1009", "lr=0.5"]
        patch.setattr(sys, "argv", ["accuracy", "model=ngram", *SMALL, FEW_BUCKETS, *map(str, options)])
        accuracy.main()
    return SimpleNamespace(text=output.read_text(), image=output.with_suffix(".png"), requests=requests, folder=folder)


def test_the_report_has_every_model_in_every_condition(measured):
    header = "| model | " + " | ".join(CONDITIONS) + " |"
    assert measured.text.count(header) == 3  # accuracy and macro-F1 of unseen titles, accuracy of known ones
    for name in MODELS:
        assert measured.text.count(f"\n| {name} | ") == 4  # and its costs
    assert "![Accuracy by condition](accuracy.png)" in measured.text
    assert measured.image.read_bytes().startswith(b"\x89PNG")


def test_all_models_score_the_same_titles(measured):
    titleclf, *others = measured.requests
    assert others == [titleclf, titleclf]
    conditions = len(CONDITIONS)
    assert [len(titles) for titles in titleclf[: 2 * conditions]] == [7] * conditions + [9] * conditions
    for copies in (titleclf[:conditions], titleclf[conditions : 2 * conditions]):
        assert len({tuple(titles) for titles in copies}) == conditions


def test_known_titles_are_training_titles(measured):
    trained = {row[0] for row in rows()} - set(measured.requests[0][0])
    assert set(measured.requests[0][len(CONDITIONS)]) < trained


def test_the_report_has_command_machine_and_sizes_but_no_paths(measured):
    assert "`python -m scripts.accuracy model=ngram device=cpu " in measured.text
    assert "--train TRAIN_XX --test TEST_XX --name 'titles of nowhere'" in measured.text
    assert " cores (" in measured.text
    assert "lr 0.5, bucket 1009, " in measured.text
    assert "Python 3." in measured.text
    assert "titleclf trains on 39 and keeps 5" in measured.text
    assert "train on all 44" in measured.text
    assert "7 test titles; 1 of them belong to programmes that also have training titles." in measured.text
    assert str(measured.folder) not in measured.text


def test_ratios_are_computed_from_the_numbers_beside_them():
    scores = pd.DataFrame(
        {"model": name, "kind": kind, "condition": condition, "accuracy": 0.8 / (place + 1), "macro_f1": 0.5}
        for name in MODELS
        for kind in KINDS
        for place, condition in enumerate(CONDITIONS)
    )
    costs = pd.DataFrame(
        {
            "calibration_error": [0.0125, 0.25, np.nan],
            "coverage": [0.5, 0.25, 0.125],
            "training_seconds": [30.0, 20.0, 5.0],
            "titles_per_second": [12345.0, 1.0, 2.0],
            "megabytes": [1.5, 2.5, 3.5],
        },
        index=pd.Index(MODELS, name="model"),
    )
    text = accuracy.as_markdown(scores, costs)
    assert "| fastText | 80.0% (100%) | 40.0% (50%) | 26.7% (33%) | 20.0% (25%) |" in text
    assert "| titleclf | 0.013 | 50.0% | 30.0 | 1.50 x | 12,345 | 1.5 |" in text
    assert f"| {peers.SVC} | - | 12.5% | 5.0 | 0.25 x | 2 | 3.5 |" in text


def test_coverage_ends_where_precision_falls_below_ninety_percent():
    confidence = np.linspace(1, 0, 20)
    right = np.ones(20, dtype=bool)
    assert accuracy.coverage(confidence, right) == 1
    right[[1, 10]] = False  # 10 of 11 and 9 of 10 are enough, 18 of 20 too
    assert accuracy.coverage(confidence, right) == 1
    right[19] = False
    assert accuracy.coverage(confidence, right) == 0.5
    assert accuracy.coverage(np.ones(20), right) == 0  # equally confident titles are not separated
    assert accuracy.coverage(confidence, np.zeros(20, dtype=bool)) == 0


def test_confidence_is_a_probability_or_a_distance():
    scores = np.array([[0.25, 0.625, 0.125], [0.5, 0.0, 0.5]])
    assert list(accuracy.confidence(scores, are_probabilities=True)) == [0.625, 0.5]
    assert list(accuracy.confidence(scores, are_probabilities=False)) == [0.375, 0.0]


def test_the_number_of_titles_is_at_least_one(capsys):
    with pytest.raises(SystemExit):
        accuracy.parse(["--titles", "0"])
    assert "--titles must be an integer above 0. Got 0." in capsys.readouterr().err


def test_settings_of_fasttext_keep_their_type_and_unknown_ones_are_rejected():
    assert accuracy.parse(["--fasttext", "lr=1", "thread=3"]).fasttext == [("lr", 1.0), ("thread", 3)]
    with pytest.raises(argparse.ArgumentTypeError, match=r"must be one of minn, .*, thread. Got speed."):
        accuracy._setting("speed=9")
