import pandas as pd
import pyarrow
from pyarrow import parquet

from scripts import speed_dataset


def test_titles_are_distinct_and_numbered(tmp_path):
    speed_dataset.write_titles(21_000, tmp_path)
    rows = pd.concat(parquet.read_table(path).to_pandas() for path in tmp_path.iterdir())
    assert sorted(rows["id"]) == list(range(21_000))
    assert rows["title"].is_unique


def test_missing_and_repeated_predictions_are_counted(tmp_path):
    for name, ids, categories in (("a", [0, 1], ["Sports", None]), ("b", [1, 3], ["News", "News"])):
        parquet.write_table(pyarrow.table({"id": ids, "category": categories}), tmp_path / f"{name}.parquet")
    assert speed_dataset.count_predictions(tmp_path, 5) == (2, 1, 3)


def test_memory_is_the_peak_in_each_third_of_the_work():
    samples = pd.DataFrame({"done": [0.0, 0.1, 0.9], "role": "worker", "mb": [100.0, 200.0, 150.0]})
    assert speed_dataset.as_markdown(samples).splitlines() == [
        "| peak memory of a process, MB | first third | last |",
        "| --- | ---: | ---: |",
        "| worker | 200 | 150 |",
    ]
