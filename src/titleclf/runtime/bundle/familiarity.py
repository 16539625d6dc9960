"""How familiar a text is from training: a model's confidence in what it has hardly seen must not come from chance.

A bucket of hashed n-grams is familiar if many texts of training have an n-gram in it. An unknown word still hits
buckets, and what these have learned from other words is noise, often more of it than a known word has evidence. So the
logits of a text are multiplied by min(1, share / least)^2: `share` of its n-grams are familiar, and `least` is the
share that most texts of training reach.
"""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from titleclf.runtime.architecture import ModelConfig, NgramConfig
from titleclf.runtime.arrays import Bools, Floats, Labels
from titleclf.runtime.bundle.folding import NGRAMS, field_prefix
from titleclf.runtime.bundle.packing import Array
from titleclf.runtime.choices import Field
from titleclf.runtime.errors import InputError
from titleclf.runtime.text.fields import TEXTS

FAMILIAR, LEAST = PARTS = ("familiar", "least")  # tensors, after the prefix of the text's table
_EXPONENT = 2


@dataclass(frozen=True)
class Familiarity:
    """Which buckets (buckets,) are familiar, and the share of familiar n-grams at which a text counts in full."""

    is_familiar: Bools
    least: float

    def shares(self, buckets: Labels, counts: Labels) -> Floats:
        """Return the share of familiar n-grams (texts,) of texts that stand one after the other, `counts` each.

        A text without n-grams has nothing unfamiliar.
        """
        ends = counts.cumsum()
        found = np.concatenate([[0], self.is_familiar[buckets].cumsum()])
        return shares_of(found[ends] - found[ends - counts], counts)

    def factors(self, buckets: Labels, counts: Labels) -> Floats:
        """Return what the logits of texts are multiplied by (texts,)."""
        return factors(self.shares(buckets, counts), self.least)

    def tensors(self, prefix: str) -> dict[str, Array]:
        """Return the tensors of a bundle."""
        packed = zlib.compress(np.packbits(self.is_familiar).tobytes(), 9)
        return {
            f"{prefix}{FAMILIAR}": np.frombuffer(packed, dtype=np.uint8),
            f"{prefix}{LEAST}": np.array([self.least], dtype=np.float32),
        }

    @classmethod
    def from_tensors(cls, weights: Mapping[str, Array], prefix: str, buckets: int, where: str) -> "Familiarity | None":
        """Read the tensors of a bundle; None if it has none.

        Raises
        ------
        InputError
            If they are damaged, or do not fit the number of buckets; `where` names their origin.
        """
        packed, least = (weights.get(f"{prefix}{part}") for part in PARTS)
        if packed is None and least is None:
            return None
        size = -(-buckets // 8)
        content = None if packed is None or packed.dtype != np.uint8 else _unpacked(packed.tobytes(), size)
        if content is None or least is None or least.shape != (1,) or not 0 <= float(least[0]) <= 1:
            raise InputError(
                f"{where} must say which of {buckets} buckets are familiar, and for which share. Got damaged "
                f"{prefix}{FAMILIAR}. Export or copy it again."
            )
        bits = np.unpackbits(np.frombuffer(content, dtype=np.uint8), count=buckets)
        return cls(bits.astype(np.bool_), float(least[0]))


def familiarities(weights: Mapping[str, Array], model: ModelConfig, where: str) -> dict[str, Familiarity]:
    """Return the familiarity of each text that has one, by the prefix of its table.

    Raises
    ------
    InputError
        If one is damaged; `where` names their origin.
    """
    found = {
        table.prefix: Familiarity.from_tensors(weights, table.prefix, table.buckets, where)
        for table in text_tables(model)
    }
    return {prefix: familiarity for prefix, familiarity in found.items() if familiarity is not None}


class TextTable(NamedTuple):
    """The table of a text's hashed n-grams: the prefix of its tensors, its buckets, and the field, None for titles."""

    prefix: str
    buckets: int
    field: Field | None


def text_tables(model: ModelConfig) -> list[TextTable]:
    """Return the tables of all texts that the model reads."""
    titles = [TextTable(NGRAMS, model.buckets, None)] if isinstance(model, NgramConfig) else []
    used = [name for name in TEXTS if name in model.fields.use]
    return [*titles, *(TextTable(field_prefix(name), model.fields.text_buckets, name) for name in used)]


def shares_of(found: Labels, counts: Labels) -> Floats:
    """Return the share (texts,) of so many n-grams that are familiar, both (texts,)."""
    shares: Floats = np.where(counts > 0, found / np.maximum(counts, 1), 1.0)
    return shares


def factors(shares: Floats, least: float) -> Floats:
    """Return what the logits of texts with these shares (texts,) are multiplied by (texts,)."""
    if least == 0:
        return np.ones_like(shares)
    found: Floats = np.minimum(shares / least, 1.0) ** _EXPONENT
    return found


def without_familiarity(weights: Mapping[str, Array]) -> dict[str, Array]:
    """Return the tensors that are weights."""
    return {name: array for name, array in weights.items() if name.rpartition(".")[2] not in PARTS}


def _unpacked(packed: bytes, size: int) -> bytes | None:
    """Return `size` unpacked bytes; None if it is another number, however many more there are."""
    decompressor = zlib.decompressobj()
    try:
        content = decompressor.decompress(packed, size + 1)
    except zlib.error:
        return None
    return content if len(content) == size and decompressor.eof else None
