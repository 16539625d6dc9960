"""The bundle: one folder that predicts alone, without pickle and without the machine that trained it."""

import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save as save_tensors
from torch import Tensor

from titleclf import __version__
from titleclf.arrays import Floats
from titleclf.card import model_card
from titleclf.characters import Batch
from titleclf.classifiers import BaseClassifier
from titleclf.compact import Array, unpack
from titleclf.config import EmbeddingsConfig
from titleclf.errors import InputError
from titleclf.facts import Facts
from titleclf.files import write_text
from titleclf.model import Network, to_inputs
from titleclf.rounding import pack
from titleclf.saved import CHARACTERS, CONFIG, FORMAT, MEMORY, WEIGHTS, kind_of, read_saved, read_weights

CARD = "README.md"


@dataclass
class Bundle(BaseClassifier):
    """A classifier that can be trained, measured and saved; the metrics are of titles that it was not trained on."""

    network: Network
    facts: Facts

    @property
    def device(self) -> torch.device:
        """Where the network's weights are."""
        return next(self.network.parameters()).device

    def batch_logits(self, batch: Batch) -> Floats:
        """Return the network's logits (batch, categories)."""
        self.network.eval()
        with torch.inference_mode():
            logits: Floats = self.network(to_inputs(batch, self.network.config, self.device)).cpu().numpy()
        return logits

    def save(self, folder: Path) -> None:
        """Write the bundle to `folder`, which must not exist yet, whole or not at all."""
        if folder.exists():
            raise InputError(f"{folder} must not exist yet. Got {kind_of(folder)}. Name another one or remove it.")
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


def load_bundle(folder: Path) -> Bundle:
    """Read a bundle, or the one in a run's folder, onto the CPU.

    Raises
    ------
    InputError
        If the folder or one of its files is missing, damaged, of another format, or does not fit the others.
    """
    saved = read_saved(folder)
    network = Network(saved.model, len(saved.characters), saved.characters.length, len(saved.categories))
    _fill(network, saved.weights)
    return Bundle(
        saved.task,
        saved.characters,
        saved.categories,
        saved.temperature,
        saved.thresholds,
        saved.memory,
        network,
        saved.facts,
    )


def tensors_of(network: Network) -> dict[str, Tensor]:
    """Return the network's weights by name, on the CPU."""
    return {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}


def load_weights(network: Network, path: Path) -> None:
    """Fill the network with the tensors of a safetensors file, which must fit it exactly; the table may be packed."""
    _fill(network, read_weights(path, {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}))


def _fill(network: Network, weights: Mapping[str, Array]) -> None:
    network.load_state_dict({name: torch.from_numpy(array) for name, array in unpack(weights).items()})


def _to_json(values: dict[str, Any]) -> str:
    return json.dumps(values, indent=2, ensure_ascii=False) + "\n"
