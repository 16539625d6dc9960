import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest

from tests.helpers.bundles import reseal
from tests.helpers.evaluation import titles_with
from tests.helpers.titles import COLUMNS, rows, write_csv
from tests.helpers.training import composed
from titleclf.config.schemas import CategoryPrecision, EvaluateConfig
from titleclf.data.dataset import LabelledTitles
from titleclf.evaluate.evaluation import evaluate, seen_and_unseen
from titleclf.runtime.bundle.reader import read_bundle
from titleclf.runtime.choices import MemoryKind
from titleclf.runtime.errors import InputError
from titleclf.runtime.memory.memory import Memory

pytestmark = pytest.mark.usefixtures("no_plots")


def config(model, path=None, output_dir=None, **values) -> EvaluateConfig:
    evaluation = replace(composed("evaluate").evaluate, **{"robustness_titles": 0, **values})
    return EvaluateConfig(str(model), path and str(path), COLUMNS, evaluation, output_dir and str(output_dir))


def test_the_test_titles_of_a_run_give_the_scores_of_the_run(run, tmp_path):
    evaluate(config(run, output_dir=tmp_path / "again", robustness_titles=1000))
    assert (tmp_path / "again" / "metrics.json").read_text() == (run / "metrics.json").read_text()


def test_any_labelled_file_can_be_evaluated_on(run, tmp_path, capsys):
    own = write_csv(tmp_path / "own.csv", rows()[:7])
    metrics = evaluate(config(run / "bundle", own, tmp_path / "evaluation"))
    assert metrics["titles"] == 7
    assert metrics == json.loads((tmp_path / "evaluation" / "metrics.json").read_text())
    assert "7 titles:" in capsys.readouterr().out


def test_robustness_is_measured_on_unseen_and_on_known_titles(run, tmp_path, capsys):
    metrics = json.loads((run / "metrics.json").read_text())
    training_titles = read_bundle(run).contents.info.training_titles
    assert metrics["robustness"]["unseen"]["clean"]["titles"] == metrics["titles"]
    assert metrics["robustness"]["known"]["clean"]["titles"] == training_titles
    own = write_csv(tmp_path / "own.csv", rows())
    groups = evaluate(config(run, own, tmp_path / "evaluation", robustness_titles=45))["robustness"]
    assert groups["unseen"]["clean"]["titles"] == len(rows()) - training_titles
    assert groups["known"]["clean"]["titles"] == training_titles
    lines = re.findall(r"Accuracy on (?:unseen|known) titles: .*% with one misspelling", capsys.readouterr().out)
    assert len(lines) == 2


def test_robustness_can_be_left_out(run, tmp_path, capsys):
    metrics = json.loads((run / "metrics.json").read_text())
    assert evaluate(config(run, output_dir=tmp_path, robustness_titles=0)) == {**metrics, "robustness": {}}
    assert "Accuracy on" not in capsys.readouterr().out


def news(titles: list[str]) -> LabelledTitles:
    return titles_with(titles, np.zeros(len(titles), dtype=np.int64))


def test_titles_are_divided_into_those_that_training_saw_and_others():
    titles, train = news(["Él", "EL S01E02", "Heat", "Tagesschau (2019)"]), news(["el", "Tagesschau", "Other"])
    memory = Memory.from_titles(MemoryKind.exact, train.titles, train.targets)
    for known in (memory, None):
        groups = seen_and_unseen(titles, train, known)
        assert list(groups) == ["unseen", "known"]
        assert list(groups["unseen"].titles) == ["Heat"]
        assert groups["known"] is train
    groups = seen_and_unseen(titles, None, memory)
    assert list(groups["unseen"].titles) == ["Heat"]
    assert list(groups["known"].titles) == ["Él", "EL S01E02", "Tagesschau (2019)"]
    assert list(seen_and_unseen(titles, None, None)) == ["all"]


def test_a_memory_of_other_titles_is_no_evidence_of_training(run, tmp_path):
    copy = shutil.copytree(run / "bundle", tmp_path / "copy")
    text = (copy / "config.json").read_text()
    (copy / "config.json").write_text(text.replace('"remembers_training": true', '"remembers_training": false'))
    reseal(copy)
    own = write_csv(tmp_path / "own.csv", rows()[:7])
    groups = evaluate(config(run / "bundle", own, tmp_path / "own", robustness_titles=5))["robustness"]
    assert "all" not in groups
    assert list(evaluate(config(copy, own, tmp_path / "other", robustness_titles=5))["robustness"]) == ["all"]


def test_the_report_goes_into_the_folder_of_the_model_by_default(run, tmp_path):
    copy = shutil.copytree(run, tmp_path / "copy")
    evaluate(config(copy))
    assert (copy / "evaluation" / "report.md").is_file()


@pytest.mark.usefixtures("shipped_model")
def test_the_report_on_the_shipped_model_goes_beside_the_runs(run, tmp_path, monkeypatch):
    own = write_csv(tmp_path / "own.csv", rows()[:7])
    monkeypatch.chdir(tmp_path)
    assert evaluate(config("shipped", own)) == evaluate(config(run / "bundle", own, tmp_path / "evaluation"))
    assert (tmp_path / "outputs" / "shipped" / "evaluation" / "report.md").is_file()


def test_several_files_are_evaluated_together(run, tmp_path):
    for number in (1, 2):
        write_csv(tmp_path / f"part_{number}.csv", rows()[number : number + 7])
    assert evaluate(config(run, tmp_path / "part_*.csv", tmp_path / "evaluation"))["titles"] == 8


def test_unknown_categories_are_named(run, tmp_path):
    own = write_csv(tmp_path / "own.csv", [("Tatort", "Film", "de")])
    with pytest.raises(InputError, match=r"must be one of Music; News; Sports. Got Film. Rename it, or leave these"):
        evaluate(config(run, own, tmp_path / "evaluation"))
    assert not (tmp_path / "evaluation").exists()


def test_the_precision_by_category_in_the_command_replaces_that_of_the_bundle(run, tmp_path):
    wishes = [CategoryPrecision("Music", 0.98)]
    metrics = evaluate(config(run, None, tmp_path / "evaluation", target_precision=0.8, category_precision=wishes))
    assert [row["wanted"] for row in metrics["thresholds"].values()] == [0.98, 0.8, 0.8]
    with pytest.raises(InputError, match=r"must name some of Music; News; Sports. Got Film. Copy its name from there"):
        evaluate(config(run, None, tmp_path / "other", category_precision=[CategoryPrecision("Film", 0.9)]))


def test_a_target_above_the_fitted_precisions_is_refused(run, tmp_path):
    with pytest.raises(
        InputError, match=r"a target precision must be at most 0.99, the highest that the model was fit"
    ):
        evaluate(config(run, None, tmp_path / "evaluation", target_precision=0.995))
    assert not (tmp_path / "evaluation").exists()


def test_titles_that_changed_since_training_are_refused(run, tmp_path):
    copy = shutil.copytree(run, tmp_path / "copy")
    other = write_csv(tmp_path / "other.csv", rows()[1:])
    text = (copy / "config.yaml").read_text()
    start = text.index("path: ") + len("path: ")
    (copy / "config.yaml").write_text(text[:start] + str(other) + text[text.index("\n", start) :])
    with pytest.raises(
        InputError, match=r"other.csv must be unchanged since training. Got other titles. Pass path=FILE"
    ):
        evaluate(config(copy))


def test_a_bundle_without_a_run_needs_a_file(run, tmp_path):
    bundle = shutil.copytree(run / "bundle", tmp_path / "bare")
    with pytest.raises(InputError, match=r"bare must be the folder of a run. Got no config.yaml there."):
        evaluate(config(bundle))
