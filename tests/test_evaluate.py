import json
import shutil
from dataclasses import replace

import pytest

from tests.conftest import COLUMNS, rows, write_csv
from titleclf.command import compose
from titleclf.config import CategoryPrecision, EvaluateConfig
from titleclf.errors import InputError
from titleclf.evaluate import evaluate


def config(model, path=None, output_dir=None, **values) -> EvaluateConfig:
    evaluation = replace(compose("evaluate", []).evaluate, **values)
    return EvaluateConfig(str(model), path and str(path), COLUMNS, evaluation, output_dir and str(output_dir))


def test_a_runs_own_test_titles_give_the_runs_own_figures(run, tmp_path):
    evaluate(config(run, output_dir=tmp_path / "again"))
    assert (tmp_path / "again" / "metrics.json").read_text() == (run / "metrics.json").read_text()


def test_any_labelled_file_is_judged(run, tmp_path, capsys):
    own = write_csv(tmp_path / "own.csv", rows()[:7])
    metrics = evaluate(config(run / "bundle", own, tmp_path / "judged"))
    assert metrics["titles"] == 7
    assert metrics == json.loads((tmp_path / "judged" / "metrics.json").read_text())
    assert "7 titles:" in capsys.readouterr().out


def test_the_report_goes_into_the_models_folder_unless_told_otherwise(run, tmp_path):
    copy = shutil.copytree(run, tmp_path / "copy")
    evaluate(config(copy))
    assert (copy / "evaluation" / "report.md").is_file()


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
