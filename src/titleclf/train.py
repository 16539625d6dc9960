"""`python -m titleclf.train`: from titles to a bundle that predicts. The whole loop stands in this file."""

import hashlib
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from titleclf.config import saved
from titleclf.config.hydra import command
from titleclf.config.schemas import TrainConfig
from titleclf.data.augmentation.noise import noised
from titleclf.data.dataset import Data, read_data
from titleclf.data.targets import context_ids_of, contexts_known, tags_of, targets_of
from titleclf.evaluate.evaluation import evaluate_bundle, outcome
from titleclf.runtime.bundle.contents import Facts
from titleclf.runtime.choices import MemoryKind, Task
from titleclf.runtime.classifier import Classifier
from titleclf.runtime.errors import InputError
from titleclf.runtime.text.characters import Characters
from titleclf.runtime.text.programmes import without
from titleclf.training import run as runs
from titleclf.training import sweep as trials
from titleclf.training.calibration import calibrate, uncalibrated
from titleclf.training.distributed import (
    check_same,
    from_first,
    gathered,
    is_first,
    joined,
    one_voice,
    pick_device,
    seeded,
    share,
)
from titleclf.training.embeddings import embeddings_path, load_embeddings, read_embeddings
from titleclf.training.losses import Regulariser, class_weights, classification_loss, regulariser_of
from titleclf.training.network import Network, to_inputs
from titleclf.training.optimizer import Optimizer
from titleclf.training.plots import draw_training
from titleclf.training.quantization import round_table
from titleclf.training.run import point_latest
from titleclf.training.sweep_report import REPORT, write_trials
from titleclf.training.trained_model import Bundle, load_weights
from titleclf.training.validation import best_epoch, noisy_copies, scores_of, validate


def train(config: TrainConfig) -> Path:
    """Train, keep the best epoch, evaluate it once on the test titles, and return the run's folder."""
    folder = None
    if config.resume is not None:
        folder = Path(config.resume)
        begun = saved.load_config(folder, TrainConfig)
        if begun.trial:
            trials.check_kept(folder)
        config = replace(begun, resume=config.resume, trial=False)
        if (folder / "bundle").exists():
            raise InputError(f"resume must be a run that has not ended. Got {folder}, which has its bundle. Use it.")
    device = joined(pick_device(config.device))
    data = read_data(config)
    if config.trial and (made := trials.find(config, data.fingerprint)):
        return made
    bundle = build(config, data, device)
    if folder is None:
        folder = from_first(lambda: runs.new_run(config))
    print(f"{_sizes(data)} Run: {folder} on {device}.", flush=True)
    if config.trial:
        with trials.interruptible(folder):
            fit(config, data, bundle, folder)
        end_trial(folder)
        return folder
    with runs.resumable(folder, "train", is_new=config.resume is None):
        history = fit(config, data, bundle, folder)
        if is_first():
            calibrate(config, data, bundle)
            finish(config, data, bundle, folder, history)
    return folder


def build(config: TrainConfig, data: Data, device: torch.device) -> Bundle:
    """Return an untrained bundle; loaded embeddings bring their own vocabulary."""
    characters = Characters.from_titles(
        list(data.sides.train["title"]),
        casefold=config.characters.casefold,
        min_count=config.characters.min_count,
        boundary=config.model.boundary,
    )
    embeddings = None
    if config.model.embeddings.path is not None:
        embeddings = read_embeddings(embeddings_path(config.model.embeddings.path))
        characters = replace(characters, known=embeddings.known)
    contexts = contexts_known(data.sides.train, config.context.min_titles)
    torch.manual_seed(config.seed)
    sizes = None if contexts is None else contexts.sizes
    network = Network(config.model, len(characters), characters.length, len(data.categories), sizes)
    if config.task is Task.multilabel:
        network.start_at(_shares(data))
    if embeddings is not None:
        print(load_embeddings(embeddings, network.encoder, config.model, characters, config.model.embeddings))
    languages = sorted(data.sides.train["lang"].unique())
    facts = Facts(
        about=config.data.about,
        training_titles=len(data.sides.train),
        remembers_training=config.memory_path is None and config.memory is not MemoryKind.none,
        languages=languages,
        seed=config.seed,
        fingerprint=data.fingerprint,
        metrics={},
    )
    temperature, thresholds = uncalibrated(config.task)
    network = network.to(device)
    trained = (config.task, characters, data.categories, temperature, thresholds, None, facts)
    return Bundle(*trained, contexts, alone=None if contexts is None else thresholds, network=network)


def _shares(data: Data) -> Tensor:
    tags = tags_of(data.sides.train, data.categories)
    return torch.from_numpy((tags.sum(axis=0) + 1) / (len(tags) + 2)).float()  # never all titles, nor none


def fit(config: TrainConfig, data: Data, bundle: Bundle, folder: Path) -> runs.History:
    """Train epoch by epoch; after each, validate, keep the best weights and leave a checkpoint to resume from.

    The bundle's network has the best epoch's weights in the end, as a bundle keeps them; of several
    processes only that of the first.
    """
    training, network, device = config.training, bundle.network, bundle.device
    titles, contexts = list(data.sides.train["title"]), context_ids_of(data.sides.train, bundle.contexts)
    wanted = targets_of(data.sides.train, data.categories, config.task)
    weights = class_weights(wanted, len(data.categories), training.class_balance).to(device)
    starts = range(0, len(titles), training.batch_size)
    regulariser = regulariser_of(config, network, bundle.characters, titles)
    modules = network if regulariser is None else nn.ModuleDict({"network": network, "regulariser": regulariser})
    optimizer = Optimizer(modules, config.optim, steps=len(starts) * training.epochs)
    given = _given(config, data, regulariser)
    check_same(given)
    history = runs.restore(folder, given, modules, optimizer) if config.resume is not None else []
    known = noisy_copies(data.sides.train, len(data.sides.validation), np.random.default_rng([config.seed, 0]))

    for epoch in range(len(history) + 1, training.epochs + 1):
        if epoch - best_epoch(history) > training.patience_epochs:
            break
        started = time.perf_counter()
        generator = seeded(config.seed, epoch)
        order = generator.permutation(len(titles))
        written = noised(titles, config.noise, generator)
        told = None if contexts is None else without(contexts, config.context.dropout, generator)
        network.train()
        total = 0.0
        for start in tqdm(starts, f"epoch {epoch}", leave=False, disable=None):
            rows = order[start : start + training.batch_size]
            own = bundle.characters.batch([written[row] for row in share(rows)])
            beside = None if told is None else told[share(rows)]
            targets = torch.from_numpy(wanted[rows]).to(device)
            logits = gathered(network(to_inputs(own, config.model, device, beside)))  # (batch, categories)
            loss = config.loss.classification * classification_loss(logits, targets, weights, training.label_smoothing)
            if regulariser is not None:
                loss = loss + config.loss.unsupervised * regulariser(network.encoder, len(rows), generator)
            optimizer.step(loss)
            total += loss.item() * len(rows)
        scores = from_first(lambda: validate(data, known, bundle))
        history.append({"epoch": epoch, "training_loss": total / len(titles), **scores})
        if is_first():
            if best_epoch(history) == epoch:
                runs.save_best(folder, network)
            runs.save_checkpoint(folder, runs.state_of(given, history, modules, optimizer))
        print(_line(history[-1], time.perf_counter() - started), flush=True)

    if is_first():
        trials.write_result(folder, data.fingerprint, history)
        load_weights(network, folder / saved.BEST)
        round_table(network)  # now, so that all that is calibrated and measured is what the bundle keeps
    return history


def finish(config: TrainConfig, data: Data, bundle: Bundle, folder: Path, history: runs.History) -> None:
    """Evaluate on test, write report and bundle, and let `latest` point to them."""
    sides = data.sides
    judged = Classifier.of(bundle.saved())  # what predicts later
    metrics = bundle.facts.metrics = evaluate_bundle(judged, sides.test, sides.train, folder, config.evaluate)
    draw_training(folder / "training.png", history, best_epoch(history))
    bundle.save(folder / "bundle")
    point_latest(folder)
    print(
        f"\nKept epoch {best_epoch(history)}. On {metrics['titles']:,} test titles:\n\n{outcome(config.task, metrics)}"
        f"Report: {folder / 'report.md'}\nModel:  {folder / 'bundle'}"
    )


def end_trial(folder: Path) -> None:
    """Tell of all trials beside this one; only the best keeps its weights."""
    made = trials.trials_in(folder.parent)
    trials.drop_weights(made)
    write_trials(folder.parent, made)
    place = [trial.folder for trial in made].index(folder) + 1
    best = trials.score_of(made[0].folder)
    print(f"Score {trials.score_of(folder):.1%}, place {place} of {len(made)}; the best has {best:.1%}.", end=" ")
    print(f"Table: {folder.parent / REPORT}", flush=True)


def _given(config: TrainConfig, data: Data, regulariser: Regulariser | None) -> dict[str, str]:
    """Return fingerprints of all files that shape the weights: a resumed run must find them as they were."""
    given = {"titles": data.fingerprint}
    if config.model.embeddings.path is not None:
        content = embeddings_path(config.model.embeddings.path).read_bytes()
        given["embeddings"] = hashlib.sha256(content).hexdigest()
    if regulariser is not None:
        given["titles without labels"] = hashlib.sha256("\n".join(regulariser.titles).encode()).hexdigest()
    return given


def _sizes(data: Data) -> str:
    train, validation, test = map(len, data.sides)
    sizes = f"{train:,} titles to train on, {validation:,} to validate, {test:,} to test"
    return f"{sizes}; {len(data.categories)} categories."


def _line(row: dict[str, float], seconds: float) -> str:
    return (
        f"epoch {row['epoch']:>3.0f}  loss {row['training_loss']:.3f}  validation: loss {row['validation_loss']:.3f}  "
        f"{scores_of(row)}  ({seconds:.1f} s)"
    )


def scored(config: TrainConfig) -> float:
    """Train, and return what a sweep makes large: the score on validation titles, never on test."""
    return trials.score_of(train(config))


main = command("train", scored, alone="resume", wrap=one_voice)

if __name__ == "__main__":
    main()
