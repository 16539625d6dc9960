"""The bundle: a trained network with all that it needs to predict, to be measured, and to be saved without pickle."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from titleclf.runtime.arrays import Floats, Labels
from titleclf.runtime.bundle.folding import is_folded
from titleclf.runtime.bundle.packing import Array, unpack
from titleclf.runtime.bundle.reader import Saved, read_saved, read_weights
from titleclf.runtime.classifiers import BaseClassifier
from titleclf.runtime.errors import InputError
from titleclf.training.bundle_writer import save
from titleclf.training.network import Network, to_inputs
from titleclf.training.quantization import pack


@dataclass
class Bundle(BaseClassifier):
    """A classifier that can be trained and saved."""

    network: Network

    @property
    def device(self) -> torch.device:
        """Where the network's weights are."""
        return next(self.network.parameters()).device

    def some_logits(self, titles: Sequence[str], context_ids: Labels | None = None) -> tuple[Floats, int]:
        """Return the network's logits (titles, categories), and how many titles were too long and were cut."""
        batch = self.characters.batch(titles)
        self.network.eval()
        with torch.inference_mode():
            inputs = to_inputs(batch, self.network.config, self.device, context_ids)
            logits: Floats = self.network(inputs).cpu().numpy()
        return logits, batch.truncated

    def saved(self) -> Saved:
        """Return what `save` writes."""
        weights = {name: tensor.numpy() for name, tensor in pack(tensors_of(self.network)).items()}
        return Saved(**self.by_name(), model=self.network.config, weights=weights)

    def save(self, folder: Path) -> None:
        """Write the bundle to `folder`, which must not exist yet, whole or not at all."""
        save(self.saved(), folder)


def load_bundle(folder: Path) -> Bundle:
    """Read a bundle, or the one in a run's folder, onto the CPU.

    Raises
    ------
    InputError
        If the folder or one of its files is missing, damaged, of another format, or does not fit the others; or if it
        is folded, and can only predict.
    """
    saved = read_saved(folder)
    if is_folded(saved.weights):
        raise InputError(f"{folder} must be a model as it was trained. Got a folded one. Name the run that it is from.")
    sizes = None if saved.contexts is None else saved.contexts.sizes
    network = Network(saved.model, len(saved.characters), saved.characters.length, len(saved.categories), sizes)
    _fill(network, saved.weights)
    return Bundle(**saved.by_name(), network=network)


def tensors_of(network: Network) -> dict[str, Tensor]:
    """Return the network's weights by name, on the CPU."""
    return {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}


def load_weights(network: Network, path: Path) -> None:
    """Fill the network with the tensors of a safetensors file, which must fit it exactly; the table may be packed."""
    _fill(network, read_weights(path, {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}))


def _fill(network: Network, weights: Mapping[str, Array]) -> None:
    network.load_state_dict({name: torch.from_numpy(array) for name, array in unpack(weights).items()})
