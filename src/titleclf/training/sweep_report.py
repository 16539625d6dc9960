"""What the trials in a folder tell: a table, what mattered, and how the best one is made a model."""

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
from pandas.api.types import is_numeric_dtype
from sklearn.ensemble import RandomForestRegressor

from titleclf.runtime.arguments import program
from titleclf.runtime.files import replacing, write_text
from titleclf.training.plots import draw_trials
from titleclf.training.sweep import Trial
from titleclf.training.validation import names, score

TABLE, REPORT, PICTURE = "trials.csv", "trials.md", "trials.png"

_ENOUGH = 20  # trials to tell what mattered


def write_trials(folder: Path, trials: list[Trial]) -> None:
    """Write table, report and picture of the trials, the best first."""
    scores, parameters = _scores(trials), _parameters(trials)
    shares = importances(parameters, scores["score"])
    table = pd.concat([scores, parameters[shares.index]], axis=1).assign(run=[trial.folder.name for trial in trials])
    with replacing(folder / TABLE) as temporary:
        table.to_csv(temporary, index=False)
    write_text(folder / REPORT, _report(table, shares, trials[0].folder))
    draw_trials(folder / PICTURE, table, shares)


def importances(parameters: pd.DataFrame, scores: "pd.Series[float]") -> "pd.Series[float]":
    """Return each parameter's share of what a random forest (Breiman 2001) explains of the scores, the largest first.

    Of parameters (trials, parameters) and scores (trials,).
    """
    if parameters.empty:
        return pd.Series(dtype=float)
    coded = parameters.apply(lambda values: values if is_numeric_dtype(values) else pd.factorize(values.map(str))[0])
    forest = RandomForestRegressor(n_estimators=200, random_state=0).fit(coded, scores)
    return pd.Series(forest.feature_importances_, parameters.columns).sort_values(ascending=False, kind="stable")


def _scores(trials: list[Trial]) -> pd.DataFrame:
    rows = [trial.kept for trial in trials]
    columns = {name: [row[name] for row in rows] for name in (*names(rows[0]), "epoch")}
    return pd.DataFrame({"score": [score(row) for row in rows], **columns})


def _parameters(trials: list[Trial]) -> pd.DataFrame:
    """Return the values in which the trials differ (trials, parameters)."""
    table = pd.json_normalize([asdict(trial.config) for trial in trials]).drop(columns=["output_dir", "resume"])
    return table.loc[:, [len(set(map(str, table[name]))) > 1 for name in table]]


def _report(table: pd.DataFrame, shares: "pd.Series[float]", best: Path) -> str:
    lines = [
        f"# {len(table)} trials, the best first",
        "",
        "Scores are of validation titles alone: accuracy and macro-F1 of unseen and of noisy copies of known,",
        "`score` their mean. The best of many is in part the luckiest: what it is worth, the test titles tell, once:",
        "",
        f"    {program('train')} resume={best}",
        "",
        _line(table.columns),
        f"|{' ---: |' * table.shape[1]}",
        *(_line(map(_cell, row)) for row in table.itertuples(index=False)),
        "",
    ]
    if len(shares):
        few = f" Of fewer than {_ENOUGH} trials it says little." if len(table) < _ENOUGH else ""
        lines += [
            "## What mattered",
            "",
            f"The share of each value in what a random forest explains of the scores.{few}",
            "",
            "| value | share |",
            "| --- | ---: |",
            *(f"| {name} | {share:.0%} |" for name, share in shares.items()),
            "",
        ]
    return "\n".join(lines)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value).replace("|", "\\|")
