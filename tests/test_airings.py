"""Channel and duration: what they become, what they add, and that all who answer say the same of them."""

import asyncio
import json
import shutil
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from titleclf.runtime.onnx_classifier import OnnxClassifier
from torch import nn

from tests.helpers.bundles import reseal
from tests.helpers.commands import command, one_line
from tests.helpers.guides import guide, model_of
from tests.helpers.titles import COLUMNS, write_csv
from tests.helpers.training import CONTEXT, compose_train
from tests.runtime.test_classifier import SIZES, TITLES, with_network
from titleclf.config import saved
from titleclf.config.hydra import compose
from titleclf.config.schemas import ExportConfig, TrainConfig
from titleclf.data.dataset import read_data, read_sides
from titleclf.data.targets import context_ids_of, contexts_known
from titleclf.data.titles import read_all_titles, read_titles
from titleclf.epg.fill import Decider, Filler, When, fill
from titleclf.epg.genres import Genre
from titleclf.evaluate.evaluation import evaluate
from titleclf.export import export
from titleclf.predict import __main__ as module
from titleclf.runtime.bundle.folding import CONTEXTS
from titleclf.runtime.choices import ExportFormat
from titleclf.runtime.classifier import Classifier
from titleclf.runtime.errors import InputError
from titleclf.runtime.explanation import explain
from titleclf.runtime.text.programmes import EDGES, UNKNOWN, Context, Contexts, contexts_of, without
from titleclf.serve.batcher import Batcher
from titleclf.serve.corrections import Corrections
from titleclf.train import build, train
from titleclf.training import run as runs
from titleclf.training.fold import fold
from titleclf.training.network import Network, to_inputs
from titleclf.training.onnx_graph import onnx_model
from titleclf.training.optimizer import group_parameters
from titleclf.training.trained_model import Bundle, load_bundle

KNOWN = Contexts(["news.24", "sport.one"], list(map(float, EDGES)))
NAMED = replace(COLUMNS, channel="channel", duration="duration")
HEADER = ("title", "category", "lang", "channel", "duration")
CPU = torch.device("cpu")


def with_contexts(run, kind="ngram", *overrides: str) -> Bundle:
    """Return a bundle with random weights, also of contexts."""
    bundle = with_network(run, kind, *overrides)
    torch.manual_seed(2)
    network = Network(bundle.network.config, len(bundle.characters), bundle.characters.length, 3, KNOWN.sizes)
    for name, parameter in network.named_parameters():
        nn.init.normal_(parameter, std=0.3)
        if name.startswith("context."):
            parameter.data[0] = 0  # as training leaves it
    return replace(bundle, network=network, contexts=KNOWN, alone=bundle.thresholds)


def drawn(titles: int = len(TITLES)) -> np.ndarray:
    return KNOWN.drawn(titles, np.random.default_rng(1))


# Ids


def test_channels_have_ids_and_durations_buckets_and_what_is_not_known_none():
    minutes = [None, float("nan"), 0, 4.9, 5, 9.9, 60, 239, 240, 1440]
    ids = KNOWN.ids([Context("sport.one", one) for one in minutes])
    assert ids[:, 0].tolist() == [2] * len(minutes)
    assert ids[:, 1].tolist() == [0, 0, 1, 1, 2, 2, 6, 9, 10, 10]
    assert KNOWN.ids([Context("news.24", None), Context("other", None), UNKNOWN])[:, 0].tolist() == [1, 0, 0]
    assert KNOWN.ids([]).shape == (0, 2)
    assert KNOWN.sizes == (3, len(EDGES) + 1)


def test_a_model_may_look_at_one_of_them_alone():
    context = [Context("sport.one", 60)]
    assert Contexts(KNOWN.channels, []).ids(context).tolist() == [[2, 0]]
    assert Contexts([], KNOWN.edges).ids(context).tolist() == [[0, 6]]


def test_channels_of_enough_different_titles_are_known():
    rows = [(str(number), "a", "en", "often", 5) for number in range(3)] + [("0", "a", "en", "seldom", 5)] * 9
    frame = pd.DataFrame(
        [*rows, ("1", "a", "en", None, None)], columns=["title", "category", "lang", "channel", "minutes"]
    )
    assert contexts_known(frame, 3) == Contexts(["often"], list(EDGES))
    assert contexts_known(frame, 1) == Contexts(["often", "seldom"], list(EDGES))
    assert contexts_known(frame.drop(columns="channel"), 1) == Contexts([], list(EDGES))
    assert contexts_known(frame.drop(columns="minutes"), 1) == Contexts(["often", "seldom"], [])
    assert contexts_known(frame[["title", "category", "lang"]], 1) is None
    assert context_ids_of(frame, Contexts(["often"], []))[[0, 5, -1]].tolist() == [[1, 0], [0, 0], [0, 0]]


def test_a_share_loses_channel_and_duration_independently():
    ids = np.ones((20_000, 2), dtype=np.int64)
    lost = without(ids, 0.3, np.random.default_rng(1)) == 0
    assert lost.mean(axis=0) == pytest.approx(0.3, abs=0.02)
    assert lost.all(axis=1).mean() == pytest.approx(0.09, abs=0.02)
    assert np.array_equal(without(ids, 0, np.random.default_rng(1)), ids)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"channels": ["a"]}, "channels must be as many as titles. Got 1 for 2. Pass None where one is not known."),
        (
            {"durations": [1, 2, 3]},
            "durations must be as many as titles. Got 3 for 2. Pass None where one is not known.",
        ),
        ({"channels": ["a", 5]}, "channels must be text. Got 5. Pass None where one is not known."),
        ({"durations": [-1, 2]}, "durations must be minutes, 0 or more. Got -1. Pass None where one is not known."),
        ({"durations": ["5", 2]}, "durations must be minutes, 0 or more. Got '5'. Pass None where one is not known."),
        ({"durations": [1, True]}, "durations must be minutes, 0 or more. Got True. Pass None where one is not known."),
    ],
)
def test_what_is_no_context_is_refused(run, given, sentence):
    with pytest.raises(InputError) as caught:
        Classifier.load(run).predict(["a", "b"], **given)
    assert one_line(str(caught.value)) == sentence


def test_lists_become_contexts():
    assert contexts_of(2, None, None) is None
    assert contexts_of(2, ["a", None], None) == [Context("a", None), UNKNOWN]
    assert contexts_of(1, None, [np.float32(5)]) == [Context(None, 5)]


# Tables and guides


def test_tables_give_channel_and_minutes_where_these_are_named(tmp_path):
    path = write_csv(tmp_path / "a.csv", [("A", "x", "en", " one ", "5.5"), ("B", "x", "en", "", " ")], HEADER)
    frame = read_titles(path, NAMED)
    assert frame.loc[0, ["channel", "minutes"]].tolist() == ["one", 5.5]
    assert frame.loc[1, ["channel", "minutes"]].isna().all()
    assert list(read_titles(path, COLUMNS)) == ["title", "category", "lang"]
    assert list(read_titles(path, replace(NAMED, channel=None))) == ["title", "category", "lang", "minutes"]


@pytest.mark.parametrize("cell", ["-5", "soon", "nan", "inf", "1:30"])
def test_a_duration_that_is_none_is_named_with_its_line(tmp_path, cell):
    path = write_csv(tmp_path / "a.csv", [("A", "x", "en", "one", cell)], HEADER)
    with pytest.raises(InputError) as caught:
        read_titles(path, NAMED)
    sentence = f"{path}:2: duration must be minutes, 0 or more, or empty. Got {cell!r}. Write how long it lasts."
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


def test_what_an_earlier_file_has_of_a_channel_is_left_out(tmp_path):
    write_csv(tmp_path / "a.csv", [("A", "x", "en", "one", "5"), ("B", "x", "en", "", "")], HEADER)
    write_csv(
        tmp_path / "b.csv", [("A", "x", "de", "one", "5"), ("A", "x", "de", "two", "5"), ("B", "x", "", "", "")], HEADER
    )
    found = read_all_titles(str(tmp_path / "*.csv"), NAMED)
    channels = found["channel"].fillna("")
    assert list(zip(found["title"], channels, strict=True)) == [("A", "one"), ("B", ""), ("A", "two")]


def shown(title: str, channel: str, minutes: int, genre: str = "") -> str:
    category = f"<category>{genre}</category>" if genre else ""
    stop = f"2026010112{minutes:02}00 +0100"
    return (
        f'<programme start="20260101120000 +0100" stop="{stop}" channel="{channel}"><title>{title}</title>'
        f"{category}</programme>"
    )


def test_guides_give_a_row_for_each_title_on_each_channel(tmp_path):
    live = [shown("Live", "one", 30, "Sports"), shown("Live", "two", 20, "News"), shown("Live", "two", 25, "News")]
    more = [shown(f"{genre} {number}", "one", 10, genre) for genre in ("Sports", "News") for number in range(3)]
    (tmp_path / "g.xml").write_text(guide(*live, shown("Live", "two", 25, "News"), *more))
    path = str(tmp_path / "g.xml")
    found = read_all_titles(path, NAMED).set_index(["title", "channel"])
    assert found.loc[("Live", "one"), "category"] == Genre.sports
    assert found.loc[("Live", "two")].tolist() == [Genre.news, "und", 25.0]  # what most of its programmes last
    assert "Live" in read_all_titles(path, COLUMNS)["title"].tolist()
    assert list(read_all_titles(path, COLUMNS)) == ["title", "category", "lang"]


# The network


@pytest.mark.parametrize("hidden", [0, 13])
@pytest.mark.parametrize("kind", list(SIZES))
def test_every_network_says_in_numpy_what_it_says_in_torch(run, tmp_path, kind, hidden):
    bundle = with_contexts(run, kind, f"model.hidden={hidden}")
    bundle.save(tmp_path / "saved")
    copy, classifier = load_bundle(tmp_path / "saved"), Classifier.load(tmp_path / "saved")
    assert copy.contexts == classifier.contexts == KNOWN
    found, known = (one.network_logits(TITLES, drawn())[0] for one in (classifier, bundle))
    assert np.array_equal(copy.network_logits(TITLES, drawn())[0], known)
    assert np.abs(found - known).max() < 1e-4
    assert np.abs(bundle.network_logits(TITLES)[0] - known).max() > 0.1
    network = OnnxClassifier.from_bytes(onnx_model(bundle.saved()).SerializeToString(), "model.onnx")
    assert network.contexts == KNOWN
    assert np.abs(network.network_logits(TITLES, drawn())[0] - known).max() < 1e-4
    assert np.abs(network.network_logits(TITLES)[0] - bundle.network_logits(TITLES)[0]).max() < 1e-4


def test_what_is_not_known_adds_nothing(run):
    for bundle in (with_contexts(run), Classifier.of(with_contexts(run).saved())):
        nothing = bundle.context_ids([UNKNOWN, Context("no such channel", None)])
        assert np.array_equal(bundle.logits(["a", "b"], nothing)[0], bundle.logits(["a", "b"])[0])


def test_a_fold_adds_exactly_what_the_network_does(run):
    saved = with_contexts(run).saved()
    folded = Classifier.of(replace(saved, weights=fold(saved.weights, saved.task)))
    whole = Classifier.of(saved)
    added, known = (one.network_logits(TITLES, drawn())[0] - one.network_logits(TITLES)[0] for one in (folded, whole))
    assert np.abs(_centred(added) - _centred(known)).max() < 1e-4  # only differences of logits count
    alone = [folded.network_logits([title], ids[None])[0][0] for title, ids in zip(TITLES, drawn(), strict=True)]
    assert np.array_equal(np.array(alone), folded.network_logits(TITLES, drawn())[0])


def _centred(logits):
    return logits - logits.mean(axis=1, keepdims=True)


def test_each_table_is_in_exactly_one_group_and_its_first_row_stays_zero(context_run):
    network = load_bundle(context_run).network
    groups = group_parameters(network, ["characters"])
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    assert {names[id(one)] for one in groups.tables} == {*CONTEXTS, "encoder.ngrams.weight"}
    assert len(list(groups)) == len(list(network.parameters()))
    for name in CONTEXTS:
        table = network.state_dict()[name]
        assert not table[0].any()
        assert table.any()


def test_an_untrained_network_begins_where_one_without_contexts_does():
    model = compose_train("model.dim=7", "model.buckets=97").model
    torch.manual_seed(1)
    plain = Network(model, 19, 23, 3)
    torch.manual_seed(1)
    other = Network(model, 19, 23, 3, KNOWN.sizes)
    weights = other.state_dict()
    assert set(weights) - set(plain.state_dict()) == set(CONTEXTS)
    assert all(torch.equal(tensor, weights[name]) for name, tensor in plain.state_dict().items())
    assert not any(weights[name].any() for name in CONTEXTS)


# A trained model


def test_the_same_title_on_another_channel_may_be_something_else(context_run):
    classifier = Classifier.load(context_run)
    found = classifier.predict(["Qwertz"] * 4, channels=["sport.one", "news.24", "sport.one", None])
    assert [one.category for one in found[:3]] == ["Sports", "News", "Sports"]
    assert found[3] == classifier.predict(["Qwertz"])[0]
    by_length = classifier.predict(["Qwertz"] * 2, durations=[100, 15])
    assert [one.category for one in by_length] == ["Sports", "News"]


def test_what_is_not_known_has_thresholds_of_its_own(context_run):
    classifier = Classifier.load(context_run)
    known, others = classifier.least_at(0.9)
    assert np.array_equal(known, classifier.thresholds.at(0.9))
    assert np.array_equal(others, classifier.alone.at(0.9))
    apart = np.stack([np.zeros(3), np.full(3, 1.1)])  # all are named, or none
    shown = {"channels": ["news.24", "news.24", "x", None], "durations": [15, None, 15, 15]}
    found = classifier.predict(["Qwertz"] * 4, 1, apart, **shown)
    assert [one.category is not None for one in found] == [True, False, False, False]
    assert classifier.predict(["Qwertz"], 3, apart)[0].named == ()
    assert classifier.predict(["Qwertz"], 1, 0.0)[0].named
    of_channels = Contexts(["news.24"], [])
    assert of_channels.lacks(np.array([[1, 0], [0, 0]])).tolist() == [False, True]


def test_a_model_without_contexts_has_one_threshold_a_category(run):
    classifier = Classifier.load(run)
    assert classifier.alone is None
    assert np.array_equal(classifier.least_at(0.9), classifier.thresholds.at(0.9))


def test_what_is_the_same_input_is_answered_once(context_run, monkeypatch):
    classifier, asked = Classifier.load(context_run), []
    plain = classifier.some_logits
    monkeypatch.setattr(classifier, "some_logits", lambda *some: asked.append(some) or plain(*some))
    classifier.predict(
        ["a"] * 5, channels=["news.24", "news.24", "sport.one", "x", "y"], durations=[14, 15, 15, None, 0.0]
    )
    ((titles, ids),) = asked
    assert titles == ["a"] * 4
    assert ids.tolist() == [[2, 3], [3, 3], [0, 0], [0, 1]]


def test_a_model_without_contexts_takes_no_notice(run):
    classifier = Classifier.load(run)
    assert classifier.contexts is None
    assert classifier.predict(["Qwertz"], channels=["news.24"], durations=[5]) == classifier.predict(["Qwertz"])


def test_a_run_without_contexts_has_the_old_format_and_one_with_them_a_new_one(run, context_run):
    plain, other = (json.loads((one / "bundle" / "config.json").read_text()) for one in (run, context_run))
    assert (plain["format"], other["format"]) == (3, 4)
    assert set(other) - set(plain) == {"contexts", "alone"}
    assert other["contexts"]["channels"] == ["music.tv", "news.24", "sport.one"]
    assert "looks at 3 channels and durations" in (context_run / "bundle" / "README.md").read_text()


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("channels", ["b", "a"], "contexts.channels must rise. Got b, a. Train or copy it again."),
        ("edges", [0, 5, 5], "contexts.edges must rise. Got 0.0, 5.0, 5.0. Train or copy it again."),
        ("edges", "0", "contexts.edges must be of type list. Got '0'."),
        ("channels", ["a"], "weights.safetensors must hold the tensors that its configuration describes."),
    ],
)
def test_a_damaged_vocabulary_is_refused(context_run, tmp_path, name, value, sentence):
    folder = shutil.copytree(context_run / "bundle", tmp_path / "bundle")
    config = json.loads((folder / "config.json").read_text())
    config["contexts"][name] = value
    (folder / "config.json").write_text(json.dumps(config))
    reseal(folder)
    with pytest.raises(InputError) as caught:
        Classifier.load(folder)
    assert sentence in one_line(str(caught.value))


def test_runs_are_judged_with_their_contexts(context_run, tmp_path):
    metrics = json.loads((context_run / "metrics.json").read_text())
    assert metrics["accuracy"] == metrics["robustness"]["unseen"]["clean"]["accuracy"] >= 0.9
    again = evaluate_of(context_run, tmp_path / "again")
    assert again["accuracy"] == metrics["accuracy"]
    test = read_sides(saved.load_config(context_run, TrainConfig))[0].test
    path = tmp_path / "test.csv"
    test.rename(columns={"minutes": "duration"}).to_csv(path, index=False)
    columns = ["columns.channel=channel", "columns.duration=duration"]
    assert evaluate_of(context_run, tmp_path / "all", f"path={path}", *columns)["accuracy"] == metrics["accuracy"]
    assert evaluate_of(context_run, tmp_path / "bare", f"path={path}")["accuracy"] < 0.9


def evaluate_of(run, folder, *overrides: str):
    return evaluate(compose("evaluate", [f"run={run}", f"output_dir={folder}", *overrides]))


def test_training_again_gives_the_same_weights(context_run, contexts_csv, tmp_path):
    config = compose_train(
        *("device=cpu", "model.dim=9", "model.buckets=997", "training.batch_size=7", "training.epochs=8"),
        *(f"data.path={contexts_csv}", f"output_dir={tmp_path}", "evaluate.robustness_titles=0", *CONTEXT),
    )
    again = train(config) / "bundle" / "weights.safetensors"
    assert again.read_bytes() == (context_run / "bundle" / "weights.safetensors").read_bytes()


@pytest.mark.parametrize("more", ["model=bag", "model=conv", "model.hidden=5", "task=multilabel", CONTEXT[0]])
def test_every_kind_of_model_learns_from_them(small, contexts_csv, more):
    columns = CONTEXT if more.startswith(("model", "task")) else CONTEXT[2:]
    classifier = Classifier.load(train(small(f"data.path={contexts_csv}", more, *columns)))
    assert classifier.contexts is not None
    ids = classifier.context_ids([Context("news.24", 5)])
    assert not np.array_equal(classifier.logits(["a"])[0], classifier.logits(["a"], ids)[0])
    assert len(classifier.predict(["a"], 2, classifier.least_at(0.5), channels=["news.24"])) == 1


def test_an_interrupted_run_reaches_the_same_weights(small, contexts_csv, monkeypatch):
    whole = train(small(f"data.path={contexts_csv}", *CONTEXT))
    with monkeypatch.context() as patch:
        patch.setattr("titleclf.training.run.save_checkpoint", _interrupting(runs.save_checkpoint))
        with pytest.raises(KeyboardInterrupt):
            train(small(f"data.path={contexts_csv}", *CONTEXT))
    (begun,) = (one for one in whole.parent.iterdir() if not one.is_symlink() and not (one / "bundle").exists())
    train(small(f"resume={begun}"))
    first, second = ((one / "bundle" / "weights.safetensors").read_bytes() for one in (whole, begun))
    assert first == second


def _interrupting(save):
    def interrupted(folder, state):
        save(folder, state)
        raise KeyboardInterrupt

    return interrupted


def test_corrected_titles_are_of_no_known_channel(contexts_csv, small, tmp_path):
    corrections = write_csv(
        tmp_path / "c.csv", [("Brand New", "News"), ("Wimbledon Highlights", "Music")], ("title", "category")
    )
    data = read_data(small(f"data.path={contexts_csv}", f"data.corrections={corrections}", *CONTEXT))
    bundle = build(small(f"data.path={contexts_csv}", *CONTEXT), data, CPU)
    ids = context_ids_of(data.sides.train, bundle.contexts)
    assert not ids[(data.sides.train["title"] == "Brand New").to_numpy()].any()
    assert ids[(data.sides.train["title"] == "Wimbledon Highlights").to_numpy()].all()


# Prediction


def test_a_table_may_have_the_columns(monkeypatch, capsys, context_run, tmp_path):
    path = write_csv(
        tmp_path / "a.csv",
        [("Qwertz", "sport.one", "100"), ("Qwertz", "news.24", "")],
        ("title", "channel", "duration"),
    )
    assert predicted(monkeypatch, capsys, context_run, path) == ["Sports", "News"]
    bare = write_csv(tmp_path / "b.csv", [("Qwertz",)], ("title",))
    (tmp_path / "b.txt").write_text("Qwertz\n")
    assert predicted(monkeypatch, capsys, context_run, bare) == predicted(
        monkeypatch, capsys, context_run, tmp_path / "b.txt"
    )


def predicted(monkeypatch, capsys, run, path, *arguments: str):
    monkeypatch.setattr(
        sys, "argv", ["predict", "--model", str(run), "--format", "jsonl", "--input", str(path), *arguments]
    )
    module.main()
    return [json.loads(line)["category"] for line in capsys.readouterr().out.splitlines()]


def test_a_bad_cell_is_named_where_the_model_looks_at_it(run, context_run, tmp_path):
    path = write_csv(tmp_path / "a.csv", [("Qwertz", "-1")], ("title", "duration"))
    done = command("predict", "--model", str(context_run), "--input", str(path), cwd=tmp_path)
    assert done.returncode == 2
    sentence = f"{path}:2: duration must be minutes, 0 or more, or empty. Got '-1'. Write how long it lasts."
    assert done.stderr.splitlines()[-1] == sentence
    assert command("predict", "--model", str(run), "--input", str(path), cwd=tmp_path).returncode == 0


@pytest.mark.parametrize("is_folded", [False, True])
def test_what_channel_and_duration_say_is_told_and_adds_up(context_run, is_folded):
    saved = load_bundle(context_run).saved()
    classifier = Classifier.of(replace(saved, weights=fold(saved.weights, saved.task)) if is_folded else saved)
    context = Context("sport.one", 100)
    logits = classifier.logits(["Snooker"], classifier.context_ids([context]))[0][0]
    found = explain(classifier, "Snooker", context=context)
    assert set(found.context) == {"channel", "duration"}
    assert found.context["channel"] > 0
    assert found.lead == pytest.approx(logits.max() - logits.mean(), abs=1e-3)
    assert explain(classifier, "Snooker").context == {}


def test_explanations_name_them(monkeypatch, capsys, context_run, run, tmp_path):
    path = write_csv(tmp_path / "a.csv", [("Qwertz", "sport.one", "100")], ("title", "channel", "duration"))
    monkeypatch.setattr(sys, "argv", ["predict", "--model", str(context_run), "--input", str(path), "--explain"])
    module.main()
    assert "channel +" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["predict", "--model", str(run), "--format", "jsonl", "--explain", "Qwertz"])
    module.main()
    told = json.loads(capsys.readouterr().out)["explanation"]
    assert set(told) == {"category", "bias", "memory", "characters", "ngrams"}


# Guides


def test_fill_looks_at_channel_and_duration(tmp_path, context_run):
    classifier = Classifier.load(context_run)
    decider = Decider([(classifier, np.zeros(3))])
    assert decider.uses_context
    programmes = [shown("Qwertz", "sport.one", 59), shown("Qwertz", "news.24", 15), shown("Qwertz", "news.24", 15)]
    (tmp_path / "in.xml").write_text(guide(*programmes))
    fill(str(tmp_path / "in.xml"), str(tmp_path / "out.xml"), Filler(decider, None, When.missing, with_keywords=False))
    filled = (tmp_path / "out.xml").read_text()
    assert (filled.count(">Sports<"), filled.count(">News<")) == (1, 2)
    assert len(decider._decisions) == 2


def test_a_model_without_contexts_decides_a_title_once(context_run):
    told = model_of({"Qwertz": Genre.sports})
    decider = Decider([(Classifier.load(context_run), np.full(3, 1.1)), (told, np.full(10, 0.9))])
    contexts = [Context("news.24", 15), Context("sport.one", 100)]
    found = decider.decide(["Qwertz"] * 2, contexts)
    assert [one.categories for one in found] == [(Genre.sports,)] * 2
    assert told.queried == ["Qwertz"]


# The service


@pytest.fixture
def client(context_run, tmp_path):
    classifier = Classifier.load(context_run)
    return Batcher(classifier, np.zeros(3), Corrections(tmp_path / "corrections.csv", classifier.categories))


def test_clients_are_answered_with_their_own_contexts(client):
    async def asked():
        return await asyncio.gather(
            client.predict(["Qwertz"] * 70, 1, [Context("sport.one", 100)] * 70),
            client.predict(["Qwertz"] * 20, 1, [Context("news.24", 15)] * 20),
            client.explain(["Qwertz"], [Context("sport.one", 100)]),
        )

    sports, news, (told,) = asyncio.run(asked())
    assert [one["category"] for one in sports] == ["Sports"] * 70
    assert [one["category"] for one in news] == ["News"] * 20
    assert told["channel"] > 0


# Export


def test_exports_keep_them(context_run, tmp_path, titles_csv):
    for fold_it in (False, True):
        output = tmp_path / f"exported {fold_it}"
        export(ExportConfig(str(context_run), ExportFormat.bundle, str(output), fold_it, str(titles_csv)))
        found = Classifier.load(output).predict(["Qwertz"] * 2, channels=["sport.one", "news.24"])
        assert [one.category for one in found] == ["Sports", "News"]
    export(ExportConfig(str(context_run), ExportFormat.onnx, str(tmp_path / "m.onnx"), True, str(titles_csv)))
    found = OnnxClassifier.load(tmp_path / "m.onnx").predict(["Qwertz"] * 2, channels=["sport.one", "news.24"])
    assert [one.category for one in found] == ["Sports", "News"]


def test_networks_that_differ_in_contexts_have_other_inputs(run):
    inputs = to_inputs(load_bundle(run).characters.batch(["a"]), compose_train().model, CPU)
    assert inputs.context is None
    assert {one.name for one in onnx_model(load_bundle(run).saved()).graph.input} == {"ids", "ngrams"}
    asked = {one.name for one in onnx_model(with_contexts(run).saved()).graph.input}
    assert asked == {"ids", "ngrams", "channels", "durations"}
