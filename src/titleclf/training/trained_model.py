"""A trained network with everything that it needs to predict, to and from a bundle."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from titleclf.config.schemas import TrainConfig
from titleclf.data.dataset import Dataset
from titleclf.runtime.bundle.contents import Bundle, BundleContents, ModelInfo
from titleclf.runtime.bundle.familiarity import familiarities, without_familiarity
from titleclf.runtime.bundle.folding import is_folded
from titleclf.runtime.bundle.packing import Array, unpack
from titleclf.runtime.bundle.reader import read_bundle, read_weights
from titleclf.runtime.choices import MemoryKind, ProgrammeKind, Task
from titleclf.runtime.classifier import Classifier
from titleclf.runtime.errors import InputError
from titleclf.runtime.network import check_implemented
from titleclf.runtime.tasks import TASKS
from titleclf.runtime.text.characters import Characters
from titleclf.training.embeddings import embeddings_path, load_embeddings, read_embeddings
from titleclf.training.network import TorchNetwork
from titleclf.training.quantization import pack

TrainedModel = Classifier[TorchNetwork]


def new_model(config: TrainConfig, data: Dataset, device: torch.device) -> TrainedModel:
    """Return an untrained model on the device; loaded embeddings bring their own alphabet."""
    check_implemented(config.model)  # now, not when hours of training end in a bundle
    characters = Characters.from_titles(
        data.train.titles,
        casefold=config.characters.casefold,
        min_count=config.characters.min_count,
        boundary=config.model.boundary,
    )
    embeddings = None
    if config.model.embeddings.path is not None:
        embeddings = read_embeddings(embeddings_path(config.model.embeddings.path))
        characters = replace(characters, known=embeddings.known)
    torch.manual_seed(config.seed)
    kinds = [kind.value for kind in ProgrammeKind] if config.loss.kind else []
    network = TorchNetwork(config.model, characters, len(data.categories) + len(kinds))
    if config.task is Task.multilabel:
        network.start_at(_frequencies(data))
    if embeddings is not None:
        print(load_embeddings(embeddings, network.encoder, config.model, characters, config.model.embeddings))
    types = TASKS[config.task]
    contents = BundleContents(
        task=config.task,
        characters=characters,
        categories=data.categories,
        temperature=types.no_temperature,
        thresholds=types.no_thresholds,
        memory=None,
        info=_info(config, data),
        kinds=kinds,
        title_thresholds=types.no_thresholds if config.model.fields.use else None,
    )
    return Classifier(contents, network.to(device))


def bundle_of(model: TrainedModel) -> Bundle:
    """Return what a bundle holds of the model, its table packed if it is quantized."""
    network = model.network
    weights = {name: tensor.numpy() for name, tensor in pack(tensors_of(network)).items()}
    for prefix, familiarity in network.familiarities.items():
        weights |= familiarity.tensors(prefix)
    return Bundle(model.contents, network.model, weights)


def load_trained(folder: Path) -> TrainedModel:
    """Read a bundle, or the one in a run's folder, onto the CPU.

    Raises
    ------
    InputError
        If the folder or one of its files is missing, damaged, of another format, or does not fit the others; or if it
        is folded, and can only predict.
    """
    bundle = read_bundle(folder)
    if is_folded(bundle.weights):
        raise InputError(f"{folder} must be a model as it was trained. Got a folded one. Name the run that it is from.")
    contents = bundle.contents
    network = TorchNetwork(bundle.model, contents.characters, contents.outputs)
    _fill(network, without_familiarity(bundle.weights))
    network.familiarities = familiarities(bundle.weights, bundle.model, str(folder))
    return Classifier(contents, network)


def tensors_of(network: TorchNetwork) -> dict[str, Tensor]:
    """Return the network's weights by name, on the CPU."""
    return {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}


def load_weights(network: TorchNetwork, path: Path) -> None:
    """Fill the network with the tensors of a safetensors file, which must fit it exactly; the table may be packed."""
    _fill(network, read_weights(path, {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}))


def _fill(network: TorchNetwork, weights: Mapping[str, Array]) -> None:
    network.load_state_dict({name: torch.from_numpy(array) for name, array in unpack(weights).items()})


def _info(config: TrainConfig, data: Dataset) -> ModelInfo:
    return ModelInfo(
        about=config.data.about,
        training_titles=len(data.train),
        remembers_training=config.memory_path is None and config.memory is not MemoryKind.none,
        languages=data.languages,
        seed=config.seed,
        fingerprint=data.fingerprint,
        metrics={},
        is_refitted=False,
    )


def _frequencies(data: Dataset) -> Tensor:
    tags = data.train.targets
    return torch.from_numpy((tags.sum(axis=0) + 1) / (len(tags) + 2)).float()  # never of all titles, nor of none
