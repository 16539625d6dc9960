import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.helpers.bundles import reseal
from tests.helpers.titles import COLUMNS, rows, write_csv
from titleclf.config.hydra import compose
from titleclf.config.schemas import CategoryPrecision, EvaluateConfig
from titleclf.evaluate.evaluation import evaluate, part
from titleclf.runtime.choices import MemoryKind
from titleclf.runtime.errors import InputError
from titleclf.runtime.memory.memory import Memory
from titleclf.training.trained_model import load_bundle


def config(model, path=None, output_dir=None, **values) -> EvaluateConfig:
    evaluation = replace(compose("evaluate", []).evaluate, **{"robustness_titles": 0, **values})
    return EvaluateConfig(str(model), path and str(path), COLUMNS, evaluation, output_dir and str(output_dir))


def test_a_runs_own_test_titles_give_the_runs_own_figures(run, tmp_path):
    evaluate(config(run, output_dir=tmp_path / "again", robustness_titles=1000))
    assert (tmp_path / "again" / "metrics.json").read_text() == (run / "metrics.json").read_text()


def test_any_labelled_file_is_judged(run, tmp_path, capsys):
    own = write_csv(tmp_path / "own.csv", rows()[:7])
    metrics = evaluate(config(run / "bundle", own, tmp_path / "judged"))
    assert metrics["titles"] == 7
    assert metrics == json.loads((tmp_path / "judged" / "metrics.json").read_text())
    assert "7 titles:" in capsys.readouterr().out


def test_noise_is_tried_on_unseen_titles_and_on_known_ones(run, tmp_path, capsys):
    metrics = json.loads((run / "metrics.json").read_text())
    training_titles = load_bundle(run).facts.training_titles
    assert metrics["robustness"]["unseen"]["clean"]["titles"] == metrics["titles"]
    assert metrics["robustness"]["known"]["clean"]["titles"] == training_titles
    own = write_csv(tmp_path / "own.csv", rows())
    groups = evaluate(config(run, own, tmp_path / "judged", robustness_titles=45))["robustness"]
    assert groups["unseen"]["clean"]["titles"] == len(rows()) - training_titles
    assert groups["known"]["clean"]["titles"] == training_titles
    assert len(re.findall(r"Right of (?:unseen|known) titles: .*% with a misspelling", capsys.readouterr().out)) == 2


def test_noise_can_be_left_out(run, tmp_path, capsys):
    metrics = json.loads((run / "metrics.json").read_text())
    assert evaluate(config(run, output_dir=tmp_path, robustness_titles=0)) == {**metrics, "robustness": {}}
    assert "Right of" not in capsys.readouterr().out


def frame(titles):
    return pd.DataFrame({"title": titles, "category": "News", "lang": "en"})


def test_titles_are_parted_into_those_that_training_saw_and_others():
    titles, known = frame(["Él", "EL S01E02", "Heat", "Tagesschau (2019)"]), frame(["el", "Tagesschau", "Other"])
    memory = Memory.from_titles(MemoryKind.exact, list(known["title"]), np.zeros(3, dtype=np.int64))
    for which in ({"known": known, "memory": memory}, {"known": known, "memory": None}):
        parts = part(titles, **which)
        assert list(parts) == ["unseen", "known"]
        assert list(parts["unseen"]["title"]) == ["Heat"]
        assert parts["known"] is known
    parts = part(titles, known=None, memory=memory)
    assert list(parts["unseen"]["title"]) == ["Heat"]
    assert list(parts["known"]["title"]) == ["Él", "EL S01E02", "Tagesschau (2019)"]
    assert list(part(titles, known=None, memory=None)) == ["judged"]


def test_a_memory_of_other_titles_does_not_tell_what_training_saw(run, tmp_path):
    copy = shutil.copytree(run / "bundle", tmp_path / "copy")
    text = (copy / "config.json").read_text()
    (copy / "config.json").write_text(text.replace('"remembers_training": true', '"remembers_training": false'))
    reseal(copy)
    own = write_csv(tmp_path / "own.csv", rows()[:7])
    assert "judged" not in evaluate(config(run / "bundle", own, tmp_path / "one", robustness_titles=5))["robustness"]
    assert list(evaluate(config(copy, own, tmp_path / "other", robustness_titles=5))["robustness"]) == ["judged"]


def test_the_report_goes_into_the_models_folder_unless_told_otherwise(run, tmp_path):
    copy = shutil.copytree(run, tmp_path / "copy")
    evaluate(config(copy))
    assert (copy / "evaluation" / "report.md").is_file()


@pytest.mark.usefixtures("shipped_model")
def test_the_shipped_model_is_judged_beside_the_runs(run, tmp_path, monkeypatch):
    own = write_csv(tmp_path / "own.csv", rows()[:7])
    monkeypatch.chdir(tmp_path)
    assert evaluate(config("shipped", own)) == evaluate(config(run / "bundle", own, tmp_path / "judged"))
    assert (tmp_path / "outputs" / "shipped" / "evaluation" / "report.md").is_file()


def test_several_files_are_judged_as_one(run, tmp_path):
    for number in (1, 2):
        write_csv(tmp_path / f"part_{number}.csv", rows()[number : number + 7])
    assert evaluate(config(run, tmp_path / "part_*.csv", tmp_path / "judged"))["titles"] == 8


def test_unknown_categories_are_named(run, tmp_path):
    own = write_csv(tmp_path / "own.csv", [("Tatort", "Film", "de")])
    with pytest.raises(InputError, match=r"must be one of Music; News; Sports. Got Film. Rename it, or leave these"):
        evaluate(config(run, own, tmp_path / "judged"))
    assert not (tmp_path / "judged").exists()


def test_wishes_of_the_command_stand_in_for_the_bundles(run, tmp_path):
    wishes = [CategoryPrecision("Music", 0.98)]
    metrics = evaluate(config(run, None, tmp_path / "judged", target_precision=0.8, category_precision=wishes))
    assert [row["wanted"] for row in metrics["thresholds"].values()] == [0.98, 0.8, 0.8]
    with pytest.raises(InputError, match=r"must name some of Music; News; Sports. Got Film. Write it as it stands"):
        evaluate(config(run, None, tmp_path / "other", category_precision=[CategoryPrecision("Film", 0.9)]))


def test_a_target_beyond_what_the_model_was_fitted_to(run, tmp_path):
    with pytest.raises(
        InputError, match=r"a wanted precision must be at most 0.99, the highest that the model was fit"
    ):
        evaluate(config(run, None, tmp_path / "judged", target_precision=0.995))
    assert not (tmp_path / "judged").exists()


def test_titles_that_changed_since_training_are_refused(run, tmp_path):
    copy = shutil.copytree(run, tmp_path / "copy")
    other = write_csv(tmp_path / "other.csv", rows()[1:])
    text = (copy / "config.yaml").read_text()
    start = text.index("path: ") + len("path: ")
    (copy / "config.yaml").write_text(text[:start] + str(other) + text[text.index("\n", start) :])
    with pytest.raises(InputError, match=r"other.csv must be as it was in training. Got other titles. Give path=FILE"):
        evaluate(config(copy))


def test_a_bare_bundle_needs_a_file(run, tmp_path):
    bundle = shutil.copytree(run / "bundle", tmp_path / "bare")
    with pytest.raises(InputError, match=r"bare must be the folder of a run. Got no config.yaml there."):
        evaluate(config(bundle))
