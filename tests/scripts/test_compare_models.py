import sys

from scripts import compare_models
from scripts.common import peers
from titleclf.runtime.errors import exit_codes


def test_the_table_has_a_row_a_model_on_the_same_titles(monkeypatch, capsys, tmp_path, titles_csv):
    output = tmp_path / "results" / "compare_models.md"
    overrides = [f"data.path={titles_csv}", "device=cpu", "training.epochs=2"]
    monkeypatch.setattr(sys, "argv", ["compare", "--seeds", "1", "2", "--output", str(output), *overrides])
    exit_codes(compare_models.main)()
    text = output.read_text()
    for name in [*compare_models.MODELS, peers.SVC]:
        assert f"| {name} | " in text
    assert "Means over 2 splits of the titles (10, 10 held out)" in text
    assert str(titles_csv) in text  # the command that made it
    assert f"Wrote {output}" in capsys.readouterr().out
