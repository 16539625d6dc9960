"""A bundle that predicts in numpy: torch would take seven times the memory, and seconds to be imported."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from titleclf.runtime.architecture import NgramConfig
from titleclf.runtime.arrays import Floats, Labels
from titleclf.runtime.bundle.folding import is_folded
from titleclf.runtime.bundle.reader import Saved, model_folder, read_saved
from titleclf.runtime.classifiers import BaseClassifier
from titleclf.runtime.files import SHIPPED
from titleclf.runtime.folded_network import Folded
from titleclf.runtime.network import Features, Forward

_FEW = 100  # titles


@dataclass
class Classifier(BaseClassifier):
    """A classifier that can be asked, but not trained."""

    network: Forward | Folded

    @classmethod
    def load(cls, folder: Path | str | None = None) -> Self:
        """Read a bundle, or the one in a run's folder; without a folder, the model that comes with the package.

        Raises
        ------
        InputError
            If the folder or one of its files is missing, damaged, of another format, or does not fit the others.
        """
        return cls.of(read_saved(model_folder(SHIPPED) if folder is None else Path(folder)))

    @classmethod
    def of(cls, saved: Saved) -> Self:
        """Take what a bundle's folder holds, or will hold."""
        length = saved.characters.length
        if isinstance(saved.model, NgramConfig) and is_folded(saved.weights):
            return cls(**saved.by_name(), network=Folded.of(saved.model, saved.weights, length))
        return cls(**saved.by_name(), network=Forward.of(saved.model, saved.weights, length))

    @property
    def batch_size(self) -> int:
        """How many titles are fastest at once."""
        return 2048 if isinstance(self.network, Folded) else super().batch_size

    def some_logits(self, titles: Sequence[str], context_ids: Labels | None = None) -> tuple[Floats, int]:
        """Return the network's logits (titles, categories), and how many titles were too long and were cut."""
        if isinstance(self.network, Folded):
            return self._folded_logits(self.network, titles, context_ids)
        batch = self.characters.batch(titles)
        return self.network.logits(batch, context_ids), batch.truncated

    def _folded_logits(self, network: Folded, titles: Sequence[str], context_ids: Labels | None) -> tuple[Floats, int]:
        # For a few titles, what is compiled takes longer to be made ready than they do.
        is_ready = "_scorer" in vars(self) or len(titles) > _FEW or network.is_warm
        if not is_ready or self._scorer is None:
            line = self.characters.line(titles)
            return network.logits(line, context_ids), line.truncated
        logits, cut = self._scorer.logits(titles)
        return network.with_contexts(logits, context_ids), cut

    @cached_property
    def _scorer(self) -> Any:
        return self.network.scorer(self.characters) if isinstance(self.network, Folded) else None

    def features(self, title: str) -> Features:
        """Return what the features of a title add to its logits, if the head is linear and follows a sum."""
        if isinstance(self.network, Folded):
            return self.network.features(self.characters.line([title]))
        return self.network.features(self.characters.batch([title]))
