"""`python -m titleclf.train`: from titles to a bundle that predicts. The whole loop is in this file."""

import time
from pathlib import Path

import numpy as np
from tqdm import tqdm

from titleclf.config.hydra import command
from titleclf.config.schemas import TrainConfig
from titleclf.data.augmentation.noise import noised
from titleclf.data.dataset import Dataset, read_dataset
from titleclf.evaluate.evaluation import evaluate_classifier, outcome
from titleclf.runtime.classifier import classifier_of
from titleclf.training.bundle_writer import write_bundle
from titleclf.training.calibration import calibrate
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
from titleclf.training.losses import Loss
from titleclf.training.network import TorchNetwork
from titleclf.training.optimizer import Optimizer
from titleclf.training.plots import draw_training
from titleclf.training.quantization import quantize_table
from titleclf.training.run import Run, resumed
from titleclf.training.trained_model import TrainedModel, bundle_of, new_model
from titleclf.training.validation import noisy_copies, validate


def train(config: TrainConfig) -> Path:
    """Train, keep the best epoch, evaluate it once on the test titles, and return the run's folder."""
    config = resumed(config, "bundle")
    device = init_process_group(pick_device(config.device))
    data = read_dataset(config)
    model = new_model(config, data, device)
    run = Run.start_or_resume(config)
    print(f"{_sizes(data)} Run: {run.folder} on {device}.", flush=True)
    with run.resumable("train"):
        fit(config, data, model.network, run)
        if is_rank0():
            calibrate(config, data, model)
            evaluate_on_test(config, data, model, run)
    return run.folder


def fit(config: TrainConfig, data: Dataset, network: TorchNetwork, run: Run) -> None:
    """Train epoch by epoch; after each, validate, keep the best weights and save a checkpoint.

    In the end the network has the best epoch's weights as a bundle holds them; of several processes only process 0's.
    """
    training, train = config.training, data.train
    loss, sharded = Loss(config, data, network), Sharded(network)
    starts = range(0, len(train), training.batch_size)
    optimizer = Optimizer(loss.modules, config.optim, steps=len(starts) * training.epochs)
    files = {"titles": data.fingerprint, **embeddings_fingerprint(config.model.embeddings), **loss.fingerprints}
    run.begin(files, loss.modules, optimizer)
    noisy_train = noisy_copies(train, len(data.validation), np.random.default_rng([config.seed, 0]))

    for epoch in run.epochs(training.epochs, training.patience_epochs):
        started = time.perf_counter()
        generator = seed_everything(config.seed, epoch)
        order = generator.permutation(len(train))
        noisy = train.programmes.with_titles(noised(train.titles, config.noise, generator))
        if network.fields is not None:
            noisy = noisy.without_fields(config.context.dropout, generator)
        network.train()
        total = 0.0
        for start in tqdm(starts, f"epoch {epoch}", leave=False, disable=None):
            rows = order[start : start + training.batch_size]
            logits = sharded(noisy.take(rows))  # (batch, categories)
            value = loss(logits, train.targets[rows], generator)
            optimizer.step(value)
            total += value.item() * len(rows)
        scores = broadcast_from_rank0(lambda: validate(data.validation, noisy_train, network, config.task))
        run.finish_epoch({"epoch": epoch, "training_loss": total / len(train), **scores}, network, started)

    if is_rank0():
        run.keep_best(network, data.fingerprint)
        quantize_table(network)  # now, so that calibration and evaluation see what the bundle holds


def evaluate_on_test(config: TrainConfig, data: Dataset, model: TrainedModel, run: Run) -> None:
    """Evaluate on test, write report and bundle, and point `latest` to them."""
    bundle = bundle_of(model)
    predictor = classifier_of(bundle)  # the implementation that will predict
    metrics = evaluate_classifier(predictor, data.test, data.train, run.folder, config.evaluate)
    bundle.contents.info.metrics = metrics
    draw_training(run.folder / "training.png", run.history, run.best_epoch)
    write_bundle(bundle, run.folder / "bundle")
    run.point_latest()
    print(
        f"\nKept epoch {run.best_epoch}. On {metrics['titles']:,} test titles:\n\n{outcome(config.task, metrics)}"
        f"Report: {run.folder / 'report.md'}\nModel:  {run.folder / 'bundle'}"
    )


def _sizes(data: Dataset) -> str:
    sizes = f"{len(data.train):,} titles to train on, {len(data.validation):,} to validate, {len(data.test):,} to test"
    return f"{sizes}; {len(data.categories)} categories."


main = command("train", train, alone="resume", wrap=rank0_output, table=write_runs)

if __name__ == "__main__":
    main()
