import argparse
import dataclasses
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from scripts import accuracy
from scripts.common import peers
from scripts.common import report as benchmark_report
from tests.conftest import FEW_BUCKETS, SMALL, rows, write_csv
from titleclf.runtime.errors import InputError, exit_codes

# Ten threads: fewer leave a part of so small a table as the memory was before, which need not be numbers.
FASTTEXT = {**peers.FASTTEXT_SETTINGS, "bucket": 997, "epoch": 200, "thread": 10}
MODELS = (peers.OURS, peers.FASTTEXT, peers.SVC)
KINDS = (benchmark_report.UNSEEN, benchmark_report.KNOWN)


def run(patch, *arguments):
    """Run the script as a user does, but for overrides that keep it small."""
    patch.setattr(sys, "argv", ["accuracy.py", "model=ngram", *SMALL, FEW_BUCKETS, *map(str, arguments)])
    exit_codes(accuracy.main)()


def heard(asked, train):
    """Train as `train` does, and keep in `asked` what the model is then asked."""

    def training(*arguments):
        model = train(*arguments)
        asked.append([])

        def scores(titles):
            asked[-1].append(titles)
            return model.scores(titles)

        return dataclasses.replace(model, scores=scores)

    return training


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Run all three models on the fifty titles; the report, its picture, and what each model was asked."""
    pytest.importorskip("fasttext", reason="fastText has wheels for Linux on x86-64 only")
    folder = tmp_path_factory.mktemp("benchmark")
    labelled = rows()
    train = write_csv(folder / "train_xx.v1.csv", labelled[:18] + labelled[20:38] + labelled[40:48])
    met = ("Match of the Day (1999)", "Sports", "en")  # the one programme that is on both sides
    test = write_csv(folder / "test_xx.csv", labelled[18:20] + labelled[38:40] + labelled[48:] + [met])
    output = folder / "results" / "accuracy.md"
    asked = []
    with pytest.MonkeyPatch.context() as patch:
        models = peers.contenders(FASTTEXT).items()
        patch.setattr(accuracy, "contenders", lambda _: {name: heard(asked, training) for name, training in models})
        options = ("--name", "titles of nowhere", "--output", output, "--titles", 9)
        run(patch, "--train", train, "--test", test, *options, "--fasttext", "bucket=1009", "lr=0.5")
    return SimpleNamespace(text=output.read_text(), image=output.with_suffix(".png"), asked=asked, folder=folder)


def test_the_report_has_every_model_in_every_condition(measured):
    header = "| model | " + " | ".join(benchmark_report.CONDITIONS) + " |"
    assert measured.text.count(header) == 3  # accuracy and macro-F1 of unseen titles, accuracy of known ones
    for name in MODELS:
        assert measured.text.count(f"\n| {name} | ") == 4  # and its costs
    assert "![Accuracy by condition](accuracy.png)" in measured.text
    assert measured.image.read_bytes().startswith(b"\x89PNG")


def test_all_models_are_asked_the_same_titles(measured):
    ours, *others = measured.asked
    assert others == [ours, ours]
    conditions = len(benchmark_report.CONDITIONS)
    assert [len(titles) for titles in ours[: 2 * conditions]] == [7] * conditions + [9] * conditions
    for kind in (ours[:conditions], ours[conditions : 2 * conditions]):
        assert len({tuple(titles) for titles in kind}) == conditions


def test_known_titles_are_of_our_training_side(measured):
    trained = {row[0] for row in rows()} - set(measured.asked[0][0])
    assert set(measured.asked[0][len(benchmark_report.CONDITIONS)]) < trained


def test_the_report_tells_command_machine_and_sizes_but_no_paths(measured):
    assert "`python -m scripts.accuracy model=ngram device=cpu " in measured.text
    assert "--train TRAIN_XX --test TEST_XX --name 'titles of nowhere'" in measured.text
    assert " cores (" in measured.text
    assert "lr 0.5, bucket 1009, " in measured.text
    assert "Python 3." in measured.text
    assert "titleclf trains on 39 and keeps 5" in measured.text
    assert "train on all 44" in measured.text
    assert "7 test titles, 1 of them" in measured.text
    assert str(measured.folder) not in measured.text


def test_spoilt_titles_are_the_same_every_time_and_others_with_another_seed():
    titles = pd.DataFrame(rows(), columns=["title", "category", "lang"])
    categories = ["Music", "News", "Sports"]
    first, second, other = (accuracy.spoil(titles, categories, seed).conditions for seed in (1, 1, 2))
    assert first == second
    assert [name for name in first if first[name] == other[name]] == ["clean"]
    assert first["clean"] == list(titles["title"])


def test_shares_and_ratios_are_computed_from_the_numbers_beside_them():
    scores = pd.DataFrame(
        {"model": name, "kind": kind, "condition": condition, "accuracy": 0.8 / (place + 1), "macro_f1": 0.5}
        for name in MODELS
        for kind in KINDS
        for place, condition in enumerate(benchmark_report.CONDITIONS)
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
    text = benchmark_report.as_markdown(scores, costs)
    assert "| fastText | 80.0% (100%) | 40.0% (50%) | 26.7% (33%) | 20.0% (25%) |" in text
    assert "| titleclf | 0.013 | 50.0% | 30.0 | 1.50 x | 12,345 | 1.5 |" in text
    assert f"| {peers.SVC} | - | 12.5% | 5.0 | 0.25 x | 2 | 3.5 |" in text


def test_coverage_ends_where_fewer_than_ninety_percent_are_right():
    sure = np.linspace(1, 0, 20)
    right = np.ones(20, dtype=bool)
    assert accuracy.coverage(sure, right) == 1
    right[[1, 10]] = False  # 10 of 11 and 9 of 10 are enough, 18 of 20 too
    assert accuracy.coverage(sure, right) == 1
    right[19] = False
    assert accuracy.coverage(sure, right) == 0.5
    assert accuracy.coverage(np.ones(20), right) == 0  # equally sure titles are answered together or not at all
    assert accuracy.coverage(sure, np.zeros(20, dtype=bool)) == 0


def test_confidence_is_a_probability_or_a_distance():
    scores = np.array([[0.25, 0.625, 0.125], [0.5, 0.0, 0.5]])
    assert list(accuracy.confidence(scores, are_probabilities=True)) == [0.625, 0.5]
    assert list(accuracy.confidence(scores, are_probabilities=False)) == [0.375, 0.0]


def test_the_svc_has_two_scores_for_two_categories(tmp_path):
    titles = pd.DataFrame(rows()[:40], columns=["title", "category", "lang"])
    data = SimpleNamespace(sides=SimpleNamespace(train=titles, validation=titles[:0]), categories=["News", "Sports"])
    scores = peers.train_svc(SimpleNamespace(seed=1), data, tmp_path).scores(list(titles["title"]))
    assert scores.shape == (40, 2)
    assert list(scores.argmax(axis=1)) == [1] * 20 + [0] * 20


def test_fasttext_gives_each_category_its_own_probability(small, tmp_path):
    pytest.importorskip("fasttext")
    config = small()
    data = accuracy.read_data(config)
    model = peers.train_fasttext(config, data, tmp_path, FASTTEXT)
    titles = [*data.sides.train["title"], "MATCH of\nthe Day", "", "\x85\u3000"]
    scores = model.scores(titles)
    assert scores.sum(axis=1) == pytest.approx(np.ones(len(titles)), abs=1e-3)
    first, _ = model.likeliest(titles)
    assert [[f"__label__{column}"] for column in scores.argmax(axis=1)] == first


def test_without_fasttext_the_script_says_what_to_install(small, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "fasttext", None)
    with pytest.raises(InputError, match="pip install fasttext-numpy2"):
        peers.train_fasttext(small(), None, tmp_path, FASTTEXT)


def test_scaling_has_a_row_a_size_that_the_files_reach(monkeypatch, capsys, tmp_path, titles_csv):
    output = tmp_path / "scaling.md"
    files = [titles_csv, write_csv(tmp_path / "more.csv", [(f"{title} 2", *others) for title, *others in rows()])]
    run(monkeypatch, "--train", *files, "--sizes", 80, 1000, 40, "--output", output)
    text = output.read_text()
    table = [line for line in text.splitlines() if line.startswith("| ")]
    assert [line.split(" | ")[0] for line in table] == ["| rows", "| ---", "| 40", "| 80"]
    assert table[2].endswith("| 1.00 x |")
    assert "has 100 rows: too few for 1,000." in text
    assert f"--train {files[0]} {files[1]} " in text
    assert f"Wrote {output}" in capsys.readouterr().out


def test_scaling_is_relative_to_the_smallest_size():
    found = pd.DataFrame(
        {"rows": [1000, 3000], "trained": [700, 2100], "seconds": [1.4, 8.4], "per_thousand": [1.0, 2.0]}
    )
    assert "| 3,000 | 2,100 | 8.4 | 2.000 | 2.00 x |" in benchmark_report.scaling_table(found)


def test_a_placeholder_hides_listed_files_and_absolute_paths():
    given = ["--train=/a/b/train_en.csv.gz", "--test", "c/test_en.csv", "model.embeddings.path=/a/e.safetensors"]
    hidden = benchmark_report.shown([*given, "seed=2"], ["c/test_en.csv"])
    assert hidden.endswith(" --train=TRAIN_EN --test TEST_EN model.embeddings.path=E seed=2")
    assert benchmark_report.shown(given).endswith(" ".join(given))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--sizes", "5", "--test", "a.csv"], "--sizes must stand without --test. Got a.csv. Leave it out."),
        (["--train", "a.csv", "seed=2"], "--train must be one file without --sizes. Got a.csv seed=2."),
    ],
)
def test_options_that_exclude_each_other_are_named(arguments, sentence):
    with pytest.raises(InputError, match=sentence):
        accuracy.parse(arguments)


def test_sizes_that_no_file_reaches_are_named(monkeypatch, capsys, titles_csv):
    with pytest.raises(SystemExit):
        run(monkeypatch, "--train", titles_csv, "--sizes", 51)
    assert capsys.readouterr().err == "--sizes must not be above the 50 rows there are. Got 51.\n"


def test_counts_are_at_least_one():
    with pytest.raises(argparse.ArgumentTypeError, match=r"must be at least 1. Got 0."):
        accuracy.count_of("0")


def test_settings_of_fasttext_keep_their_type_and_unknown_ones_are_named():
    assert accuracy.parse(["--fasttext", "lr=1", "thread=3"]).fasttext == [("lr", 1.0), ("thread", 3)]
    with pytest.raises(argparse.ArgumentTypeError, match=r"must be one of minn, .*, thread. Got speed."):
        accuracy._setting("speed=9")
