from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.helpers.titles import COLUMNS, tag_rows, write_csv
from titleclf.config.schemas import DataConfig
from titleclf.data.splits import sides_of, split, tags_by_side
from titleclf.runtime.choices import Task
from titleclf.runtime.errors import InputError
from titleclf.runtime.text.tags import tags_in
from titleclf.runtime.text.title_keys import base_title

DATA = DataConfig(None, "unused.csv", None, None, COLUMNS, validation_fraction=0.1, test_fraction=0.2)


def titles(count: int, seed: int = 0) -> pd.DataFrame:
    """Return titles with up to four of nine tags, common and rare ones."""
    generator = np.random.default_rng(seed)
    weights = np.array([40, 30, 20, 10, 8, 6, 4, 3, 2])
    made = [
        (
            "x" * (number + 1),
            "|".join(sorted({f"tag {n}" for n in generator.choice(9, 4, p=weights / weights.sum())})),
            "en",
        )
        for number in range(count)
    ]
    return pd.DataFrame(made, columns=["title", "category", "lang"])


def tags(side: pd.DataFrame) -> pd.Series:
    return side["category"].map(tags_in).explode().value_counts()


def frame(table: list[tuple[str, ...]]) -> pd.DataFrame:
    return pd.DataFrame(table, columns=["title", "category", "lang"])


@pytest.mark.parametrize("seed", range(5))
def test_each_tag_is_on_each_side_in_about_the_same_proportions(seed):
    everything = titles(400, seed)
    sides = split(everything, DATA, seed, Task.multilabel)
    wanted = tags(everything)
    for side, share in zip(sides, (0.7, 0.1, 0.2), strict=True):
        found = tags(side)
        assert set(found.index) == set(wanted.index)
        assert (found - share * wanted).abs().max() <= 3 + 0.1 * share * wanted.max()


def test_no_programme_is_on_two_sides_and_none_is_lost():
    seasons = pd.concat([titles(90), titles(90, seed=1).assign(title=titles(90)["title"] + " S2")], ignore_index=True)
    sides = split(seasons, DATA, 5, Task.multilabel)
    bases = [set(side["title"].map(base_title)) for side in sides]
    assert not bases[0] & bases[1]
    assert not bases[0] & bases[2]
    assert not bases[1] & bases[2]
    assert sorted(pd.concat(sides)["title"]) == sorted(seasons["title"])


def test_the_split_is_seeded():
    table = frame(tag_rows())
    one, again, other = (split(table, DATA, seed, Task.multilabel) for seed in (5, 5, 6))
    assert again.test.equals(one.test)
    assert not other.test.equals(one.test)


def test_a_tag_of_three_programmes_is_on_every_side_even_if_they_have_other_tags_too():
    table = frame([(f"title {'x' * n}", "rare|common" if n < 3 else "common|usual", "en") for n in range(30)])
    for side in split(table, DATA, 1, Task.multilabel):
        assert set(tags(side).index) == {"rare", "common", "usual"}


def test_programmes_that_leave_no_way_are_refused(tmp_path):
    # Of four programmes each three share a tag: two of them must be on one side, and one tag has both.
    programmes = {"p": "abc", "q": "abd", "r": "acd", "s": "bcd"}
    table = frame([(title, "|".join(letters), "en") for title, letters in programmes.items()])
    with pytest.raises(InputError) as caught:
        split(table, replace(DATA, path=str(tmp_path / "t.csv")), 1, Task.multilabel)
    assert str(caught.value).startswith(
        f"{tmp_path}/t.csv must have programmes of each category for every side of the split. Got none of '"
    )
    assert str(caught.value).endswith("Add titles of it, or remove it.")


def test_too_few_programmes_and_too_few_tags_are_refused():
    with pytest.raises(InputError, match=r"must have at least 3 programmes a category.*Got 'b' \(2\)"):
        split(frame([(f"t {'x' * n}", "a|b" if n < 2 else "a", "en") for n in range(9)]), DATA, 1, Task.multilabel)
    with pytest.raises(InputError, match=r"must have at least two categories. Got only 'a'."):
        split(frame([(f"t {'x' * n}", "a", "en") for n in range(9)]), DATA, 1, Task.multilabel)


def test_a_test_file_of_ones_own(tmp_path):
    own = write_csv(tmp_path / "test.csv", [("Tatort", "News | Long", "de")])
    sides = split(frame(tag_rows()).assign(category="a|b"), replace(DATA, test_path=str(own)), 1, Task.multilabel)
    assert sides.test["category"].to_list() == ["Long|News"]
    assert len(sides.train) + len(sides.validation) == 50


def test_a_tag_alone_in_its_programmes_gets_exactly_the_wanted_sizes():
    programmes = {f"p{n}": {"a"} for n in range(10)}
    sides = sides_of(programmes, lambda _: {"test": 2, "validation": 1, "train": 7}, np.random.default_rng(1))
    assert sorted(sides.values()) == ["test"] * 2 + ["train"] * 7 + ["validation"]
    assert tags_by_side(programmes, sides) == {"a": {"test", "train", "validation"}}
