import sys
from types import SimpleNamespace

import numpy as np
import pytest

from scripts import tags
from tests.conftest import FEW_BUCKETS, SMALL, tag_rows
from titleclf.data.targets import tags_of
from titleclf.runtime.errors import InputError, exit_codes

from .common.test_guides import guide, programme


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Run the script on two guides as a user does, and keep what the models told."""
    folder = tmp_path_factory.mktemp("multilabel")
    programmes = [programme(title, *cell.split(" | ")) for title, cell, _ in tag_rows()]
    one = guide(folder / "nowhere_1.xml.gz", *programmes)
    two = guide(folder / "nowhere_2.xml", *programmes[:40])
    output = folder / "results" / "tags.md"
    seen = []

    def heard(train):
        def training(config, data):
            seen.append((data, train(config, data)))
            return seen[-1][1]

        return training

    with pytest.MonkeyPatch.context() as patch:
        for name in ("train_ours", "train_peer"):
            patch.setattr(tags, name, heard(getattr(tags, name)))
        options = ["--guides", one, two, "--name", "titles of nowhere", "--least", 5, "--output", output]
        patch.setattr(sys, "argv", ["tags.py", "model=ngram", *SMALL, FEW_BUCKETS, *map(str, options)])
        exit_codes(tags.main)()
    return SimpleNamespace(text=output.read_text(), folder=folder, seen=seen)


def test_each_guide_and_all_together_have_a_row_a_model_and_kind_of_thresholds(measured):
    for block in ("NOWHERE_1", "NOWHERE_2", "all together"):
        for model in (tags.OURS, tags.PEER):
            for thresholds in (tags.BY_TAG, tags.FOR_ALL, tags.HALF):
                assert measured.text.count(f"\n| {block} | {model} | {thresholds} | ") == 1
        assert f"- {block}: " in measured.text


def test_the_report_tells_command_and_machine_but_no_paths(measured):
    assert "--guides NOWHERE_1 NOWHERE_2 --name 'titles of nowhere' --least 5 --output MULTILABEL`" in measured.text
    assert "`python -m scripts.tags model=ngram device=cpu " in measured.text
    assert "Data: titles of nowhere. " in measured.text
    assert str(measured.folder) not in measured.text


def test_both_models_see_the_same_titles_and_give_probabilities(measured):
    for (ours, one), (theirs, other) in zip(measured.seen[::2], measured.seen[1::2], strict=True):
        assert [list(side["title"]) for side in ours.sides] == [list(side["title"]) for side in theirs.sides]
        for trained in (one, other):
            assert trained.test.shape == (len(ours.sides.test), len(ours.categories))
            assert trained.validation.shape == (len(ours.sides.validation), len(ours.categories))
            assert ((trained.test >= 0) & (trained.test <= 1)).all()


def test_thresholds_never_see_test_titles(measured):
    data, trained = measured.seen[0]
    scores = list(tags.scores_of(trained, data))
    perfect = trained._replace(test=tags_of(data.sides.test, data.categories).astype(float))
    assert [row["micro_f1"] for row in tags.scores_of(perfect, data)] == [1.0] * 3
    assert [row["thresholds"] for row in scores] == [tags.BY_TAG, tags.FOR_ALL, tags.HALF]
    assert all(np.isfinite(row["average"]) for row in scores)


def test_a_guide_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError) as caught:
        tags.parse(["--guides", str(tmp_path / "none.xml")])
    assert str(caught.value) == f"--guides must be files that exist. Got {tmp_path / 'none.xml'}. Check the paths."
