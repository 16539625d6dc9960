"""`python -m titleclf.sweep`: search for the settings with the best validation score, with Optuna."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from optuna import Study
from optuna.trial import TrialState

from titleclf.config.hydra import command
from titleclf.config.saved import BEST, CHECKPOINT, save_config
from titleclf.config.schemas import SweepConfig, TrainConfig
from titleclf.config.space import with_values
from titleclf.data.dataset import Dataset, read_dataset
from titleclf.runtime.arguments import program
from titleclf.runtime.errors import InputError
from titleclf.train import fit
from titleclf.training.distributed import init_process_group, pick_device, processes, rank0_output
from titleclf.training.run import Run
from titleclf.training.sweep import REPORT, best_first, folder_of, next_trial, open_study, values_of, write_report
from titleclf.training.trained_model import new_model
from titleclf.training.validation import read_scores


def sweep(config: SweepConfig) -> Path:
    """Train trials until the study has `sweep.trials` of them, and return the folder of the best.

    Trials are scored on validation titles, never on test. Only the best one keeps its weights.
    """
    device = init_process_group(pick_device(config.device))
    if processes() > 1:
        raise InputError(f"sweep must run in one process. Got {processes()}. Start it without torchrun.")
    data = read_dataset(config)
    with open_study(config, data.fingerprint) as study, reported(study, config):
        while len(best_first(study)) < config.sweep.trials:
            trial = next_trial(study, config)
            training, folder = with_values(config, values_of(trial, config)), folder_of(trial, config)
            print(f"\n{folder.name}: {'  '.join(f'{key}={_short(value)}' for key, value in trial.params.items())}")
            try:
                score = train_trial(training, folder, data if training.seed == config.seed else None, device)
            except (InputError, RuntimeError):
                study.tell(trial.number, state=TrialState.FAIL)  # its values are at fault: don't repeat it
                raise
            study.tell(trial.number, score)
            best, *rest = best_first(study)
            for loser in rest:
                drop_weights(folder_of(loser, config))
            count = f"{1 + len(rest)} of {config.sweep.trials} trials"
            print(f"Score {score:.1%}; best {best.value:.1%} by {folder_of(best, config).name}. {count}.", flush=True)
        folder = folder_of(best_first(study)[0], config)
    print(f"\nBest: {folder}. Report: {folder.parent / REPORT}")
    print(f"Make it a model, measured on the test titles: {program('train')} resume={folder}")
    return folder


@contextmanager
def reported(study: Study, config: SweepConfig) -> Iterator[None]:
    """Write the report at the end, even after an interruption; on Ctrl-C, explain how to resume."""
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt("The same command resumes the sweep.") from None
    finally:
        if best_first(study):
            write_report(study, config)


def train_trial(config: TrainConfig, folder: Path, data: Dataset | None, device: torch.device) -> float:
    """Train a new or interrupted trial in its folder, and return its score; without `data`, read its own split."""
    is_new = not (folder / CHECKPOINT).exists()
    if is_new:
        folder.mkdir(exist_ok=True)
        save_config(folder, config)
    data = data or read_dataset(config)
    fit(config, data, new_model(config, data, device).network, Run(folder, is_new))
    return read_scores(folder)["score"]


def drop_weights(folder: Path) -> None:
    """Delete the weights of a trial: those of all trials would fill the disk."""
    for name in (CHECKPOINT, BEST):
        (folder / name).unlink(missing_ok=True)


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


main = command("sweep", sweep, wrap=rank0_output)

if __name__ == "__main__":
    main()
