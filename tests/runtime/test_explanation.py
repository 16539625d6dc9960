"""The terms of an explanation add up to what the classifier computes, and are shown to people and programs."""

import io
import json
import re
import sys
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from tests.helpers.commands import one_line
from tests.helpers.explanations import TITLES, assert_adds_up, explained
from tests.helpers.networks import MODEL, folded, table_of, with_network, with_random_fields, written
from tests.helpers.titles import write_csv
from titleclf.predict import __main__ as module
from titleclf.predict.output import coloured
from titleclf.runtime.choices import Combine, MemoryKind, Positions
from titleclf.runtime.classifier import Classifier, classifier_of
from titleclf.runtime.explanation import explain
from titleclf.runtime.memory.memory import Memory
from titleclf.runtime.network import Network
from titleclf.runtime.prediction import Explanation, Remembered
from titleclf.runtime.text.characters import normalise
from titleclf.runtime.text.plain_titles import plain_title
from titleclf.runtime.text.programmes import Programme, Programmes
from titleclf.training.quantization import quantize_weights
from titleclf.training.trained_model import TrainedModel, bundle_of, load_trained


@pytest.mark.parametrize("combine", list(Combine))
@pytest.mark.parametrize("positions", list(Positions))
@pytest.mark.parametrize("kind", ["bag", "ngram"])
@pytest.mark.parametrize("boundary", [True, False])
def test_terms_add_up_to_the_lead_with_every_code(run, tmp_path, kind, positions, combine, boundary):
    overrides = [f"model.positions={positions}", f"model.combine={combine}"]
    model = with_network(run, kind, *overrides, boundary=boundary)
    assert_adds_up(Classifier.load(written(model, tmp_path)))


@pytest.mark.parametrize("to_nibbles", [False, True])
def test_terms_of_packed_tables_add_up(run, tmp_path, to_nibbles):
    model = with_network(run, "ngram", "model.dim=5")
    quantize_weights(table_of(model), to_nibbles=to_nibbles)
    assert_adds_up(Classifier.load(written(model, tmp_path)))


@pytest.mark.parametrize("overrides", [["model.orders=[3,1]"], ["model.across_words=true"], ["model.orders=[9]"]])
def test_terms_of_ngrams_of_all_kinds_add_up(run, tmp_path, overrides):
    assert_adds_up(Classifier.load(written(with_network(run, "ngram", *overrides), tmp_path)))


@pytest.mark.parametrize("kind", list(MemoryKind))
def test_terms_with_every_memory_add_up(run, tmp_path, kind):
    model = load_trained(run)
    memory = memory_of(model)
    known = replace(memory.known, kind=kind)
    model.contents.memory = None if kind is MemoryKind.none else replace(memory, known=known)
    classifier = Classifier.load(written(model, tmp_path))
    assert_adds_up(classifier)
    remembered = explained(classifier, "Tagesschua").memory
    assert (remembered is not None) == (kind is MemoryKind.fuzzy)


def test_terms_of_the_shipped_model_add_up():
    assert_adds_up(Classifier.load(MODEL))


def test_terms_of_a_tag_add_up_to_its_own_logit(tags_run):
    classifier = Classifier.load(tags_run)
    logits = classifier.logits(Programmes(TITLES))
    for title, row in zip(TITLES, logits, strict=True):
        for number, logit in enumerate(row):
            assert explained(classifier, title, number).lead == pytest.approx(logit, abs=1e-4)
        assert explained(classifier, title).category == classifier.categories[row.argmax()]


@pytest.mark.parametrize("is_folded", [False, True])
def test_contributions_of_fields_are_terms_too(fields_run, is_folded):
    model = load_trained(fields_run)
    classifier = classifier_of(folded(model) if is_folded else bundle_of(model))
    programme = Programme("Snooker", "sport.one", 100, "All goals live.", "", 2019, "en")
    logits = classifier.logits(Programmes.of([programme]))[0]
    explanation = explain(classifier, programme)
    assert explanation is not None
    assert set(explanation.fields) == {"channel", "channel_kind", "minutes", "description", "year", "language"}
    assert explanation.fields["channel"] > 0
    assert explanation.lead == pytest.approx(logits.max() - logits.mean(), abs=1e-3)
    assert explained(classifier, "Snooker").fields == {}
    nothing_known = explain(classifier, Programme("Snooker", "", description="Qqqq xxxx", sub_title="!?"))
    assert nothing_known is not None
    assert nothing_known.fields == {}
    channel_alone = explain(classifier, Programme("Snooker", "sport.one"))
    assert channel_alone is not None
    of_channel = ("channel", "channel_kind")
    assert channel_alone.fields == {name: pytest.approx(explanation.fields[name]) for name in of_channel}


@pytest.mark.parametrize("is_folded", [False, True])
def test_words_add_up_to_the_contribution_of_their_field(fields_run, is_folded):
    model = load_trained(fields_run)
    classifier = classifier_of(folded(model) if is_folded else bundle_of(model))
    for programme in with_random_fields(["Snooker", "a", "日本"] * 9):
        for category in range(len(classifier.categories)):
            explanation = explain(classifier, programme, category)
            assert explanation is not None
            texts = {"description": programme.description, "sub_title": programme.sub_title}
            expected = {name for name, text in texts.items() if re.search(r"\w", text or "")}
            assert set(explanation.words) == expected
            for name, words in explanation.words.items():
                contributions = [word.contribution for word in words]
                assert sum(contributions) == pytest.approx(explanation.fields.get(name, 0), abs=1e-4)
                assert contributions == sorted(contributions, reverse=True)
                assert len({word.text for word in words}) == len(words)


def test_words_are_shown_as_the_model_reads_them(fields_run):
    classifier = Classifier.load(fields_run)
    sports = classifier.categories.index("Sports")
    explanation = explain(classifier, Programme("Qwertz", description="All GOALS, all goals"), sports)
    assert explanation is not None
    contributions = {word.text: word.contribution for word in explanation.words["description"]}
    assert contributions.keys() == {"all", "goals", "_all", "all_", "_goa", "goal", "oals", "als_"}
    assert contributions["goals"] > 0
    cut = "word " * 60  # 300 characters, all that is read
    long = explain(classifier, Programme("Qwertz", description=f"{cut}goals"), sports)
    assert long is not None
    assert {word.text for word in long.words["description"]} == {"word", "_wor", "ord_"}


def test_by_default_the_best_category_is_explained(run):
    classifier = Classifier.load(run)
    targets = classifier.targets(Programmes(TITLES))
    assert [explained(classifier, title).category for title in TITLES] == [
        classifier.categories[target] for target in targets
    ]


def memory_of(classifier: Classifier[Network]) -> Memory:
    memory = classifier.contents.memory
    assert memory is not None
    return memory


def test_words_of_sports_speak_for_sports(run):
    classifier = Classifier.load(run)
    sports = classifier.categories.index("Sports")
    groups: dict[bool, list[Explanation]] = {True: [], False: []}
    memory = memory_of(classifier)
    for title, label in zip(memory.known.keys, memory.targets, strict=True):
        groups[bool(label == sports)].append(explained(classifier, title, sports))
    means = {
        is_sports: np.mean([explanation.by_characters for explanation in explanations])
        for is_sports, explanations in groups.items()
    }
    assert means[True] > 0 > means[False]
    ngrams = {
        is_sports: {piece.text: piece.contribution for explanation in explanations for piece in explanation.ngrams}
        for is_sports, explanations in groups.items()
    }
    for is_sports, contributions in ngrams.items():
        own = [contributions[text] for text in contributions.keys() - ngrams[not is_sports].keys()]
        assert (np.mean(own) > 0) == is_sports
        assert np.mean(own) != 0


def test_ngrams_come_strongest_first_and_equal_ones_once(run):
    found = explained(Classifier.load(run), "The The")
    texts = [piece.text for piece in found.ngrams]
    contributions = [piece.contribution for piece in found.ngrams]
    assert contributions == sorted(contributions, reverse=True)
    assert len(set(texts)) == len(texts)
    places = {piece.text: piece.place for piece in found.ngrams}
    assert (places["^th"], places["he$"], places["the"]) == (0, 5, 0)


def test_where_characters_contribute_nothing_ngrams_contribute_all(run, tmp_path):
    model = with_network(run, "ngram")
    silence_characters(model)
    found = explained(Classifier.load(written(model, tmp_path)), "The the, and the")
    assert sum(piece.contribution for piece in found.ngrams) == pytest.approx(found.by_characters)


@pytest.mark.parametrize(
    ("title", "shown"),
    [("  Match of\tthe Day ", "Match of the Day"), ("Straße", "strasse"), ("LE\u0301VRIER", "LÉVRIER")],
)
def test_characters_are_those_of_the_title_where_they_are_as_many(run, title, shown):
    assert "".join(char for char, _ in explained(Classifier.load(run), title).characters) == shown


@pytest.mark.parametrize(
    "title",
    [
        "NEW: Tagesschau (R)",
        "Ｔａｇｅｓｓｃｈａｕ",
        "[COLOR red]NEW[/COLOR] Straße",
        "Tom &amp; Jerry",
        f"NEW: {'Long ' * 30}(R)",
    ],
)
def test_dressed_titles_are_spelled_as_given_and_their_terms_add_up(run, title):
    classifier = Classifier.load(run)
    assert_adds_up(classifier, [title])
    found = explained(classifier, title)
    assert "".join(char for char, _ in found.characters) + found.cut == normalise(title, casefold=False)
    assert [piece.contribution for piece in found.ngrams] == [
        piece.contribution for piece in explained(classifier, plain_title(title)).ngrams
    ]


def test_decorations_contribute_nothing(run):
    found = explained(Classifier.load(run), "NEW: Tagesschau (R)")
    contributions = [contribution for _, contribution in found.characters]
    assert not any(contributions[:5] + contributions[-4:])
    assert all(contributions[5:-4])
    assert {piece.text: piece.place for piece in found.ngrams}["^ta"] == 5


def test_the_truncated_rest_contributes_nothing_and_is_still_shown(run):
    classifier = Classifier.load(run)
    found = explained(classifier, "Long " * 30)
    assert len(found.characters) == classifier.contents.characters.length - 2
    whole = "".join(char for char, _ in found.characters) + found.cut
    assert whole == normalise("Long " * 30, casefold=False)


@pytest.mark.parametrize("title", ["", " ", "\t\n"])
def test_an_empty_title_has_no_explanation(run, title):
    assert explain(Classifier.load(run), Programme(title)) is None


def test_a_remembered_title_speaks_for_its_own_category(run):
    classifier = Classifier.load(run)
    memory = memory_of(classifier)
    title, label = memory.known.keys[0], int(memory.targets[0])
    for number in range(len(classifier.categories)):
        remembered = explained(classifier, title.upper(), number).memory
        assert remembered is not None
        assert remembered == Remembered(title, [classifier.categories[label]], 1.0, remembered.contribution)
        assert (remembered.contribution > 0) == (number == label)


def silence_characters(model: TrainedModel) -> None:
    model.network.get_parameter("encoder.embedding.characters.weight").data.zero_()


def printed(monkeypatch, capsys, *arguments: object) -> str:
    monkeypatch.setattr(sys, "argv", ["predict", "--explain", *map(str, arguments)])
    module.main()
    out: str = capsys.readouterr().out
    return out


@pytest.mark.parametrize("model", ["run", "tags_run"])
def test_json_lines_have_all_terms(monkeypatch, capsys, request, model):
    folder = request.getfixturevalue(model)
    capsys.readouterr()  # of the run, should it have been made only now
    out = printed(monkeypatch, capsys, "--model", folder, "--format", "jsonl", *TITLES, "")
    *predictions, empty = [json.loads(line) for line in out.splitlines()]
    classifier = Classifier.load(folder)
    for prediction, title in zip(predictions, TITLES, strict=True):
        assert list(prediction)[-1] == "explanation"
        found, known = prediction["explanation"], explained(classifier, title)
        assert list(found) == ["category", "bias", "memory", "characters", "ngrams", "words"]
        assert found["category"] == prediction["top"][0]["category"] == known.category
        assert found["bias"] == round(known.bias, 4)
        assert found["characters"] == [[char, round(value, 4)] for char, value in known.characters]
        assert found["words"] == {}
        assert [list(piece) for piece in found["ngrams"]] == [["text", "place", "contribution"]] * len(known.ngrams)
        assert (found["memory"] is None) == (known.memory is None)
        if known.memory:
            assert list(found["memory"]) == ["title", "category", "likeness", "contribution"]
            assert found["memory"]["category"] == "|".join(known.memory.categories)
            assert found["memory"]["likeness"] == round(known.memory.similarity, 4)
    assert empty["explanation"] is None


def test_explanations_name_fields(monkeypatch, capsys, fields_run, tmp_path):
    path = write_csv(tmp_path / "a.csv", [("Qwertz", "sport.one", "100")], ("title", "channel", "minutes"))
    capsys.readouterr()
    arguments = ("--model", fields_run, "--input", path)
    assert "channel +" in printed(monkeypatch, capsys, *arguments)
    explanation = json.loads(printed(monkeypatch, capsys, *arguments, "--format", "jsonl"))["explanation"]
    fields = ["channel", "channel_kind", "minutes"]
    assert list(explanation) == ["category", "bias", *fields, "memory", "characters", "ngrams", "words"]
    assert explanation["words"] == {}


def test_explanations_name_the_strongest_words_of_texts(monkeypatch, capsys, fields_run, tmp_path):
    path = write_csv(tmp_path / "a.csv", [("Qwertz", "All goals of the match")], ("title", "description"))
    capsys.readouterr()
    arguments = ("--model", fields_run, "--input", path)
    (line,) = re.findall(r"^ +description: (.*)$", printed(monkeypatch, capsys, *arguments), re.MULTILINE)
    explanation = json.loads(printed(monkeypatch, capsys, *arguments, "--format", "jsonl"))["explanation"]
    words = dict(explanation["words"]["description"])
    assert sum(words.values()) == pytest.approx(explanation["description"], abs=1e-2)
    strongest = sorted(words, key=lambda text: -abs(words[text]))[:5]
    shown = re.findall(r'"([^"]+)" ([+-][\d.]+)', line)
    assert sorted(text for text, _ in shown) == sorted(strongest)
    assert [float(value) for _, value in shown] == sorted((float(value) for _, value in shown), reverse=True)


def test_nothing_is_explained_without_the_option(monkeypatch, capsys, run):
    monkeypatch.setattr(sys, "argv", ["predict", "--model", str(run), "--format", "jsonl", "Tagesschau"])
    module.main()
    assert "explanation" not in json.loads(capsys.readouterr().out)


def test_text_has_the_terms_and_the_strongest_ngrams(monkeypatch, capsys, run):
    prediction, lead, speaks, against, memory = printed(
        monkeypatch, capsys, "--model", run, "Match of the Day"
    ).splitlines()
    assert prediction.endswith("  Match of the Day")
    found = explained(Classifier.load(run), "Match of the Day")
    total, *terms = (float(number) for number in re.findall(r"[+-]\d+\.\d\d", lead))
    assert lead.startswith(f"      {found.category} ")
    assert sum(terms) == pytest.approx(total, abs=0.021)
    assert speaks.startswith(f'      for: "{found.ngrams[0].text}" {found.ngrams[0].contribution:+.2f}, ')
    assert against.startswith(f'      against: "{found.ngrams[-1].text}" {found.ngrams[-1].contribution:+.2f}, ')
    assert speaks.count('"') == against.count('"') == 10
    assert memory == '      remembered: "match of the day" (Sports), 100% similar'


def test_text_of_a_model_without_ngrams_has_characters(monkeypatch, capsys, run, tmp_path):
    model = with_network(run, "bag")
    model.contents.memory = None
    folder = written(model, tmp_path)
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

    def show(title: str) -> str:
        bytes_ = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", Terminal(bytes_, encoding="utf-8"))
        monkeypatch.setattr(sys, "argv", ["predict", "--model", str(run), "--explain", "--", title])
        module.main()
        return bytes_.getvalue().decode()

    return show


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


def test_a_title_cannot_steer_the_terminal(monkeypatch, on_terminal):
    monkeypatch.delenv("NO_COLOR", raising=False)
    painted = on_terminal("\x1b[31mred" + "\x1b[2J" * 30)
    assert "\x1b" not in re.sub(r"\x1b\[(0|38;5;16;48;5;\d+)m", "", painted)
    assert "\\x1b" in painted


def test_stronger_contributions_have_stronger_colours_green_for_and_red_against():
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
def test_models_whose_logits_are_no_sum_are_not_explained(monkeypatch, capsys, run, tmp_path, kind, overrides, what):
    folder = written(with_network(run, kind, *overrides), tmp_path)
    with pytest.raises(SystemExit) as caught:
        printed(monkeypatch, capsys, "--model", folder, "Tagesschau")
    assert caught.value.code == 2
    found = capsys.readouterr()
    assert found.out == ""
    assert one_line(found.err.removeprefix(f"model: {folder}\n")) == (
        f"an explanation needs a model whose head is linear, on a sum. Got {what}. Leave it out."
    )


def test_explanations_are_not_written_as_csv(monkeypatch, capsys, run):
    with pytest.raises(SystemExit) as caught:
        printed(monkeypatch, capsys, "--model", run, "--format", "csv", "Tagesschau")
    assert caught.value.code == 2
    found = capsys.readouterr()
    assert found.out == ""
    assert one_line(found.err.removeprefix(f"model: {run}\n")) == (
        "--explain must go with --format text or jsonl. Got csv. Leave one out."
    )


def test_characters_get_even_parts_of_the_features_that_contain_them(run, tmp_path):
    model = with_network(run, "ngram", "model.orders=[2]")
    silence_characters(model)
    found = explained(Classifier.load(written(model, tmp_path)), "abc")
    ngrams = {piece.text: piece.contribution for piece in found.ngrams}
    expected = [
        ngrams["^a"] + ngrams["ab"] / 2,
        (ngrams["ab"] + ngrams["bc"]) / 2,
        ngrams["bc"] / 2 + ngrams["c$"],
    ]
    assert np.allclose([contribution for _, contribution in found.characters], expected)
