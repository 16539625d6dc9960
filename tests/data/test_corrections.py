"""Corrections: their titles are used for training, and never for evaluation."""

from dataclasses import replace

import pytest

from tests.helpers.titles import rows, write_csv
from tests.helpers.training import killed_after_one_epoch, refusal, train_without_plots
from titleclf.config import saved
from titleclf.config.hydra import compose
from titleclf.config.schemas import TrainConfig
from titleclf.data.dataset import read_dataset, read_splits
from titleclf.data.splits import Split
from titleclf.evaluate.evaluation import evaluate
from titleclf.runtime.errors import InputError
from titleclf.runtime.text.programmes import Programmes
from titleclf.runtime.text.title_keys import base_title
from titleclf.train import train
from titleclf.training.trained_model import load_trained

HEADER = ("title", "pattern", "category")


@pytest.fixture
def corrections(tmp_path):
    """Write corrections to a file, and return the override that applies them."""

    def write(*table: tuple[str, str, str]) -> str:
        return f"data.corrections={write_csv(tmp_path / 'my.csv', list(table), HEADER)}"

    return write


def parts_of(config: TrainConfig) -> Split:
    """Return the parts of a run's titles, corrected."""
    return read_splits(config)[0]


def part_with(parts: Split, title: str) -> tuple[str, list[str]]:
    """Return the name of the only part with a title, and the title's categories there."""
    categories_by_part = {
        name: list(part["category"][part["title"] == title])
        for name, part in parts._asdict().items()
        if (part["title"] == title).any()
    }
    assert len(categories_by_part) == 1
    return categories_by_part.popitem()


def evaluated_titles(parts: Split) -> list[str]:
    return [*parts.validation["title"], *parts.test["title"]]


def test_named_titles_move_to_training_with_their_new_category(small, corrections):
    before = evaluated_titles(parts_of(small()))
    for title in before[::4]:
        after = parts_of(small(corrections((title.upper(), "", "Music"))))
        assert part_with(after, title) == ("train", ["Music"] * 4)
        assert evaluated_titles(after) == [kept for kept in before if kept != title]  # scores stay comparable


def test_near_copies_and_episodes_follow_and_no_programme_is_in_two_parts(small, corrections, tmp_path):
    copies = [
        "SIX NATIONS RUGBY!",
        "Six Nations Rugby S02E03",
        "Six Nation Rugby",
        "Six Nation Rugby, Part 2",
    ]
    own = write_csv(tmp_path / "own.csv", [*rows(), *((copy, "Sports", "en") for copy in copies)])
    overrides = corrections(("Six Nations Rugby", "", "News"), ("", "*Part ?", "Music"))
    parts = parts_of(small(f"data.path={own}", overrides))
    for title in ["Six Nations Rugby", *copies[:3]]:
        assert part_with(parts, title) == ("train", ["News"] * 4)
    assert part_with(parts, copies[3]) == ("train", ["Music"] * 4)  # corrected by the pattern, but the same programme
    train_bases, *evaluated_bases = ({base_title(title) for title in part["title"]} for part in parts)
    assert not train_bases & set().union(*evaluated_bases)


def test_new_titles_are_trained_on(small, corrections, capsys):
    overrides = corrections(("Zorgon", "", "Music"), ("Tatort", "", "News"), ("Tagesschau", "", "Music"))
    parts = parts_of(small(overrides))
    new = parts.train[parts.train["title"] == "Zorgon"]
    assert new.to_numpy().tolist() == [["Zorgon", "Music", "und"]] * 4
    assert part_with(parts, "Tatort") == ("train", ["News"] * 4)
    assert capsys.readouterr().out.endswith("my.csv: 1 titles corrected, 2 added.\n")


def test_patterns_correct_titles_in_their_parts(small, corrections, capsys):
    before = parts_of(small())
    after = parts_of(small(corrections(("", "*News*", "Sports"), ("", "Quiz*", "Music"))))
    for old, new in zip(before, after, strict=True):
        assert list(new["title"]) == list(old["title"])
        is_news = new["title"].str.contains("news", case=False)
        assert set(new["category"][is_news]) <= {"Sports"}
        assert (new[~is_news] == old[~is_news]).all(axis=None)
    assert capsys.readouterr().out.endswith("0 added. No title matches line 3.\n")


def test_a_row_without_a_category_leaves_its_titles_unchanged(small, corrections):
    before = parts_of(small())
    after = parts_of(small(corrections(("Tagesschau", "", ""), ("Zorgon", "", ""))))
    assert all((new == old).all(axis=None) for old, new in zip(before, after, strict=True))


def test_rows_for_channels_are_ignored(small, tmp_path):
    before = parts_of(small())
    table = [(before.train["title"].iloc[0], "*", "Music"), ("", "*", "Music")]
    path = write_csv(tmp_path / "channels.csv", table, ("title", "channel", "category"))
    after = parts_of(small(f"data.corrections={path}"))
    assert all((new == old).all(axis=None) for old, new in zip(before, after, strict=True))


def test_corrected_titles_leave_a_test_file_too(small, corrections, tmp_path):
    own = write_csv(tmp_path / "test.csv", [("Tagesschau", "News", "de"), ("Sportschau", "Sports", "de")])
    parts = parts_of(small(f"data.test_path={own}", corrections(("Tagesschau", "", "Music"))))
    assert list(parts.test["title"]) == ["Sportschau"]


def test_the_memory_holds_titles_with_their_corrected_categories(small, corrections, tmp_path):
    overrides = corrections(("Tagesschau", "", "Music"), ("Zorgon", "", "Sports"))
    contents = load_trained(train_without_plots(small(overrides, "training.epochs=1"))).contents
    assert contents.memory is not None
    names = [contents.categories[label] for label in contents.memory.targets]
    known = dict(zip(contents.memory.known.keys, names, strict=True))
    assert (known["tagesschau"], known["zorgon"], known["newsnight"]) == ("Music", "Sports", "News")
    memory = write_csv(tmp_path / "memory.csv", [("Tagesschau", "News", "de"), ("Brisant", "News", "de")])
    data = read_dataset(small(overrides, f"memory_path={memory}"))
    assert [data.categories[label] for label in data.remembered.targets] == ["Music", "News"]


def test_a_run_is_resumed_only_with_its_own_corrections(small, corrections, tmp_path):
    config = small(corrections(("Tagesschau", "", "Music")), "training.epochs=1")
    folder = killed_after_one_epoch(config)
    assert saved.load_config(folder, TrainConfig).data.corrections == str(tmp_path / "my.csv")
    corrections(("Tagesschau", "", "Sports"))
    assert (
        refusal(config, folder)
        == f"resume must be given the same titles. Got {folder}, started with others. Train again."
    )
    corrections(("Tagesschau", "", "Music"))
    assert train_without_plots(replace(config, resume=str(folder))) == folder


def test_evaluation_uses_the_corrected_test_titles_of_the_run(small, corrections, tmp_path, titles_csv):
    title = parts_of(small()).test["title"][0]
    folder = train_without_plots(small(corrections((title, "", "Music")), "training.epochs=1"))
    config = compose("evaluate", [f"run={folder}", "evaluate.robustness_titles=0"])
    assert evaluate(config)["titles"] == 9
    corrections((title, "", "News"))
    with pytest.raises(InputError) as caught:
        evaluate(config)
    files = f"{titles_csv} and {tmp_path / 'my.csv'}"
    assert (
        str(caught.value)
        == f"{files} must be unchanged since training. Got other titles. Pass path=FILE to evaluate on others."
    )


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ([("Heat", "", "Film")], ":2: category must be empty or one of Music; News; Sports. Got Film. Copy its name"),
        ([("", "", "News")], ":2: a row must have a title, a pattern or a channel. Got none of them."),
        (
            [(title, "", "News") for title, category, _ in rows() if category == "Music"],
            " must leave titles of each category to train on, and some to evaluate on. Got none of Music to train on.",
        ),
        (
            [(title, "", category) for title, category, _ in rows()],
            " must leave titles of each category to train on, and some to evaluate on. Got none to validate on, none",
        ),
    ],
)
def test_bad_corrections_are_refused_before_training(small, corrections, tmp_path, table, sentence):
    with pytest.raises(InputError) as caught:
        train(small(corrections(*table)))
    assert str(caught.value).startswith(f"{tmp_path / 'my.csv'}{sentence}")
    assert not (tmp_path / "outputs").exists()


def test_a_missing_corrections_file_is_named(small):
    with pytest.raises(InputError, match=r"^none.csv: no such file. Check the path.$"):
        train(small("data.corrections=none.csv"))


def test_a_category_without_validation_titles_is_still_trained(small, corrections):
    validation = parts_of(small()).validation
    music = list(validation["title"][validation["category"] == "Music"])
    folder = train_without_plots(small(corrections(*((title, "", "Music") for title in music)), "training.epochs=1"))
    assert load_trained(folder).categories == ["Music", "News", "Sports"]


def misspelt(title: str) -> str:
    """Return a title with two letters swapped, and its last letter doubled."""
    middle = len(title) // 2
    return f"{title[: middle - 1]}{title[middle]}{title[middle - 1]}{title[middle + 1 :]}{title[-1]}"


def test_corrected_titles_and_misspelt_copies_are_predicted_as_corrected(corrections, tmp_path):
    expected = {
        "Match of the Day": "Music / Ballet / Dance",
        "Tagesschau": "Sports",
        "Zorgon and the Robots": "News / Current affairs",
        "Antiques Roadshow": "Movie / Drama",
    }
    overrides = corrections(*((title, "", category) for title, category in expected.items()))
    sizes = ["device=cpu", f"output_dir={tmp_path / 'outputs'}", "evaluate.robustness_titles=0"]
    classifier = load_trained(train_without_plots(compose("train", ["experiment=quick", *sizes, overrides])))
    copies = [*expected, *map(misspelt, expected), *(f"NEW: {title} (R)" for title in expected)]
    predicted = [classifier.categories[row.argmax()] for row in classifier.probabilities(Programmes(copies))]
    assert predicted == [*expected.values()] * 3
