import csv
import io
import json
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.helpers.commands import command, one_line
from titleclf import __version__
from titleclf.predict import __main__ as module
from titleclf.predict.output import NO_TITLE, UNSURE
from titleclf.runtime.bundle.reader import read_bundle
from titleclf.runtime.text.programmes import Programmes
from titleclf.runtime.thresholds import Thresholds
from titleclf.training.bundle_writer import write_bundle
from titleclf.training.trained_model import load_trained

AWKWARD = [
    "What's Up, Doc?",
    "24",
    "null",
    "True",
    "日本沈没",
    "M*A*S*H: Goodbye, Farewell and Amen",
    "--help",
    "${oops}",
    "🎉",
    "x" * 10_000,
    " ",
    "",
    '"Quoted", twice',
    "a=b",
    "-1",
    "[list]",
    "{a: 1}",
    "%s %d",
    "tab\there",
    "Ein Fall für zwei?!",
    "\\N{DASH}",
]
assert len(AWKWARD) == 21


def predictions(monkeypatch, capsys, model: Path, *arguments: str) -> list[dict[str, Any]]:
    monkeypatch.setattr(sys, "argv", ["predict", "--model", str(model), "--format", "jsonl", *arguments])
    module.main()
    return [json.loads(line) for line in capsys.readouterr().out.split("\n")[:-1]]


def assert_awkward(found: list[dict[str, Any]], titles: list[str]) -> None:
    assert [prediction["title"] for prediction in found] == titles
    for prediction in found:
        category, probability = prediction["category"], prediction["probability"]
        if prediction["title"].strip():
            assert category in ("Music", "News", "Sports")
            assert prediction["top"][0] == {"category": category, "probability": probability}
        else:
            assert (category, probability, prediction["top"]) == (None, None, [])


def test_awkward_titles_as_arguments(monkeypatch, capsys, run):
    assert_awkward(predictions(monkeypatch, capsys, run, "--", *AWKWARD), AWKWARD)


def test_awkward_titles_in_a_text_file(monkeypatch, capsys, run, tmp_path):
    titles = [*AWKWARD, "nul\0inside", "next\u2028line"]
    (tmp_path / "titles.txt").write_bytes("\n".join(titles).encode() + b"\n")
    assert_awkward(predictions(monkeypatch, capsys, run, "--input", str(tmp_path / "titles.txt")), titles)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_awkward_titles_in_a_table(monkeypatch, capsys, run, tmp_path, kind):
    titles = [*AWKWARD, "two\nlines", "nul\0inside"]
    frame = pd.DataFrame({"id": range(len(titles)), "title": titles})
    path = tmp_path / f"titles.{kind}"
    frame.to_csv(path, index=False) if kind == "csv" else frame.to_parquet(path)
    assert_awkward(predictions(monkeypatch, capsys, run, "--input", str(path)), titles)


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_another_column_may_have_the_titles(monkeypatch, capsys, run, tmp_path, kind):
    frame = pd.DataFrame({"title": ["x", "y"], "Title": ["Tagesschau", "Tatort"]})
    path = tmp_path / f"titles.{kind}"
    match kind:
        case "csv":
            frame.to_csv(path, index=False)
        case "jsonl":
            frame.to_json(path, orient="records", lines=True)
        case "parquet":
            frame.to_parquet(path)
    for column, titles in frame.items():
        found = predictions(monkeypatch, capsys, run, "--input", str(path), "--column", str(column))
        assert [prediction["title"] for prediction in found] == titles.tolist()


@pytest.mark.parametrize("arguments", [[], ["--input", "-"]])
def test_awkward_titles_on_standard_input(run, tmp_path, arguments):
    titles = [*AWKWARD, "nul\0inside"]
    done = command(
        "predict", "--model", str(run), "--format", "jsonl", *arguments, cwd=tmp_path, input="\n".join(titles) + "\n"
    )
    assert_awkward([json.loads(line) for line in done.stdout.splitlines()], titles)
    assert done.stderr.splitlines() == [f"model: {run}", "truncated: 2 titles longer than the longest training title"]


def test_a_prediction_does_not_depend_on_the_locale(run, tmp_path, monkeypatch):
    monkeypatch.setenv("LC_ALL", "C")
    monkeypatch.setenv("PYTHONUTF8", "0")
    monkeypatch.setenv("PYTHONCOERCECLOCALE", "0")
    (tmp_path / "t.txt").write_text("日本沈没\n", encoding="utf-8")
    done = command("predict", "--model", str(run), "--input", "t.txt", "--format", "csv", cwd=tmp_path)
    assert "日本沈没" in done.stdout


def test_predictions_are_those_of_the_trained_model(run):
    model = load_trained(run)
    (found,) = model.predict(["Match of the Day"], top=3)
    row = model.probabilities(Programmes(["Match of the Day"]))[0]
    assert [probability for _, probability in found.candidates] == sorted(row, reverse=True)
    assert found.category == model.categories[row.argmax()]


def test_below_the_minimum_confidence_there_is_no_category_but_candidates(monkeypatch, capsys, run):
    (prediction,) = predictions(monkeypatch, capsys, run, "--min-confidence", "1", "--top", "2", "Match of the Day")
    assert prediction["category"] is None
    assert len(prediction["top"]) == 2
    assert prediction["probability"] == prediction["top"][0]["probability"]


def with_thresholds(run: Path, tmp_path: Path, least: list[float | None]) -> Path:
    """Copy the bundle, with the same thresholds for all categories at the precisions 0.5 and 0.9."""
    bundle = read_bundle(run)
    categories = bundle.contents.categories
    bundle.contents.thresholds = Thresholds([0.5, 0.9], dict.fromkeys(categories, least), {})
    write_bundle(bundle, tmp_path / "changed")
    return tmp_path / "changed"


@pytest.mark.parametrize(("least", "is_named"), [([0.0, None], [True, False]), ([0.0, 0.0], [True, True])])
def test_below_its_threshold_a_category_is_not_named_but_a_candidate(
    monkeypatch, capsys, run, tmp_path, least, is_named
):
    model = with_thresholds(run, tmp_path, least)
    for precision, named in zip(("0.5", "0.9"), is_named, strict=True):
        (prediction,) = predictions(
            monkeypatch, capsys, model, "--precision", precision, "--top", "2", "Match of the Day"
        )
        assert prediction["category"] == (prediction["top"][0]["category"] if named else None)
        assert len(prediction["top"]) == 2


def test_precision_and_minimum_confidence_must_both_hold(monkeypatch, capsys, run, tmp_path):
    model = with_thresholds(run, tmp_path, [0.0, 1.0])
    for precision, confidence, is_named in (("0.5", "0", True), ("0.5", "1", False), ("0.9", "0", False)):
        (prediction,) = predictions(
            monkeypatch, capsys, model, "--precision", precision, "--min-confidence", confidence, "Tagesschau"
        )
        assert (prediction["category"] is not None) == is_named


@pytest.mark.parametrize(("kind", "unsure"), [("text", f"   ?  {UNSURE}"), ("csv", "Tagesschau,,")])
def test_abstention_is_shown_in_every_format(monkeypatch, capsys, run, tmp_path, kind, unsure):
    model = with_thresholds(run, tmp_path, [None, None])
    monkeypatch.setattr(sys, "argv", ["p", "--model", str(model), "--precision", "0.9", "--format", kind, "Tagesschau"])
    module.main()
    assert unsure in capsys.readouterr().out


def test_csv_has_one_row_for_each_title(monkeypatch, capsys, run):
    arguments = ["--model", str(run), "--format", "csv", "--top", "9", 'Say "Yes", no', ""]
    monkeypatch.setattr(sys, "argv", ["predict", *arguments])
    module.main()
    header, first, empty = csv.reader(io.StringIO(capsys.readouterr().out))
    assert header == [
        "title",
        "category",
        "candidate",
        "probability",
        "candidate_2",
        "probability_2",
        "candidate_3",
        "probability_3",
    ]
    assert first[0] == 'Say "Yes", no'
    assert first[1] == first[2]
    assert empty == ["", ""]


def test_text_is_for_people(monkeypatch, capsys, run):
    monkeypatch.setattr(sys, "argv", ["predict", "--model", str(run), "--top", "2", "Swan Lake", "", "\x1b[31mred"])
    module.main()
    first, second, empty, coloured, _ = capsys.readouterr().out.splitlines()
    assert first.endswith("Swan Lake")
    assert "%" in first
    assert "%" in second
    assert NO_TITLE in empty
    assert "\\x1b[31mred" in coloured  # a title can't steer the terminal
    monkeypatch.setattr(sys, "argv", ["predict", "--model", str(run), "--min-confidence", "1", "Swan Lake"])
    module.main()
    unsure, guess = capsys.readouterr().out.splitlines()
    assert UNSURE in unsure
    assert "%" in guess


def test_files_larger_than_a_chunk_keep_their_order(monkeypatch, capsys, run, tmp_path):
    monkeypatch.setattr(module, "_CHUNK", 7)
    titles = [f"title {number}" for number in range(50)]
    (tmp_path / "t.txt").write_text("\n".join(titles))
    found = predictions(monkeypatch, capsys, run, "--input", str(tmp_path / "t.txt"))
    assert [prediction["title"] for prediction in found] == titles


def test_an_empty_file_has_no_predictions(monkeypatch, capsys, run, tmp_path):
    (tmp_path / "t.txt").write_text("")
    assert predictions(monkeypatch, capsys, run, "--input", str(tmp_path / "t.txt")) == []


@pytest.fixture
def in_folder_with_run(run, tmp_path, monkeypatch) -> None:
    """Work in a folder whose `outputs` holds a run."""
    (tmp_path / "outputs").symlink_to(run.parent, target_is_directory=True)
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("in_folder_with_run")
def test_the_newest_run_is_the_default_and_is_named(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["predict", "Tagesschau"])
    module.main()
    assert capsys.readouterr().err == "model: outputs/latest\n"


SHIPPED = f"model: shipped (titleclf {__version__})\n"


@pytest.mark.usefixtures("shipped_model")
@pytest.mark.parametrize("arguments", [[], ["--model", "shipped"]])
def test_before_any_run_the_shipped_model_predicts_and_is_named(monkeypatch, capsys, run, tmp_path, arguments):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["predict", *arguments, "Tagesschau"])
    module.main()
    shipped = capsys.readouterr()
    assert shipped.err == SHIPPED
    monkeypatch.setattr(sys, "argv", ["predict", "--model", str(run), "Tagesschau"])
    module.main()
    assert capsys.readouterr().out == shipped.out


@pytest.mark.usefixtures("shipped_model", "in_folder_with_run")
def test_a_run_is_preferred_to_the_shipped_model(monkeypatch, capsys):
    for arguments, name in (([], "model: outputs/latest\n"), (["--model", "shipped"], SHIPPED)):
        monkeypatch.setattr(sys, "argv", ["predict", *arguments, "Tagesschau"])
        module.main()
        assert capsys.readouterr().err == name


@pytest.mark.usefixtures("no_shipped_model")
def test_a_package_without_a_model_is_an_error(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["predict", "--model", "shipped", "Tagesschau"])
    with pytest.raises(SystemExit):
        module.main()
    assert "data/model must be a folder with a model. Got nothing there." in one_line(capsys.readouterr().err)


@pytest.mark.usefixtures("no_shipped_model")
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["A", "--input", "b.txt"], "titles must be arguments or come from --input. Got both. Leave one out."),
        (["A", "--column", "b"], "--column must be used with --input and a table. Got no table. Leave it out."),
        (["--input", "b.txt", "--column", "b"], "--column must be used with --input and a table. Got no table. Leave"),
        (
            ["--input", "ragged.csv", "--column", "name", "--model", "RUN"],
            "ragged.csv must have the column name. Got title. Rename yours.",
        ),
        (["A"], "outputs/latest must exist. Got nothing there. Train a model with "),
        (["A", "--model", "none"], "none must be a folder with a model. Got nothing there. Name another folder, or"),
        (["A", "--model", "."], ". must be a folder with a model. Got no config.json there. Name another folder, or s"),
        (["A", "--model", "half"], "half must be a finished run. Got one without a bundle. Resume it: "),
        (["--input", "none.txt", "--model", "RUN"], "none.txt: no such file."),
        (["--input", "none.doc", "--model", "RUN"], "none.doc: no such file. Check the path."),
        (
            ["--input", "titles.doc", "--model", "RUN"],
            "titles.doc must be one of .txt, .csv, .tsv, .jsonl (also with .gz), .parquet. Got .doc. Convert or",
        ),
        (["--input", ".", "--model", "RUN"], ". must be a file. Got a folder. Name a file in it."),
        (["--input", "latin.txt", "--model", "RUN"], "latin.txt:2: must be UTF-8. Got other bytes. Convert it, for"),
        (["--input", "latin.csv", "--model", "RUN"], "latin.csv:3: title must be UTF-8. Got other bytes."),
        (
            ["--input", "number.jsonl", "--model", "RUN"],
            "number.jsonl:1: title must be text. Got 24. Put it in quotes.",
        ),
        (
            ["--input", "ragged.csv", "--model", "RUN"],
            "ragged.csv:2: must have 1 cells, like the first line. Got 2. Quote cells",
        ),
        (
            ["--model", "RUN", "--precision", "0.995", "--format", "csv", "A"],
            "a target precision must be at most 0.99, the highest that the model was fitted to. Got 0.995.",
        ),
        (["--model", "RUN", "\udcff"], "argument:1: must be UTF-8. Got other bytes."),
    ],
)
def test_errors_are_one_line(monkeypatch, capsys, tmp_path, run, arguments, sentence):
    (tmp_path / "latin.txt").write_bytes("Tatort\nMünchen\n".encode("latin-1"))
    (tmp_path / "latin.csv").write_bytes("title\nTatort\nMünchen\n".encode("latin-1"))
    (tmp_path / "number.jsonl").write_text('{"title": 24}\n')
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "config.yaml").write_text("seed: 1\n")
    (tmp_path / "titles.doc").write_text("Tatort\n")
    (tmp_path / "ragged.csv").write_text("title\nA,B\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        sys, "argv", ["predict", *(str(run) if argument == "RUN" else argument for argument in arguments)]
    )
    with pytest.raises(SystemExit) as caught:
        module.main()
    assert caught.value.code == 2
    *model, line = capsys.readouterr().err.splitlines()
    assert model in ([], [f"model: {run}"])
    assert line.startswith(sentence)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--top", "0", "A"], "--top must be an integer above 0. Got 0."),
        (["--min-confidence", "2", "A"], "must be in [0, 1]. Got 2."),
        (["--min-confidence", "much", "A"], "must be in [0, 1]. Got much."),
        (["--precision", "1", "A"], "must be in (0, 1). Got 1."),
        (["--precision", "high", "A"], "must be in (0, 1). Got high."),
        (["--format", "xml", "A"], "--format must be one of text, jsonl, csv. Got xml."),
        (["--nonsense"], "--nonsense must be an option of python -m titleclf.predict. Got an unknown one."),
    ],
)
def test_invalid_options_are_refused(monkeypatch, capsys, arguments, sentence):
    monkeypatch.setattr(sys, "argv", ["predict", *arguments])
    with pytest.raises(SystemExit) as caught:
        module.main()
    assert caught.value.code == 2
    assert sentence in one_line(capsys.readouterr().err)


def test_titles_must_be_given_on_a_terminal(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["predict"])
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(SystemExit) as caught:
        module.main()
    assert caught.value.code == 2
    sentence = "titles must be given. Got none. Name some, or --input FILE; --help shows examples."
    assert one_line(capsys.readouterr().err) == sentence
