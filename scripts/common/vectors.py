"""What a file of embeddings or a model knows: the vectors of its characters and n-grams, and those of titles."""

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
from titleclf.runtime.text.characters import BOUNDARY, FIRST_CHARACTER, PAD, SPACE, UNK, Characters, chunked, normalise
from titleclf.runtime.text.ngrams import ngrams
from titleclf.training.embeddings import Embeddings, embeddings_of, read_embeddings
from titleclf.training.network import to_inputs
from titleclf.training.trained_model import Bundle, load_bundle

START, END = "\x02", "\x03"  # the boundary marks, in n-grams as text
_ROOM = 1000  # characters; a file of embeddings doesn't say how long titles are
_AT_ONCE = 1024  # titles
_COUNTED = 2_000_000  # n-grams

Places = npt.NDArray[np.int64]
Encode = Callable[[Sequence[str]], Floats]


@dataclass(frozen=True)
class Vectors:
    """The vectors of one model; `encode` turns titles into (titles, dim).

    A vector that is zero stands for something of which nothing is known.
    """

    alphabet: Characters
    embeddings: Embeddings
    encode: Encode

    @property
    def characters(self) -> Floats:
        """The vectors of the known characters (characters, dim), in the order of `alphabet.known`."""
        return self.embeddings.tables["characters"][FIRST_CHARACTER:].numpy()

    @property
    def ngrams(self) -> Floats | None:
        """The vectors of the n-grams' buckets (buckets, dim), if the model has n-grams."""
        table = self.embeddings.tables.get("ngrams")
        return None if table is None else table.numpy()

    def normalised(self, title: str) -> str:
        """Return what the model sees of a title."""
        return normalise(title, casefold=self.alphabet.casefold)

    def grams(self, title: str) -> Iterator[str]:
        """Yield the n-grams of a title as the model takes it, with START and END if it marks them."""
        text = self.normalised(title)
        if self.alphabet.boundary:
            text = f"{START}{text}{END}"
        for order in self.embeddings.meaning["orders"]:
            for start in range(len(text) - order + 1):
                gram = text[start : start + order]
                if self.embeddings.meaning["across_words"] or " " not in gram[1:-1]:
                    yield gram

    def buckets(self, grams: Sequence[str]) -> Places:
        """Return the row (grams,) that each n-gram has in `ngrams`."""
        orders, buckets = self.embeddings.meaning["orders"], self.embeddings.meaning["buckets"]
        ids = np.full((len(grams), max(orders)), PAD, dtype=np.int64)
        for row, gram in zip(ids, grams, strict=True):
            row[: len(gram)] = [self._ids.get(character, UNK) for character in gram]
        hashed, counts = ngrams(ids, ids != PAD, orders, buckets, across_words=True)
        return hashed[counts.cumsum() - 1]  # the last of each row is the longest: the n-gram itself

    @cached_property
    def _ids(self) -> dict[str, int]:
        known = {character: number for number, character in enumerate(self.alphabet.known, FIRST_CHARACTER)}
        return known | {" ": SPACE, START: BOUNDARY, END: BOUNDARY}


def open_vectors(given: str) -> Vectors:
    """Open a file of embeddings, a bundle, a run's folder, or `shipped`.

    A model encodes titles itself. A file doesn't say where characters stand nor how they are combined: there, a title
    is the sum of its n-grams, or of its characters if it has none. By cosine, the root of their number is no matter.
    """
    path = model_folder(given)
    if not path.is_dir():
        return _of_file(read_embeddings(path, "--embeddings"))
    bundle = load_bundle(path)
    embeddings = embeddings_of(bundle.network.encoder, bundle.network.config, bundle.characters, given)
    return Vectors(bundle.characters, embeddings, lambda titles: _encoded(bundle, titles))


def common_grams(vectors: Vectors, titles: Iterable[str], most: int, room: int = _COUNTED) -> list[str]:
    """Return the `most` n-grams that are commonest in titles; past `room` of them, the rarest so far are forgotten."""
    counts: Counter[str] = Counter()
    for some in chunked(titles, _AT_ONCE):
        counts.update(gram for title in some for gram in vectors.grams(title))
        rare = 1
        while len(counts) > room:
            counts = Counter({gram: count for gram, count in counts.items() if count > rare})
            rare += 1
    return [gram for gram, _ in counts.most_common(most)]


def _of_file(embeddings: Embeddings) -> Vectors:
    meaning = embeddings.meaning
    alphabet = Characters(embeddings.known, meaning["casefold"], meaning["boundary"], _ROOM)
    return Vectors(alphabet, embeddings, lambda titles: _summed(alphabet, embeddings, titles))


def _summed(alphabet: Characters, embeddings: Embeddings, titles: Sequence[str]) -> Floats:
    ids, mask, _ = alphabet.batch(titles)
    if "ngrams" in embeddings.tables:
        table, meaning = embeddings.tables["ngrams"], embeddings.meaning
        rows, counts = ngrams(ids, mask, meaning["orders"], len(table), across_words=meaning["across_words"])
    else:
        table, known = embeddings.tables["characters"], ids >= FIRST_CHARACTER
        rows, counts = ids[known], known.sum(axis=1)
    starts = torch.from_numpy(counts.cumsum() - counts)
    return embedding_bag(torch.from_numpy(rows), table, starts, mode="sum").numpy()


def _encoded(bundle: Bundle, titles: Sequence[str]) -> Floats:
    bundle.network.eval()
    with torch.inference_mode():
        inputs = to_inputs(bundle.characters.batch(titles), bundle.network.config, bundle.device)
        return bundle.network.encoder(inputs).cpu().numpy()
