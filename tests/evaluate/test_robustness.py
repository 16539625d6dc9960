import re
from collections import Counter

import numpy as np
import pytest

from tests.helpers.evaluation import titles_with
from tests.helpers.titles import rows
from titleclf.data.dataset import LabelledTitles
from titleclf.evaluate import metrics
from titleclf.evaluate.robustness import (
    GROUPS,
    PARTS,
    Scoring,
    conditions,
    robustness,
    robustness_line,
    robustness_summary,
)
from titleclf.evaluate.robustness import rows as table_rows
from titleclf.runtime.arrays import Labels
from titleclf.runtime.choices import Format, Misspelling
from titleclf.runtime.text.programmes import Programmes

TITLES = [title for title, _, _ in rows()]
ACCENTED = ["Über Öl", "Señora Núñez", "La vérité", "Où est passé l'été ?", "Čaj o páté"]
SCORING = Scoring(metrics.summary, metrics.loss)


def right(titles: list[str]) -> LabelledTitles:
    """Return titles whose label is 1, which `memorized` predicts for the titles of `GROUP`."""
    return titles_with(titles, np.ones(len(titles), dtype=np.int64))


GROUP = right([*TITLES, *ACCENTED])


def memorized(programmes: Programmes) -> Labels:
    """Predict 1 for exactly the titles of `GROUP`, 0 for all others."""
    known = {*TITLES, *ACCENTED}
    return np.array([int(title in known) for title in programmes.titles], dtype=np.int64)


@pytest.fixture(scope="module")
def scores():
    return robustness(memorized, {"unseen": GROUP, "known": GROUP}, 1000, SCORING)


def test_every_misspelling_and_format_is_a_condition_alone_and_mixed(scores):
    for group in scores.values():
        assert list(group) == ["clean", *PARTS]
        assert list(group["misspellings"]) == ["1", "2", "3"]
        assert list(group["kinds"]) == list(Misspelling)
        assert list(group["formats"]) == [*Format, "any"]


def test_accuracy_falls_by_exactly_the_titles_that_change(scores):
    group = scores["unseen"]
    assert group["clean"] == {"titles": 55, "accuracy": 1.0, "macro_f1": 1.0}
    for part in PARTS:
        for name, row in group[part].items():
            assert row["titles"] == 55
            assert row["accuracy"] == pytest.approx(1 - row["changed"]), name
            assert row["loss"] == 1.0
    accented = sum(not title.isascii() for title in GROUP.titles)
    assert group["kinds"]["diacritics"]["changed"] == pytest.approx(accented / 55)


def test_noise_that_changes_no_title_has_no_loss():
    group = right(["Tagesschau"])
    row = robustness(memorized, {"all": group}, 5, SCORING)["all"]["kinds"]["diacritics"]
    assert row == {"titles": 1, "accuracy": 1.0, "macro_f1": 1.0, "changed": 0.0, "loss": None}


def test_the_loss_is_that_of_changed_titles_only_and_can_be_a_gain():
    def is_short(programmes: Programmes) -> Labels:
        return np.array([int(len(title) < 12) for title in programmes.titles], dtype=np.int64)

    group = right(["Das lange Kissen", "Short"])
    article = robustness(is_short, {"all": group}, 5, SCORING)["all"]["formats"]["article"]
    assert article == {"titles": 2, "accuracy": 0.5, "macro_f1": pytest.approx(1 / 3 * 2), "changed": 0.5, "loss": 0.0}
    wrong = titles_with(["Tagesschau"], np.zeros(1, dtype=np.int64))
    assert robustness(memorized, {"all": wrong}, 5, SCORING)["all"]["kinds"]["insert"]["loss"] == -1.0


def test_the_same_titles_get_the_same_noise_each_time():
    batches: list[list[str]] = []

    def predict(programmes: Programmes) -> Labels:
        batches.append(list(programmes.titles))
        return memorized(programmes)

    first = robustness(predict, {"all": GROUP}, 20, SCORING)
    count = len(batches)
    assert robustness(predict, {"all": GROUP}, 20, SCORING) == first
    assert batches[:count] == batches[count:]
    assert count == 1 + len(conditions())  # one batch per condition
    assert len(batches[0]) == 20
    assert not Counter(batches[0]) - Counter(GROUP.titles)  # a sample without repetition


def test_unchanged_titles_are_not_predicted_again():
    predicted: list[str] = []

    def predict(programmes: Programmes) -> Labels:
        predicted.extend(programmes.titles)
        return memorized(programmes)

    robustness(predict, {"all": GROUP}, 1000, SCORING)
    assert Counter(predicted)["Tagesschau"] == 1


def test_0_titles_turn_robustness_off_and_empty_groups_are_left_out():
    def never(programmes: Programmes) -> Labels:
        raise AssertionError(programmes)

    assert robustness(never, {"all": GROUP}, 0, SCORING) == {}
    assert list(robustness(memorized, {"unseen": right([]), "known": GROUP}, 9, SCORING)) == ["known"]


def test_the_summary_has_a_line_per_group(scores):
    lines = robustness_summary(scores).splitlines()
    assert len(lines) == 2
    assert lines[0] == f"Accuracy on unseen titles: {robustness_line(scores['unseen'])}."
    pattern = r"100.0% clean, 0.0% with one misspelling, .*% with two, 0.0% in a channel's format"
    assert re.fullmatch(pattern, robustness_line(scores["unseen"]))
    assert robustness_summary({}) == ""
    assert set(scores) < set(GROUPS)


def test_rows_weigh_groups_by_their_titles():
    groups = robustness(memorized, {"unseen": right(["Über"]), "known": right(TITLES[:3])}, 9, SCORING)
    row = next(row for row in table_rows(groups, "kinds") if row.label == "diacritics")
    assert row.changed == 0.25
    assert [row.label for row in table_rows(groups, "misspellings")] == [
        "1 misspelling",
        "2 misspellings",
        "3 misspellings",
    ]
    assert {"mark before", "any format"} < {row.label for row in table_rows(groups, "formats")}
    assert list(row.scores) == ["unseen", "known"]
