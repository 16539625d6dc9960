"""The vectors of characters, n-grams and titles, from an embeddings file or a model."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import embedding_bag

from titleclf.runtime.arrays import Floats
from titleclf.runtime.bundle.reader import model_folder
from titleclf.runtime.files import SHIPPED, shipped
from titleclf.runtime.text.characters import BOUNDARY, FIRST_CHARACTER, PAD, SPACE, UNK, Characters, chunked, normalise
from titleclf.runtime.text.ngrams import ngrams
from titleclf.training.embeddings import Embeddings, embeddings_of, read_embeddings
from titleclf.training.network import TorchNetwork, to_inputs
from titleclf.training.trained_model import load_trained

START, END = "\x02", "\x03"  # the boundary tokens, in n-grams as text
_MAX_LENGTH = 1000  # characters; embeddings files have no maximum length of titles
_BATCH = 1024  # titles
_MAX_COUNTED = 2_000_000  # n-grams

Indices = npt.NDArray[np.int64]
Encode = Callable[[Sequence[str]], Floats]


@dataclass(frozen=True)
class Vectors:
    """The vectors of one model; `encode` turns titles into (titles, dim). Untrained vectors are zero."""

    alphabet: Characters
    embeddings: Embeddings
    encode: Encode

    @property
    def characters(self) -> Floats:
        """The vectors of the alphabet (characters, dim), in the order of `alphabet.known`."""
        return self.embeddings.tables["characters"][FIRST_CHARACTER:].numpy()

    @property
    def ngrams(self) -> Floats | None:
        """The vectors of the n-gram buckets (buckets, dim), None for a model without n-grams."""
        table = self.embeddings.tables.get("ngrams")
        return None if table is None else table.numpy()

    def normalised(self, title: str) -> str:
        """Return a title as the model sees it."""
        return normalise(title, casefold=self.alphabet.casefold)

    def grams(self, title: str) -> Iterator[str]:
        """Yield the n-grams of a title as the model forms them, with START and END if it has boundary tokens."""
        text = self.normalised(title)
        if self.alphabet.boundary:
            text = f"{START}{text}{END}"
        for order in self.embeddings.meaning["orders"]:
            for start in range(len(text) - order + 1):
                gram = text[start : start + order]
                if self.embeddings.meaning["across_words"] or " " not in gram[1:-1]:
                    yield gram

    def buckets(self, grams: Sequence[str]) -> Indices:
        """Return the row (grams,) of each n-gram in `ngrams`."""
        orders, buckets = self.embeddings.meaning["orders"], self.embeddings.meaning["buckets"]
        ids = np.full((len(grams), max(orders)), PAD, dtype=np.int64)
        for row, gram in zip(ids, grams, strict=True):
            row[: len(gram)] = [self._ids.get(character, UNK) for character in gram]
        hashed, counts = ngrams(ids, ids != PAD, orders, buckets, across_words=True)
        rows: Indices = hashed[counts.cumsum() - 1]  # the last n-gram of each row is the longest: the row itself
        return rows

    @cached_property
    def _ids(self) -> dict[str, int]:
        characters = {character: index for index, character in enumerate(self.alphabet.known, FIRST_CHARACTER)}
        return characters | {" ": SPACE, START: BOUNDARY, END: BOUNDARY}


def open_vectors(source: str) -> Vectors:
    """Open a file of embeddings, a bundle, a run's folder, or `shipped`: the embeddings that ship with the package.

    A model encodes titles itself. A file lacks the positions of characters and the way to combine them: there, a title
    is the sum of its n-grams, or of its characters if it has no n-grams. The cosine ignores the missing scale.
    """
    path = shipped("data/embeddings.safetensors") if source == SHIPPED else model_folder(source)
    if not path.is_dir():
        return _of_file(read_embeddings(path, "--embeddings"))
    network = load_trained(path).network
    embeddings = embeddings_of(network.encoder, network.model, network.characters, source)
    return Vectors(network.characters, embeddings, lambda titles: _encoded(network, titles))


def common_grams(vectors: Vectors, titles: Iterable[str], top: int, max_counted: int = _MAX_COUNTED) -> list[str]:
    """Return the `top` most common n-grams of titles; beyond `max_counted`, the rarest so far are dropped."""
    counts: Counter[str] = Counter()
    for batch in chunked(titles, _BATCH):
        counts.update(gram for title in batch for gram in vectors.grams(title))
        rare = 1
        while len(counts) > max_counted:
            counts = Counter({gram: count for gram, count in counts.items() if count > rare})
            rare += 1
    return [gram for gram, _ in counts.most_common(top)]


def _of_file(embeddings: Embeddings) -> Vectors:
    meaning = embeddings.meaning
    alphabet = Characters(embeddings.known, meaning["casefold"], meaning["boundary"], _MAX_LENGTH)
    return Vectors(alphabet, embeddings, lambda titles: _summed(alphabet, embeddings, titles))


def _summed(alphabet: Characters, embeddings: Embeddings, titles: Sequence[str]) -> Floats:
    ids, mask = alphabet.batch(titles)
    if "ngrams" in embeddings.tables:
        table, meaning = embeddings.tables["ngrams"], embeddings.meaning
        rows, counts = ngrams(ids, mask, meaning["orders"], len(table), across_words=meaning["across_words"])
    else:
        table, in_alphabet = embeddings.tables["characters"], ids >= FIRST_CHARACTER
        rows, counts = ids[in_alphabet], in_alphabet.sum(axis=1)
    starts = torch.from_numpy(counts.cumsum() - counts)
    return embedding_bag(torch.from_numpy(rows), table, starts, mode="sum").numpy()


def _encoded(network: TorchNetwork, titles: Sequence[str]) -> Floats:
    network.eval()
    with torch.inference_mode():
        inputs = to_inputs(network.characters.batch(titles), network.model, network.device)
        encoded: Floats = network.encoder(inputs).cpu().numpy()
    return encoded
