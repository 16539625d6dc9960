import sys

import pytest

from scripts import estimator
from scripts.common import peers


@pytest.mark.usefixtures("no_plots")
def test_the_table_has_a_row_for_each_model_and_the_bundle_is_that_of_train(monkeypatch, capsys, tmp_path, titles_csv):
    output = tmp_path / "results" / "estimator.md"
    overrides = [f"data.path={titles_csv}", "device=cpu", "training.epochs=1", "model=ngram", "model.buckets=997"]
    monkeypatch.setattr(sys, "argv", ["estimator", "--folds", "2", "--output", str(output), *overrides])
    estimator.main()
    text = output.read_text()
    for name in ("TitleClassifier", peers.SVC):
        assert f"| {name} | " in text
    assert f"2 stratified folds of the 50 titles in {titles_csv}" in text
    assert "write is, byte by byte, the one of `titleclf train`" in text
    assert f"Wrote {output}" in capsys.readouterr().out
