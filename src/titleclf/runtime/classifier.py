"""A bundle that predicts in numpy: torch would take seven times the memory, and seconds to be imported."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from titleclf.arrays import Floats
from titleclf.characters import Batch
from titleclf.classifiers import BaseClassifier
from titleclf.runtime.forward import Forward
from titleclf.saved import read_saved


@dataclass
class Classifier(BaseClassifier):
    """A classifier that can be asked, but neither trained nor saved."""

    forward: Forward

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a bundle, or the one in a run's folder.

        Raises
        ------
        InputError
            If the folder or one of its files is missing, damaged, of another format, or does not fit the others.
        """
        saved = read_saved(folder)
        forward = Forward.of(saved.model, saved.weights, saved.characters.length)
        return cls(
            saved.task,
            saved.characters,
            saved.categories,
            saved.temperature,
            saved.thresholds,
            saved.memory,
            forward,
        )

    def batch_logits(self, batch: Batch) -> Floats:
        """Return the network's logits (batch, categories)."""
        return self.forward.logits(batch)
