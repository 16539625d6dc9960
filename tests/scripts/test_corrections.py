import sys

from scripts import corrections
from titleclf.runtime.errors import exit_codes


def test_what_is_corrected_is_right_after_training_again(monkeypatch, capsys, tmp_path, titles_csv):
    output = tmp_path / "results" / "corrections.md"
    overrides = [f"data.path={titles_csv}", "model=ngram", "model.dim=32", "device=cpu", "training.epochs=8"]
    monkeypatch.setattr(corrections, "CORRECTED", 2)
    monkeypatch.setattr(corrections.corrections, "TIMES", 4)
    arguments = ["--seeds", "1", "--times", "4", "--output", str(output), *overrides]
    monkeypatch.setattr(sys, "argv", ["learn_corrections", *arguments])
    exit_codes(corrections.main)()
    text = output.read_text()
    assert "| not corrected | 0.0% |" in text
    assert "| 4 times | 100.0% |" in text
    assert str(titles_csv) in text  # the command that made it
    assert f"Wrote {output}" in capsys.readouterr().out
