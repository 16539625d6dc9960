import argparse
import dataclasses
import functools
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scripts.common.learning_curve_rows import COLUMNS, Task, read_rows
from scripts.common.noise import CONDITIONS, NoisyTitles

from scripts import learning_curve
from scripts.common import learning_curve_report, peers
from tests.helpers.commands import one_line
from tests.helpers.titles import rows, write_csv
from tests.helpers.training import FEW_BUCKETS, SMALL
from titleclf.config.hydra import compose
from titleclf.runtime.errors import InputError
from titleclf.training.distributed import pick_device
from titleclf.training.embeddings import write_embeddings
from titleclf.training.trained_model import load_trained, new_model

PLAIN, FROZEN, TUNED = learning_curve.MODELS
MODELS = (PLAIN, FROZEN, TUNED, peers.SVC)
TITLES = pd.DataFrame(rows(), columns=["title", "category", "lang"])
SIZES = ("--sizes", 40, 20, 1000)
NO_TITLES = NoisyTitles({}, np.array([], dtype=np.int64))
DRAWS = [(20, 1), (20, 2), (40, 1)]


@pytest.fixture(scope="module")
def embeddings(run, tmp_path_factory):
    path = tmp_path_factory.mktemp("embeddings") / "a = b, c.safetensors"  # Hydra needs quotes
    network = load_trained(run).network
    write_embeddings(path, network.encoder, network.model, network.characters)
    return path


def benchmark(noisy=NO_TITLES, fingerprint=""):
    return learning_curve.Benchmark(TITLES, TITLES[:0], noisy, ["Music", "News", "Sports"], fingerprint)


@functools.cache
def composed(name, overrides):
    return compose(name, overrides)


def start(patch, *arguments):
    """Run the script with a small model; draws of up to 20 labels count as few."""
    patch.setattr(sys, "argv", ["learning_curve", *SMALL, FEW_BUCKETS, *map(str, arguments)])
    patch.setattr(learning_curve, "FEW", 20)
    patch.setattr(learning_curve, "compose", lambda name, overrides: composed(name, tuple(overrides)))
    learning_curve.main()


@pytest.fixture(scope="module")
def measured(embeddings, titles_csv, tmp_path_factory):
    """Run all models except fastText; the command, the report, and the titles that each model received."""
    output = tmp_path_factory.mktemp("curve") / "results" / "curve.md"
    command = [f"data.path={titles_csv}", "--embeddings", embeddings, *SIZES, "--seeds", 2, "--output", output]
    command += ["--models", "not pre", "FROZEN", "tuned", "SVC"]
    given = []
    with pytest.MonkeyPatch.context() as patch:
        train_on = learning_curve.train_on

        def train_and_record(drawn, config, name):
            given.append((name, config.seed, list(drawn["title"])))
            return train_on(drawn, config, name)

        patch.setattr(learning_curve, "train_on", train_and_record)
        start(patch, *command)
    return SimpleNamespace(command=command, output=output, text=output.read_text(), given=given)


def test_the_report_has_a_row_for_each_model_in_every_table(measured):
    _, *tables = measured.text.split("\n## ")
    assert len(tables) == 5
    for table in tables:
        assert "| model | 20 | 40 |" in table
        assert [line.split(" | ")[0] for line in table.splitlines()[4:]] == [f"| {name}" for name in MODELS]
    assert "- With 40 labels, ngram, not pre-trained has an accuracy of " in measured.text
    assert "Labels are drawn from 40 titles; 10 others are the test titles of all models." in measured.text
    assert "- Draws: 2 of 20, 1 of 40. 40 are too few for 1,000." in measured.text
    assert "`python -m scripts.learning_curve device=cpu " in measured.text


def test_the_plot_lies_beside_the_report(measured):
    assert "![Accuracy by labels](curve.png)" in measured.text
    assert measured.output.with_suffix(".png").read_bytes().startswith(b"\x89PNG")


def test_every_model_is_given_the_same_titles_once_for_each_draw(measured):
    assert [(len(titles), seed) for _, seed, titles in measured.given] == [draw for draw in DRAWS for _ in MODELS]
    by_draw = {(len(titles), seed): titles for _, seed, titles in measured.given}
    assert all(titles == by_draw[len(titles), seed] for _, seed, titles in measured.given)
    assert [name for name, _, _ in measured.given] == [*MODELS] * 3
    assert by_draw[40, 1][:20] == by_draw[20, 1]


def test_the_rows_are_kept_beside_the_report(measured):
    table = pd.read_csv(measured.output.with_suffix(".csv"))
    assert list(table.columns) == list(COLUMNS)
    assert list(zip(table["size"], table["seed"], strict=True)) == [draw for draw in DRAWS for _ in MODELS]
    assert table["accuracy"].between(0, 1).all()
    assert (table["calibration_error"].isna() == (table["model"] == peers.SVC)).all()
    assert (table["used"] == table["size"]).all()


def test_the_same_command_again_trains_nothing(measured, monkeypatch):
    monkeypatch.setattr(learning_curve, "train_on", None)
    before = measured.output.with_suffix(".csv").read_bytes()
    start(monkeypatch, *measured.command)
    assert measured.output.with_suffix(".csv").read_bytes() == before
    assert measured.output.read_text().split("- Titles")[1] == measured.text.split("- Titles")[1]


def test_an_interrupted_curve_resumes(measured, monkeypatch, capsys, tmp_path):
    command = [*measured.command, "--output", tmp_path / "curve.md"]
    train_on, trained = learning_curve.train_on, []

    def interrupted(drawn, config, name):
        trained.append(name)
        if len(trained) == 3:
            raise KeyboardInterrupt
        return train_on(drawn, config, name)

    monkeypatch.setattr(learning_curve, "train_on", interrupted)
    with pytest.raises(SystemExit) as exited:
        start(monkeypatch, *command)
    assert exited.value.code == 130
    rows = tmp_path / "curve.csv"
    assert f"Interrupted. The same command resumes from {rows}." in capsys.readouterr().err
    assert len(read_rows(rows)) == 2
    start(monkeypatch, *command)
    assert len(trained) == 3 + len(MODELS) * len(DRAWS) - 2
    resumed, uninterrupted = (
        pd.read_csv(path).drop(columns="seconds") for path in (rows, measured.output.with_suffix(".csv"))
    )
    pd.testing.assert_frame_equal(resumed, uninterrupted)


def test_rows_of_other_settings_are_rejected(measured, monkeypatch, capsys):
    with pytest.raises(SystemExit):
        start(monkeypatch, "optim.lr=0.5", *measured.command)
    assert one_line(capsys.readouterr().err) == (
        f"{measured.output.with_suffix('.csv')} must have rows of the same settings and titles. Got {PLAIN} with "
        "20 labels, measured with others. Remove these rows, or choose another --output."
    )


def test_other_files_are_rejected(tmp_path):
    for content in (b"", b"a,b\n1,2\n", b"\xff\xfe", ",".join(COLUMNS).encode() + b"\nmany" + b",1" * 9):
        path = tmp_path / "curve.csv"
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"curve.csv must have rows of this script. Got: .*--output\.$"):
            read_rows(path)


def test_settings_depend_on_the_contents_of_files_but_not_on_paths_and_seeds(embeddings, titles_csv, tmp_path):
    def settings(path=embeddings, test="here", **options):
        arguments = argparse.Namespace(embeddings=path, overrides=[*SMALL, FEW_BUCKETS, f"data.path={titles_csv}"])
        config = dataclasses.replace(learning_curve.config_of(TUNED, 20, arguments), **options)
        return learning_curve.settings_of(TUNED, 20, config, benchmark(fingerprint=test))

    moved, edited = tmp_path / "moved.safetensors", tmp_path / "edited.safetensors"
    moved.write_bytes(embeddings.read_bytes())
    edited.write_bytes(embeddings.read_bytes() + b" ")
    assert settings(moved, seed=2, output_dir="there") == settings()
    assert len({settings(), settings(edited), settings(test="there"), settings(resume="x")}) == 4


def test_fasttext_is_trained_on_the_same_draw_and_longer_on_few_labels(monkeypatch, titles_csv, tmp_path):
    pytest.importorskip("fasttext", reason="fastText has wheels for Linux on x86-64 only")
    monkeypatch.setattr(peers, "FASTTEXT_SETTINGS", {**peers.FASTTEXT_SETTINGS, "bucket": 997})
    monkeypatch.setattr(learning_curve, "FASTTEXT_TITLES", 2001)
    assert [learning_curve.fasttext_settings(size)["epoch"] for size in (20, 40, 1000)] == [101, 51, 25]
    output = tmp_path / "curve.md"
    start(monkeypatch, f"data.path={titles_csv}", "--models", "fast", "--sizes", 20, "--seeds", 1, "--output", output)
    (row,) = read_rows(output.with_suffix(".csv")).values()
    assert row["used"] == 20
    assert row["calibration_error"] > 0
    assert "labels, ngram" not in output.read_text()


def test_training_moves_characters_and_head_but_not_the_frozen_table(embeddings):
    arguments = argparse.Namespace(embeddings=embeddings, overrides=[*SMALL, FEW_BUCKETS])
    config = learning_curve.config_of(FROZEN, 20, arguments)
    data = learning_curve.split(TITLES, config)
    network = new_model(config, data, pick_device(config.device)).network
    moving = [name for name, weights in network.named_parameters() if weights.requires_grad]
    assert moving == ["encoder.embedding.characters.weight", "head.weight", "head.bias"]


def test_draws_are_nested_and_seeded():
    large, small = (learning_curve.draw(TITLES, size, seed=3) for size in (41, 7))
    pd.testing.assert_frame_equal(large[:7], small)
    assert large["title"].is_unique
    assert set(learning_curve.draw(TITLES, 7, seed=4)["title"]) != set(small["title"])


def test_peers_train_on_a_whole_draw_and_titleclf_on_what_can_be_split(small):
    drawn = TITLES.iloc[[*range(7), 20, 21, *range(40, 45)]]  # seven titles, two and five
    whole = learning_curve.unsplit(drawn)
    split = learning_curve.split(drawn, small())
    assert len(whole.train) == 14
    assert whole.categories == ["Music", "News", "Sports"]
    assert len(split.train) + len(split.validation) == 12
    assert split.categories == ["Music", "Sports"]
    assert split.remembered is split.train
    assert len(split.validation) == 2


def test_a_draw_that_cannot_be_split_is_rejected(small):
    with pytest.raises(InputError) as caught:
        learning_curve.split(TITLES.iloc[[0, 1, 2, 20, 21]], small("seed=7"))
    assert str(caught.value) == (
        "--sizes must give draws with two categories of three programmes each. Got too few in 5 labels with seed 7. "
        "Choose larger sizes."
    )


def test_titles_of_a_category_that_was_not_drawn_count_as_wrong():
    noisy = NoisyTitles({name: list("abcd") for name in CONDITIONS}, np.array([0, 1, 2, 2]))
    probabilities = np.array([[0.75, 0.25], [0.75, 0.25], [0.25, 0.75], [0.0, 1.0]])
    model = peers.Model(lambda _: probabilities, list, True, 7.5, np.nan)
    scores = learning_curve.scores_of(model, ["Music", "Sports"], benchmark(noisy), bins=15)
    assert scores["accuracy"] == scores["misspelt"] == 0.75
    assert scores["macro_f1"] == pytest.approx((2 / 3 + 0 + 1) / 3)
    assert scores["calibration_error"] == pytest.approx((3 * abs(2 / 3 - 0.75) + 0) / 4)
    assert scores["seconds"] == 7.5


@pytest.mark.parametrize(
    ("accuracy", "words"),
    [
        (0.1, "fewer than 100"),
        (0.2, "about 100"),
        (0.3, "about 1,000"),
        (0.45, "about 32,000"),
        (0.6, "more than 100,000"),
    ],
)
def test_labels_are_interpolated_over_their_logarithm(accuracy, words):
    curve = pd.Series({100: 0.2, 10_000: 0.4, 100_000: 0.5})
    assert learning_curve_report.labels_for(accuracy, curve) == words


def test_needed_labels_are_computed_at_the_size_nearest_to_a_thousand():
    measured = pd.DataFrame(
        {"model": name, "size": size, "accuracy": accuracy}
        for name, scores in {PLAIN: (0.3, 0.4), peers.SVC: (0.2, 0.4)}.items()
        for size, accuracy in zip((100, 10_000), scores, strict=True)
    )
    line = f"- With 100 labels, {PLAIN} has an accuracy of 30.0%: {peers.SVC} needs about 1,000 labels for that.\n"
    assert learning_curve_report.labels_needed(measured, [PLAIN, TUNED]) == line
    assert learning_curve_report.labels_needed(measured[:2], [PLAIN]) == ""


def test_cells_have_the_mean_and_the_range():
    scores = {"accuracy": [0.25, 0.5, 0.75], "macro_f1": 0.5, "misspelt": 0.5, "calibration_error": np.nan}
    measured = pd.DataFrame({"model": PLAIN, "size": [100, 100, 1000], **scores, "seconds": 2.0})
    text = learning_curve_report.as_markdown(measured)
    assert f"| {PLAIN} | 37.5% (25.0% to 50.0%) | 75.0% |" in text
    assert f"| {PLAIN} | - | - |" in text
    assert f"| {PLAIN} | 2.0 (2.0 to 2.0) | 2.0 |" in text


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["--models", "SVC", "tuned"],
            f"--embeddings must be given for {TUNED}. Got nothing. Name a file, or select other models with --models.",
        ),
        (["--embeddings", "a.b"], "--embeddings must be a file that exists. Got a.b. Check the path."),
    ],
)
def test_embeddings_must_exist_if_a_model_needs_them(arguments, sentence):
    with pytest.raises(InputError) as caught:
        learning_curve.parse(arguments)
    assert str(caught.value) == sentence


def test_models_are_selected_by_a_part_of_their_name_and_have_a_fixed_order(embeddings):
    parsed = learning_curve.parse(["--embeddings", str(embeddings), "--models", "fasttext", "frozen"])
    assert parsed.models == [FROZEN, peers.FASTTEXT]
    assert learning_curve.parse(["--embeddings", str(embeddings)]).models == learning_curve.NAMES
    assert learning_curve._model(FROZEN) == FROZEN
    for part in ("ngram", "bag"):
        with pytest.raises(
            argparse.ArgumentTypeError, match=rf"must be a part of exactly one of .*; fastText. Got {part}."
        ):
            learning_curve._model(part)


def test_sizes_beyond_the_titles_are_rejected():
    arguments = argparse.Namespace(sizes=[1000, 41])
    with pytest.raises(InputError) as caught:
        learning_curve.tasks_of(arguments, 40)
    assert str(caught.value) == (
        "--sizes must not all exceed the 40 titles to draw from. Got 1,000, 41. Choose smaller ones."
    )


def test_draws_of_many_labels_have_their_own_number_of_seeds():
    arguments = argparse.Namespace(sizes=[3001, 3000, 3000], seeds=2, seeds_above=1, models=[PLAIN])
    assert learning_curve.tasks_of(arguments, 5000) == [
        Task(3000, 1, PLAIN),
        Task(3000, 2, PLAIN),
        Task(3001, 1, PLAIN),
    ]


def test_few_labels_are_trained_in_small_batches_unless_overridden():
    def batch_size(size, *overrides):
        arguments = argparse.Namespace(embeddings=None, overrides=overrides)
        return learning_curve.config_of(PLAIN, size, arguments).training.batch_size

    assert [batch_size(3000), batch_size(3001), batch_size(3000, "training.batch_size=7")] == [8, 64, 7]


def test_a_memory_of_other_titles_is_rejected():
    arguments = argparse.Namespace(embeddings=None, overrides=["memory_path=shipped"])
    with pytest.raises(InputError) as caught:
        learning_curve.config_of(PLAIN, 100, arguments)
    assert str(caught.value) == (
        "memory_path must be null, because its titles are labels too. Got shipped. Leave it out."
    )


def test_a_report_with_a_name_hides_its_files(monkeypatch, tmp_path):
    labelled = rows()
    train = write_csv(tmp_path / "secret_train.csv", labelled[:18] + labelled[20:38])
    test = write_csv(tmp_path / "secret_test.csv", labelled[18:20] + labelled[38:40])
    output = tmp_path / "curve.md"
    options = ("--train", train, "--test", test, "--name", "titles of nowhere", "--models", "SVC", "--seeds", 1)
    start(monkeypatch, *options, "--sizes", 20, "--output", output)
    text = output.read_text()
    assert (
        "- Titles: titles of nowhere. Labels are drawn from 36 titles; 4 others are the test titles of all models."
        in text
    )
    assert "--train SECRET_TRAIN --test SECRET_TEST" in text
    assert str(tmp_path) not in text
