"""`python -m titleclf.pretrain`: embeddings from unlabelled titles. The whole loop is in this file."""

import math
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from tqdm import tqdm

from titleclf.config.hydra import command
from titleclf.config.schemas import PretrainConfig, PretrainingConfig
from titleclf.data.augmentation.noise import noised
from titleclf.data.unlabelled import Survey, Unlabelled
from titleclf.runtime.architecture import ModelConfig, NgramConfig
from titleclf.runtime.choices import Combine, Positions
from titleclf.runtime.text.characters import Batch
from titleclf.training.distributed import init_process_group, is_rank0, pick_device, rank0_output, seed_everything
from titleclf.training.embeddings import write_embeddings
from titleclf.training.network import Conv, Encoder, Ngram, encoder_of, to_inputs
from titleclf.training.objectives import Objective, objective_of
from titleclf.training.optimizer import Optimizer
from titleclf.training.plots import draw_pretraining
from titleclf.training.quantization import quantize_weights
from titleclf.training.run import History, Run, resumed

EMBEDDINGS = "embeddings.safetensors"
_SCALING_TITLES = 1000  # enough to estimate the size of vectors
_LARGEST_FACTOR = 1e6  # for vectors that are still zero
_INITIAL_STD = 1e-2  # vectors of n-grams that occur in no title stay too small to matter


def pretrain(config: PretrainConfig) -> Path:
    """Train embeddings, write them, and return the run's folder."""
    config = resumed(config, EMBEDDINGS)
    device = init_process_group(pick_device(config.device))
    titles = Unlabelled(config.titles, config.column)
    survey = titles.survey(config.characters, boundary=config.model.boundary)
    torch.manual_seed(config.seed)
    encoder = new_encoder(config, survey).to(device)
    objective = objective_of(config.objective, config.model, survey.characters, encoder)
    run = Run.start_or_resume(config)
    sizes = f"{survey.titles:,} unlabelled titles, {len(survey.characters.known):,} characters"
    print(f"{sizes}; {config.model.kind} for {config.objective.kind}. Run: {run.folder} on {device}.", flush=True)
    with run.resumable("pretrain"):
        fit(config, titles, survey, encoder, objective, run)
        scale_to_unit_size(encoder, config.model, survey.characters.batch(next(titles.parts(_SCALING_TITLES))))
        if is_rank0():
            finish(config, survey, encoder, run)
    return run.folder


def new_encoder(config: PretrainConfig, survey: Survey) -> Encoder:
    """Return an untrained encoder with small n-gram vectors: zeros would never move."""
    encoder = encoder_of(config.model, survey.characters)
    if isinstance(encoder, Ngram):
        nn.init.normal_(encoder.ngrams.weight, std=_INITIAL_STD)
    return encoder


def fit(
    config: PretrainConfig, titles: Unlabelled, survey: Survey, encoder: Encoder, objective: Objective, run: Run
) -> None:
    """Train on one shuffled part of the file after the other, and save a checkpoint after each."""
    sizes = config.pretraining
    modules = nn.ModuleDict({"encoder": encoder, "objective": objective})
    optimizer = Optimizer(modules, config.optim, steps=sizes.epochs * steps_per_epoch(survey.titles, sizes))
    run.begin({"titles": survey.fingerprint}, modules, optimizer)
    done = len(run.history)
    parts = math.ceil(survey.titles / sizes.part_titles)
    modules.train()
    for epoch in range(done // parts + 1, sizes.epochs + 1):
        for number, part in enumerate(titles.parts(sizes.part_titles)):
            if (epoch - 1) * parts + number < done:
                continue  # trained before the interruption
            generator = seed_everything(config.seed, epoch, number)
            noisy = noised([part[row] for row in generator.permutation(len(part))], config.noise, generator)
            name = f"epoch {epoch}, part {number + 1} of {parts}"
            total = 0.0
            for start in tqdm(range(0, len(noisy), sizes.batch_size), name, leave=False, disable=None):
                batch = noisy[start : start + sizes.batch_size]
                loss = objective(encoder, batch, generator)
                optimizer.step(loss)
                total += loss.item() * len(batch)
            run.history.append({"titles": _titles_seen(run.history) + len(part), "loss": total / len(part)})
            run.checkpoint()
            print(f"{name}: loss {run.history[-1]['loss']:.3f}", flush=True)


def steps_per_epoch(titles: int, sizes: PretrainingConfig) -> int:
    """Return the number of batches of all parts; the last one of each part may be smaller."""
    whole, rest = divmod(titles, sizes.part_titles)
    return whole * math.ceil(sizes.part_titles / sizes.batch_size) + math.ceil(rest / sizes.batch_size)


@torch.no_grad()
def scale_to_unit_size(encoder: Encoder, model: ModelConfig, batch: Batch) -> None:
    """Scale the tables so that a title's vector (dim,) has a mean square of 1, on average over a batch.

    Objectives use directions only, but a head learns best from inputs about as large as its own steps. Encoders with
    convolutions or added positional codes, which do not scale with their characters, are left unchanged.
    """
    adds = model.combine is Combine.add and model.positions is not Positions.none
    if isinstance(encoder, Conv) or adds:
        return
    encoder.eval()  # without n-gram dropout, so that a resumed run computes the same factor
    vectors = encoder(to_inputs(batch, model, encoder.embedding.characters.weight.device))
    factor = vectors.square().mean().rsqrt().clamp(max=_LARGEST_FACTOR)
    encoder.embedding.characters.weight.mul_(factor)
    if isinstance(encoder, Ngram):
        encoder.ngrams.weight.mul_(factor)


def finish(config: PretrainConfig, survey: Survey, encoder: Encoder, run: Run) -> None:
    """Write the embeddings, quantized to four bits per weight, and draw the loss."""
    quantize_weights(encoder.embedding.characters.weight, to_nibbles=True)
    if isinstance(encoder, Ngram):
        quantize_weights(encoder.ngrams.weight, to_nibbles=True)
    draw_pretraining(run.folder / "pretraining.png", run.history, str(config.objective.kind))
    file = run.folder / EMBEDDINGS
    meaning = write_embeddings(file, encoder, config.model, survey.characters).meaning
    run.point_latest()
    overrides = [f"model.embeddings.path={_quoted(str(file))}", f"model={_group(config.model)}", *_overrides(meaning)]
    print(f"Embeddings: {file} ({file.stat().st_size / 1e6:.1f} MB). Train with: {shlex.join(overrides)}")


def _overrides(meaning: Mapping[str, Any]) -> list[str]:
    # The settings with which a model fits these embeddings.
    groups = {name: "characters" if name == "casefold" else "model" for name in meaning}
    return [f"{groups[name]}.{name}={value}".replace(" ", "") for name, value in meaning.items()]


def _group(model: ModelConfig) -> str:
    return "pretrained" if isinstance(model, NgramConfig) else model.kind


def _quoted(path: str) -> str:
    return path if re.fullmatch(r"[\w./-]+", path) else f'"{path}"'  # Hydra takes other characters only in quotes


def _titles_seen(history: History) -> float:
    return history[-1]["titles"] if history else 0


main = command("pretrain", pretrain, alone="resume", wrap=rank0_output)

if __name__ == "__main__":
    main()
