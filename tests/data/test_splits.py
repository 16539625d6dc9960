from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.helpers.tables import write_parts
from tests.helpers.titles import COLUMNS, tag_rows, write_csv
from titleclf.config.schemas import DataConfig
from titleclf.data.splits import Split, assign_by_tags, learnable, split, split_with_test
from titleclf.data.titles import read_all_titles
from titleclf.runtime.choices import Task
from titleclf.runtime.errors import InputError
from titleclf.runtime.text.tags import tags_in
from titleclf.runtime.text.title_keys import base_title

DATA = DataConfig(None, "unused.csv", None, None, COLUMNS, [], validation_fraction=0.1, test_fraction=0.2)


def frame(rows: Sequence[tuple[str, ...]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["title", "category", "lang"])


def titles(count: int, categories: int = 3) -> pd.DataFrame:
    return frame([(f"title {'x' * number}", f"category {number % categories}", "en") for number in range(count)])


def tagged_titles(count: int, seed: int = 0) -> pd.DataFrame:
    """Return titles with up to four of nine tags, common and rare ones."""
    generator = np.random.default_rng(seed)
    weights = np.array([40, 30, 20, 10, 8, 6, 4, 3, 2])
    return frame(
        [
            (
                "x" * (number + 1),
                "|".join(sorted({f"tag {n}" for n in generator.choice(9, 4, p=weights / weights.sum())})),
                "en",
            )
            for number in range(count)
        ]
    )


def tag_counts(part: pd.DataFrame) -> "pd.Series[int]":
    return part["category"].map(tags_in).explode().value_counts()


def assert_no_programme_is_in_two_parts_or_lost(parts: Split, everything: pd.DataFrame) -> None:
    bases = [set(part["title"].map(base_title)) for part in parts]
    assert not bases[0] & bases[1]
    assert not bases[0] & bases[2]
    assert not bases[1] & bases[2]
    assert sorted(pd.concat(parts)["title"]) == sorted(everything["title"])


def test_no_programme_is_in_two_parts_and_none_is_lost():
    seasons = pd.concat([titles(90), titles(90).assign(title=titles(90)["title"] + " S2")], ignore_index=True)
    assert_no_programme_is_in_two_parts_or_lost(split(seasons, DATA, seed=5), seasons)


def test_the_split_is_stratified_and_seeded():
    parts = split(titles(300), DATA, seed=5)
    for part, count in zip(parts, (70, 10, 20), strict=True):
        assert part["category"].value_counts().to_list() == [count] * 3
    same_seed, other_seed = split(titles(300), DATA, seed=5), split(titles(300), DATA, seed=6)
    assert same_seed.test.equals(parts.test)
    assert not other_seed.test.equals(parts.test)


def test_a_seed_gives_the_same_split_on_every_machine():
    parts = split(titles(12), DATA, seed=5)
    assert [part["title"].str.count("x").to_list() for part in parts] == [[0, 1, 2, 4, 6, 8], [3, 5, 10], [7, 9, 11]]


def test_the_smallest_category_is_in_every_part():
    for fractions in ((0.01, 0.01), (0.5, 0.49), (0.01, 0.98), (0.98, 0.01)):
        config = replace(DATA, validation_fraction=fractions[0], test_fraction=fractions[1])
        assert [part["category"].nunique() for part in split(titles(9), config, seed=1)] == [3, 3, 3]


def test_test_titles_may_come_from_a_file(tmp_path):
    own = write_csv(tmp_path / "test.csv", [("Tatort", "category 1", "de")])
    parts = split(titles(30), replace(DATA, test_path=str(own)), seed=1)
    assert parts.test["title"].to_list() == ["Tatort"]
    assert len(parts.train) + len(parts.validation) == 30


def test_test_titles_may_come_from_files_that_match_a_pattern(tmp_path):
    parts = split(titles(30), replace(DATA, test_path=write_parts(tmp_path)), seed=1)
    assert len(parts.test) == 5


def test_test_titles_may_come_from_a_frame():
    own = titles(4)
    parts = split_with_test(titles(30), own, DATA, seed=1)
    assert parts.test is own
    assert len(parts.train) + len(parts.validation) == 30


def test_sources_that_are_left_out_are_for_validation_whole():
    everything = titles(60).assign(source=["one", "two", "three"] * 20)
    again = everything[everything["source"] == "two"].assign(source="one", title=lambda rows: rows["title"] + " S2")
    everything = pd.concat([everything, again], ignore_index=True)
    parts = split(everything, replace(DATA, left_out=["two"]), seed=1)
    assert set(parts.validation["source"]) == {"two"}
    assert len(parts.validation) == 20
    assert set(again["title"]) <= set(parts.test["title"])  # titles of the source that another one has, too
    assert 0 < len(parts.test) - len(again) < 12
    assert_no_programme_is_in_two_parts_or_lost(
        Split(parts.train, parts.validation, parts.test[~parts.test["title"].isin(again["title"])]),
        everything[~everything["title"].isin(again["title"])],
    )
    own = split_with_test(everything, titles(3), replace(DATA, left_out=["two"]), seed=1)
    assert len(own.train) == 40
    assert len(own.test) == 3


def test_sources_that_are_left_out_must_be_there():
    data, everything = replace(DATA, left_out=["two", "none"]), titles(60).assign(source="two")
    with pytest.raises(InputError, match=r"data\.left_out must name sources in source of unused\.csv\. Got none\."):
        split(everything, data, seed=1)


def test_only_categories_of_three_programmes_are_learnable():
    three, two = [f"title {number}" for number in range(3)], ["other 1", "other 2", "Other 2 (2019)"]
    mixed = pd.DataFrame({"title": two + three, "category": ["A"] * 3 + ["B"] * 3, "lang": "en"})
    assert learnable(mixed)["title"].to_list() == three
    assert list(learnable(mixed).index) == [0, 1, 2]


def test_a_single_category_is_refused():
    with pytest.raises(InputError, match=r"must have at least two categories. Got only 'category 0'. Add titles of"):
        split(titles(9, categories=1), DATA, seed=1)


def test_a_category_with_fewer_programmes_than_parts_is_refused():
    with pytest.raises(InputError, match=r"must have at least 3 programmes in each category.*Got 'category 1' \(2\)"):
        split(titles(5, categories=2), DATA, seed=1)


def test_an_error_names_the_pattern(tmp_path):
    pattern = write_parts(tmp_path)
    with pytest.raises(InputError) as caught:
        split(read_all_titles(pattern, COLUMNS), replace(DATA, path=pattern), seed=1)
    assert str(caught.value).startswith(f"{pattern} must have at least 3 programmes in each category")


@pytest.mark.parametrize("seed", range(5))
def test_each_tag_is_in_each_part_in_about_the_same_proportions(seed):
    everything = tagged_titles(400, seed)
    parts = split(everything, DATA, seed, Task.multilabel)
    counts = tag_counts(everything)
    for part, fraction in zip(parts, (0.7, 0.1, 0.2), strict=True):
        part_counts = tag_counts(part)
        assert set(part_counts.index) == set(counts.index)
        assert (part_counts - fraction * counts).abs().max() <= 3 + 0.1 * fraction * counts.max()


def test_no_programme_with_tags_is_in_two_parts_and_none_is_lost():
    first, second = tagged_titles(90), tagged_titles(90, seed=1)
    seasons = pd.concat([first, second.assign(title=first["title"] + " S2")], ignore_index=True)
    assert_no_programme_is_in_two_parts_or_lost(split(seasons, DATA, 5, Task.multilabel), seasons)


def test_the_split_by_tags_is_seeded():
    tagged = frame(tag_rows())
    parts, same_seed, other_seed = (split(tagged, DATA, seed, Task.multilabel) for seed in (5, 5, 6))
    assert same_seed.test.equals(parts.test)
    assert not other_seed.test.equals(parts.test)


def test_a_seed_gives_the_same_split_by_tags_on_every_machine():
    parts = split(frame(tag_rows()), DATA, 5, Task.multilabel)
    assert parts.validation["title"].to_list() == [
        "Grand Slam Tennis",
        "Darts Premier League",
        "Local News",
        "World Service News",
        "Eurovision Song Contest",
    ]


def test_a_tag_of_three_programmes_is_in_every_part_even_if_they_have_other_tags_too():
    tagged = frame([(f"title {'x' * n}", "rare|common" if n < 3 else "common|usual", "en") for n in range(30)])
    for part in split(tagged, DATA, 1, Task.multilabel):
        assert set(tag_counts(part).index) == {"rare", "common", "usual"}


def test_tags_that_can_not_all_be_in_every_part_are_refused(tmp_path):
    # Any three of the four programmes share a tag. Two programmes must be in the same part, and share two tags.
    programmes = {"p": "abc", "q": "abd", "r": "acd", "s": "bcd"}
    tagged = frame([(title, "|".join(letters), "en") for title, letters in programmes.items()])
    with pytest.raises(InputError) as caught:
        split(tagged, replace(DATA, path=str(tmp_path / "t.csv")), 1, Task.multilabel)
    assert str(caught.value).startswith(
        f"{tmp_path}/t.csv must have programmes of each category for every part of the split. Got none of '"
    )
    assert str(caught.value).endswith("Add titles of it, or remove it.")


def test_too_few_programmes_and_too_few_tags_are_refused():
    with pytest.raises(InputError, match=r"must have at least 3 programmes in each category.*Got 'b' \(2\)"):
        split(frame([(f"t {'x' * n}", "a|b" if n < 2 else "a", "en") for n in range(9)]), DATA, 1, Task.multilabel)
    with pytest.raises(InputError, match=r"must have at least two categories. Got only 'a'."):
        split(frame([(f"t {'x' * n}", "a", "en") for n in range(9)]), DATA, 1, Task.multilabel)


def test_tagged_test_titles_may_come_from_a_file(tmp_path):
    own = write_csv(tmp_path / "test.csv", [("Tatort", "News | Long", "de")])
    parts = split(frame(tag_rows()).assign(category="a|b"), replace(DATA, test_path=str(own)), 1, Task.multilabel)
    assert parts.test["category"].to_list() == ["Long|News"]
    assert len(parts.train) + len(parts.validation) == 50


def test_programmes_with_only_one_tag_fill_the_parts_exactly():
    programmes = {f"p{n}": {"a"} for n in range(10)}
    parts = assign_by_tags(programmes, lambda _: {"test": 2, "validation": 1, "train": 7}, np.random.default_rng(1))
    assert sorted(parts.values()) == ["test"] * 2 + ["train"] * 7 + ["validation"]
