"""What fields add, measured on sources that training has nothing of: the split, the peer, and a whole run."""

import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from scripts import fields
from tests.helpers.guides import model_of
from tests.helpers.titles import FIELDS, rows
from tests.helpers.training import FEW_BUCKETS, FEW_FEATURES, SMALL
from titleclf.epg.genres import Genre
from titleclf.runtime.errors import InputError
from titleclf.runtime.text.programmes import Programme

if TYPE_CHECKING:
    from titleclf.runtime.classifier import Classifier

COLUMNS = ["title", "category", "lang", "channel", "minutes", "description", "source"]


def frame(*cells: tuple[str, str], **columns: Any) -> pd.DataFrame:
    """Return programmes with these titles and sources; other columns are the same for all."""
    known = {"category": "x", "lang": "en", "channel": "one", "minutes": 5.0, "description": "Live.", **columns}
    titles, sources = zip(*cells, strict=True)
    return pd.DataFrame({"title": titles, "source": sources, **known})[COLUMNS]


# The split


def test_titles_of_left_out_and_of_unused_sources_are_trained_on_in_no_source():
    cells = [("Heat", "a"), ("Jaws", "a"), ("Zoo", "a"), ("Ran", "a"), ("HEAT (1995)", "out"), ("Jaws", "spare")]
    parts = fields.split_sources(frame(*cells, ("Jaws", "out2"), ("Up", "b")), ["out", "out2"], ["spare"])
    assert dict(zip(zip(parts["title"], parts["source"], strict=True), parts["part"], strict=True)) == {
        ("Heat", "a"): "",
        ("Jaws", "a"): "",
        ("Zoo", "a"): "train",
        ("Ran", "a"): "train",
        ("HEAT (1995)", "out"): "out",
        ("Jaws", "spare"): "",
        ("Jaws", "out2"): "out2",
        ("Up", "b"): "train",
    }


def test_a_language_that_is_not_known_is_none():
    parts = fields.split_sources(frame(("A", "a"), ("B", "b"), lang=["de", "und"]), ["a"], [])
    assert parts["language"].fillna("").tolist() == ["de", ""]
    assert parts["lang"].tolist() == ["de", "und"]


def test_a_source_without_programmes_is_refused():
    with pytest.raises(InputError) as caught:
        fields.split_sources(frame(("A", "a")), ["a", "c"], ["b"])
    assert str(caught.value) == "the programmes must have each source that is named. Got none of b, c."


def test_training_has_its_programmes_and_titles_that_are_not_evaluated(tmp_path):
    cells = [("Heat", "a"), ("Jaws", "a"), ("Heat", "out"), ("Ran", "spare")]
    parts = fields.split_sources(frame(*cells, minutes=[1.0, 2.0, 3.0, None]), ["out"], ["spare"])
    (tmp_path / "own.csv").write_text("title,category,lang\nheat!,x,de\nJaws,x,fr\nRan,x,de\nnull,x,de\n")
    (tmp_path / "bare.csv").write_text("title,category,other\nZoo,x,1\nHeat (1995),x,2\n")
    folder = tmp_path / "data"
    folder.mkdir()
    fields.write_training(parts, [str(tmp_path / "own.csv"), str(tmp_path / "bare.csv")], folder)
    assert sorted(path.name for path in folder.iterdir()) == ["0_programmes.parquet", "1_titles.csv", "2_titles.csv"]
    programmes = pd.read_parquet(folder / "0_programmes.parquet")
    assert programmes[COLUMNS].to_numpy().tolist() == [["Jaws", "x", "en", "one", 2.0, "Live.", "a"]]
    assert set(programmes) == set(COLUMNS)
    assert (folder / "1_titles.csv").read_text() == "title,category,lang,source\nJaws,x,fr,\nnull,x,de,\n"
    assert (folder / "2_titles.csv").read_text() == "title,category,lang,source\nZoo,x,en,\n"
    fields.write_training(parts, [str(tmp_path / "own.csv")], folder, ["fr"])
    assert (folder / "1_titles.csv").read_text() == "title,category,lang,source\nnull,x,de,\n"


# Scores


def test_programmes_have_the_fields_that_are_asked_for():
    programmes = frame(("A", "a"), ("B", "a"), minutes=[5.0, None], channel=["one", None])
    assert list(fields.programmes_of(programmes, ())) == [Programme("A"), Programme("B")]
    assert list(fields.programmes_of(programmes, ("channel", "minutes"))) == [
        Programme("A", "one", 5.0),
        Programme("B"),
    ]


def test_coverage_is_the_largest_part_that_is_answered_with_the_precision():
    best = np.linspace(0.9, 0.6, 20)
    probabilities = np.stack([best, 1 - best], axis=1)
    labels = np.zeros(20, dtype=np.int64)
    assert fields.scores(probabilities, labels) == {"accuracy": 1.0, "macro-F1": 1.0, "coverage": 1.0}
    labels[[9, 19]] = 1  # one in ten of the first ten, and of all twenty
    found = fields.scores(probabilities, labels)
    assert found["accuracy"] == pytest.approx(0.9)
    assert found["coverage"] == 1.0
    labels[18] = 1
    assert fields.scores(probabilities, labels)["coverage"] == pytest.approx(18 / 20)
    labels[:] = 1
    assert fields.scores(probabilities, labels) == {"accuracy": 0.0, "macro-F1": 0.0, "coverage": 0.0}


def test_a_guide_is_evaluated_with_what_its_channels_show():
    channels = ["films"] * 9 + ["matches"] * 9 + ["matches", None]
    titles = [f"{name} {number}" for number, name in enumerate(channels)]
    categories = ["Movie / Drama"] * 9 + ["Sports"] * 11
    rows = frame(*((title, "out") for title in titles), category=categories, channel=channels).assign(language="en")
    model = model_of(dict(zip(titles[:18], [Genre.movie] * 9 + [Genre.sports] * 9, strict=True)), fields=["channel"])
    alone = fields.evaluate(model, {"out": rows}, ["all"])
    in_guide = fields.evaluate(model, {"out": rows}, ["all, as in epg fill"])
    assert alone["accuracy"].tolist() == [18 / 20]
    assert in_guide["accuracy"].tolist() == [19 / 20]  # of the title without a channel nothing is known
    assert in_guide[["source", "fields"]].to_numpy().tolist() == [["out", "all, as in epg fill"]]


# The peer


def test_the_peer_reads_spans_and_kinds_of_channels_as_words():
    channels = ["Sky Sports News HD", "Never heard of", "", "Sky Sports News HD"]
    programmes = frame(*((str(number), "a") for number in range(4)), minutes=[5.0, 6.0, None, 240.0], channel=channels)
    kinds = fields.peer_frame(programmes)["kinds"].tolist()
    first, second, third, fourth = map(str.split, kinds)
    assert (second, third) == (["span2"], ["span0"])
    assert first[0] == second[0]
    assert first[1:] == fourth[1:] == ["sports"]
    assert fourth[0] == "span20"
    assert list(fields.peer_frame(programmes)) == [*COLUMNS, "kinds"]


def test_the_peer_learns_from_fields_only_if_it_is_told_to():
    cells = [(f"{letter} {number}", "a") for letter in "abc" for number in range(4)]
    names = ["one", "two", "three"]
    columns = {"category": np.repeat(names, 4), "channel": np.repeat(names, 4)}
    train = fields.peer_frame(frame(*cells, **columns))
    test = {"out": frame(("q", "out"), ("q", "out"), ("q", "out"), category=names, channel=names)}
    with_fields, without = (
        fields.evaluate_peer(train, test, sorted(names), fields=is_given) for is_given in (True, False)
    )
    assert with_fields[["source", "fields", "accuracy"]].to_numpy().tolist() == [["out", "all", 1.0]]
    assert without[["source", "fields", "accuracy"]].to_numpy().tolist() == [["out", "title", pytest.approx(1 / 3)]]


def test_the_peer_accepts_programmes_that_lack_fields():
    names = ["one", "two", "three"]
    cells = [(name, "a") for name in names for _ in range(3)]
    train = fields.peer_frame(frame(*cells, category=np.repeat(names, 3)))
    missing = {"channel": [None] * 3, "description": [None, "Live.", np.nan], "minutes": [None] * 3}
    test = {"out": frame(*((name, "out") for name in names), category=names, **missing)}
    (found,) = fields.evaluate_peer(train, test, sorted(names), fields=True).to_dict("records")
    assert found["accuracy"] == 1.0


# The report


def test_the_report_has_means_over_the_sources_and_each_source():
    scores = [("b", "all", 1.0), ("a", "all", 0.5), ("b", "title", 0.25), ("a", "title", 0.75)]
    results = pd.concat(
        pd.DataFrame(
            [
                {"source": source, "fields": subset, "accuracy": score, "macro-F1": score / 2, "coverage": 0.0}
                for source, subset, score in scores
            ]
        ).assign(model=model)
        for model in (fields.PEER, fields.MODEL)
    )
    tests = {"a": frame(*[("A", "a")] * 1234), "b": frame(("A", "b"))}
    means, each = fields.report(results, tests, "the command").split("## Each source\n\n")
    assert "Programmes: a 1,234, b 1." in means
    assert "Made by the command.\n" in means
    assert means.split("| model ")[1].splitlines() == [
        "| fields | accuracy | macro-F1 | coverage |",
        "| --- | --- | ---: | ---: | ---: |",
        f"| {fields.PEER} | title | 50.0% | 25.0% | 0.0% |",
        f"| {fields.PEER} | all | 75.0% | 37.5% | 0.0% |",
        f"| {fields.MODEL} | title | 50.0% | 25.0% | 0.0% |",
        f"| {fields.MODEL} | all | 75.0% | 37.5% | 0.0% |",
        "",
    ]
    assert each.splitlines()[:4] == [
        "| model | source | fields | accuracy | macro-F1 | coverage |",
        "| --- | --- | --- | ---: | ---: | ---: |",
        f"| {fields.PEER} | b | title | 25.0% | 12.5% | 0.0% |",
        f"| {fields.PEER} | a | title | 75.0% | 37.5% | 0.0% |",
    ]
    assert len(each.splitlines()) == 2 + len(results)


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Run the script on the fifty titles; the report, and the models with the titles that they were trained on."""
    folder = tmp_path_factory.mktemp("fields")
    table = pd.DataFrame(
        [(title, category, lang, *FIELDS[category][:3]) for title, category, lang in rows()], columns=COLUMNS[:-1]
    ).astype({"minutes": float})
    left_out = table.iloc[::5].assign(source="out")
    table = pd.concat([table.iloc[:45].assign(source="in"), left_out, table.iloc[45:].assign(source="spare")])
    table.to_parquet(folder / "programmes.parquet")
    table[["title", "category", "lang"]].to_csv(folder / "own.csv", index=False)
    output = folder / "results" / "fields.md"
    trained: list[tuple[Classifier[Any], list[str]]] = []
    train = fields.train

    def recorded(overrides, data, names, test):
        trained.append((train(overrides, data, names, test), names))
        return trained[-1][0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fields, "train", recorded)
        options = ["--programmes", folder / "programmes.parquet", "--titles", folder / "own.csv", "--left-out", "out"]
        options += ["--unused", "spare", "--peer", "--title-model", "--output", output]
        small = [*(override for override in SMALL if "robustness" not in override), FEW_BUCKETS, *FEW_FEATURES]
        patch.setattr(sys, "argv", ["fields", "model=ngram", *small, *map(str, options)])
        fields.main()
    return SimpleNamespace(text=output.read_text(), trained=trained, folder=folder, left_out=left_out)


def test_every_model_has_its_rows(measured):
    means, each = measured.text.split("## Each source")
    for subset in (*fields.SUBSETS, "all, as in epg fill"):
        assert means.count(f"\n| {fields.MODEL} | {subset} | ") == 1
        assert each.count(f"\n| {fields.MODEL} | out | {subset} | ") == 1
    for model, subset in ((fields.TITLE_MODEL, "title"), (fields.PEER, "title"), (fields.PEER, "all")):
        assert means.count(f"\n| {model} | {subset} | ") == 1
    assert means.count("\n| titleclf") == len(fields.SUBSETS) + 2


def test_the_report_has_command_machine_and_sizes_but_no_paths(measured):
    assert "`python -m scripts.fields model=ngram device=cpu " in measured.text
    assert "--programmes PROGRAMMES --titles OWN --left-out out --unused spare --peer --title-model " in measured.text
    assert " cores (" in measured.text
    assert "Programmes: out 10." in measured.text
    assert str(measured.folder) not in measured.text


def test_models_know_no_title_that_they_are_evaluated_on(measured):
    (model, names), (title_model, no_names) = measured.trained
    assert (names, no_names) == (fields.ALL, [])
    assert model.columns == {"description", "channel", "minutes", "language"}
    assert title_model.columns == set()
    for classifier in (model, title_model):
        memory = classifier.contents.memory
        assert memory is not None
        assert not {title.casefold() for title in measured.left_out["title"]} & set(memory.known.keys)
        assert 0 < len(memory.known.keys) <= 36
