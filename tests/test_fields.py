"""Fields beside the title, end to end: tables, guides, training, predictions, filled guides and exports."""

import asyncio
import json
import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure

from tests.conftest import LEARNED_FIELDS
from tests.helpers.commands import command, one_line
from tests.helpers.guides import guide
from tests.helpers.networks import FIELDS as ALL_FIELDS
from tests.helpers.networks import centred, compose_model, folded, rounding_errors, with_random_fields
from tests.helpers.service import error_sentence, serving
from tests.helpers.titles import COLUMNS, field_rows, rows, write_csv
from tests.helpers.training import FIELDS, composed, killed, train_without_plots
from tests.helpers.xmltv import parsed
from titleclf.config import saved
from titleclf.config.schemas import ExportConfig, TrainConfig
from titleclf.data.dataset import LabelledTitles, read_dataset, read_splits
from titleclf.data.titles import read_all_titles, read_titles
from titleclf.epg import __main__ as epg
from titleclf.epg.decisions import Decider
from titleclf.epg.fill import Filler, When, fill
from titleclf.epg.genres import Genre, GenreTable
from titleclf.epg.report import report
from titleclf.evaluate.evaluation import evaluate
from titleclf.export import export
from titleclf.predict import __main__ as module
from titleclf.runtime.bundle.folding import field_table
from titleclf.runtime.choices import ExportFormat, Field, Task
from titleclf.runtime.classifier import Classifier, classifier_of
from titleclf.runtime.errors import InputError
from titleclf.runtime.explanation import explain
from titleclf.runtime.network import logits_of
from titleclf.runtime.text.characters import Characters
from titleclf.runtime.text.programmes import COLUMNS as NAMES
from titleclf.runtime.text.programmes import Programme, Programmes
from titleclf.serve.batcher import Batcher
from titleclf.serve.corrections import Corrections
from titleclf.serve.fill_worker import FillJob, fill_guide
from titleclf.training.network import TorchNetwork
from titleclf.training.optimizer import group_parameters
from titleclf.training.parity import compare
from titleclf.training.trained_model import bundle_of, load_trained

TABLES = [field_table(name) for name in ALL_FIELDS]
KNOWN = {"channel": "one", "minutes": "5.5", "description": "Live.", "sub_title": "2", "year": "1999"}
SPORTS = Programme("Qwertz", "sport.one", 100.0, "All goals of the match.", "The final", 2019)
NEWS = Programme("Qwertz", "news.24", 15.0, "Headlines of the day.", None, 2024)


# Tables


def table(folder: Path, names: tuple[str, ...], *cells: tuple[str, ...]) -> Path:
    """Write a table of titles with one category and these columns."""
    lines = [(f"Title {number}", "x", "en", *row) for number, row in enumerate(cells)]
    return write_csv(folder / "a.csv", lines, ("title", "category", "lang", *names))


def test_tables_give_the_fields_that_are_asked_for(tmp_path):
    path = table(tmp_path, tuple(KNOWN), tuple(KNOWN.values()), ("", " ", "", " ", ""))
    titles = read_titles(path, COLUMNS, fields=set(NAMES))
    assert list(titles) == ["title", "category", "lang", *NAMES]
    first, second = titles[list(NAMES)].to_numpy().tolist()
    assert first == ["one", 5.5, "Live.", "2", 1999, "en"]
    assert pd.isna(second[:-1]).all()
    assert list(read_titles(path, COLUMNS)) == ["title", "category", "lang"]
    assert list(read_titles(path, COLUMNS, fields=["year", "minutes"])) == [
        "title",
        "category",
        "lang",
        "minutes",
        "year",
    ]


def test_a_table_need_not_have_all_columns(tmp_path):
    path = table(tmp_path, ("description",), ("Live.",))
    titles = read_titles(path, COLUMNS, fields=["channel", "description", "year"])
    assert list(titles) == ["title", "category", "lang", "channel", "description", "year"]
    assert titles["description"].tolist() == ["Live."]
    assert titles[["channel", "year"]].isna().all(axis=None)


def test_columns_have_the_names_that_are_configured(tmp_path):
    path = table(tmp_path, ("station", "plot", "tongue", "channel"), ("one", "Live.", "fr", "two"))
    columns = replace(COLUMNS, channel="station", description="plot", lang="tongue")
    titles = read_titles(path, columns, fields=["channel", "description", "language"])
    assert titles[["channel", "description", "language", "lang"]].to_numpy().tolist() == [["one", "Live.", "fr", "fr"]]


def test_titles_without_a_language_have_none_as_a_field(tmp_path):
    path = write_csv(tmp_path / "a.csv", [("A", "x", "de"), ("B", "x", ""), ("C", "x", "und")])
    titles = read_titles(path, COLUMNS, fields=["language"])
    assert titles["lang"].tolist() == ["de", "und", "und"]
    assert titles["language"].fillna("").tolist() == ["de", "", ""]


@pytest.mark.parametrize(
    ("name", "cell", "problem"),
    [
        *(
            ("minutes", cell, f"minutes must be minutes, 0 or more, or empty. Got {cell!r}. Write a number.")
            for cell in ("-5", "soon", "nan", "inf", "1:30")
        ),
        ("year", "1999-05", "year must be a year, 0 or more, or empty. Got '1999-05'. Write a number."),
    ],
)
def test_an_invalid_cell_is_named_with_its_line(tmp_path, name, cell, problem):
    path = table(tmp_path, (name,), ("5",), (cell,))
    with pytest.raises(InputError) as caught:
        read_titles(path, COLUMNS, fields=[name])
    assert one_line(str(caught.value)) == f"{path}:3: {problem}"
    assert len(read_titles(path, COLUMNS, fields=["channel"])) == 2


def test_cells_of_other_types_are_refused(tmp_path):
    path = tmp_path / "a.jsonl"
    sentences = []
    for name, value in (("channel", 5), ("minutes", True), ("description", ["a"])):
        path.write_text(json.dumps({"title": "A", "category": "x", name: value}))
        with pytest.raises(InputError) as caught:
            read_titles(path, COLUMNS, fields=NAMES)
        sentences.append(one_line(str(caught.value)).removeprefix(f"{path}:1: "))
    assert sentences == [
        "channel must be UTF-8 text. Got 5. Put it in quotes, or leave it empty.",
        "minutes must be minutes, 0 or more, or empty. Got True. Write a number.",
        "description must be UTF-8 text. Got ['a']. Put it in quotes, or leave it empty.",
    ]


def test_training_needs_a_title_with_each_field_that_the_model_uses(small, titles_csv, fields_csv):
    with pytest.raises(InputError) as caught:
        read_dataset(small(*FIELDS))
    assert one_line(str(caught.value)) == (
        f"{titles_csv} must have the columns of the fields that the model uses. Got nothing in channel, minutes, "
        "description, sub_title, year. Name others with data.columns, or leave them out of model.fields.use "
        "(kind: set loss.kind=0)."
    )
    with pytest.raises(InputError, match=r"Got nothing in plot. Name others with data.columns, or leave"):
        read_dataset(small(f"data.path={fields_csv}", "data.columns.description=plot", *FIELDS))


def test_titles_that_an_earlier_file_has_with_the_same_fields_are_left_out(tmp_path):
    header = ("title", "category", "lang", "channel", "minutes")
    write_csv(tmp_path / "a.csv", [("A", "x", "en", "one", "5"), ("B", "x", "en", "", "")], header)
    table = [("A", "x", "de", "one", "5"), ("A", "x", "de", "two", "5"), ("B", "x", "", "", ""), ("C", "x", "", "", "")]
    write_csv(tmp_path / "b.csv", table, header)
    titles = read_all_titles(str(tmp_path / "*.csv"), COLUMNS, fields=["channel", "minutes"])
    channels = titles["channel"].fillna("")
    assert list(zip(titles["title"], channels, strict=True)) == [("A", "one"), ("B", ""), ("A", "two"), ("C", "")]


def test_a_table_becomes_programmes_with_the_columns_that_it_has(tmp_path):
    path = table(tmp_path, ("channel", "year"), ("one", "1999"), ("", ""))
    frame = read_titles(path, COLUMNS, fields=["channel", "year", "language"])
    programmes = LabelledTitles.from_frame(frame, ["x"], Task.single).programmes
    first, second = programmes
    assert first == Programme("Title 0", "one", year=1999, language="en")
    assert second == Programme("Title 1", language="en")
    bare = LabelledTitles.from_frame(frame[["title", "category", "lang"]], ["x"], Task.single).programmes
    assert bare == Programmes(["Title 0", "Title 1"])


# Guides that are learned from


def airing(title: str, channel: str = "one", minutes: int = 30, *children: str, genre: str = "") -> str:
    category = f"<category>{genre}</category>" if genre else ""
    times = f'start="20260101120000 +0100" stop="2026010112{minutes:02}00 +0100"'
    return f'<programme {times} channel="{channel}"><title>{title}</title>{"".join(children)}{category}</programme>'


def test_guides_give_a_row_for_each_title_on_each_channel(tmp_path):
    live = [
        airing("Live", "one", 30, "<desc>Goals.</desc>", "<date>20190501</date>", genre="Sports"),
        airing("Live", "two", 20, genre="News"),
        airing("Live", "two", 25, "<sub-title> The\n day </sub-title>", "<desc>Talks.</desc>", genre="News"),
        airing("Live", "two", 25, "<sub-title>Later</sub-title>", genre="News"),
    ]
    more = [airing(f"{genre} {number}", "one", 10, genre=genre) for genre in ("Sports", "News") for number in range(3)]
    (tmp_path / "g.xml").write_text(guide(*live, *more))
    path = str(tmp_path / "g.xml")
    titles = read_all_titles(path, COLUMNS, fields=NAMES).query("title == 'Live'")
    rows = titles.astype(object).where(titles.notna(), None).to_numpy().tolist()
    assert rows == [
        ["Live", Genre.sports, "und", "Channel One", 30.0, "Goals.", None, 2019, None],
        ["Live", Genre.news, "und", "two", 25.0, "Talks.", "The day", None, None],  # minutes of most of its airings
    ]
    assert list(read_all_titles(path, COLUMNS)) == ["title", "category", "lang"]
    assert read_all_titles(path, COLUMNS)["title"].tolist().count("Live") == 1
    without_channels = read_all_titles(path, COLUMNS, fields=["description"])
    assert without_channels.query("title == 'Live'")["description"].tolist() == ["Goals."]


# Training


def test_each_table_of_fields_is_in_exactly_one_group_and_learns(fields_run):
    network = load_trained(fields_run).network
    groups = group_parameters(network, ["characters"])
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    tables = [*groups.tables, *groups.open_tables, *groups.closed_tables]
    assert sorted(names[id(table)] for table in tables) == sorted([*TABLES, "encoder.ngrams.weight"])
    assert [names[id(table)] for table in groups.tables] == ["encoder.ngrams.weight"]
    assert len(list(groups)) == len(list(network.parameters()))
    used = network.field_encoder.encode(read_dataset(saved.load_config(fields_run, TrainConfig)).train.programmes)
    for name, table in zip(ALL_FIELDS, TABLES, strict=True):
        learned = network.state_dict()[table].any(dim=1).nonzero().flatten().tolist()
        assert set(learned) <= set(used[name].buckets.tolist())
        assert learned, name


def test_an_untrained_network_starts_where_one_without_fields_does():
    characters = Characters("abcdefghijklmno", casefold=True, boundary=True, length=23)
    torch.manual_seed(1)
    plain = TorchNetwork(compose_model("ngram"), characters, 3).state_dict()
    torch.manual_seed(1)
    with_fields = TorchNetwork(compose_model("ngram", fields=ALL_FIELDS), characters, 3).state_dict()
    assert set(with_fields) - set(plain) == set(TABLES)
    assert all(torch.equal(tensor, with_fields[name]) for name, tensor in plain.items())
    assert not any(with_fields[name].any() for name in TABLES)


def test_training_again_gives_the_same_weights(fields_run, fields_csv, small):
    again = train_without_plots(small(f"data.path={fields_csv}", LEARNED_FIELDS, *FIELDS))
    assert weight_bytes(again) == weight_bytes(fields_run)


def test_an_interrupted_run_reaches_the_same_weights(fields_run, fields_csv, small):
    config = small(f"data.path={fields_csv}", LEARNED_FIELDS, *FIELDS)
    interrupted = killed(config, checkpoints=1, error=KeyboardInterrupt)
    resumed = train_without_plots(replace(config, resume=str(interrupted)))
    assert resumed == interrupted
    assert weight_bytes(resumed) == weight_bytes(fields_run)


@pytest.mark.parametrize(
    "changed",
    ["model.fields.dropout=0.9", "loss.title_alone=0.6", "loss.fields_alone=0.6", "model.fields.feature_dropout=0.7"],
)
def test_hiding_fields_changes_what_is_learned(fields_run, fields_csv, small, changed):
    other = train_without_plots(small(f"data.path={fields_csv}", LEARNED_FIELDS, *FIELDS, changed))
    assert weight_bytes(other) != weight_bytes(fields_run)


def weight_bytes(run: Path) -> bytes:
    return (run / "bundle" / "weights.safetensors").read_bytes()


@pytest.mark.parametrize(
    "override", ["model=bag", "model=conv", "model.hidden=5", "task=multilabel", "model.fields.feature_dropout=0.5"]
)
def test_every_kind_of_model_learns_from_fields(small, fields_csv, override):
    classifier = Classifier.load(train_without_plots(small(f"data.path={fields_csv}", override, *FIELDS)))
    assert classifier.columns == set(NAMES)
    bare, with_fields = classifier.logits(Programmes.of([Programme("Qwertz"), NEWS]))
    assert not np.array_equal(bare, with_fields)
    assert len(classifier.predict([NEWS], 2, classifier.thresholds_at(0.5))) == 1


@pytest.mark.parametrize("name", list(Field))
def test_a_model_uses_one_field_alone(small, fields_csv, name):
    run = train_without_plots(small(f"data.path={fields_csv}", *FIELDS, f"model.fields.use=[{name}]"))
    classifier = Classifier.load(run)
    assert classifier.columns == {name.column}
    with_all, with_one, bare = classifier.logits(
        Programmes.of(
            [SPORTS, Programme("Qwertz", **{name.column: SPORTS._asdict()[name.column]}), Programme("Qwertz")]
        )
    )
    assert np.array_equal(with_all, with_one)
    assert np.array_equal(with_one, bare) == (name == Field.language)


def test_new_corrected_titles_have_no_known_fields(fields_csv, small, tmp_path):
    corrections = write_csv(
        tmp_path / "c.csv", [("Brand New", "News"), ("Wimbledon Highlights", "Music")], ("title", "category")
    )
    data = read_dataset(small(f"data.path={fields_csv}", f"data.corrections={corrections}", *FIELDS))
    programmes = {programme.title: programme for programme in data.train.programmes}
    assert programmes["Brand New"] == Programme("Brand New")
    assert programmes["Wimbledon Highlights"] == Programme(
        "Wimbledon Highlights",
        "sport.one",
        100.0,
        "All goals of the match, live from the stadium.",
        "The final",
        2019,
        "en",
    )


# Evaluation


def test_the_report_has_the_scores_with_each_field(fields_run, run):
    metrics = json.loads((fields_run / "metrics.json").read_text())
    names = ["channel", "description", "language", "minutes", "sub_title", "year"]
    subsets = ["title", *(f"title + {name}" for name in names), " + ".join(["title", *names])]
    assert list(metrics["fields"]) == subsets
    assert metrics["fields"][subsets[-1]]["accuracy"] == metrics["accuracy"] > metrics["fields"]["title"]["accuracy"]
    assert metrics["fields"]["title + channel"]["accuracy"] > metrics["fields"]["title"]["accuracy"]
    section = (fields_run / "report.md").read_text().split("\n## Fields\n")[1].split("\n## ")[0]
    assert [line.split(" | ")[0] for line in section.splitlines()[-8:]] == [f"| {subset}" for subset in subsets]
    assert "## Fields" not in (run / "report.md").read_text()
    assert json.loads((run / "metrics.json").read_text())["fields"] == {}


def test_runs_are_evaluated_with_their_fields(fields_run, tmp_path):
    metrics = json.loads((fields_run / "metrics.json").read_text())
    assert metrics["accuracy"] == metrics["robustness"]["unseen"]["clean"]["accuracy"] >= 0.9
    assert accuracy(fields_run, tmp_path / "again") == metrics["accuracy"]
    test = read_splits(saved.load_config(fields_run, TrainConfig))[0].test
    path = tmp_path / "test.csv"
    test.to_csv(path, index=False)
    assert accuracy(fields_run, tmp_path / "all", f"path={path}") == metrics["accuracy"]
    renamed = test.rename(columns={"channel": "station", "minutes": "length"})
    renamed.to_csv(tmp_path / "renamed.csv", index=False)
    columns = [f"path={tmp_path / 'renamed.csv'}", "columns.channel=station", "columns.minutes=length"]
    assert accuracy(fields_run, tmp_path / "renamed", *columns) == metrics["accuracy"]


def test_runs_are_evaluated_on_titles_that_lack_fields(fields_run, tmp_path):
    test = read_splits(saved.load_config(fields_run, TrainConfig))[0].test
    test[["title", "category", "lang"]].to_csv(tmp_path / "bare.csv", index=False)
    test[["title", "category", "lang", "channel"]].to_csv(tmp_path / "channels.csv", index=False)
    bare, channels = (
        accuracy(fields_run, tmp_path / name, f"path={tmp_path / name}.csv") for name in ("bare", "channels")
    )
    assert bare < 0.7 <= channels


def accuracy(run: Path, folder: Path, *overrides: str) -> float:
    with mock.patch.object(Figure, "savefig"):  # the plots take most of the time
        metrics = evaluate(composed("evaluate", f"run={run}", f"output_dir={folder}", *overrides))
    return float(metrics["accuracy"])


# Implementations of a trained model


def test_all_implementations_of_a_trained_model_agree_on_random_subsets_of_fields(fields_run, tmp_path, titles_csv):
    model = load_trained(fields_run)
    export(ExportConfig(str(fields_run), ExportFormat.onnx, str(tmp_path / "model.onnx"), False, str(titles_csv)))
    onnx = Classifier.load_onnx(tmp_path / "model.onnx").network
    bundle = folded(model)
    in_eight_bits = classifier_of(bundle).network
    own = Programmes.of([Programme(row[0], *_cells(row)) for row in field_rows()])
    for seed in range(5):
        draw = np.random.default_rng(seed)
        titles = [title for title, _, _ in rows()]
        for programmes in (with_random_fields(titles, seed), own.without_fields(0.5, draw)):
            expected = logits_of(model.network, programmes)
            for network in (classifier_of(bundle_of(model)).network, onnx):
                assert np.abs(logits_of(network, programmes) - expected).max() < 1e-4
            logits = logits_of(in_eight_bits, programmes)
            errors = np.abs(centred(logits) - centred(expected)).max(axis=1)
            assert (errors <= rounding_errors(bundle, programmes)).all()
            parts = np.sort(draw.integers(0, 50, 4)).tolist()
            in_parts = [
                in_eight_bits.logits(programmes[start:end])
                for start, end in zip([0, *parts], [*parts, 50], strict=True)
            ]
            assert np.array_equal(np.concatenate(in_parts), logits)
            alone = [classifier_of(bundle).network.logits(programmes[row : row + 1])[0] for row in range(3)]
            assert np.array_equal(np.array(alone), logits[:3])


def _cells(row: tuple[str, ...]) -> tuple[Any, ...]:
    _, _, language, channel, minutes, description, sub_title, year = row
    return channel, float(minutes), description, sub_title or None, int(year), language


@pytest.mark.parametrize("is_folded", [False, True])
def test_terms_add_up_with_any_fields(fields_run, is_folded):
    model = load_trained(fields_run)
    classifier = classifier_of(folded(model) if is_folded else bundle_of(model))
    programmes = [*with_random_fields(["Snooker", "日本", "a"] * 5), SPORTS, NEWS]
    for programme in programmes:
        logits = centred(classifier.logits(Programmes.of([programme])))[0]
        for category, lead in enumerate(logits):
            explanation = explain(classifier, programme, category)
            assert explanation is not None
            memory = explanation.memory.contribution if explanation.memory else 0
            characters = sum(contribution for _, contribution in explanation.characters)
            terms = explanation.bias + memory + characters + sum(explanation.fields.values())
            assert terms == pytest.approx(lead, abs=1e-3)
            assert explanation.lead == pytest.approx(lead, abs=1e-3)
            known = {name for name, value in programme._asdict().items() if value is not None}
            assert set(explanation.fields) <= known | ({"channel_kind"} if "channel" in known else set())


# Predictions of tables


def predicted(monkeypatch, capsys, run: Path, path: Path) -> list[Any]:
    monkeypatch.setattr(sys, "argv", ["predict", "--model", str(run), "--format", "jsonl", "--input", str(path)])
    capsys.readouterr()  # of the run, if it was trained only now
    module.main()
    return [json.loads(line)["category"] for line in capsys.readouterr().out.splitlines()]


def test_a_table_may_have_any_columns(monkeypatch, capsys, fields_run, tmp_path):
    cells = [("sport.one", "100", "colour"), ("news.24", "", "")]
    path = write_csv(tmp_path / "a.csv", [("Qwertz", *row) for row in cells], ("title", "channel", "minutes", "other"))
    assert predicted(monkeypatch, capsys, fields_run, path) == ["Sports", "News"]
    table = [("Headlines of the day.", "Qwertz"), ("All goals, live", "Qwertz")]
    described = write_csv(tmp_path / "b.csv", table, ("description", "title"))
    assert predicted(monkeypatch, capsys, fields_run, described) == ["News", "Sports"]
    (tmp_path / "c.jsonl").write_text('{"title": "Qwertz", "year": 1975, "channel": null}\n{"title": "Qwertz"}\n')
    classifier = Classifier.load(fields_run)
    expected = [found.category for found in classifier.predict([Programme("Qwertz", year=1975), "Qwertz"])]
    assert predicted(monkeypatch, capsys, fields_run, tmp_path / "c.jsonl") == expected
    bare = write_csv(tmp_path / "d.csv", [("Qwertz",)], ("title",))
    (tmp_path / "d.txt").write_text("Qwertz\n")
    assert predicted(monkeypatch, capsys, fields_run, bare) == predicted(
        monkeypatch, capsys, fields_run, tmp_path / "d.txt"
    )


def test_a_bad_cell_is_named_if_the_model_uses_it(run, fields_run, tmp_path):
    path = write_csv(tmp_path / "a.csv", [("Qwertz", "1"), ("Qwertz", "-1")], ("title", "minutes"))
    done = command("predict", "--model", str(fields_run), "--input", str(path), cwd=tmp_path)
    assert done.returncode == 2
    sentence = f"{path}:3: minutes must be minutes, 0 or more, or empty. Got '-1'. Write a number."
    assert done.stderr.splitlines()[-1] == sentence
    assert command("predict", "--model", str(run), "--input", str(path), cwd=tmp_path).returncode == 0


# The user's own list of channels


@pytest.fixture(scope="session")
def kinds_of_channels_run(trained, fields_csv) -> Path:
    """Return the folder of a finished run that uses nothing but what kind of channel it is."""
    return trained(f"data.path={fields_csv}", "training.epochs=8", *FIELDS, "model.fields.use=[channel_kind]")


OWN_LISTS = {"News": "name,categories\nKanal Qwertz,news\n", "Sports": "name,categories\nkanal qwertz hd,sports\n"}


@pytest.mark.parametrize(("genre", "own"), OWN_LISTS.items())
def test_predictions_follow_the_users_own_list_of_channels(
    kinds_of_channels_run, tmp_path, monkeypatch, capsys, genre, own
):
    (tmp_path / "my.csv").write_text(own)
    rows = [("Qwertz", "Kanal Qwertz"), ("Qwertz", "Another"), ("Qwertz", "sport.one"), ("Qwertz", "")]
    path = write_csv(tmp_path / "a.csv", rows, ("title", "channel"))
    capsys.readouterr()

    def explained(*options: str) -> list[tuple[str, float | None]]:
        line = ["--model", str(kinds_of_channels_run), "--input", str(path), "--format", "jsonl", "--explain"]
        monkeypatch.setattr(sys, "argv", ["predict", *line, *options])
        module.main()
        found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        return [(row["top"][0]["category"], row["explanation"].get("channel_kind")) for row in found]

    shipped, listed = explained(), explained("--channels", str(tmp_path / "my.csv"))
    assert listed[1:] == shipped[1:]
    assert shipped[0] == shipped[1] == shipped[3]
    assert shipped[0][1] is None
    assert shipped[2][0] == "Sports"
    category, added = listed[0]
    assert category == genre
    assert added is not None
    assert added > 0


def test_guides_are_filled_by_the_users_own_list_of_channels(kinds_of_channels_run, tmp_path, monkeypatch):
    monkeypatch.setattr(Classifier, "thresholds_at", lambda *_: np.zeros(3))  # those of five titles mean little
    monkeypatch.setattr("titleclf.epg.commands.check_genres", lambda *_: None)
    channel = '<channel id="q"><display-name>Kanal Qwertz</display-name></channel>'
    airings = [airing("Qwertz", place) for place in ("q", "other", "q", "other")]
    (tmp_path / "g.xml").write_text(guide(*airings).replace("<tv>", f"<tv>{channel}"))
    (tmp_path / "my.csv").write_text(OWN_LISTS["News"])

    def filled_with(*options: str) -> list[list[str | None]]:
        line = ["fill", str(tmp_path / "g.xml"), "-o", str(tmp_path / "f.xml"), "--model", str(kinds_of_channels_run)]
        monkeypatch.setattr(sys, "argv", ["epg", *line, *options])
        with pytest.raises(SystemExit) as exited:
            epg.main()
        assert not exited.value.code
        return categories((tmp_path / "f.xml").read_bytes())

    (unlisted,) = Classifier.load(kinds_of_channels_run).predict(["Qwertz"])
    assert unlisted.category != "News"
    assert filled_with() == [[unlisted.category]] * 4
    assert filled_with("--channels", str(tmp_path / "my.csv")) == [["News"], [unlisted.category]] * 2


# Guides that are filled

DESCRIBED = [
    airing("Qwertz", "one", 30, "<desc>Headlines and reports of the day.</desc>"),
    airing("Qwertz", "one", 30, "<desc>Headlines and reports of the day.</desc>"),
    airing("Qwertz", "one", 30),
    airing("Qwertz", "two", 30, "<desc>All goals of the match, live from the stadium.</desc>"),
]
CHANNELS = "".join(
    f'<channel id="{place}"><display-name>{name}</display-name></channel>'
    for place, name in (("s", "sport.one"), ("n", "news.24"))
)


def categories(content: bytes) -> list[list[str | None]]:
    return [[category.text for category in element.findall("category")] for element in parsed(content)[:][-4:]]


def filler_of(run: Path, minimum: float = 0.0) -> Filler:
    decider = Decider([(Classifier.load(run), np.full(3, minimum))])
    return Filler(decider, None, When.missing, with_keywords=False, table=GenreTable.shipped())


def filled(folder: Path, run: Path, content: str) -> bytes:
    """Return a guide, filled."""
    (folder / "in.xml").write_text(content)
    fill(str(folder / "in.xml"), str(folder / "out.xml"), filler_of(run))
    return (folder / "out.xml").read_bytes()


def test_fill_uses_descriptions_and_gives_all_showings_on_a_channel_the_same_genre(tmp_path, fields_run):
    content = filled(tmp_path, fields_run, guide(*DESCRIBED))
    assert categories(content) == [["News"], ["News"], ["News"], ["Sports"]]
    alone = filled(tmp_path, fields_run, guide(DESCRIBED[2], *[airing(f"Other {n}", "one") for n in range(3)]))
    assert b"<title>Qwertz</title></programme>" not in alone


def test_evidence_is_pooled_from_pieces_that_come_later(tmp_path, fields_run):
    between = [airing(f"Title {number}", "two", 30, f"<desc>{'x' * 2000}</desc>") for number in range(1500)]
    (alone,) = Classifier.load(fields_run).predict([Programme("Qwertz", "Channel One", 30.0)])
    assert alone.category != "News"
    content = filled(tmp_path, fields_run, guide(DESCRIBED[2], *between, *DESCRIBED[:2], *DESCRIBED))
    assert categories(content) == [["News"], ["News"], ["News"], ["Sports"]]
    (first, *_) = parsed(content).findall("programme")
    assert [category.text for category in first.findall("category")] == ["News"]


def test_fill_uses_the_names_of_channels(tmp_path, fields_run):
    airings = [airing("Qwertz", channel, 30) for channel in ("s", "n", "s", "sport.one")]
    named = guide(*airings).replace("<tv>", f"<tv>{CHANNELS}")
    assert categories(filled(tmp_path, fields_run, named)) == [["Sports"], ["News"], ["Sports"], ["Sports"]]


def test_fill_uses_durations_sub_titles_years_and_languages(tmp_path, fields_run):
    classifier = Classifier.load(fields_run)
    texts = "<sub-title>Live in concert</sub-title>", "<date>1975</date>"
    # Channels of their own, because other titles of a channel are evidence too.
    airings = [airing("Qwertz", "x", 15), airing("Qwertz", "x", 59, *texts), airing("Zuiop", "y", 15)]
    guided = guide(*airings, airing("Fin", "z", 45)).replace("<title>", '<title lang="en">')
    programmes = [
        Programme("Qwertz", "x", 15.0, language="en"),
        Programme("Qwertz", "x", 59.0, None, "Live in concert", 1975, "en"),
    ]
    logits = classifier.logits(Programmes.of(programmes)).mean(axis=0)
    (found,) = classifier.predict([Programme("Zuiop", "y", 15.0, language="en")])
    content = filled(tmp_path, fields_run, guided)
    expected = classifier.categories[int(logits.argmax())]
    assert categories(content)[:3] == [[expected], [expected], [found.category]]


@pytest.mark.parametrize("name", ["-", "pipe"])
def test_a_guide_that_comes_through_a_pipe_is_read_twice(tmp_path, name):
    content = guide(*DESCRIBED, airing("Match of the Day", "two", 90))
    line = [sys.executable, "-m", "titleclf.epg", "fill", name, "-o", "new.xml"]
    if name == "-":
        done = subprocess.run(line, cwd=tmp_path, input=content, capture_output=True, text=True, check=False)
    else:
        os.mkfifo(tmp_path / name)
        writer = threading.Thread(target=(tmp_path / name).write_text, args=[content])
        writer.start()
        done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False)
        writer.join()
    assert done.returncode == 0, done.stderr
    (tmp_path / "in.xml").write_text(content)
    shipped = Classifier.load()
    decider = Decider([(shipped, shipped.thresholds_at(0.9))])
    filler = Filler(decider, None, When.missing, with_keywords=False, table=GenreTable.shipped())
    fill(str(tmp_path / "in.xml"), str(tmp_path / "again.xml"), filler)
    assert (tmp_path / "new.xml").read_bytes() == (tmp_path / "again.xml").read_bytes()
    assert len((tmp_path / "new.xml").read_bytes()) > len(content)


def test_reports_through_a_pipe_are_those_of_the_file(tmp_path, fields_run):
    (tmp_path / "in.xml").write_text(guide(*DESCRIBED))
    os.mkfifo(tmp_path / "pipe.xml")
    writer = threading.Thread(target=(tmp_path / "pipe.xml").write_text, args=[guide(*DESCRIBED)])
    writer.start()
    piped, expected = (report(str(tmp_path / name), filler_of(fields_run)) for name in ("pipe.xml", "in.xml"))
    writer.join()
    assert piped.categories == expected.categories == {"News": 3, "Sports": 1}
    assert piped.whole.outcomes == expected.whole.outcomes


def test_a_broken_guide_is_refused_while_it_is_surveyed(tmp_path, fields_run):
    (tmp_path / "in.xml").write_text(guide(*DESCRIBED)[:-20])
    (tmp_path / "out.xml").write_bytes(b"older")
    with pytest.raises(InputError, match=r"in.xml:\d+:\d+: must end with </tv>"):
        fill(str(tmp_path / "in.xml"), str(tmp_path / "out.xml"), filler_of(fields_run))
    assert (tmp_path / "out.xml").read_bytes() == b"older"


@pytest.mark.parametrize("output", [None, "-"])
def test_standard_input_in_place_is_refused_before_it_is_read(fields_run, output, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "stdin", None)
    guide_name, out = ("-", None) if output is None else (str(tmp_path / "in.xml"), str(tmp_path / "in.xml"))
    (tmp_path / "in.xml").write_text("no guide")
    with pytest.raises(InputError, match=r"must be used with a file\. Got standard input|must not be the guide itself"):
        fill(guide_name, out, filler_of(fields_run))


# The service


def test_the_service_fills_guides_with_fields_and_refuses_large_ones_while_it_surveys(
    fields_run, tmp_path, monkeypatch
):
    (tmp_path / "in.xml").write_text(guide(*DESCRIBED))
    job = FillJob(
        str(tmp_path / "in.xml"),
        str(tmp_path / "out.xml"),
        str(tmp_path / "out.json"),
        str(fields_run),
        channels=None,
        precision=0.5,
        overrides=str(tmp_path / "none.csv"),
        profile=None,
        when=When.missing.value,
        is_marked=False,
        max_bytes=1 << 20,
    )
    monkeypatch.setattr("titleclf.serve.fill_worker.check_genres", lambda *_: None)
    found = fill_guide(job, lambda _: None)
    assert found["whole"]["programmes"] == 4
    assert found["whole"]["filled"] + found["whole"]["unsure"] == 4
    large = [airing(f"Title {number}", "two", 30, f"<desc>{'x' * 2000}</desc>") for number in range(5000)]
    (tmp_path / "in.xml").write_text(guide(*large))
    surveyed: list[int] = []
    survey = Decider.survey
    monkeypatch.setattr(Decider, "survey", lambda self, programmes: surveyed.append(survey(self, programmes) or 1))
    with pytest.raises(InputError, match=r"must unpack to at most 1 MB\. Got more\."):
        fill_guide(job, lambda _: None)
    assert len(surveyed) < 3


def test_clients_get_predictions_of_their_own_fields(fields_run, tmp_path):
    classifier = Classifier.load(fields_run)
    corrections = Corrections(tmp_path / "corrections.csv", classifier.categories)
    batcher = Batcher(classifier, np.zeros(3), corrections)

    async def concurrent() -> Any:
        return await asyncio.gather(
            batcher.predict(Programmes.of([SPORTS] * 70), 1),
            batcher.predict(Programmes.of([NEWS] * 20), 1),
            batcher.predict(Programmes(["Qwertz"] * 20), 1),
            batcher.explain(Programmes.of([SPORTS])),
        )

    sports, news, bare, (explanation,) = asyncio.run(concurrent())
    assert [prediction["category"] for prediction in sports] == ["Sports"] * 70
    assert [prediction["category"] for prediction in news] == ["News"] * 20
    (alone,) = classifier.predict(["Qwertz"])
    assert [prediction["category"] for prediction in bare] == [alone.category] * 20
    assert explanation["channel"] > 0
    assert explanation["description"] > 0


@pytest.fixture(scope="module")
def client(fields_run, tmp_path_factory):
    with serving(tmp_path_factory.mktemp("served"), model=str(fields_run), precision=0.5) as client:
        yield client


def test_programmes_are_posted_as_objects(client, fields_run):
    programmes = [
        {"title": "Qwertz", "channel": "sport.one", "minutes": 100},
        {"title": "Qwertz", "description": "Headlines of the day.", "year": 2024, "sub_title": None},
        {"title": "Qwertz"},
        {"title": ""},
    ]
    classifier = Classifier.load(fields_run)
    expected = classifier.predict(programmes, 3, classifier.thresholds_at(0.5))
    response = client.post("/api/predict", json={"programmes": programmes, "explain": True})
    assert response.status_code == 200, response.text
    found = response.json()["predictions"]
    assert [row["title"] for row in found] == ["Qwertz", "Qwertz", "Qwertz", ""]
    assert [row["category"] for row in found] == [prediction.category for prediction in expected]
    for row, prediction in zip(found, expected, strict=True):
        assert [top["category"] for top in row["top"]] == [name for name, _ in prediction.candidates]
        assert [top["probability"] for top in row["top"]] == pytest.approx(
            [probability for _, probability in prediction.candidates], abs=1e-4
        )
    assert {"channel", "minutes"} <= set(found[0]["explanation"])
    assert "description" in found[1]["explanation"]
    assert not set(NAMES) & set(found[2]["explanation"])
    assert client.post("/api/predict", json={"programmes": []}).json() == {"predictions": []}
    bare = client.post("/api/predict", json={"titles": ["Qwertz"]}).json()["predictions"]
    assert bare[0]["category"] == found[2]["category"]


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({}, "titles or programmes must be given. Got neither. Send one of them."),
        ({"titles": None, "programmes": None}, "titles or programmes must be given. Got neither. Send one of them."),
        ({"titles": [], "programmes": []}, "titles or programmes must be given. Got both. Send one of them."),
        (
            {"programmes": [{"title": "a"}, {"title": "b", "minutes": -5}]},
            "programmes[1]: minutes must be minutes, 0 or more, or empty. Got -5.0. Write a number.",
        ),
        (
            {"programmes": [{"title": "b", "year": -5}]},
            "programmes[0]: year must be a year, 0 or more, or empty. Got -5. Write a number.",
        ),
        (
            {"programmes": [{"title": "b"}] * 51, "explain": True},
            "programmes must have at most 50 items with explain. Got 51. Send fewer at once.",
        ),
    ],
)
def test_requests_that_fit_no_programmes_are_refused(client, body, sentence):
    assert error_sentence(client.post("/api/predict", json=body), 422) == sentence


@pytest.mark.parametrize(
    ("programme", "named"),
    [
        ({"channel": "one"}, "programmes.0.title"),
        ({"title": 24}, "programmes.0.title"),
        ({"title": "a", "channel": 5}, "programmes.0.channel"),
        ({"title": "a", "minutes": "soon"}, "programmes.0: minutes"),
        ({"title": "a", "year": "x"}, "programmes.0.year"),
        ({"title": "a", "description": "x" * 100_000}, "programmes.0.description"),
        ("a", "programmes.0"),
    ],
)
def test_values_of_other_types_are_refused(client, programme, named):
    sentence = error_sentence(client.post("/api/predict", json={"programmes": [programme]}), 422)
    assert one_line(sentence).replace("[", ".").replace("]", "").startswith(named), sentence


@pytest.mark.parametrize("cells", ['"minutes": 1e999', f'"minutes": {10**400}', f'"year": {10**400}', '"minutes": NaN'])
def test_numbers_that_are_none_do_no_harm(client, cells):
    body = f'{{"programmes": [{{"title": "a", {cells}}}]}}'
    response = client.post("/api/predict", content=body, headers={"content-type": "application/json"})
    assert response.status_code in (200, 422), response.text
    assert "NaN" in cells or error_sentence(response, 422)


# Export


@pytest.mark.parametrize(
    ("kind", "is_folded"), [(ExportFormat.bundle, False), (ExportFormat.bundle, True), (ExportFormat.onnx, True)]
)
def test_exports_keep_the_fields(fields_run, tmp_path, titles_csv, capsys, kind, is_folded):
    export(ExportConfig(str(fields_run), kind, str(tmp_path / "new"), is_folded, str(titles_csv)))
    assert "the same prediction, probabilities within" in capsys.readouterr().out
    load: Any = Classifier.load_onnx if kind is ExportFormat.onnx else Classifier.load
    exported = load(tmp_path / "new")
    predictions = exported.predict([SPORTS, NEWS])
    assert [prediction.category for prediction in predictions] == ["Sports", "News"]
    assert exported.columns == set(NAMES)
    thresholds = exported.thresholds_at(0.9)
    assert np.array_equal(thresholds, load_trained(fields_run).thresholds_at(0.9))


def test_the_parity_of_an_export_is_measured_with_fields(fields_run):
    model = load_trained(fields_run)
    bundle = bundle_of(model)
    forgetful = dict(bundle.weights)
    for name in TABLES:
        forgetful[name] = np.zeros_like(forgetful[name])
    titles = [title for title, _, _ in rows()]
    whole, without = classifier_of(bundle), classifier_of(replace(bundle, weights=forgetful))
    assert compare(model, whole, titles).difference < 1e-4
    assert compare(model, without, titles).difference > 0.1
    assert np.abs(model.probabilities(Programmes(titles)) - without.probabilities(Programmes(titles))).max() < 1e-4
