"""Fitting which hashed n-grams are familiar: those of many training texts."""

from collections.abc import Iterator, Sequence

import numpy as np
from tqdm import tqdm

from titleclf.runtime.arrays import Labels
from titleclf.runtime.familiarity import Familiarity, TextTable, text_tables
from titleclf.runtime.text.characters import chunked
from titleclf.runtime.text.programmes import Programmes
from titleclf.training.network import TorchNetwork

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
        familiarity = Familiarity.of_counts(_texts_in(network, table, texts))
        sample = texts[:: max(len(texts) // _SAMPLE, 1)]
        shares = [familiarity.shares(*hashed) for hashed in _hashed(network, table, sample)]
        if shares:
            familiarities[table.prefix] = familiarity.with_least(np.concatenate(shares))
    network.familiarities = familiarities


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
