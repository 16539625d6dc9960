"""Film, episode or something else: the second answer of a model, from the table to the prediction."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.helpers.commands import command, one_line
from tests.helpers.guides import guide
from tests.helpers.titles import COLUMNS, rows, write_csv
from titleclf.data.dataset import LabelledTitles
from titleclf.data.titles import KIND, read_all_titles, read_titles
from titleclf.epg.decisions import Decider
from titleclf.epg.kinds import kind_of
from titleclf.epg.parser import airings
from titleclf.runtime.bundle.folding import NGRAMS, SCORES
from titleclf.runtime.choices import ProgrammeKind, Task
from titleclf.runtime.classifier import Classifier, classifier_of
from titleclf.runtime.errors import InputError
from titleclf.runtime.text.programmes import Programme, Programmes
from titleclf.training.fold import fold
from titleclf.training.losses import kind_loss
from titleclf.training.trained_model import bundle_of, load_trained

KINDS = {"Sports": "other", "News": "episode", "Music": "film"}


@pytest.fixture(scope="session")
def kinds_csv(shared_csv) -> Path:
    table = [(title, category, lang, KINDS[category] if title != "Weather" else "") for title, category, lang in rows()]
    return shared_csv("kinds.csv", table, ("title", "category", "lang", "kind"))


@pytest.fixture(scope="session")
def kinds_run(kinds_csv, trained) -> Path:
    return trained(f"data.path={kinds_csv}", "loss.kind=1.0", "training.epochs=8", "training.refit=true")


def test_kinds_are_read_where_they_are_asked_for(kinds_csv):
    frame = read_titles(kinds_csv, COLUMNS, fields=[KIND])
    labelled = LabelledTitles.from_frame(frame, sorted(KINDS), Task.single)
    by_title = dict(zip(labelled.titles, labelled.kinds.tolist(), strict=True))
    assert [by_title[title] for title in ("Opera Gala", "Newsnight", "Super Bowl", "Weather")] == [0, 1, 2, -1]
    assert KIND not in read_titles(kinds_csv, COLUMNS)
    assert (LabelledTitles.from_frame(read_titles(kinds_csv, COLUMNS), sorted(KINDS), Task.single).kinds == -1).all()


def test_an_unknown_kind_is_named_with_its_line(tmp_path):
    path = write_csv(tmp_path / "a.csv", [("A", "x", "en", "movie")], ("title", "category", "lang", "kind"))
    with pytest.raises(InputError) as caught:
        read_titles(path, COLUMNS, fields=[KIND])
    sentence = f"{path}:2: kind must be one of film, episode, other, or empty. Got 'movie'. Rename it."
    assert one_line(str(caught.value)) == sentence


def test_unknown_kinds_add_nothing_to_the_loss():
    logits = torch.tensor([[0.0, 1.0, 2.0], [5.0, 0.0, 0.0]])
    both = kind_loss(logits, torch.tensor([1, -1]))
    assert both.item() == pytest.approx(-torch.log_softmax(logits[0], 0)[1].item() / 2)
    assert kind_loss(logits, torch.tensor([-1, -1])).item() == 0


def test_a_model_answers_with_the_kinds_that_it_learned(kinds_run):
    classifier = Classifier.load(kinds_run)
    titles = [title for title, _, _ in rows()]
    predictions = classifier.predict(titles, kinds=True)
    kinds = [prediction.kind for prediction in predictions if prediction.kind is not None]
    assert len(kinds) == len(titles)
    assert np.mean([name == KINDS[category] for (name, _), (_, category, _) in zip(kinds, rows(), strict=True)]) > 0.8
    assert all(1 / 3 <= probability <= 1 for _, probability in kinds)
    assert all(prediction.kind is None for prediction in classifier.predict(titles))


def test_all_networks_agree_on_kinds(kinds_run):
    model = load_trained(kinds_run)
    programmes = Programmes([title for title, _, _ in rows()])
    expected = model.network.logits(programmes)
    assert expected.shape == (50, 3 + len(ProgrammeKind))
    bundle = bundle_of(model)
    assert classifier_of(bundle).network.logits(programmes) == pytest.approx(expected, abs=1e-5)
    bundle.weights = fold(bundle.weights, Task.single, kinds=3)
    assert bundle.weights[f"{NGRAMS}{SCORES}"].shape[1] == (3 - 1) + (len(ProgrammeKind) - 1)
    folded = classifier_of(bundle)
    got = folded.network.logits(programmes)[:, 3:]
    difference = got - expected[:, 3:]  # the same for all kinds: folding is relative to one of them
    assert difference - difference.mean(axis=1, keepdims=True) == pytest.approx(np.zeros_like(difference), abs=0.05)


def test_categories_do_not_depend_on_asking_for_kinds(kinds_run):
    classifier = Classifier.load(kinds_run)
    titles = ["Newsnight", "", "Something Else"]
    with_kinds = classifier.predict(titles, top=3, kinds=True)
    assert [prediction[:3] for prediction in with_kinds] == [p[:3] for p in classifier.predict(titles, top=3)]
    assert with_kinds[1].kind is None


def test_a_model_without_kinds_refuses_to_name_them(run):
    with pytest.raises(
        InputError, match=r"^kinds must be asked of a model that learned them\. Got one without\. Train"
    ):
        Classifier.load(run).predict(["A"], kinds=True)


def test_the_first_model_that_learned_kinds_tells_films_from_episodes(kinds_run, run):
    without, titles_alone = Classifier.load(run), Classifier.load(kinds_run)
    programmes = [Programme("Opera Gala", "one"), Programme("Newsnight", "one")]
    kinds = [prediction.kind for prediction in titles_alone.predict(programmes, kinds=True)]
    assert [kind[0] for kind in kinds if kind] == ["film", "episode"]
    film, episode = film_probabilities([without, titles_alone], programmes)
    assert film > 0.5 > episode
    assert Decider([(without, np.ones(3))]).film_probabilities(programmes) == [None, None]


def test_all_showings_of_a_title_on_a_channel_say_together_if_it_is_a_film():
    model = Classifier.load()
    film = Programme("Nobody", "one", 110, "Thriller directed by John Doe. A lonely killer falls in love. (1987)")
    episode = Programme("Nobody", "one", 65, "Anna and the team of the clinic treat another patient.")
    (as_film,), (as_episode,) = film_probabilities([model], [film]), film_probabilities([model], [episode])
    together = film_probabilities([model], [film, episode], surveyed=[film, episode])
    assert as_film > together[0] == together[1] > as_episode
    other = film._replace(title="Somebody")  # was not surveyed
    found = film_probabilities([model], [episode, other], surveyed=[film, episode])
    assert found == pytest.approx([together[0], *film_probabilities([model], [other])])


def film_probabilities(models, programmes, surveyed=()) -> list[float]:
    decider = Decider([(model, np.ones(len(model.categories))) for model in models])
    decider.survey(surveyed)
    found = decider.film_probabilities(programmes)
    return [probability for probability in found if probability is not None]


def test_predict_shows_kinds_in_every_format(kinds_run, tmp_path):
    arguments = ["predict", "--model", str(kinds_run), "--kinds", "Opera Gala"]
    assert "(film " in command(*arguments, cwd=tmp_path).stdout
    (row,) = map(json.loads, command(*arguments, "--format", "jsonl", cwd=tmp_path).stdout.splitlines())
    assert row["kind"] == "film"
    assert 1 / 3 <= row["kind_probability"] <= 1
    header, cells = csv.reader(command(*arguments, "--format", "csv", cwd=tmp_path).stdout.splitlines())
    assert dict(zip(header, cells, strict=True))["kind"] == "film"


@pytest.mark.parametrize(
    ("elements", "kind"),
    [
        ("<category>Movie</category>", ProgrammeKind.film),
        ("<category>Spielfilm</category><category>Drama</category>", ProgrammeKind.film),
        ("<category>Series</category>", ProgrammeKind.episode),
        ("<category>Drama</category><episode-num>1.2.</episode-num>", ProgrammeKind.episode),
        ("<category>Movie</category><episode-num>1.2.</episode-num>", None),
        ("<category>News</category>", ProgrammeKind.other),
        ("<category>Drama</category>", None),
    ],
)
def test_what_a_guide_says_a_programme_is(tmp_path, elements, kind):
    path = tmp_path / "g.xml"
    path.write_text(guide(f'<programme start="20260101120000" channel="one"><title>A</title>{elements}</programme>'))
    (airing,) = airings(str(path))
    assert kind_of(airing, [category.text for category in airing.categories]) is kind


def test_guides_are_harvested_with_kinds(tmp_path):
    film = '<programme start="2026" channel="one"><title>Film {0}</title><category>Movie</category></programme>'
    news = '<programme start="2026" channel="one"><title>News {0}</title><category>News</category></programme>'
    path = tmp_path / "g.xml"
    path.write_text(guide(*(text.format(number) for text in (film, news) for number in range(3))))
    titles = read_all_titles(str(path), COLUMNS, fields=[KIND])
    assert set(zip(titles["title"], titles[KIND], strict=True)) >= {("Film 0", "film"), ("News 2", "other")}
