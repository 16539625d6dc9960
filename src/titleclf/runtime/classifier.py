"""A bundle that predicts in numpy: torch would take seven times the memory, and seconds to be imported."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from titleclf.arrays import Floats
from titleclf.characters import Batch
from titleclf.classifiers import BaseClassifier
from titleclf.files import SHIPPED
from titleclf.runtime.forward import Forward
from titleclf.saved import model_folder, read_saved


@dataclass
class Classifier(BaseClassifier):
    """A classifier that can be asked, but neither trained nor saved."""

    forward: Forward

    @classmethod
    def load(cls, folder: Path | str | None = None) -> Self:
        """Read a bundle, or the one in a run's folder; without a folder, the model that comes with the package.

        Raises
        ------
        InputError
            If the folder or one of its files is missing, damaged, of another format, or does not fit the others.
        """
        saved = read_saved(model_folder(SHIPPED) if folder is None else Path(folder))
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
