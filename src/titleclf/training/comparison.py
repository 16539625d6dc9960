"""Tables that compare runs by validation scores, and seeds by their mean and standard deviation."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from titleclf.evaluate.metrics import main_score
from titleclf.runtime.files import replacing, write_text
from titleclf.training.validation import read_scores

TABLE, REPORT = "runs.csv", "runs.md"


class Row(NamedTuple):
    """A row of a table: the settings that distinguish a run, its scores, and its folder."""

    settings: dict[str, Any]
    scores: dict[str, float]
    folder: Path


def write_runs(jobs: Sequence[tuple[list[str], Path]]) -> str:
    """Write runs.csv and runs.md beside the runs of a multirun, and return a summary to print.

    A job is a pair of its overrides and the folder of its run.
    """
    settings = [dict(item.split("=", 1) for item in overrides if "=" in item) for overrides, _ in jobs]
    shared = {item for item in settings[0].items() if all(item in others.items() for others in settings)}
    rows = [
        Row({key: value for key, value in values.items() if (key, value) not in shared}, _scores(folder), folder)
        for values, (_, folder) in zip(settings, jobs, strict=True)
    ]
    folder = Path(os.path.commonpath([row.folder.parent for row in rows]))
    table, seeds = compare(rows), over_seeds(rows)
    write_csv(folder / TABLE, table)
    heading = f"{len(rows)} run{'s' * (len(rows) > 1)}, best first"
    note = "Scores are for validation titles, or test titles (`test_`); `score` is the mean of the next four columns."
    write_text(folder / REPORT, "\n".join([f"# {heading}", "", note, "", markdown(table), "", *seeds_section(seeds)]))
    return f"\n{heading}. {note}\n\n{markdown(table if seeds.empty else seeds)}\n\nTable: {folder / REPORT}"


def compare(rows: Sequence[Row]) -> pd.DataFrame:
    """Return the rows as a table, best score first: scores, settings, and the run's folder."""
    cells = [{**row.scores, **_without_none(row.settings)} for row in rows]
    table = pd.DataFrame(cells).assign(run=[str(row.folder) for row in rows])
    return table.sort_values("score", ascending=False, kind="stable", ignore_index=True)


def over_seeds(rows: Sequence[Row]) -> pd.DataFrame:
    """Return the mean ± sample standard deviation of runs that differ only in their seed, best first.

    The table is empty if no two runs do.
    """
    groups: dict[str, list[Row]] = {}
    for row in rows:
        settings = {key: value for key, value in _without_none(row.settings).items() if key != "seed"}
        groups.setdefault(json.dumps(settings), []).append(row)
    if max(map(len, groups.values())) < 2:
        return pd.DataFrame()
    cells = []
    for key, group in groups.items():
        scores = pd.DataFrame([row.scores for row in group]).drop(columns="epoch", errors="ignore")
        spread = {name: _spread(column) for name, column in scores.items()}
        cells.append({"mean": scores["score"].mean(), **spread, **json.loads(key), "runs": len(group)})
    return pd.DataFrame(cells).sort_values("mean", ascending=False, kind="stable").drop(columns="mean")


def seeds_section(seeds: pd.DataFrame) -> list[str]:
    """Return the Markdown lines about runs that differ only in their seed."""
    return [] if seeds.empty else ["## Mean and standard deviation over seeds", "", markdown(seeds), ""]


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write the table completely or not at all."""
    with replacing(path) as temporary:
        table.to_csv(temporary, index=False)


def markdown(table: pd.DataFrame) -> str:
    """Return the table in Markdown with aligned columns."""
    cells = [[_cell(value) for value in row] for row in table.itertuples(index=False)]
    names = [str(name) for name in table.columns]
    widths = [max(map(len, column)) for column in zip(names, *cells, strict=True)]
    rule = ["-" * (width - 1) + ":" for width in widths]
    header, *rows = ([text.rjust(width) for text, width in zip(row, widths, strict=True)] for row in (names, *cells))
    return "\n".join(f"| {' | '.join(row)} |" for row in (header, rule, *rows))


def _scores(folder: Path) -> dict[str, float]:
    scores = read_scores(folder)
    metrics = folder / "metrics.json"
    if metrics.exists():
        test = json.loads(metrics.read_text(encoding="utf-8"))
        scores[f"test_{main_score(test)}"] = test[main_score(test)]
    return scores


def _spread(column: "pd.Series[float]") -> str:
    return f"{column.mean():.4f} ± {column.std():.4f}" if column.count() > 1 else f"{column.mean():.4f}"


def _without_none(settings: dict[str, Any]) -> dict[str, Any]:
    return {key: "null" if value is None else value for key, value in settings.items()}


def _cell(value: Any) -> str:
    return ("" if pd.isna(value) else f"{value:.4g}") if isinstance(value, float) else str(value).replace("|", "\\|")
