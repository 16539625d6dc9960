"""What a title's features add to the logits of a model that has a linear head."""

from typing import NamedTuple

from titleclf.arrays import Bools, Floats, Labels


class Features(NamedTuple):
    """The positional characters of a title, then its n-grams: with the head's bias they add up to its logits."""

    adds: Floats  # (features, categories)
    starts: Labels  # (features,): places, the mark of the beginning being one if there is one
    orders: Labels  # (features,)
    is_ngram: Bools  # (features,)
