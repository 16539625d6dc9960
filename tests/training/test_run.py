"""A run's folder: its name, its epochs, and the link to the latest."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.helpers.training import composed
from titleclf.config import saved
from titleclf.config.saved import CHECKPOINT
from titleclf.config.schemas import OptimConfig, TrainConfig
from titleclf.runtime.errors import InputError
from titleclf.training.optimizer import Optimizer
from titleclf.training.run import Run, load_checkpoint

NO_SCORES = {"validation_loss": 1.0, "accuracy": 0.0, "macro_f1": 0.0, "known_accuracy": 0.0, "known_macro_f1": 0.0}


def run_of(accuracies: list[float]) -> Run:
    rows = [{**NO_SCORES, "epoch": epoch, "accuracy": accuracy} for epoch, accuracy in enumerate(accuracies, start=1)]
    return Run(Path("unused"), is_new=True, history=rows)


def begun(run: Run, titles: str = "a") -> tuple[torch.nn.Linear, Optimizer]:
    torch.manual_seed(1)
    module, config = torch.nn.Linear(3, 2), composed("train").optim
    assert isinstance(config, OptimConfig)
    optimizer = Optimizer(module, replace(config, skip=[]), steps=5)
    run.begin({"titles": titles}, module, optimizer)
    return module, optimizer


def test_the_first_epoch_is_the_best_on_ties():
    assert run_of([0.2, 0.5, 0.5]).best_epoch == 2
    assert run_of([]).best_epoch == 0


def test_the_best_epoch_of_tags_is_the_one_of_both_f1_on_both_kinds_of_titles():
    names = ("micro_f1", "macro_f1", "known_micro_f1", "known_macro_f1")
    history = [{"epoch": n, **dict.fromkeys(names, 0.5), "macro_f1": f} for n, f in enumerate([0.2, 0.5, 0.4], start=1)]
    assert Run(Path("unused"), is_new=True, history=history).best_epoch == 2


def test_patience_limits_the_remaining_epochs_of_a_resumed_run():
    assert list(run_of([0.2, 0.5]).epochs(5, patience=9)) == [3, 4, 5]
    assert list(run_of([0.5, 0.2]).epochs(5, patience=2)) == [3]
    assert list(run_of([0.5, 0.2, 0.1]).epochs(5, patience=2)) == []
    assert list(run_of([0.5]).epochs(1, patience=2)) == []


def test_runs_that_start_together_have_their_own_folders_and_configurations(small):
    configs = [small(f"seed={seed}") for seed in range(3)]
    folders = [Run.start_or_resume(config).folder for config in configs]
    assert len(set(folders)) == 3
    assert [saved.load_config(folder, TrainConfig) for folder in folders] == configs


def test_a_resumed_run_continues_from_its_checkpoint(small):
    config = small()
    run = Run.start_or_resume(config)
    module, optimizer = begun(run)
    optimizer.step(module(torch.ones(1, 3)).sum())
    run.history.append({**NO_SCORES, "epoch": 1})
    run.checkpoint()
    resumed = Run.start_or_resume(replace(config, resume=str(run.folder)))
    restored, _ = begun(resumed)
    assert (resumed.folder, resumed.is_new, resumed.history) == (run.folder, False, run.history)
    assert all(torch.equal(left, right) for left, right in zip(module.parameters(), restored.parameters(), strict=True))
    with pytest.raises(InputError, match=r"resume must be given the same titles. Got .*, started with others."):
        begun(Run.start_or_resume(replace(config, resume=str(run.folder))), titles="b")


def test_only_the_first_process_writes_checkpoints(small, monkeypatch):
    run = Run.start_or_resume(small())
    begun(run)
    monkeypatch.setattr("titleclf.training.run.is_rank0", lambda: False)
    run.checkpoint()
    assert not (run.folder / CHECKPOINT).exists()
    monkeypatch.undo()
    run.checkpoint()
    assert load_checkpoint(run.folder)["given"] == {"titles": "a"}


@pytest.mark.parametrize("through", ["folder", "latest"])
def test_latest_points_to_a_real_folder_however_the_run_was_resumed(small, through):
    folder = Run.start_or_resume(small()).folder
    latest = folder.parent / "latest"
    latest.symlink_to(folder.name, target_is_directory=True)
    Run({"folder": folder, "latest": latest}[through], is_new=False).point_latest()
    assert latest.readlink() == Path(folder.name)
    assert latest.resolve(strict=True) == folder
    assert not folder.is_symlink()
    assert {path.name for path in folder.parent.iterdir()} == {folder.name, "latest"}
