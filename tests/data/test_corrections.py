"""Corrections: what they say is learnt, and nothing that is learnt from them is judged."""

from dataclasses import replace

import pytest

from tests.conftest import rows, write_csv
from tests.test_train import killed_after_one_epoch, refusal
from titleclf.config import saved
from titleclf.config.hydra import compose
from titleclf.config.schemas import TrainConfig
from titleclf.data.dataset import read_data
from titleclf.data.splits import Split
from titleclf.evaluate.evaluation import evaluate
from titleclf.runtime.errors import InputError
from titleclf.runtime.text.title_keys import base_title
from titleclf.train import train
from titleclf.training.trained_model import load_bundle

HEADER = ("title", "pattern", "category")


@pytest.fixture
def my(tmp_path):
    """Write corrections, and return how they are given."""

    def write(*table: tuple[str, str, str]) -> str:
        return f"data.corrections={write_csv(tmp_path / 'my.csv', list(table), HEADER)}"

    return write


def side_of(sides: Split, title: str) -> tuple[str, list[str]]:
    """Return the one side that has a title, and its categories there."""
    found = {
        name: list(side["category"][side["title"] == title])
        for name, side in sides._asdict().items()
        if (side["title"] == title).any()
    }
    assert len(found) == 1
    return found.popitem()


def judged_titles(config: TrainConfig) -> list[str]:
    sides = read_data(config).sides
    return [*sides.validation["title"], *sides.test["title"]]


def test_named_titles_are_trained_on_with_their_new_category_wherever_they_were(small, my):
    for title in (judged := judged_titles(small()))[::4]:
        data = read_data(small(my((title.upper(), "", "Music"))))
        assert side_of(data.sides, title) == ("train", ["Music"] * 4)
        others = [other for other in judged if other != title]
        assert [*data.sides.validation["title"], *data.sides.test["title"]] == others  # the rest compares as before


def test_near_copies_and_episodes_follow_and_no_programme_is_on_two_sides(small, my, tmp_path):
    copies = [
        "NEW: Six Nations Rugby (R)",
        "Six Nations Rugby S02E03",
        "Six Nation Rugby",
        "NEW: Six Nations Rugby (R), Part 2",
    ]
    own = write_csv(tmp_path / "own.csv", [*rows(), *((copy, "Sports", "en") for copy in copies)])
    data = read_data(small(f"data.path={own}", my(("Six Nations Rugby", "", "News"), ("", "*Part ?", "Music"))))
    for title in ["Six Nations Rugby", *copies[:3]]:
        assert side_of(data.sides, title) == ("train", ["News"] * 4)
    assert side_of(data.sides, copies[3]) == ("train", ["Music"] * 4)  # the pattern's, but the same programme
    train, *judged = ({base_title(title) for title in side["title"]} for side in data.sides)
    assert not train & set().union(*judged)


def test_new_titles_are_trained_on(small, my, capsys):
    data = read_data(small(my(("Zorgon", "", "Music"), ("Tatort", "", "News"), ("Tagesschau", "", "Music"))))
    new = data.sides.train[data.sides.train["title"] == "Zorgon"]
    assert new.to_numpy().tolist() == [["Zorgon", "Music", "und"]] * 4
    assert side_of(data.sides, "Tatort") == ("train", ["News"] * 4)
    assert capsys.readouterr().out.endswith("my.csv: 1 titles corrected, 2 new ones.\n")


def test_patterns_correct_titles_where_they_stand(small, my, capsys):
    before = read_data(small()).sides
    data = read_data(small(my(("", "*News*", "Sports"), ("", "Quiz*", "Music"))))
    for old, side in zip(before, data.sides, strict=True):
        assert list(side["title"]) == list(old["title"])
        news = side["title"].str.contains("news", case=False)
        assert set(side["category"][news]) <= {"Sports"}
        assert (side[~news] == old[~news]).all(axis=None)
    assert capsys.readouterr().out.endswith("0 new ones. No title matches line 3.\n")


def test_a_row_without_a_category_leaves_its_titles_alone(small, my):
    before, after = (read_data(small(*more)).sides for more in ((), (my(("Tagesschau", "", ""), ("Zorgon", "", "")),)))
    assert all((side == old).all(axis=None) for old, side in zip(before, after, strict=True))


def test_titles_of_a_test_file_are_not_judged_either_once_they_are_learnt(small, my, tmp_path):
    own = write_csv(tmp_path / "test.csv", [("Tagesschau", "News", "de"), ("Sportschau", "Sports", "de")])
    data = read_data(small(f"data.test_path={own}", my(("Tagesschau", "", "Music"))))
    assert list(data.sides.test["title"]) == ["Sportschau"]


def test_the_memory_knows_titles_as_they_are_corrected(small, my, tmp_path):
    corrections = my(("Tagesschau", "", "Music"), ("Zorgon", "", "Sports"))
    bundle = load_bundle(train(small(corrections, "training.epochs=1")))
    known = dict(zip(bundle.memory.keys, (bundle.categories[label] for label in bundle.memory.labels), strict=True))
    assert (known["tagesschau"], known["zorgon"], known["newsnight"]) == ("Music", "Sports", "News")
    memory = write_csv(tmp_path / "memory.csv", [("Tagesschau", "News", "de"), ("Brisant", "News", "de")])
    data = read_data(small(corrections, f"memory_path={memory}"))
    assert list(data.remembered["category"]) == ["Music", "News"]


def test_corrections_belong_to_the_run(small, my, tmp_path):
    config = small(my(("Tagesschau", "", "Music")), "training.epochs=1")
    folder = killed_after_one_epoch(config)
    assert saved.load_config(folder, TrainConfig).data.corrections == str(tmp_path / "my.csv")
    my(("Tagesschau", "", "Sports"))
    assert (
        refusal(config, folder) == f"resume must be given the same titles. Got {folder}, begun on others. Train again."
    )
    my(("Tagesschau", "", "Music"))
    assert train(replace(config, resume=str(folder))) == folder


def test_evaluation_judges_what_the_run_judged(small, my, tmp_path, titles_csv):
    title = read_data(small()).sides.test["title"][0]
    folder = train(small(my((title, "", "Music")), "training.epochs=1"))
    judge = compose("evaluate", [f"run={folder}", "evaluate.robustness_titles=0"])
    assert evaluate(judge)["titles"] == 9
    my((title, "", "News"))
    with pytest.raises(InputError) as caught:
        evaluate(judge)
    files = f"{titles_csv} and {tmp_path / 'my.csv'}"
    assert str(caught.value) == f"{files} must be as it was in training. Got other titles. Give path=FILE to judge."


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ([("Heat", "", "Film")], ":2: category must be empty or one of Music; News; Sports. Got Film. Write it as it"),
        ([("", "", "News")], ":2: a row must have a title or a pattern. Got neither. Fill one of them."),
        (
            [(title, "", "News") for title, kind, _ in rows() if kind == "Music"],
            " must leave titles of each category to train on, and some to judge by. Got none of Music to train on.",
        ),
        (
            [(title, "", kind) for title, kind, _ in rows()],
            " must leave titles of each category to train on, and some to judge by. Got none to validate on, none",
        ),
    ],
)
def test_bad_corrections_are_refused_before_training(small, my, tmp_path, table, sentence):
    with pytest.raises(InputError) as caught:
        train(small(my(*table)))
    assert str(caught.value).startswith(f"{tmp_path / 'my.csv'}{sentence}")
    assert not (tmp_path / "outputs").exists()


def test_a_missing_file_of_corrections_is_named(small):
    with pytest.raises(InputError, match=r"^none.csv: no such file. Check the path.$"):
        train(small("data.corrections=none.csv"))


def test_a_category_that_validation_lost_is_trained_all_the_same(small, my):
    lost = [row.title for row in read_data(small()).sides.validation.itertuples() if row.category == "Music"]
    folder = train(small(my(*((title, "", "Music") for title in lost)), "training.epochs=1"))
    assert load_bundle(folder).categories == ["Music", "News", "Sports"]


def misspelt(title: str) -> str:
    """Return a title with two letters swapped, and one twice."""
    middle = len(title) // 2
    return f"{title[: middle - 1]}{title[middle]}{title[middle - 1]}{title[middle + 1 :]}{title[-1]}"


def test_after_training_corrected_titles_and_misspelt_copies_are_answered_as_corrected(my, tmp_path):
    wanted = {
        "Match of the Day": "Music / Ballet / Dance",
        "Tagesschau": "Sports",
        "Zorgon and the Robots": "News / Current affairs",
        "Antiques Roadshow": "Movie / Drama",
    }
    corrections = my(*((title, "", category) for title, category in wanted.items()))
    sizes = ["device=cpu", f"output_dir={tmp_path / 'outputs'}", "evaluate.robustness_titles=0"]
    bundle = load_bundle(train(compose("train", ["experiment=quick", *sizes, corrections])))
    copies = [*wanted, *map(misspelt, wanted), *(f"NEW: {title} (R)" for title in wanted)]
    found = [bundle.categories[row.argmax()] for row in bundle.probabilities(copies)[0]]
    assert found == [*wanted.values()] * 3
