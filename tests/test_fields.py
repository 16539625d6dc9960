"""Channel and duration end to end: tables, guides, training, predictions, filled guides and exports."""

import asyncio
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure

from tests.helpers.commands import command, one_line
from tests.helpers.guides import guide, model_of
from tests.helpers.networks import FIELDS
from tests.helpers.titles import COLUMNS, write_csv
from tests.helpers.training import CONTEXT, compose_train, composed, killed, train_without_plots
from titleclf.config import saved
from titleclf.config.schemas import ExportConfig, TrainConfig
from titleclf.data.dataset import LabelledTitles, read_dataset, read_splits
from titleclf.data.titles import read_all_titles, read_titles
from titleclf.epg.fill import Decider, Filler, When, fill
from titleclf.epg.genres import Genre
from titleclf.evaluate.evaluation import evaluate
from titleclf.export import export
from titleclf.predict import __main__ as module
from titleclf.runtime.bundle.folding import FIELDS as TABLES
from titleclf.runtime.choices import ExportFormat, Task
from titleclf.runtime.classifier import Classifier
from titleclf.runtime.errors import InputError
from titleclf.runtime.text.characters import Characters
from titleclf.runtime.text.programmes import FieldVocabulary, Programme, Programmes
from titleclf.serve.batcher import Batcher
from titleclf.serve.corrections import Corrections
from titleclf.training.network import TorchNetwork
from titleclf.training.optimizer import group_parameters
from titleclf.training.trained_model import load_trained, new_model

NAMED = replace(COLUMNS, channel="channel", duration="duration")
HEADER = ("title", "category", "lang", "channel", "duration")


# Tables and guides


def test_tables_give_channels_and_minutes_where_their_columns_are_named(tmp_path):
    path = write_csv(tmp_path / "a.csv", [("A", "x", "en", " one ", "5.5"), ("B", "x", "en", "", " ")], HEADER)
    first, second = read_titles(path, NAMED)[["channel", "minutes"]].to_numpy().tolist()
    assert first == ["one", 5.5]
    assert pd.isna(second).all()
    assert list(read_titles(path, COLUMNS)) == ["title", "category", "lang"]
    assert list(read_titles(path, replace(NAMED, channel=None))) == ["title", "category", "lang", "minutes"]


@pytest.mark.parametrize("cell", ["-5", "soon", "nan", "inf", "1:30"])
def test_an_invalid_duration_is_named_with_its_line(tmp_path, cell):
    path = write_csv(tmp_path / "a.csv", [("A", "x", "en", "one", cell)], HEADER)
    with pytest.raises(InputError) as caught:
        read_titles(path, NAMED)
    sentence = f"{path}:2: duration must be minutes, 0 or more, or empty. Got {cell!r}. Write the duration in minutes."
    assert one_line(str(caught.value)) == sentence


def test_cells_of_other_types_are_refused(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"title": "A", "category": "x", "channel": 5, "duration": 5}\n')
    with pytest.raises(InputError, match=r"a.jsonl:1: channel must be text. Got 5. Put it in quotes.$"):
        read_titles(path, NAMED)
    path.write_text('{"title": "A", "category": "x", "channel": null, "duration": true}\n')
    with pytest.raises(InputError, match=r"a.jsonl:1: duration must be minutes, 0 or more, or empty. Got True."):
        read_titles(path, NAMED)


def test_a_named_column_must_be_there(tmp_path):
    path = write_csv(tmp_path / "a.csv", [("A", "x", "en")])
    with pytest.raises(InputError, match=r"a.csv must have the columns title, category, channel, duration. Got title,"):
        read_titles(path, NAMED)


def test_titles_that_an_earlier_file_has_on_the_same_channel_are_left_out(tmp_path):
    write_csv(tmp_path / "a.csv", [("A", "x", "en", "one", "5"), ("B", "x", "en", "", "")], HEADER)
    write_csv(
        tmp_path / "b.csv", [("A", "x", "de", "one", "5"), ("A", "x", "de", "two", "5"), ("B", "x", "", "", "")], HEADER
    )
    titles = read_all_titles(str(tmp_path / "*.csv"), NAMED)
    channels = titles["channel"].fillna("")
    assert list(zip(titles["title"], channels, strict=True)) == [("A", "one"), ("B", ""), ("A", "two")]


def airing(title: str, channel: str, minutes: int, genre: str = "") -> str:
    category = f"<category>{genre}</category>" if genre else ""
    stop = f"2026010112{minutes:02}00 +0100"
    return (
        f'<programme start="20260101120000 +0100" stop="{stop}" channel="{channel}"><title>{title}</title>'
        f"{category}</programme>"
    )


def test_guides_give_a_row_for_each_title_on_each_channel(tmp_path):
    live = [airing("Live", "one", 30, "Sports"), airing("Live", "two", 20, "News"), airing("Live", "two", 25, "News")]
    more = [airing(f"{genre} {number}", "one", 10, genre) for genre in ("Sports", "News") for number in range(3)]
    (tmp_path / "g.xml").write_text(guide(*live, airing("Live", "two", 25, "News"), *more))
    path = str(tmp_path / "g.xml")
    rows = {
        (title, channel): (category, lang, minutes)
        for title, category, lang, channel, minutes in read_all_titles(path, NAMED).itertuples(index=False)
    }
    assert rows["Live", "one"][0] == Genre.sports
    assert rows["Live", "two"] == (Genre.news, "und", 25.0)  # the duration of most of its airings
    assert "Live" in read_all_titles(path, COLUMNS)["title"].tolist()
    assert list(read_all_titles(path, COLUMNS)) == ["title", "category", "lang"]


def test_a_table_becomes_programmes_with_the_columns_that_it_has(tmp_path):
    path = write_csv(tmp_path / "a.csv", [("A", "x", "en", "one", "5.5"), ("B", "x", "en", "", "")], HEADER)
    frame = read_titles(path, NAMED)
    labelled = LabelledTitles.from_frame(frame, ["x"], Task.single)
    assert list(labelled.programmes) == [Programme("A", "one", 5.5), Programme("B")]
    without_channels = LabelledTitles.from_frame(frame.drop(columns="channel"), ["x"], Task.single).programmes
    assert without_channels == Programmes(["A", "B"], None, [5.5, None])
    bare = LabelledTitles.from_frame(frame[["title", "category", "lang"]], ["x"], Task.single).programmes
    assert bare == Programmes(["A", "B"])
    assert FieldVocabulary.from_programmes(bare, 1) is None


# Training


def test_each_table_of_fields_is_in_exactly_one_group_and_its_first_row_stays_zero(context_run):
    network = load_trained(context_run).network
    groups = group_parameters(network, ["characters"])
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    assert {names[id(parameter)] for parameter in groups.tables} == {*TABLES, "encoder.ngrams.weight"}
    assert len(list(groups)) == len(list(network.parameters()))
    for name in TABLES:
        table = network.state_dict()[name]
        assert not table[0].any()
        assert table.any()


def test_an_untrained_network_starts_where_one_without_fields_does():
    model = compose_train("model.dim=7", "model.buckets=97").model
    characters = Characters("abcdefghijklmno", casefold=True, boundary=True, length=23)
    torch.manual_seed(1)
    plain = TorchNetwork(model, characters, 3).state_dict()
    torch.manual_seed(1)
    with_fields = TorchNetwork(model, characters, 3, FIELDS).state_dict()
    assert set(with_fields) - set(plain) == set(TABLES)
    assert all(torch.equal(tensor, with_fields[name]) for name, tensor in plain.items())
    assert not any(with_fields[name].any() for name in TABLES)


def test_training_again_gives_the_same_weights(context_run, contexts_csv, small):
    again = train_without_plots(small(f"data.path={contexts_csv}", "training.epochs=8", *CONTEXT))
    assert weight_bytes(again) == weight_bytes(context_run)


def test_an_interrupted_run_reaches_the_same_weights(context_run, contexts_csv, small):
    config = small(f"data.path={contexts_csv}", "training.epochs=8", *CONTEXT)
    interrupted = killed(config, checkpoints=1, error=KeyboardInterrupt)
    resumed = train_without_plots(replace(config, resume=str(interrupted)))
    assert resumed == interrupted
    assert weight_bytes(resumed) == weight_bytes(context_run)


def weight_bytes(run: Path) -> bytes:
    return (run / "bundle" / "weights.safetensors").read_bytes()


@pytest.mark.parametrize("override", ["model=bag", "model=conv", "model.hidden=5", "task=multilabel", CONTEXT[0]])
def test_every_kind_of_model_learns_from_fields(small, contexts_csv, override):
    columns = CONTEXT if override.startswith(("model", "task")) else CONTEXT[2:]
    classifier = Classifier.load(train_without_plots(small(f"data.path={contexts_csv}", override, *columns)))
    assert classifier.contents.fields is not None
    with_fields = classifier.logits(Programmes(["a"], ["news.24"], [5]))
    assert not np.array_equal(classifier.logits(Programmes(["a"])), with_fields)
    assert len(classifier.predict(["a"], 2, classifier.thresholds_at(0.5), channels=["news.24"])) == 1


def test_new_corrected_titles_have_no_known_fields(contexts_csv, small, tmp_path):
    corrections = write_csv(
        tmp_path / "c.csv", [("Brand New", "News"), ("Wimbledon Highlights", "Music")], ("title", "category")
    )
    data = read_dataset(small(f"data.path={contexts_csv}", f"data.corrections={corrections}", *CONTEXT))
    fields = new_model(small(f"data.path={contexts_csv}", *CONTEXT), data, torch.device("cpu")).contents.fields
    assert fields is not None
    titles, ids = np.array(data.train.titles), fields.ids(data.train.programmes)
    assert ids is not None
    assert (titles == "Brand New").any()
    assert not ids[titles == "Brand New"].any()
    assert ids[titles == "Wimbledon Highlights"].all()


# Evaluation


def test_runs_are_evaluated_with_their_fields(context_run, tmp_path):
    metrics = json.loads((context_run / "metrics.json").read_text())
    assert metrics["accuracy"] == metrics["robustness"]["unseen"]["clean"]["accuracy"] >= 0.9
    assert accuracy(context_run, tmp_path / "again") == metrics["accuracy"]
    test = read_splits(saved.load_config(context_run, TrainConfig))[0].test
    path = tmp_path / "test.csv"
    test.rename(columns={"minutes": "duration"}).to_csv(path, index=False)
    columns = ["columns.channel=channel", "columns.duration=duration"]
    assert accuracy(context_run, tmp_path / "all", f"path={path}", *columns) == metrics["accuracy"]
    assert accuracy(context_run, tmp_path / "bare", f"path={path}") < 0.9


def accuracy(run: Path, folder: Path, *overrides: str) -> float:
    with mock.patch.object(Figure, "savefig"):  # the plots take most of the time
        metrics = evaluate(composed("evaluate", f"run={run}", f"output_dir={folder}", *overrides))
    return float(metrics["accuracy"])


# Predictions of tables


def predicted(monkeypatch, capsys, run: Path, path: Path) -> list[Any]:
    monkeypatch.setattr(sys, "argv", ["predict", "--model", str(run), "--format", "jsonl", "--input", str(path)])
    module.main()
    return [json.loads(line)["category"] for line in capsys.readouterr().out.splitlines()]


def test_a_table_may_have_the_columns(monkeypatch, capsys, context_run, tmp_path):
    rows = [("Qwertz", "sport.one", "100"), ("Qwertz", "news.24", "")]
    path = write_csv(tmp_path / "a.csv", rows, ("title", "channel", "duration"))
    capsys.readouterr()  # of the run, if it was trained only now
    assert predicted(monkeypatch, capsys, context_run, path) == ["Sports", "News"]
    bare = write_csv(tmp_path / "b.csv", [("Qwertz",)], ("title",))
    (tmp_path / "b.txt").write_text("Qwertz\n")
    assert predicted(monkeypatch, capsys, context_run, bare) == predicted(
        monkeypatch, capsys, context_run, tmp_path / "b.txt"
    )


def test_a_bad_cell_is_named_if_the_model_uses_it(run, context_run, tmp_path):
    path = write_csv(tmp_path / "a.csv", [("Qwertz", "-1")], ("title", "duration"))
    done = command("predict", "--model", str(context_run), "--input", str(path), cwd=tmp_path)
    assert done.returncode == 2
    sentence = f"{path}:2: duration must be minutes, 0 or more, or empty. Got '-1'. Write the duration in minutes."
    assert done.stderr.splitlines()[-1] == sentence
    assert command("predict", "--model", str(run), "--input", str(path), cwd=tmp_path).returncode == 0


# Guides


def filled(folder: Path, decider: Decider, *airings: str) -> str:
    """Return a guide of these airings, filled."""
    (folder / "in.xml").write_text(guide(*airings))
    filler = Filler(decider, None, When.missing, with_keywords=False)
    fill(str(folder / "in.xml"), str(folder / "out.xml"), filler)
    return (folder / "out.xml").read_text()


def test_fill_uses_channel_and_duration(tmp_path, context_run):
    decider = Decider([(Classifier.load(context_run), np.zeros(3))])
    assert decider.uses_fields
    airings = [airing("Qwertz", "sport.one", 59), airing("Qwertz", "news.24", 15), airing("Qwertz", "news.24", 15)]
    text = filled(tmp_path, decider, *airings)
    assert (text.count(">Sports<"), text.count(">News<")) == (1, 2)
    assert len(decider._decisions) == 2


def test_a_model_without_fields_decides_a_title_once(context_run):
    fixed = model_of({"Qwertz": Genre.sports})
    decider = Decider([(Classifier.load(context_run), np.full(3, 1.1)), (fixed, np.full(10, 0.9))])
    decisions = decider.decide([Programme("Qwertz", "news.24", 15), Programme("Qwertz", "sport.one", 100)])
    assert [decision.categories for decision in decisions] == [(Genre.sports,)] * 2
    assert fixed.network.queried == ["Qwertz"]


# The service


def test_clients_get_predictions_of_their_own_fields(context_run, tmp_path):
    classifier = Classifier.load(context_run)
    corrections = Corrections(tmp_path / "corrections.csv", classifier.categories)
    batcher = Batcher(classifier, np.zeros(3), corrections)

    async def concurrent() -> Any:
        return await asyncio.gather(
            batcher.predict(Programmes(["Qwertz"] * 70, ["sport.one"] * 70, [100] * 70), 1),
            batcher.predict(Programmes(["Qwertz"] * 20, ["news.24"] * 20, [15] * 20), 1),
            batcher.explain(Programmes(["Qwertz"], ["sport.one"], [100])),
        )

    sports, news, (explanation,) = asyncio.run(concurrent())
    assert [prediction["category"] for prediction in sports] == ["Sports"] * 70
    assert [prediction["category"] for prediction in news] == ["News"] * 20
    assert explanation["channel"] > 0


# Export


@pytest.mark.parametrize(
    ("kind", "is_folded"), [(ExportFormat.bundle, False), (ExportFormat.bundle, True), (ExportFormat.onnx, True)]
)
def test_exports_keep_the_fields(context_run, tmp_path, titles_csv, kind, is_folded):
    export(ExportConfig(str(context_run), kind, str(tmp_path / "new"), is_folded, str(titles_csv)))
    load: Any = Classifier.load_onnx if kind is ExportFormat.onnx else Classifier.load
    predictions = load(tmp_path / "new").predict(["Qwertz"] * 2, channels=["sport.one", "news.24"])
    assert [prediction.category for prediction in predictions] == ["Sports", "News"]
