import csv
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow
import pytest
from pyarrow import parquet

import titleclf.predict
from tests.helpers.commands import command, one_line
from tests.helpers.titles import rows
from titleclf import Classifier
from titleclf.predict import blocks
from titleclf.predict import dataset as module
from titleclf.predict.worker import Request, Worker

TITLES = [title for title, _, _ in rows()]


def write(path: Path, titles: Sequence[str | None], group: int = 7, **columns: list[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pyarrow.table({"id": range(len(titles)), "title": pyarrow.array(titles, pyarrow.string()), **columns})
    parquet.write_table(table, path, row_group_size=group)
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return a folder with three files in eight blocks, one without rows, of 41 rows altogether."""
    write(tmp_path / "data" / "a.parquet", [*TITLES[:30], "", None])
    write(tmp_path / "data" / "deep" / "a.parquet", TITLES[30:39])
    write(tmp_path / "data" / "none.parquet", [])
    write(tmp_path / "data" / ".hidden" / "a.parquet", TITLES)
    return tmp_path / "data"


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> list[blocks.Block]:
    """Predict in this process, since Ray takes seconds to start, and return the predicted blocks."""
    predicted: list[blocks.Block] = []

    def predict_blocks(missing: Sequence[blocks.Block], request: Request, workers: int) -> Iterator[int]:
        assert workers >= 1
        for block in missing:
            predicted.append(block)
            yield Worker(request).predict(block)

    monkeypatch.setattr(module, "predict_blocks", predict_blocks)
    return predicted


@pytest.fixture
def report(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Return a function that runs the command in this process and returns its report."""

    def call(*arguments: object) -> str:
        monkeypatch.setattr(sys, "argv", ["predict_dataset", *map(str, arguments)])
        module.main()
        return one_line(capsys.readouterr().out)

    return call


@pytest.fixture
def refusal(report: Callable[..., str], capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Return a function that runs the command in this process and returns its error."""

    def call(*arguments: object) -> str:
        with pytest.raises(SystemExit) as caught:
            report(*arguments)
        assert caught.value.code == 2
        return one_line(capsys.readouterr().err)

    return call


def predictions(folder: Path) -> list[dict[str, Any]]:
    table: list[dict[str, Any]] = parquet.read_table(folder).to_pylist()
    return table


def shards(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.parquet")}


@pytest.mark.usefixtures("data")
def test_two_workers_predict_each_row_once_and_the_same_command_continues(run, tmp_path):
    out = tmp_path / "out"
    arguments = ("data", "out", "--model", str(run), "--workers", "2", "--batch-size", "3")
    done = command("predict.dataset", *arguments, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"41 titles in 8 shards: out. Model: {run}.\n"
    first = shards(out)
    assert set(first) == {
        *(f"a-{n:05d}.parquet" for n in range(5)),
        "deep/a-00000.parquet",
        "deep/a-00001.parquet",
        "none-00000.parquet",
    }
    expected = Classifier.load(run).predict([*TITLES[:30], "", "", *TITLES[30:39]])
    found = predictions(out)
    assert [row["id"] for row in found] == [*range(32), *range(9)]
    assert [row["title"] for row in found] == [*TITLES[:30], "", None, *TITLES[30:39]]
    assert [row["category"] for row in found] == [prediction.category for prediction in expected]
    assert [row["probability"] for row in found] == pytest.approx([prediction.probability for prediction in expected])

    (out / "a-00002.parquet").unlink()
    (out / "a-00003.parquet").write_bytes(first["a-00003.parquet"][:-9])
    write(out / "deep" / "a-00000.parquet", TITLES[:3])  # with another number of rows
    (out / ".a-00001.parquet.begun").touch()  # by a killed worker
    done = command("predict.dataset", *arguments, cwd=tmp_path)
    assert done.stdout == f"41 titles in 8 shards: out (20 were there before). Model: {run}.\n"
    assert shards(out) == first
    assert not (out / ".a-00001.parquet.begun").exists()


def test_neither_ctrl_c_nor_a_killed_worker_loses_or_repeats_a_row(run, tmp_path):
    many = [f"{title} {number}" for number in range(400) for title in TITLES]
    write(tmp_path / "many.parquet", many, group=1000)
    code, out, err = signalled(run, tmp_path, signal.SIGINT, to_worker=False)
    assert (code, out) == (130, "")
    assert err == "Interrupted. The same command continues with the missing shards.\n"
    code, out, _ = signalled(run, tmp_path, signal.SIGKILL, to_worker=True)
    assert (code, out.partition(":")[0]) == (0, "20,000 titles in 20 shards")
    found = predictions(tmp_path / "out")
    assert [row["id"] for row in found] == list(range(20_000))
    assert [row["title"] for row in found] == many
    assert not list((tmp_path / "out").glob(".*"))


def signalled(run: Path, folder: Path, what: signal.Signals, *, to_worker: bool) -> tuple[int, str, str]:
    """Send a signal to the command or one of its workers, and return exit code, output and errors."""
    arguments = ["many.parquet", "out", "--model", str(run), "--workers", "2", "--batch-size", "100"]
    with subprocess.Popen(
        [sys.executable, "-m", "titleclf.predict.dataset", *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        worker = busy_worker(process.pid)
        os.kill(worker if to_worker else process.pid, what)
        out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def busy_worker(pid: int) -> int:
    """Wait for a process below `pid` that predicts a block, and return its number."""
    for _ in range(1200):
        listed = subprocess.run(["ps", "-eo", "pid=,ppid=,args="], capture_output=True, text=True, check=True).stdout
        found = {int(line.split()[0]): (int(line.split()[1]), line) for line in listed.splitlines()}
        for number, (parent, line) in found.items():
            while parent in found and parent != pid:
                parent = found[parent][0]
            if parent == pid and "ray::Worker.predict" in line:
                return number
        time.sleep(0.05)
    raise TimeoutError


@pytest.mark.usefixtures("here")
def test_candidates_thresholds_and_another_column(run, tmp_path, report):
    classifier = Classifier.load(run)
    path = write(tmp_path / "one.parquet", ["-"] * 3, name=["Tagesschau", "Qwertz", None])
    options = ("--column", "name", "--top", 2, "--precision", 0.5, "--model", run)
    assert report(path, tmp_path / "out", *options).startswith("3 titles in 1 shards: ")
    expected = classifier.predict(["Tagesschau", "Qwertz", ""], 2, classifier.thresholds.at(0.5))
    for row, prediction in zip(predictions(tmp_path / "out"), expected, strict=True):
        assert row["category"] == prediction.category
        candidates = [(candidate["category"], candidate["probability"]) for candidate in row["candidates"]]
        assert [name for name, _ in candidates] == [name for name, _ in prediction.candidates]
        assert [probability for _, probability in candidates] == pytest.approx(
            [probability for _, probability in prediction.candidates]
        )


@pytest.mark.usefixtures("here")
def test_several_tags(data, tags_run, tmp_path, report):
    report(data, tmp_path / "out", "--model", tags_run)
    expected = Classifier.load(tags_run).predict([*TITLES[:30], "", "", *TITLES[30:39]])
    assert [tuple(row["categories"]) for row in predictions(tmp_path / "out")] == [
        prediction.named for prediction in expected
    ]
    assert "candidates" not in predictions(tmp_path / "out")[0]


@pytest.mark.usefixtures("here")
def test_the_other_columns_stay_as_they_are(run, tmp_path, report):
    kept = {"tags": [["a"], None, []], "when": pyarrow.array([1, 2, None], pyarrow.timestamp("s"))}
    titles = pyarrow.array(["Newsnight", "Tatort", None]).dictionary_encode()
    table = pyarrow.table({**kept, "title": titles}).replace_schema_metadata({"whose": "mine"})
    parquet.write_table(table, tmp_path / "one.parquet")
    report(tmp_path / "one.parquet", tmp_path / "out", "--model", run)
    found = parquet.read_table(tmp_path / "out" / "one-00000.parquet")
    assert found.column_names == ["tags", "when", "title", "category", "probability"]
    assert found.select(["tags", "when", "title"]).to_pylist() == table.to_pylist()
    assert found.schema.metadata[b"whose"] == b"mine"


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("what", ["options", "model", "data"])
def test_a_folder_that_was_begun_with_something_else_is_refused(data, run, tags_run, tmp_path, report, refusal, what):
    out = tmp_path / "out"
    report(data, out, "--model", run)
    before = shards(out)
    if what == "data":
        write(data / "deep" / "a.parquet", TITLES[31:40])
    model = tags_run if what == "model" else run
    again = refusal(data, out, "--model", model, *(["--top", "2"] if what == "options" else []))
    assert again == f"{out} must have been created with the same {what}. Got another. Name a new folder."
    assert shards(out) == before


def test_every_error_is_one_line(data, run, tmp_path, refusal, here):
    out, model = tmp_path / "out", ("--model", run)
    text = tmp_path / "titles.csv"
    with text.open("w") as file:
        csv.writer(file).writerows([["title"], ["Heat"]])
    empty = tmp_path / "empty"
    empty.mkdir()
    labelled = write(tmp_path / "labelled.parquet", ["Heat"], category=["Movie"], probability=[1.0])
    full = tmp_path / "full"
    full.mkdir()
    (full / "notes.txt").touch()
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / blocks.MANIFEST).write_text("{")
    cases = [
        ((empty, out), f"{empty} must be a .parquet file or a folder of Parquet files. Got none. Check the path."),
        (
            (tmp_path / "no", out),
            f"{tmp_path / 'no'} must be a .parquet file or a folder of Parquet files. Got none. Check",
        ),
        ((text, out), f"{text} must be a Parquet file. Got: Parquet magic bytes not found"),
        ((data, out, "--column", "name"), f"{data / 'a.parquet'} must have the column name. Got id, title. Name the"),
        ((data, out, "--column", "id"), f"{data / 'a.parquet'} must have text in id. Got int64. Name the column"),
        (
            (labelled, out),
            f"{labelled} must not have columns with the names that predictions get. Got category, probab",
        ),
        ((data, full), f"{full} must be empty, or hold shards of the same data. Got other files. Name another folder."),
        ((data, text), f"{text} must be a folder. Got a file. Name another one."),
        (
            (data, broken),
            f"{broken} must have been created with the same data and titleclf and model and options. Got another.",
        ),
    ]
    for arguments, sentence in cases:
        assert refusal(*arguments, *model).startswith(sentence)
    assert refusal(data, out, "--model", empty).startswith(
        f"{empty} must be a folder with a model. Got no config.json there."
    )
    assert not out.exists()
    assert here == []


def test_a_model_uses_the_columns_of_its_fields(fields_run, tmp_path, report, here):
    fields: dict[str, list[Any]] = {
        "channel": ["sport.one", "news.24", None],
        "minutes": [100, 15, None],
        "description": ["All goals, live", None, ""],
        "year": [None, 2024, None],
    }
    write(tmp_path / "a.parquet", ["Qwertz"] * 3, 7, **fields)
    write(tmp_path / "alone.parquet", ["Qwertz"])
    for name in ("a", "alone"):
        report(tmp_path / f"{name}.parquet", tmp_path / name, "--model", fields_run, "--precision", "0.5")
    model = Classifier.load(fields_run)
    programmes = pd.DataFrame({"title": ["Qwertz"] * 3, **fields})
    expected = model.predict(programmes, 1, model.thresholds_at(0.5))
    assert [prediction.category for prediction in expected[:2]] == ["Sports", "News"]
    found = predictions(tmp_path / "a")
    assert [row["category"] for row in found] == [prediction.category for prediction in expected]
    assert [row["probability"] for row in found] == pytest.approx([prediction.probability for prediction in expected])
    (alone,) = predictions(tmp_path / "alone")
    assert (alone["category"], alone["probability"]) == (found[2]["category"], pytest.approx(found[2]["probability"]))
    assert len(here) == 2


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        ({"minutes": [60, -5]}, "minutes must be minutes, 0 or more, or empty. Got -5. Write a number."),
        ({"channel": [1, 2]}, "channel must be UTF-8 text. Got 1. Put it in quotes, or leave it empty."),
        ({"year": ["1999", "soon"]}, "year must be a year, 0 or more, or empty. Got 'soon'. Write a number."),
        (
            {"description": [["a"], ["b"]]},
            "description must be UTF-8 text. Got ['a']. Put it in quotes, or leave it empty.",
        ),
    ],
)
@pytest.mark.usefixtures("here")
def test_an_invalid_field_is_refused(fields_run, run, tmp_path, report, refusal, columns, problem):
    path = write(tmp_path / "a.parquet", ["Qwertz", "Live"], **columns)
    assert refusal(path, tmp_path / "out", "--model", fields_run) == f"{path}, row group 0: {problem}"
    assert predictions(tmp_path / "out") == []
    report(path, tmp_path / "other", "--model", run)  # which uses none of them


def test_a_damaged_block_ends_with_its_sentence(run, tmp_path, data):
    path = data / "a.parquet"
    content = bytearray(path.read_bytes())
    content[4:400] = bytes(396)
    path.write_bytes(content)
    done = command("predict.dataset", "data", "out", "--model", str(run), "--workers", "1", cwd=tmp_path)
    assert done.returncode == 2
    assert one_line(done.stderr).startswith("data/a.parquet must be a Parquet file. Got: ")


def test_a_block_that_kills_every_worker_ends_with_a_sentence(tmp_path):
    program = """
        import os
        from titleclf.predict import dataset, worker
        from titleclf.runtime.errors import exit_codes

        class Deadly:
            def __init__(self, request): ...

            def predict(self, block):
                os._exit(1)

        @exit_codes
        def main():
            worker.Worker = Deadly
            list(dataset.predict_blocks(["block"], None, 1))

        main()
    """
    (tmp_path / "program.py").write_text(textwrap.dedent(program))
    done = subprocess.run(
        [sys.executable, "program.py"], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == (
        "a block must be predicted in 4 tries. Got a killed process each time. Pass fewer --workers or a smaller "
        "--batch-size, in case memory ran out."
    )


@pytest.mark.parametrize("name", ["ray", "pyarrow"])
def test_the_error_without_a_package_names_the_extra(monkeypatch, refusal, tmp_path, name):
    monkeypatch.setitem(sys.modules, name, None)
    for own in ("blocks", "worker"):
        monkeypatch.delitem(sys.modules, f"titleclf.predict.{own}", raising=False)
        monkeypatch.delattr(titleclf.predict, own, raising=False)
    sentence = f"titleclf needs the extra ray. Got no module named {name}. Install it in the checkout: "
    assert refusal(tmp_path, tmp_path / "out") == f"{sentence}pip install '.[ray]'."
