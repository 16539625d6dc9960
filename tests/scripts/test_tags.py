import gzip
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from scripts.tags import tagged_titles

from scripts import tags
from tests.helpers.titles import tag_rows
from tests.helpers.training import FEW_BUCKETS, SMALL
from titleclf.runtime.errors import InputError


def programme(title: str, *categories: str, language: str = "en") -> str:
    elements = "".join(f"<category lang='en'>{category}</category>" for category in categories)
    return f"<programme><title lang='{language}'>{title}</title>{elements}</programme>"


def write_guide(path, *programmes: str):
    text = f"<tv><channel id='a'/>{''.join(programmes)}</tv>"
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Run the script on two guides; the report, and the data and probabilities of each trained model."""
    folder = tmp_path_factory.mktemp("tags")
    programmes = [programme(title, *cell.split(" | ")) for title, cell, _ in tag_rows()]
    guides = [
        write_guide(folder / "nowhere_1.xml.gz", *programmes),
        write_guide(folder / "nowhere_2.xml", *programmes[:40]),
    ]
    output = folder / "results" / "tags.md"
    trained = []

    def recorded(train):
        def train_and_record(config, data):
            trained.append((data, train(config, data)))
            return trained[-1][1]

        return train_and_record

    with pytest.MonkeyPatch.context() as patch:
        for name in ("train_titleclf", "train_regressions"):
            patch.setattr(tags, name, recorded(getattr(tags, name)))
        options = ["--guides", *guides, "--name", "titles of nowhere", "--min-titles", 5, "--output", output]
        patch.setattr(sys, "argv", ["tags", "model=ngram", *SMALL, FEW_BUCKETS, *map(str, options)])
        tags.main()
    return SimpleNamespace(text=output.read_text(), folder=folder, trained=trained)


def test_each_guide_and_all_together_have_a_row_for_each_model_and_kind_of_thresholds(measured):
    for block in ("NOWHERE_1", "NOWHERE_2", "all together"):
        for model in (tags.TITLECLF, tags.PEER):
            for thresholds in (tags.BY_TAG, tags.FOR_ALL, tags.HALF):
                assert measured.text.count(f"\n| {block} | {model} | {thresholds} | ") == 1
        assert f"- {block}: " in measured.text


def test_the_report_has_command_and_machine_but_no_paths(measured):
    assert "--guides NOWHERE_1 NOWHERE_2 --name 'titles of nowhere' --min-titles 5 --output TAGS`" in measured.text
    assert "`python -m scripts.tags model=ngram device=cpu " in measured.text
    assert "Data: titles of nowhere. " in measured.text
    assert str(measured.folder) not in measured.text


def test_both_models_see_the_same_titles_and_give_probabilities(measured):
    for (data, titleclf), (peer_data, peer) in zip(measured.trained[::2], measured.trained[1::2], strict=True):
        for part in ("train", "validation", "test"):
            assert list(getattr(data, part).titles) == list(getattr(peer_data, part).titles)
        for probabilities in (titleclf, peer):
            assert probabilities.test.shape == (len(data.test), len(data.categories))
            assert probabilities.validation.shape == (len(data.validation), len(data.categories))
            assert ((probabilities.test >= 0) & (probabilities.test <= 1)).all()


def test_thresholds_do_not_depend_on_test_titles(measured):
    data, probabilities = measured.trained[0]
    scores = list(tags.scores_of(probabilities, data))
    perfect = probabilities._replace(test=tags.tags_of(data.test).astype(float))
    assert [row["micro_f1"] for row in tags.scores_of(perfect, data)] == [1.0] * 3
    assert [row["thresholds"] for row in scores] == [tags.BY_TAG, tags.FOR_ALL, tags.HALF]
    assert all(np.isfinite(row["average"]) for row in scores)


def test_a_missing_guide_is_rejected(tmp_path):
    with pytest.raises(InputError) as caught:
        tags.parse(["--guides", str(tmp_path / "none.xml")])
    assert str(caught.value) == f"--guides must be files that exist. Got {tmp_path / 'none.xml'}. Check the paths."


@pytest.mark.parametrize("name", ["guide.xml", "guide.xml.gz"])
def test_decorations_are_removed_and_a_bar_does_not_split_a_category(tmp_path, name):
    guide = write_guide(
        tmp_path / name,
        programme("  Heat \n 2 [New]", "Movie", " Action  film", "", language="de"),
        programme("Talk", "News|Talk"),
        "<programme/>",
    )
    assert tagged_titles([guide], min_titles=1).to_numpy().tolist() == [
        ["Heat 2", "Action film|Movie", "de"],
        ["Talk", "News/Talk", "en"],
    ]


def test_a_title_has_the_tags_of_all_its_programmes_in_all_guides(tmp_path):
    guides = [
        write_guide(
            tmp_path / "a.xml", programme("Heat", "Movie"), programme("Heat", "Action"), programme("Zoo", "Movie")
        ),
        write_guide(tmp_path / "b.xml", programme("Heat", "Crime"), programme("", "Movie"), programme("Jaws", "Movie")),
    ]
    assert tagged_titles(guides, min_titles=1).to_numpy().tolist() == [
        ["Heat", "Action|Crime|Movie", "en"],
        ["Zoo", "Movie", "en"],
        ["Jaws", "Movie", "en"],
    ]


def test_rare_tags_are_left_out_with_the_titles_that_have_no_others(tmp_path):
    programmes = [
        programme("Heat", "Movie", "Crime"),
        programme("Jaws", "Movie"),
        programme("Jaws", "Movie"),
        programme("Zoo", "Animals"),
    ]
    titles = tagged_titles([write_guide(tmp_path / "a.xml", *programmes)], min_titles=2)
    assert titles.to_numpy().tolist() == [["Heat", "Movie", "en"], ["Jaws", "Movie", "en"]]
