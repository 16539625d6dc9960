import re
from collections import Counter

import numpy as np
import pytest

from tests.helpers.titles import rows
from titleclf.evaluate.robustness import GROUPS, PARTS, Labelled, conditions, held, robustness, told
from titleclf.evaluate.robustness import rows as table_rows
from titleclf.runtime.choices import Format, Misspelling

TITLES = [title for title, _, _ in rows()]
ACCENTED = ["Über Öl", "Señora Núñez", "La vérité", "Où est passé l'été ?", "Čaj o páté"]
GROUP = Labelled([*TITLES, *ACCENTED], np.ones(len(TITLES) + len(ACCENTED), dtype=np.int64))


def by_heart(titles):
    """Know the exact titles and no others: 1, which is right, or 0."""
    known = {*TITLES, *ACCENTED}
    return np.array([int(title in known) for title in titles], dtype=np.int64)


@pytest.fixture(scope="module")
def found():
    return robustness(by_heart, {"unseen": GROUP, "known": GROUP}, titles=1000)


def test_every_kind_and_format_is_tried_alone_and_all_are_mixed(found):
    for group in found.values():
        assert list(group) == ["clean", *PARTS]
        assert list(group["misspellings"]) == ["1", "2", "3"]
        assert list(group["kinds"]) == list(Misspelling)
        assert list(group["formats"]) == [*Format, "any"]


def test_answers_are_lost_exactly_where_titles_change(found):
    group = found["unseen"]
    assert group["clean"] == {"titles": 55, "accuracy": 1.0, "macro_f1": 1.0}
    for part in PARTS:
        for name, scores in group[part].items():
            assert scores["titles"] == 55
            assert scores["accuracy"] == pytest.approx(1 - scores["changed"]), name
            assert scores["loss"] == 1.0
    accented = sum(not title.isascii() for title in GROUP.titles)
    assert group["kinds"]["diacritics"]["changed"] == pytest.approx(accented / 55)


def test_what_no_noise_can_change_loses_nothing():
    group = Labelled(["Tagesschau"], np.array([1]))
    scores = robustness(by_heart, {"judged": group}, titles=5)["judged"]["kinds"]["diacritics"]
    assert scores == {"titles": 1, "accuracy": 1.0, "macro_f1": 1.0, "changed": 0.0, "loss": None}


def test_a_loss_is_of_changed_titles_alone_and_can_be_a_gain():
    def short(titles):
        return np.array([int(len(title) < 12) for title in titles], dtype=np.int64)

    group = Labelled(["Das lange Kissen", "Short"], np.ones(2, dtype=np.int64))
    article = robustness(short, {"judged": group}, titles=5)["judged"]["formats"]["article"]
    assert article == {"titles": 2, "accuracy": 0.5, "macro_f1": pytest.approx(1 / 3 * 2), "changed": 0.5, "loss": 0.0}
    wrong = Labelled(["Tagesschau"], np.zeros(1, dtype=np.int64))
    assert robustness(by_heart, {"judged": wrong}, titles=5)["judged"]["kinds"]["insert"]["loss"] == -1.0


def test_the_same_titles_are_spoilt_in_the_same_way_each_time():
    seen = []

    def remember(titles):
        seen.append(list(titles))
        return by_heart(titles)

    first = robustness(remember, {"judged": GROUP}, titles=20)
    calls = len(seen)
    assert robustness(remember, {"judged": GROUP}, titles=20) == first
    assert seen[:calls] == seen[calls:]
    assert calls == 1 + len(conditions())  # a batch a condition
    assert len(seen[0]) == 20
    assert not Counter(seen[0]) - Counter(GROUP.titles)  # a sample, nothing twice


def test_unchanged_titles_are_not_asked_again():
    seen = []

    def remember(titles):
        seen.extend(titles)
        return by_heart(titles)

    robustness(remember, {"judged": GROUP}, titles=1000)
    assert Counter(seen)["Tagesschau"] == 1


def test_0_titles_switch_it_off_and_empty_groups_are_left_out():
    def never(titles):
        raise AssertionError(titles)

    assert robustness(never, {"judged": GROUP}, titles=0) == {}
    empty = Labelled([], np.zeros(0, dtype=np.int64))
    assert list(robustness(by_heart, {"unseen": empty, "known": GROUP}, titles=9)) == ["known"]


def test_it_is_told_in_a_line_a_group(found):
    lines = told(found).splitlines()
    assert len(lines) == 2
    assert lines[0] == f"Right of unseen titles: {held(found['unseen'])}."
    pattern = r"100.0% clean, 0.0% with a misspelling, .*% with two, 0.0% in a channel's format"
    assert re.fullmatch(pattern, held(found["unseen"]))
    assert told({}) == ""
    assert set(found) < set(GROUPS)


def test_rows_weigh_groups_by_their_titles():
    few = Labelled(["Über"], np.array([1]))
    many = Labelled(TITLES[:3], np.ones(3, dtype=np.int64))
    found = robustness(by_heart, {"unseen": few, "known": many}, titles=9)
    row = next(row for row in table_rows(found, "kinds") if row.label == "diacritics")
    assert row.changed == 0.25
    assert [row.label for row in table_rows(found, "misspellings")] == [
        "1 misspelling",
        "2 misspellings",
        "3 misspellings",
    ]
    assert {"mark before", "any format"} < {row.label for row in table_rows(found, "formats")}
    assert list(row.scores) == ["unseen", "known"]
