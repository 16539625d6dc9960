"""The bundle: one folder that predicts alone, without pickle and without the machine that trained it."""

import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from titleclf import __version__
from titleclf.arrays import Bools, Floats, Labels
from titleclf.card import MEMORY, model_card
from titleclf.characters import Characters, chunked
from titleclf.compact import pack, unpack
from titleclf.config import EmbeddingsConfig, ModelConfig
from titleclf.errors import InputError
from titleclf.facts import Facts
from titleclf.files import SHIPPED, shipped, write_text
from titleclf.kinds import Task
from titleclf.mapping import from_mapping
from titleclf.memory import Memory
from titleclf.model import Network, to_inputs
from titleclf.tags import temperature as tag_temperature
from titleclf.tags.memory import TagMemory
from titleclf.tags.temperature import TagTemperature
from titleclf.tags.thresholds import TagThresholds
from titleclf.temperature import Temperature, probabilities
from titleclf.thresholds import Thresholds

FORMAT = 2
WEIGHTS, CHARACTERS, CONFIG, CARD = "weights.safetensors", "characters.json", "config.json", "README.md"
_BATCH_SIZE = 256


class Parts(NamedTuple):
    """What a bundle's temperature, thresholds and memory are, by its task."""

    temperature: type[Temperature] | type[TagTemperature]
    thresholds: type[Thresholds]
    memory: type[Memory] | type[TagMemory]


PARTS = {
    Task.single: Parts(Temperature, Thresholds, Memory),
    Task.multilabel: Parts(TagTemperature, TagThresholds, TagMemory),
}


@dataclass
class Bundle:
    """A trained classifier; temperature, thresholds and metrics come from titles that it was not trained on."""

    task: Task
    network: Network
    characters: Characters
    categories: list[str]
    temperature: Temperature | TagTemperature
    thresholds: Thresholds
    facts: Facts
    memory: Memory | TagMemory | None

    @property
    def device(self) -> torch.device:
        """Where the network's weights are."""
        return next(self.network.parameters()).device

    def logits(self, titles: Sequence[str]) -> tuple[Floats, int]:
        """Return the network's logits (titles, categories) with the memory's evidence, and how many titles were cut."""
        logits, cut = self.network_logits(titles)
        return (logits if self.memory is None else logits + self.memory.evidence(titles, len(self.categories))), cut

    def network_logits(self, titles: Sequence[str]) -> tuple[Floats, int]:
        """Return logits (titles, categories), and how many titles were too long and were cut."""
        self.network.eval()
        found = []
        cut = 0
        with torch.inference_mode():
            for some in chunked(titles, _BATCH_SIZE):
                batch = self.characters.batch(some)
                found.append(self.network(to_inputs(batch, self.network.config, self.device)).cpu().numpy())
                cut += batch.cut
        return np.concatenate(found) if found else np.zeros((0, len(self.categories)), dtype=np.float32), cut

    def probabilities(self, titles: Sequence[str]) -> tuple[Floats, int]:
        """Return calibrated probabilities (titles, categories), and how many titles were cut."""
        logits, cut = self.logits(titles)
        return self.calibrated(logits), cut

    def calibrated(self, logits: Floats) -> Floats:
        """Return the probabilities of logits (titles, categories): they add up to 1 unless a title may have several."""
        if isinstance(self.temperature, Temperature):
            return probabilities(logits, self.temperature)
        return tag_temperature.probabilities(logits, self.temperature)

    def answers(self, titles: Sequence[str]) -> Labels | Bools:
        """Return the number of each title's likeliest category (titles,), or which tags it has (titles, categories)."""
        logits, _ = self.logits(titles)
        likeliest: Labels = logits.argmax(axis=1)
        return likeliest if self.task is Task.single else self.calibrated(logits) >= self.thresholds.unasked()

    def save(self, folder: Path) -> None:
        """Write the bundle to `folder`, which must not exist yet, whole or not at all."""
        if folder.exists():
            raise InputError(f"{folder} must not exist yet. Got {_kind(folder)}. Name another one or remove it.")
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
        try:
            (temporary / WEIGHTS).write_bytes(save_tensors(pack(tensors_of(self.network))))
            write_text(temporary / CHARACTERS, _to_json(self.characters.to_mapping()))
            write_text(temporary / CONFIG, _to_json(self._config()))
            if self.memory is not None:
                (temporary / MEMORY).write_bytes(self.memory.to_bytes(self.categories))
            write_text(temporary / CARD, self._card())
            temporary.chmod(0o755)
            temporary.rename(folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def _card(self) -> str:
        weights = sum(parameter.numel() for parameter in self.network.parameters())
        model = f"{self.network.config.kind}, {weights:,} weights, {len(self.characters):,} characters"
        remembered = None if self.memory is None else len(self.memory.keys)
        return model_card(self.facts, self.task, model, self.categories, remembered)

    def _config(self) -> dict[str, Any]:
        # The file that embeddings came from is no part of the bundle: they are among its weights.
        architecture = replace(self.network.config, embeddings=EmbeddingsConfig(path=None, tables=None, freeze=False))
        return {
            "format": FORMAT,
            "version": __version__,
            "task": self.task,
            "categories": self.categories,
            "temperature": asdict(self.temperature),
            "model": asdict(architecture),
            "thresholds": asdict(self.thresholds),
            "memory": None if self.memory is None else asdict(self.memory.settings()),
            "facts": asdict(self.facts),
        }


def model_folder(model: str) -> Path:
    """Return the folder that a user means: `shipped` is the model that comes with the package."""
    return shipped("data/model") if model == SHIPPED else Path(model)


def load_bundle(folder: Path) -> Bundle:
    """Read a bundle, or the one in a run's folder, onto the CPU.

    Raises
    ------
    InputError
        If the folder or one of its files is missing, damaged, of another format, or does not fit the others.
    """
    if (folder / "bundle").is_dir():
        folder = folder / "bundle"
    if not folder.is_dir():
        raise InputError(f"{folder} must be a folder with a model. Got {_kind(folder)}. Train one with: make train")
    config = _read_json(folder / CONFIG)
    if config.get("format") != FORMAT:
        raise InputError(
            f"{folder / CONFIG} must be of format {FORMAT}. Got {config.get('format')!r}. "
            "Install the titleclf that wrote it, or train again."
        )
    task = _task(config.get("task"), folder / CONFIG)
    categories = config.get("categories", [])
    temperature = from_mapping(
        PARTS[task].temperature, config.get("temperature", {}), f"{folder / CONFIG}: temperature"
    )
    is_rising = temperature.value > 0 and (task is Task.multilabel or temperature.slope >= 0)
    if not _are_names(categories) or not is_rising:
        raise InputError(f"{folder / CONFIG} must have categories and a temperature above 0. Train again.")
    model = from_mapping(ModelConfig, config.get("model", {}), f"{folder / CONFIG}: model")
    characters = Characters.from_mapping(_read_json(folder / CHARACTERS), str(folder / CHARACTERS))
    network = Network(model, len(characters), characters.length, len(categories))
    load_weights(network, folder / WEIGHTS)
    where = f"{folder / CONFIG}: thresholds"
    thresholds = PARTS[task].thresholds.from_mapping(config.get("thresholds", {}), categories, where)
    facts = from_mapping(Facts, config.get("facts", {}), f"{folder / CONFIG}: facts")
    memory = None
    if config.get("memory") is not None:
        content = _read(folder / MEMORY)
        names = (str(folder / MEMORY), f"{folder / CONFIG}: memory")
        memory = PARTS[task].memory.from_bytes(content, config["memory"], categories, *names)
    return Bundle(task, network, characters, categories, temperature, thresholds, facts, memory)


def tensors_of(network: Network) -> dict[str, Tensor]:
    """Return the network's weights by name, on the CPU."""
    return {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}


def load_weights(network: Network, path: Path) -> None:
    """Fill the network with the tensors of a safetensors file, which must fit it exactly; the table may be packed."""
    try:
        tensors = unpack(load_tensors(_read(path)), str(path))
    except SafetensorError as error:
        raise InputError(f"{path} must be a whole safetensors file. Got: {error}. Train or copy it again.") from error
    wanted = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    differing = sorted(name for name in {*wanted, *found} if wanted.get(name) != found.get(name))
    if differing:
        name = differing[0]
        raise InputError(
            f"{path} must hold the tensors that its configuration describes. Got {name} of shape {found.get(name)} "
            f"for {wanted.get(name)}. Train or copy it again."
        )
    network.load_state_dict(tensors)


def _task(value: Any, path: Path) -> Task:
    if value not in list(Task):
        raise InputError(f"{path}: task must be one of {', '.join(Task)}. Got {value!r}. Train or copy it again.")
    return Task(value)


def _are_names(value: Any) -> bool:
    return isinstance(value, list) and len(value) > 1 and all(isinstance(name, str) for name in value)


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise InputError(f"{path.parent} has no {path.name}. Train again or pass --model.")
    return path.read_bytes()


def _read_json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(_read(path))
    except ValueError as error:  # not JSON, or not UTF-8
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} must be JSON. Got: {error}. Train or copy it again.") from error
    if not isinstance(values, dict):
        raise InputError(f"{path} must be a JSON object. Got {type(values).__name__}. Train or copy it again.")
    return values


def _kind(path: Path) -> str:
    return "a folder" if path.is_dir() else "a file" if path.exists() else "nothing there"


def _to_json(values: dict[str, Any]) -> str:
    return json.dumps(values, indent=2, ensure_ascii=False) + "\n"
