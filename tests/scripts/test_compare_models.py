import sys

import pytest

from scripts import compare_models
from scripts.common import peers


@pytest.mark.usefixtures("no_plots")
def test_the_table_has_a_row_for_each_model_on_the_same_titles(monkeypatch, capsys, tmp_path, titles_csv):
    output = tmp_path / "results" / "compare_models.md"
    overrides = [f"data.path={titles_csv}", "device=cpu", "training.epochs=1"]
    monkeypatch.setattr(sys, "argv", ["compare_models", "--seeds", "1", "2", "--output", str(output), *overrides])
    compare_models.main()
    text = output.read_text()
    for name in [*compare_models.MODELS, peers.SVC]:
        assert f"| {name} | " in text
    assert "Means over 2 splits of the titles (10, 10 held out)" in text
    assert f"--output {output} data.path={titles_csv} " in text
    assert f"Wrote {output}" in capsys.readouterr().out
