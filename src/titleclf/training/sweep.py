"""The study of a sweep: on disk, resumable, and determined by its seed."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
from matplotlib import pyplot as plt
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState
from optuna.visualization import matplotlib as plots
from sqlalchemy.exc import SQLAlchemyError

from titleclf.config.saved import VALIDATION, as_plain
from titleclf.config.schemas import SweepConfig
from titleclf.config.space import decode, encode, ranges
from titleclf.evaluate.plots import save
from titleclf.runtime.arguments import program
from titleclf.runtime.errors import InputError
from titleclf.runtime.files import write_text
from titleclf.training.comparison import Row, compare, markdown, over_seeds, seeds_section, write_csv
from titleclf.training.validation import read_scores

STUDY = "study.db"
TABLE, REPORT = "trials.csv", "trials.md"
HISTORY, SLICES, IMPORTANCES = "history.png", "slices.png", "importances.png"

_FEW = 20  # trials: with fewer, importances are noise
_SLICES = 6  # values in a plot

_IDENTITY = "identity"
_MUTABLE = ("output_dir", "resume", "sweep.trials")  # may differ between two commands of the same sweep


@contextmanager
def open_study(config: SweepConfig, fingerprint: str) -> Iterator[optuna.Study]:
    """Yield the study in the sweep's folder; `fingerprint` is that of the titles.

    Raises
    ------
    InputError
        If the study is for other titles or another configuration, or is unreadable.
    """
    path = Path(config.output_dir) / STUDY
    path.parent.mkdir(parents=True, exist_ok=True)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        storage = RDBStorage(f"sqlite:///{path}")
        study = optuna.create_study(storage=storage, study_name="titleclf", direction="maximize", load_if_exists=True)
    except (StorageInternalError, SQLAlchemyError, RuntimeError) as error:
        raise InputError(
            f"{path} must be a study that Optuna {optuna.__version__} can use. Got: {str(error).splitlines()[0]}. "
            "Move it away, or give another output_dir."
        ) from error
    try:
        _check_identity(study, path.parent, _identity(config, fingerprint))
        yield study
    finally:
        storage.engine.dispose()


def next_trial(study: optuna.Study, config: SweepConfig) -> FrozenTrial:
    """Return the trial that an interrupted sweep left unfinished, else a new one.

    A new trial depends only on the seed, its number and the trials before it, whether the sweep was resumed or not.
    """
    distributions = {
        key: _distribution(values, type(attrgetter(key)(config))) for key, values in ranges(config.sweep.space).items()
    }
    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        if trial.params.keys() == distributions.keys():
            return trial
        study.tell(trial.number, state=TrialState.FAIL)  # interrupted while it was drawn
    seed = np.random.SeedSequence([config.sweep.seed, len(study.trials)]).generate_state(1)[0]
    study.sampler = optuna.samplers.TPESampler(seed=int(seed), n_startup_trials=config.sweep.startup_trials)
    study.ask(distributions)
    return study.trials[-1]


def best_first(study: optuna.Study) -> list[FrozenTrial]:
    """Return the finished trials by score, the best first; on ties, the earliest first."""
    return sorted(
        study.get_trials(states=(TrialState.COMPLETE,)), key=lambda trial: (-(trial.value or 0), trial.number)
    )


def values_of(trial: FrozenTrial, config: SweepConfig) -> dict[str, Any]:
    """Return the values of a trial by dotted key, as in the configuration."""
    space = ranges(config.sweep.space)
    return {key: decode(space[key], value) for key, value in trial.params.items()}


def folder_of(trial: FrozenTrial, config: SweepConfig) -> Path:
    """Return the folder of a trial, within its sweep's."""
    return Path(config.output_dir) / f"trial-{trial.number:03}"


def write_report(study: optuna.Study, config: SweepConfig) -> None:
    """Write a table, a report and plots of the finished trials, best first, into the sweep's folder."""
    folder, trials = Path(config.output_dir), best_first(study)
    with warnings.catch_warnings(action="ignore"):  # about few trials, or equal scores
        importances = optuna.importance.get_param_importances(study)
    rows = []
    for trial in trials:
        path = folder_of(trial, config)
        scores = read_scores(path) if (path / VALIDATION).exists() else {}
        rows.append(Row({key: trial.params[key] for key in importances}, {"score": trial.value or 0, **scores}, path))
    table = compare(rows)
    write_csv(folder / TABLE, table)
    few = f" With fewer than {_FEW} trials they are unreliable." if len(trials) < _FEW else ""
    report = [
        f"# {len(trials)} trials, best first",
        "",
        "Scores are for validation titles: accuracy and macro-F1 on unseen titles, and on noisy copies of training",
        "titles (`known_`); `score` is their mean. The best of many trials is partly luck: turn it into a model,",
        "measured once on the test titles, with",
        "",
        f"    {program('train')} resume={rows[0].folder}",
        "",
        markdown(table),
        "",
        *seeds_section(over_seeds(rows)),
        "## Importances",
        "",
        f"The contribution of each value to good trials (PED-ANOVA, Watanabe et al. 2023).{few}",
        "",
        markdown(pd.DataFrame({"value": importances.keys(), "importance": importances.values()})),
        "",
    ]
    write_text(folder / REPORT, "\n".join(report))
    if len(trials) > 1:
        _draw(folder, study, list(importances))


def _draw(folder: Path, study: optuna.Study, keys: list[str]) -> None:
    plt.switch_backend("agg")
    shown = keys[:_SLICES]
    with plt.rc_context(), warnings.catch_warnings(action="ignore"):  # the plots have been "experimental" since 2020
        plots.plot_optimization_history(study, target_name="score")
        _save(folder / HISTORY, 8, 4.5)
        plots.plot_slice(study, shown, target_name="score")
        _save(folder / SLICES, 2 + 3 * len(shown), 4.5)
        plots.plot_param_importances(study, target_name="score")
        _save(folder / IMPORTANCES, 8, 1.5 + 0.35 * len(keys))


def _save(path: Path, width: float, height: float) -> None:
    figure = plt.gcf()
    figure.set_layout_engine("constrained")
    figure.set_size_inches(width, height)
    save(path, figure)
    plt.close(figure)


def _distribution(values: dict[str, Any], kind: type[Any]) -> BaseDistribution:
    if "choices" in values:
        return CategoricalDistribution([encode(choice) for choice in values["choices"]])
    return (FloatDistribution if kind is float else IntDistribution)(**values)


def _identity(config: SweepConfig, fingerprint: str) -> dict[str, Any]:
    flat = _flat(as_plain(config), "")
    return {"titles": fingerprint, **{key: value for key, value in flat.items() if key not in _MUTABLE}}


def _flat(values: dict[str, Any], prefix: str) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return flat


def _check_identity(study: optuna.Study, folder: Path, identity: dict[str, Any]) -> None:
    expected = study.user_attrs.get(_IDENTITY)
    if expected is None:
        study.set_user_attr(_IDENTITY, identity)
        return
    differing = [key for key in {**identity, **expected} if identity.get(key) != expected.get(key)]
    if differing:
        raise InputError(
            f"{folder} must resume with the titles and values of its trials. Got other {', '.join(differing[:5])}. "
            "Give another output_dir."
        )
