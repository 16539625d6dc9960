"""The fields beside the title as hashed features: what a channel, a duration or a description looks like to a model."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import Any, NamedTuple, assert_never

import numpy as np

from titleclf.runtime.architecture import FieldsConfig
from titleclf.runtime.choices import Field
from titleclf.runtime.text.channels import ChannelList, fold_channel
from titleclf.runtime.text.characters import Ids, code_points
from titleclf.runtime.text.ngrams import rolling_buckets
from titleclf.runtime.text.programmes import Programme, Programmes
from titleclf.runtime.text.words import TextFeatures, hash_texts, locate

# Minutes: a span begins at each edge. Few programmes last longer than four hours: some guides let one last until the
# next day where nothing follows.
EDGES = (0, 4, 8, 12, 18, 24, 28, 33, 43, 48, 53, 58, 63, 75, 88, 95, 105, 118, 135, 165, 240)
TEXTS = (Field.description, Field.sub_title)
_CACHED = 100_000  # values, more than a guide has channels
_FEW = 4096  # buckets of fields with dozens of values, such as languages
_YEARS = 5  # in a span
_FIRST_YEAR = 1900


class Bags(NamedTuple):
    """The features of some values: `buckets` (features,), value by value, and their numbers, `counts` (values,)."""

    buckets: Ids
    counts: Ids


@dataclass
class FieldEncoder:
    """Turns the fields that a model uses into hashed features; a missing or unknown value has none.

    `own_channels` says what kind of channel each is, before the list that comes with the package.
    """

    config: FieldsConfig
    own_channels: ChannelList | None = None
    _features: dict[tuple[Field, Any], list[int]] = field(default_factory=dict, init=False)

    def sizes(self) -> dict[Field, int]:
        """Return the number of buckets of each field."""
        return {name: buckets_of(name, self.config) for name in self.config.use}

    def encode(self, programmes: Programmes) -> dict[Field, Bags]:
        """Return the features of each field that any of the programmes has."""
        return {
            name: self._encoded(name, programmes.columns[name.column])
            for name in self.config.use
            if name.column in programmes.columns
        }

    def words(self, name: Field, programme: Programme) -> list[tuple[str, int]]:
        """Return the features of a text field as they are written, with their buckets; none of other fields."""
        text = getattr(programme, name.column)
        if name not in TEXTS or not text:
            return []
        return locate(text[: self.config.text_length], self._text_features)

    @property
    def _text_features(self) -> TextFeatures:
        return TextFeatures(self.config.text_orders, self.config.text_characters, self.config.text_buckets)

    def _encoded(self, name: Field, values: Sequence[Any]) -> Bags:
        if name in TEXTS:
            texts = [(text or "")[: self.config.text_length] for text in values]
            return Bags(*hash_texts(texts, self._text_features))
        if len(self._features) > _CACHED:
            self._features.clear()
        bags = [self._features_of(name, value) for value in values]
        counts = np.fromiter(map(len, bags), dtype=np.int64, count=len(bags))
        return Bags(np.fromiter(chain.from_iterable(bags), np.int64, count=counts.sum()), counts)

    def _features_of(self, name: Field, value: Any) -> list[int]:
        """Return the features of a value; guides repeat channels and durations."""
        if value is None:
            return []
        features = self._features.get((name, value))
        if features is None:
            features = self._features[name, value] = self._encoded_value(name, value)
        return features

    def _encoded_value(self, name: Field, value: Any) -> list[int]:
        match name:
            case Field.channel:
                return self._channel(value)
            case Field.channel_kind:
                return [_hashed(category) for category in self._channels.categories_of(value)]
            case Field.minutes:
                return [int(np.searchsorted(EDGES, value, side="right"))]
            case Field.language:
                return [_hashed(value.replace("_", "-").split("-")[0].casefold())]
            case Field.year:
                return [min(max(int(value) - _FIRST_YEAR, 0) // _YEARS, _FEW - 1)]
            case Field.description | Field.sub_title:
                raise AssertionError(name)  # texts are encoded together
            case _:
                assert_never(name)

    def _channel(self, channel: str) -> list[int]:
        """Return the character n-grams of a channel's folded name, and the name as a whole."""
        folded = fold_channel(channel)
        if not folded:
            return []
        codes, buckets = code_points(f" {folded} ").astype(np.uint64), self.config.channel_buckets
        orders = [order for order in self.config.channel_orders if order <= len(codes)]
        found, _ = rolling_buckets(codes, np.array([len(codes)]), [*orders, len(codes)], buckets)
        return [int(bucket) for bucket in found]

    @cached_property
    def _channels(self) -> ChannelList:
        shipped = ChannelList.shipped()  # only now: most commands don't need it
        return shipped if self.own_channels is None else shipped.merged(self.own_channels)


def buckets_of(name: Field, config: FieldsConfig) -> int:
    """Return the number of rows of a field's table."""
    match name:
        case Field.description | Field.sub_title:
            return config.text_buckets
        case Field.channel:
            return config.channel_buckets
        case Field.minutes:
            return len(EDGES) + 1
        case Field.channel_kind | Field.language | Field.year:
            return _FEW
        case _:
            assert_never(name)


def _hashed(text: str) -> int:
    codes = code_points(text).astype(np.uint64)
    found, _ = rolling_buckets(codes, np.array([len(codes)]), [len(codes)], _FEW)
    return int(found[0])
