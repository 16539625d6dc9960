"""What speaks for and against a category adds up to what the classifier says, and is told to people and programs."""

import io
import json
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.commands import one_line
from tests.runtime.test_classifier import MODEL, with_network
from titleclf.predict import __main__ as module
from titleclf.predict.output import coloured
from titleclf.runtime.choices import Combine, MemoryKind, Positions
from titleclf.runtime.classifier import Classifier
from titleclf.runtime.explanation import explain
from titleclf.runtime.prediction import Explanation, Remembered
from titleclf.runtime.text.characters import normalise
from titleclf.training.quantization import round_weights
from titleclf.training.trained_model import load_bundle

TITLES = [
    "Match of the Day",
    "a",
    "Tagesschau",
    "Tagesschua",
    "日本沈没 🎉",
    "Straße, Straße",
    "the the the",
    "x" * 300,
]


def saved(bundle, tmp_path: Path) -> Path:
    bundle.save(tmp_path / "saved")
    return tmp_path / "saved"


def explained(classifier: Classifier, title: str, category: int | None = None) -> Explanation:
    found = explain(classifier, title, category)
    assert found is not None
    return found


def assert_adds_up(classifier: Classifier, titles: list[str] = TITLES) -> None:
    """Assert that the parts are those of the centred logits, for every category of every title."""
    logits, _ = classifier.logits(titles)
    centred = logits - logits.mean(axis=1, keepdims=True)
    for title, row in zip(titles, centred, strict=True):
        assert sum(explained(classifier, title, number).lead for number in range(len(row))) == pytest.approx(
            0, abs=1e-4
        )
        for number, lead in enumerate(row):
            found = explained(classifier, title, number)
            memory = found.memory.contribution if found.memory else 0
            parts = found.bias + memory + sum(contribution for _, contribution in found.characters)
            assert parts == pytest.approx(lead, abs=1e-4)
            assert found.lead == pytest.approx(lead, abs=1e-4)


@pytest.mark.parametrize("combine", list(Combine))
@pytest.mark.parametrize("positions", list(Positions))
@pytest.mark.parametrize("kind", ["bag", "ngram"])
@pytest.mark.parametrize("boundary", [True, False])
def test_parts_add_up_to_the_lead_with_every_code(run, tmp_path, kind, positions, combine, boundary):
    overrides = [f"model.positions={positions}", f"model.combine={combine}"]
    made = with_network(run, kind, *overrides, boundary=boundary)
    assert_adds_up(Classifier.load(saved(made, tmp_path)))


@pytest.mark.parametrize("to_nibbles", [False, True])
def test_so_they_do_from_packed_tables(run, tmp_path, to_nibbles):
    made = with_network(run, "ngram", "model.dim=5")
    round_weights(made.network.encoder.ngrams.weight, to_nibbles=to_nibbles)
    assert_adds_up(Classifier.load(saved(made, tmp_path)))


@pytest.mark.parametrize("overrides", [["model.orders=[3,1]"], ["model.across_words=true"], ["model.orders=[9]"]])
def test_so_they_do_with_ngrams_of_all_kinds(run, tmp_path, overrides):
    assert_adds_up(Classifier.load(saved(with_network(run, "ngram", *overrides), tmp_path)))


@pytest.mark.parametrize("kind", list(MemoryKind))
def test_so_they_do_with_every_memory(run, tmp_path, kind):
    bundle = load_bundle(run)
    bundle.memory = None if kind is MemoryKind.none else replace(bundle.memory, kind=kind)
    classifier = Classifier.load(saved(bundle, tmp_path))
    assert_adds_up(classifier)
    memory = explained(classifier, "Tagesschua").memory
    assert (memory is not None) == (kind is MemoryKind.fuzzy)


def test_so_they_do_in_the_shipped_model():
    assert_adds_up(Classifier.load(MODEL))


def test_the_parts_of_a_tag_add_up_to_its_own_logit(tags_run):
    classifier = Classifier.load(tags_run)
    logits, _ = classifier.logits(TITLES)
    for title, row in zip(TITLES, logits, strict=True):
        for number, logit in enumerate(row):
            assert explained(classifier, title, number).lead == pytest.approx(logit, abs=1e-4)
        assert explained(classifier, title).category == classifier.categories[row.argmax()]


def test_the_likeliest_category_is_explained(run):
    classifier = Classifier.load(run)
    answers = classifier.answers(TITLES)
    assert [explained(classifier, title).category for title in TITLES] == [
        classifier.categories[one] for one in answers
    ]


def test_words_of_sports_speak_for_sports(run):
    classifier = Classifier.load(run)
    sports = classifier.categories.index("Sports")
    learnt = {is_sports: [] for is_sports in (True, False)}
    for title, label in zip(classifier.memory.keys, classifier.memory.labels, strict=True):
        learnt[label == sports].append(explained(classifier, title, sports))
    means = {one: np.mean([found.by_characters for found in some]) for one, some in learnt.items()}
    assert means[True] > 0 > means[False]
    said = {
        one: {piece.text: piece.contribution for found in some for piece in found.ngrams}
        for one, some in learnt.items()
    }
    only = {one: np.mean([said[one][text] for text in said[one].keys() - said[not one].keys()]) for one in said}
    assert only[True] > 0 > only[False]


def test_ngrams_are_told_strongest_first_and_equal_ones_once(run):
    found = explained(Classifier.load(run), "The The")
    texts = [piece.text for piece in found.ngrams]
    contributions = [piece.contribution for piece in found.ngrams]
    assert contributions == sorted(contributions, reverse=True)
    assert len(set(texts)) == len(texts)
    places = {piece.text: piece.place for piece in found.ngrams}
    assert (places["^th"], places["he$"], places["the"]) == (0, 5, 0)


def test_where_characters_say_nothing_ngrams_say_all(run, tmp_path):
    bundle = with_network(run, "ngram")
    bundle.network.encoder.embedding.characters.weight.data.zero_()
    found = explained(Classifier.load(saved(bundle, tmp_path)), "The the, and the")
    assert sum(piece.contribution for piece in found.ngrams) == pytest.approx(found.by_characters)


@pytest.mark.parametrize(
    ("title", "shown"),
    [("  Match of\tthe Day ", "Match of the Day"), ("Straße", "strasse"), ("LE\u0301VRIER", "LÉVRIER")],
)
def test_characters_are_those_of_the_title_where_they_are_as_many(run, title, shown):
    assert "".join(mark for mark, _ in explained(Classifier.load(run), title).characters) == shown


def test_what_is_cut_says_nothing_and_is_still_shown(run):
    classifier = Classifier.load(run)
    found = explained(classifier, "Long " * 30)
    assert len(found.characters) == classifier.characters.length - 2
    whole = "".join(mark for mark, _ in found.characters) + found.cut
    assert whole == normalise("Long " * 30, casefold=False)


@pytest.mark.parametrize("title", ["", " ", "\t\n"])
def test_an_empty_title_has_no_explanation(run, title):
    assert explain(Classifier.load(run), title) is None


def test_a_remembered_title_speaks_for_its_own_category(run):
    classifier = Classifier.load(run)
    title, label = classifier.memory.keys[0], int(classifier.memory.labels[0])
    for number in range(len(classifier.categories)):
        memory = explained(classifier, title.upper(), number).memory
        assert memory == Remembered(title, [classifier.categories[label]], 1.0, memory.contribution)
        assert (memory.contribution > 0) == (number == label)


def printed(monkeypatch, capsys, *arguments: object) -> str:
    monkeypatch.setattr(sys, "argv", ["predict", "--explain", *map(str, arguments)])
    module.main()
    return capsys.readouterr().out


@pytest.mark.parametrize("model", ["run", "tags_run"])
def test_json_lines_have_all_parts(monkeypatch, capsys, request, model):
    folder = request.getfixturevalue(model)
    capsys.readouterr()  # of the run, should it have been made only now
    out = printed(monkeypatch, capsys, "--model", folder, "--format", "jsonl", *TITLES, "")
    *answers, empty = [json.loads(line) for line in out.splitlines()]
    classifier = Classifier.load(folder)
    for answer, title in zip(answers, TITLES, strict=True):
        assert list(answer)[-1] == "explanation"
        found, known = answer["explanation"], explained(classifier, title)
        assert list(found) == ["category", "bias", "memory", "characters", "ngrams"]
        assert found["category"] == answer["top"][0]["category"] == known.category
        assert found["bias"] == round(known.bias, 4)
        assert found["characters"] == [[mark, round(value, 4)] for mark, value in known.characters]
        assert [list(one) for one in found["ngrams"]] == [["text", "place", "contribution"]] * len(known.ngrams)
        assert (found["memory"] is None) == (known.memory is None)
        if known.memory:
            assert list(found["memory"]) == ["title", "category", "likeness", "contribution"]
            assert found["memory"]["category"] == "|".join(known.memory.categories)
    assert empty["explanation"] is None


def test_without_being_asked_nothing_is_explained(monkeypatch, capsys, run):
    monkeypatch.setattr(sys, "argv", ["predict", "--model", str(run), "--format", "jsonl", "Tagesschau"])
    module.main()
    assert "explanation" not in json.loads(capsys.readouterr().out)


def test_text_has_what_adds_up_and_what_is_strongest(monkeypatch, capsys, run):
    answer, lead, speaks, against, memory = printed(
        monkeypatch, capsys, "--model", run, "Match of the Day"
    ).splitlines()
    assert answer.endswith("  Match of the Day")
    found = explained(Classifier.load(run), "Match of the Day")
    total, *terms = (float(number) for number in re.findall(r"[+-]\d+\.\d\d", lead))
    assert lead.startswith(f"      {found.category} ")
    assert sum(terms) == pytest.approx(total, abs=0.021)
    assert speaks.startswith(f'      for: "{found.ngrams[0].text}" {found.ngrams[0].contribution:+.2f}, ')
    assert against.startswith(f'      against: "{found.ngrams[-1].text}" {found.ngrams[-1].contribution:+.2f}, ')
    assert speaks.count('"') == against.count('"') == 10
    assert memory == '      remembered: "match of the day" (Sports), 100% alike'


def test_text_of_a_model_without_ngrams_has_characters(monkeypatch, capsys, run, tmp_path):
    folder = saved(replace(with_network(run, "bag"), memory=None), tmp_path)
    out = printed(monkeypatch, capsys, "--model", folder, "Tagesschau Tagesschau")
    (speaks,) = re.findall(r"for: (.*)", out)
    texts = re.findall(r'"(.)"', speaks)
    assert 0 < len(texts) == len(set(texts)) <= 5
    assert "remembered" not in out
    assert "memory" not in out


def test_files_are_explained_title_by_title(monkeypatch, capsys, run, tmp_path):
    monkeypatch.setattr(module, "_CHUNK", 2)
    (tmp_path / "t.txt").write_text("Tagesschau\n\nTour de France\n")
    out = printed(monkeypatch, capsys, "--model", run, "--input", tmp_path / "t.txt", "--top", 2)
    assert [line.count("remembered: ") for line in out.splitlines()] == [0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1]


class Terminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def on_terminal(monkeypatch, run) -> Callable[[str], str]:
    """Return what is printed of a title on a terminal."""

    def answer(title: str) -> str:
        terminal = Terminal(io.BytesIO(), encoding="utf-8")
        monkeypatch.setattr(sys, "stdout", terminal)
        monkeypatch.setattr(sys, "argv", ["predict", "--model", str(run), "--explain", "--", title])
        module.main()
        return terminal.buffer.getvalue().decode()

    return answer


def test_only_a_terminal_has_colours_and_only_if_wanted(monkeypatch, capsys, run, on_terminal):
    plain = printed(monkeypatch, capsys, "--model", run, "Match of the Day")
    assert "\x1b" not in plain
    monkeypatch.delenv("NO_COLOR", raising=False)
    painted = on_terminal("Match of the Day")
    assert "\x1b[38;5;16;48;5;" in painted
    assert re.sub(r"\x1b\[[\d;]*m", "", painted) == plain
    monkeypatch.setenv("NO_COLOR", "1")
    assert on_terminal("Match of the Day") == plain
    monkeypatch.setenv("NO_COLOR", "")
    assert on_terminal("Match of the Day") == painted


def test_a_title_can_not_steer_the_terminal(monkeypatch, on_terminal):
    monkeypatch.delenv("NO_COLOR", raising=False)
    painted = on_terminal("\x1b[31mred" + "\x1b[2J" * 30)
    assert "\x1b" not in re.sub(r"\x1b\[(0|38;5;16;48;5;\d+)m", "", painted)
    assert "\\x1b" in painted


def test_stronger_is_more_colourful_green_for_and_red_against():
    shades = [0.0, 0.1, 0.25, 0.5, 0.75, 1.0, -0.1, -0.25, -1.0]
    found = Explanation("A", 0, None, [("x", shade) for shade in shades], [], "rest")
    painted = coloured(found)
    assert re.findall(r"48;5;(\d+)m(x+)", painted) == [
        ("194", "x"),
        ("157", "x"),
        ("120", "x"),
        ("83", "x"),
        ("224", "x"),
        ("203", "x"),
    ]
    assert painted.startswith("xx\x1b")
    assert painted.endswith("\x1b[0mrest")
    silent = Explanation("A", 0, None, [("x", 0.0)], [], "")
    assert coloured(silent) == "x"


@pytest.mark.parametrize(
    ("kind", "overrides", "what"),
    [
        ("conv", [], "conv, which takes maxima"),
        ("conv", ["model.hidden=13"], "conv with a hidden layer"),
        ("ngram", ["model.hidden=13"], "ngram with a hidden layer"),
        ("bag", ["model.hidden=13"], "bag with a hidden layer"),
    ],
)
def test_what_is_no_sum_is_not_explained(monkeypatch, capsys, run, tmp_path, kind, overrides, what):
    folder = saved(with_network(run, kind, *overrides), tmp_path)
    with pytest.raises(SystemExit) as caught:
        printed(monkeypatch, capsys, "--model", folder, "Tagesschau")
    assert caught.value.code == 2
    found = capsys.readouterr()
    assert found.out == ""
    assert one_line(found.err.removeprefix(f"model: {folder}\n")) == (
        f"--explain must be used with a model whose head is linear, over a sum. Got {what}. Leave it out."
    )


def test_tables_are_not_explained(monkeypatch, capsys, run):
    with pytest.raises(SystemExit) as caught:
        printed(monkeypatch, capsys, "--model", run, "--format", "csv", "Tagesschau")
    assert caught.value.code == 2
    found = capsys.readouterr()
    assert found.out == ""
    assert one_line(found.err.removeprefix(f"model: {run}\n")) == (
        "--explain must go with --format text or jsonl. Got csv. Leave one out."
    )


def test_shares_of_a_character_are_those_of_the_features_it_is_part_of(run, tmp_path):
    bundle = with_network(run, "ngram", "model.orders=[2]")
    bundle.network.encoder.embedding.characters.weight.data.zero_()
    found = explained(Classifier.load(saved(bundle, tmp_path)), "abc")
    said = {piece.text: piece.contribution for piece in found.ngrams}
    wanted = [said["^a"] + said["ab"] / 2, (said["ab"] + said["bc"]) / 2, said["bc"] / 2 + said["c$"]]
    assert np.allclose([contribution for _, contribution in found.characters], wanted)
