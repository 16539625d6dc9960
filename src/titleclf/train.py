"""`python -m titleclf.train`: from titles to a bundle that predicts. The whole loop is in this file."""

import shutil
import time
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from titleclf.config.hydra import command
from titleclf.config.schemas import TrainConfig
from titleclf.data.augmentation.noise import noised
from titleclf.data.dataset import Dataset, LabelledTitles, read_dataset
from titleclf.data.titles import TitlesInMemory
from titleclf.evaluate.evaluation import EVALUATED, REFIT_NOTE, evaluate_classifier, outcome
from titleclf.runtime.classifier import classifier_of
from titleclf.training.bundle_writer import write_bundle
from titleclf.training.calibration import calibrate, keep_calibration
from titleclf.training.comparison import write_runs
from titleclf.training.distributed import (
    Sharded,
    broadcast_from_rank0,
    init_process_group,
    is_rank0,
    pick_device,
    rank0_output,
    seed_everything,
)
from titleclf.training.embeddings import embeddings_fingerprint
from titleclf.training.familiarity_fit import fit_familiarity
from titleclf.training.losses import Loss
from titleclf.training.network import TorchNetwork
from titleclf.training.optimizer import Optimizer
from titleclf.training.plots import draw_training
from titleclf.training.quantization import quantize_table
from titleclf.training.run import Run, resumed
from titleclf.training.trained_model import TrainedModel, bundle_of, new_model
from titleclf.training.validation import noisy_copies, validate


def train(config: TrainConfig, given: TitlesInMemory | None = None, *, reports: bool = True) -> Path:
    """Train, keep the best epoch, evaluate it once on the test titles, refit, and return the run's folder.

    `given` titles take the place of those of `data.path`. Without `reports` the folder has no report nor the model that
    it would be about: drawing takes longer than training on a few hundred titles.
    """
    config = resumed(config, "bundle")
    device = init_process_group(pick_device(config.device))
    data = read_dataset(config, given)
    model = new_model(config, data, device)
    run = Run.start_or_resume(config)
    print(f"{_sizes(data)} Run: {run.folder} on {device}.", flush=True)
    with run.resumable("train"):
        fit(config, data, model.network, run)
        if is_rank0():
            calibrate(config, data, model)
            evaluate_on_test(config, data, model, run, reports=reports)
        if config.training.refit:
            model = refit(config, data, model, run, device)
        if is_rank0():
            write_bundle(bundle_of(model), run.folder / "bundle")
            run.point_latest()
            report = f"Report: {run.folder / 'report.md'}\n" if reports else ""
            print(f"{report}Model:  {run.folder / 'bundle'}")
    return run.folder


def fit(config: TrainConfig, data: Dataset, network: TorchNetwork, run: Run) -> None:
    """Train epoch by epoch; after each, validate, keep the best weights and save a checkpoint.

    In the end the network has the best epoch's weights as a bundle holds them; of several processes only process 0's.
    """
    training, categories = config.training, len(data.categories)
    loss, optimizer = _loss_and_optimizer(config, data, network)
    files = {"titles": data.fingerprint, **embeddings_fingerprint(config.model.embeddings), **loss.fingerprints}
    run.begin(files, loss.modules, optimizer)
    noisy_train = noisy_copies(data.train, len(data.validation), np.random.default_rng([config.seed, 0]))

    for epoch in run.epochs(training.epochs, training.patience_epochs):
        started = time.perf_counter()
        training_loss = train_epoch(config, data.train, network, loss, optimizer, epoch)
        scores = broadcast_from_rank0(lambda: validate(data.validation, noisy_train, network, config.task, categories))
        run.finish_epoch({"epoch": epoch, "training_loss": training_loss, **scores}, network, started)

    if is_rank0():
        run.keep_best(network, data.fingerprint)
        finish(config, data.train, network)  # now, so that calibration and evaluation see what the bundle holds


def train_epoch(
    config: TrainConfig, train: LabelledTitles, network: TorchNetwork, loss: Loss, optimizer: Optimizer, epoch: int
) -> float:
    """Train on each title once, with new noise, and return the mean loss."""
    size, sharded = config.training.batch_size, Sharded(network)
    generator = seed_everything(config.seed, epoch)
    order = generator.permutation(len(train))
    noisy = train.programmes.with_titles(noised(train.titles, config.noise, generator))
    noisy = noisy.without_fields(config.model.fields.dropout, generator)
    network.train()
    total = 0.0
    for start in tqdm(range(0, len(train), size), f"epoch {epoch}", leave=False, disable=None):
        rows = order[start : start + size]
        views = sharded(noisy.take(rows))  # (batch, views, outputs)
        value = loss(views, train.targets[rows], train.kinds[rows], train.weights[rows], generator)
        optimizer.step(value)
        total += value.item() * len(rows)
    return total / len(train)


def evaluate_on_test(
    config: TrainConfig, data: Dataset, model: TrainedModel, run: Run, *, reports: bool = True
) -> None:
    """Evaluate on test and, with `reports`, write the report; before a refit, also keep the model that it is about."""
    bundle, note = bundle_of(model), REFIT_NOTE if config.training.refit else None
    predictor = classifier_of(bundle)  # the implementation that will predict
    folder = run.folder if reports else None
    metrics = evaluate_classifier(predictor, data.test, data.train, folder, config.evaluate, note)
    bundle.contents.info.metrics = metrics
    if reports:
        draw_training(run.folder / "training.png", run.history, run.best_epoch)
    if reports and config.training.refit:
        shutil.rmtree(run.folder / EVALUATED, ignore_errors=True)  # of an interrupted run
        write_bundle(bundle, run.folder / EVALUATED)
    print(
        f"\nKept epoch {run.best_epoch}. On {metrics['titles']:,} test titles:\n\n{outcome(config.task, metrics)}",
        flush=True,
    )


def refit(config: TrainConfig, data: Dataset, model: TrainedModel, run: Run, device: torch.device) -> TrainedModel:
    """Train once more, on all titles and for as many epochs as the evaluated model, whose calibration is kept."""
    whole = data.whole()
    refitted = new_model(config, whole, device)
    loss, optimizer = _loss_and_optimizer(config, whole, refitted.network)
    print(f"Refit on all {len(whole.train):,} titles, for {run.best_epoch} epochs.", flush=True)
    for epoch in range(1, run.best_epoch + 1):
        train_epoch(config, whole.train, refitted.network, loss, optimizer, epoch)
    if is_rank0():
        finish(config, whole.train, refitted.network)
        keep_calibration(whole, model.contents, refitted.contents)
    return refitted


def finish(config: TrainConfig, train: LabelledTitles, network: TorchNetwork) -> None:
    """Bring the weights to what a bundle holds."""
    if config.training.prior_exponent:
        network.temper_prior(np.bincount(train.targets), config.training.prior_exponent)
    quantize_table(network)
    if config.training.familiarity:
        fit_familiarity(network, train.programmes)


def _loss_and_optimizer(config: TrainConfig, data: Dataset, network: TorchNetwork) -> tuple[Loss, Optimizer]:
    loss, steps_per_epoch = Loss(config, data, network), -(-len(data.train) // config.training.batch_size)
    return loss, Optimizer(loss.modules, config.optim, steps_per_epoch * config.training.epochs)


def _sizes(data: Dataset) -> str:
    sizes = f"{len(data.train):,} titles to train on, {len(data.validation):,} to validate, {len(data.test):,} to test"
    return f"{sizes}; {len(data.categories)} categories."


main = command("train", train, alone="resume", wrap=rank0_output, table=write_runs)

if __name__ == "__main__":
    main()
