"""`python -m titleclf.pretrain`: embeddings from titles without labels. The whole loop stands in this file."""

import math
import re
import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn
from tqdm import tqdm

from titleclf.config import saved
from titleclf.config.hydra import command
from titleclf.config.schemas import PretrainConfig, PretrainingConfig
from titleclf.data.augmentation.noise import noised
from titleclf.data.unlabelled import Survey, Unlabelled
from titleclf.runtime.architecture import ModelConfig, NgramConfig
from titleclf.runtime.choices import Combine, Positions
from titleclf.runtime.errors import InputError
from titleclf.runtime.text.characters import Batch
from titleclf.training import run as runs
from titleclf.training.distributed import check_same, from_first, is_first, joined, one_voice, pick_device, seeded
from titleclf.training.embeddings import write_embeddings
from titleclf.training.network import Conv, Encoder, Ngram, encoder_of, to_inputs
from titleclf.training.objectives import Objective, objective_of
from titleclf.training.optimizer import Optimizer
from titleclf.training.plots import draw_pretraining
from titleclf.training.quantization import round_weights
from titleclf.training.run import point_latest

EMBEDDINGS = "embeddings.safetensors"
_MEASURED = 1000  # titles are enough to know how large their vectors are
_LARGEST_FACTOR = 1e6  # of vectors that are still zero
_SMALL = 1e-2  # an n-gram that no title has keeps so little that it says nothing


def pretrain(config: PretrainConfig) -> Path:
    """Train embeddings, write them, and return the run's folder."""
    folder = None
    if config.resume is not None:
        folder = Path(config.resume)
        config = replace(saved.load_config(folder, PretrainConfig), resume=config.resume)
        if (folder / EMBEDDINGS).exists():
            raise InputError(f"resume must be a run that has not ended. Got {folder}, which has {EMBEDDINGS}. Use it.")
    device = joined(pick_device(config.device))
    titles = Unlabelled(config.titles, config.column)
    survey = titles.survey(config.characters, boundary=config.model.boundary)
    torch.manual_seed(config.seed)
    encoder = start(config, survey).to(device)
    objective = objective_of(config.objective, config.model, survey.characters, encoder)
    if folder is None:
        folder = from_first(lambda: runs.new_run(config))
    sizes = f"{survey.titles:,} titles without labels, {len(survey.characters.known):,} characters"
    print(f"{sizes}; {config.model.kind} for {config.objective.kind}. Run: {folder} on {device}.", flush=True)
    with runs.resumable(folder, "pretrain", is_new=config.resume is None):
        history = fit(config, titles, survey, encoder, objective, folder)
        to_unit_size(encoder, config.model, survey.characters.batch(next(titles.parts(_MEASURED))))
        if is_first():
            finish(config, survey, encoder, history, folder)
    return folder


def start(config: PretrainConfig, survey: Survey) -> Encoder:
    """Return the encoder as it begins: all n-grams with a small vector, since from zero none would move."""
    encoder = encoder_of(config.model, len(survey.characters), survey.characters.length)
    if isinstance(encoder, Ngram):
        nn.init.normal_(encoder.ngrams.weight, std=_SMALL)
    return encoder


def fit(
    config: PretrainConfig,
    titles: Unlabelled,
    survey: Survey,
    encoder: Encoder,
    objective: Objective,
    folder: Path,
) -> runs.History:
    """Train on one shuffled part of the file after the other; after each, leave a checkpoint to resume from."""
    sizes = config.pretraining
    modules = nn.ModuleDict({"encoder": encoder, "objective": objective})
    optimizer = Optimizer(modules, config.optim, steps=sizes.epochs * steps_an_epoch(survey.titles, sizes))
    given = {"titles": survey.fingerprint}
    check_same(given)
    history = runs.restore(folder, given, modules, optimizer) if config.resume is not None else []
    seen = len(history)
    parts = math.ceil(survey.titles / sizes.part_titles)
    modules.train()
    for epoch in range(seen // parts + 1, sizes.epochs + 1):
        for number, part in enumerate(titles.parts(sizes.part_titles)):
            if (epoch - 1) * parts + number < seen:
                continue  # before the break that this run goes on from
            generator = seeded(config.seed, epoch, number)
            written = noised([part[row] for row in generator.permutation(len(part))], config.noise, generator)
            name = f"epoch {epoch}, part {number + 1} of {parts}"
            total = 0.0
            for first in tqdm(range(0, len(written), sizes.batch_size), name, leave=False, disable=None):
                batch = written[first : first + sizes.batch_size]
                loss = objective(encoder, batch, generator)
                optimizer.step(loss)
                total += loss.item() * len(batch)
            history.append({"titles": _seen(history) + len(part), "loss": total / len(part)})
            if is_first():
                runs.save_checkpoint(folder, runs.state_of(given, history, modules, optimizer))
            print(f"{name}: loss {history[-1]['loss']:.3f}", flush=True)
    return history


def steps_an_epoch(titles: int, sizes: PretrainingConfig) -> int:
    """Return how many batches all parts have together; the last one of each part may be smaller."""
    whole, rest = divmod(titles, sizes.part_titles)
    return whole * math.ceil(sizes.part_titles / sizes.batch_size) + math.ceil(rest / sizes.batch_size)


@torch.no_grad()
def to_unit_size(encoder: Encoder, model: ModelConfig, batch: Batch) -> None:
    """Scale the tables so that the numbers in a title's vector (dim,) have a mean square of 1, on average of a batch.

    Objectives care for directions, but a head learns best from numbers about as large as its own steps. Convolutions
    don't grow with their characters, nor do codes of places that are added to these: both stay as they are.
    """
    adds = model.combine is Combine.add and model.positions is not Positions.none
    if isinstance(encoder, Conv) or adds:
        return
    encoder.eval()  # all n-grams count, and a resumed run must find the same
    vectors = encoder(to_inputs(batch, model, encoder.embedding.characters.weight.device))
    factor = vectors.square().mean().rsqrt().clamp(max=_LARGEST_FACTOR)
    encoder.embedding.characters.weight.mul_(factor)
    if isinstance(encoder, Ngram):
        encoder.ngrams.weight.mul_(factor)


def finish(config: PretrainConfig, survey: Survey, encoder: Encoder, history: runs.History, folder: Path) -> None:
    """Write the embeddings, rounded to four bits a weight, and draw the loss."""
    round_weights(encoder.embedding.characters.weight, to_nibbles=True)
    if isinstance(encoder, Ngram):
        round_weights(encoder.ngrams.weight, to_nibbles=True)
    draw_pretraining(folder / "pretraining.png", history, str(config.objective.kind))
    file = folder / EMBEDDINGS
    meaning = write_embeddings(file, encoder, config.model, survey.characters).meaning
    point_latest(folder)
    overrides = [f"model.embeddings.path={_quoted(str(file))}", f"model={_group(config.model)}", *_overrides(meaning)]
    print(f"Embeddings: {file} ({file.stat().st_size / 1e6:.1f} MB). Train with: {shlex.join(overrides)}")


def _overrides(meaning: Mapping[str, Any]) -> list[str]:
    # What a training must be given for its model to fit these embeddings.
    groups = {name: "characters" if name == "casefold" else "model" for name in meaning}
    return [f"{groups[name]}.{name}={value}".replace(" ", "") for name, value in meaning.items()]


def _group(model: ModelConfig) -> str:
    return "pretrained" if isinstance(model, NgramConfig) else model.kind


def _quoted(path: str) -> str:
    return path if re.fullmatch(r"[\w./-]+", path) else f'"{path}"'  # Hydra takes other signs in quotes only


def _seen(history: runs.History) -> float:
    return history[-1]["titles"] if history else 0


main = command("pretrain", pretrain, alone="resume", wrap=one_voice)

if __name__ == "__main__":
    main()
