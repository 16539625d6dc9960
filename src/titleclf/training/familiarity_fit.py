"""Fitting which hashed n-grams are familiar: those of many training texts."""

from collections.abc import Iterator, Sequence

import numpy as np
from tqdm import tqdm

from titleclf.runtime.arrays import Labels
from titleclf.runtime.bundle.familiarity import Familiarity, TextTable, text_tables
from titleclf.runtime.text.characters import chunked
from titleclf.runtime.text.programmes import Programmes
from titleclf.training.network import TorchNetwork

_FRACTION = 0.05  # of the buckets at most: so many n-grams of random letters are taken for familiar ones
_QUANTILE = 0.2  # of the texts of training have a smaller share of familiar n-grams than the least that counts in full
_CHUNK = 1024  # texts
_SAMPLE = 20_000  # texts whose shares stand for those of all


def fit_familiarity(network: TorchNetwork, programmes: Programmes) -> None:
    """Set which n-grams of titles and of other texts are familiar, from the programmes of training.

    Texts that hardly resemble these then say less. A model of which nothing is hashed has no familiarity.
    """
    familiarities = {}
    for table in text_tables(network.model):
        column = programmes.titles if table.field is None else programmes.columns.get(table.field.column, [])
        texts = list(dict.fromkeys(text for text in column if text))
        if texts:
            found = _texts_in(network, table, texts)
            few = few_texts(found)
            # Each text is compared with all others, as a new text would be.
            others = Familiarity(found - 1 > few, least=1.0)
            sample = texts[:: max(len(texts) // _SAMPLE, 1)]
            shares = np.concatenate([others.shares(*hashed) for hashed in _hashed(network, table, sample)])
            least = float(np.float32(np.quantile(shares, _QUANTILE)))
            familiarities[table.prefix] = Familiarity(found > few, least)
    network.familiarities = familiarities


def few_texts(found: Labels) -> int:
    """Return the number of texts up to which a bucket is not familiar, by those in each bucket (buckets,).

    It is at least 1: one text is no evidence.
    """
    place = len(found) - max(int(_FRACTION * len(found)), 1)
    return max(int(np.partition(found, place)[place - 1]), 1) if place else 1


def _texts_in(network: TorchNetwork, table: TextTable, texts: Sequence[str]) -> Labels:
    """Return how many texts have an n-gram in each bucket (buckets,)."""
    found = np.zeros(table.buckets, dtype=np.int64)
    for buckets, counts in _hashed(network, table, texts):
        rows = np.repeat(np.arange(len(counts)), counts)
        found += np.bincount(np.unique(rows * table.buckets + buckets) % table.buckets, minlength=table.buckets)
    return found


def _hashed(network: TorchNetwork, table: TextTable, texts: Sequence[str]) -> Iterator[tuple[Labels, Labels]]:
    """Yield the buckets of some texts, and how many n-grams each has."""
    for chunk in tqdm(list(chunked(texts, _CHUNK)), "familiar n-grams", leave=False, disable=None):
        programmes = Programmes(chunk) if table.field is None else Programmes(chunk, {table.field.column: chunk})
        inputs = network.inputs(programmes)
        if table.field is None:
            yield inputs.grams.cpu().numpy(), inputs.gram_counts.cpu().numpy()
        else:
            bag = inputs.fields[table.field]
            yield bag.buckets.cpu().numpy(), bag.counts.cpu().numpy()
