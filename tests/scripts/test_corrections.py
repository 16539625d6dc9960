import sys

import pytest

from scripts import corrections
from tests.helpers.training import FEW_BUCKETS


@pytest.mark.usefixtures("no_plots")
def test_corrected_titles_are_right_after_training_again(monkeypatch, capsys, tmp_path, titles_csv):
    output = tmp_path / "results" / "corrections.md"
    overrides = [
        f"data.path={titles_csv}",
        "model=ngram",
        "model.dim=32",
        "device=cpu",
        "training.epochs=8",
        FEW_BUCKETS,
    ]
    monkeypatch.setattr(corrections, "CORRECTED", 2)
    monkeypatch.setattr("titleclf.data.corrections.REPEATS", 4)
    arguments = ["--seeds", "1", "--times", "4", "--output", str(output), *overrides]
    monkeypatch.setattr(sys, "argv", ["corrections", *arguments])
    corrections.main()
    text = output.read_text()
    assert "| not corrected | 0.0% |" in text
    assert "| 4 times | 100.0% |" in text
    assert f"--output {output} data.path={titles_csv} " in text
    assert capsys.readouterr().out == f"{text}\nWrote {output}\n"
