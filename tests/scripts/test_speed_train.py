import sys

import pandas as pd
import pytest

from scripts import speed_train
from tests.helpers.titles import rows, write_csv
from tests.helpers.training import FEW_BUCKETS, SMALL


def run(patch, *arguments):
    patch.setattr(sys, "argv", ["speed_train", "model=ngram", *SMALL, FEW_BUCKETS, *map(str, arguments)])
    speed_train.main()


def test_the_table_has_a_row_for_each_size_that_the_files_have_rows_for(monkeypatch, capsys, tmp_path, titles_csv):
    output = tmp_path / "scaling.md"
    files = [titles_csv, write_csv(tmp_path / "more.csv", [(f"{title} 2", *others) for title, *others in rows()])]
    run(monkeypatch, "--train", *files, "--sizes", 80, 1000, 40, "--output", output)
    text = output.read_text()
    table = [line for line in text.splitlines() if line.startswith("| ")]
    assert [line.split(" | ")[0] for line in table] == ["| rows", "| ---", "| 40", "| 80"]
    assert table[2].endswith("| 1.00 x |")
    assert "has 100 rows: too few for 1,000." in text
    assert "`python -m scripts.speed_train model=ngram device=cpu " in text
    assert f"--train {files[0]} {files[1]} " in text
    assert f"Wrote {output}" in capsys.readouterr().out


def test_seconds_are_relative_to_the_smallest_size():
    measured = pd.DataFrame(
        {"rows": [1000, 3000], "trained": [700, 2100], "seconds": [1.4, 8.4], "per_thousand": [1.0, 2.0]}
    )
    assert "| 3,000 | 2,100 | 8.4 | 2.000 | 2.00 x |" in speed_train.as_markdown(measured)


def test_sizes_beyond_the_data_are_rejected(monkeypatch, capsys, titles_csv):
    with pytest.raises(SystemExit) as exited:
        run(monkeypatch, "--train", titles_csv, "--sizes", 51)
    assert exited.value.code == 2
    assert capsys.readouterr().err == "--sizes must not exceed the 50 rows of the data. Got 51.\n"
