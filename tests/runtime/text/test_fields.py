"""Fields as hashed features: equal values have equal ones, and what is missing has none."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.helpers.networks import TEXTS, TITLES, with_random_fields
from titleclf.runtime import speedups
from titleclf.runtime.architecture import FieldsConfig
from titleclf.runtime.choices import Field
from titleclf.runtime.text.fields import EDGES, FieldEncoder, buckets_of
from titleclf.runtime.text.programmes import COLUMNS, Programmes
from titleclf.runtime.text.words import TextFeatures, hash_texts

CONFIG = FieldsConfig(
    use=list(Field),
    text_orders=[1, 2],
    text_characters=[],
    text_buckets=4999,
    text_length=300,
    channel_orders=[2, 3],
    channel_buckets=1024,
    dropout=0.0,
    feature_dropout=0.0,
)
OWN_TABLE = [Field.description, Field.sub_title, Field.channel, Field.minutes, Field.language, Field.year]
SOME: dict[str, Any] = {
    "channel": "news.24",
    "minutes": 15.0,
    "description": "Headlines of the day",
    "sub_title": "Part 2",
    "year": 1999,
    "language": "de",
}


def features(name: str, *values: Any, config: FieldsConfig = CONFIG) -> list[list[int]]:
    """Return the features of each value of a column, in the field of the same name."""
    bags = FieldEncoder(config).encode(Programmes([""] * len(values), {name: list(values)}))[Field(name)]
    assert bags.buckets.dtype == bags.counts.dtype == np.int64
    assert bags.counts.sum() == len(bags.buckets)
    ends = bags.counts.cumsum()
    return [bags.buckets[end - count : end].tolist() for end, count in zip(ends, bags.counts, strict=True)]


def hashed(text: str, config: FieldsConfig) -> list[int]:
    features = TextFeatures(config.text_orders, config.text_characters, config.text_buckets)
    found: list[int] = hash_texts([text], features)[0].tolist()
    return found


def test_every_field_has_a_column_of_programmes():
    assert {field.column for field in Field} == set(COLUMNS)
    assert Field.channel_kind.column == Field.channel.column == "channel"


def test_fields_are_encoded_if_they_are_used_and_any_programme_has_their_column():
    programmes = with_random_fields(TITLES)
    assert set(FieldEncoder(CONFIG).encode(programmes)) == set(Field)
    assert set(FieldEncoder(replace(CONFIG, use=[Field.year])).encode(programmes)) == {Field.year}
    assert FieldEncoder(replace(CONFIG, use=[])).encode(programmes) == {}
    assert FieldEncoder(CONFIG).encode(Programmes(TITLES)) == {}
    channels = FieldEncoder(CONFIG).encode(programmes.only(["channel"]))
    assert set(channels) == {Field.channel, Field.channel_kind}


def test_sizes_are_those_of_the_tables_and_buckets_lie_within():
    encoder = FieldEncoder(CONFIG)
    sizes = encoder.sizes()
    assert list(sizes) == CONFIG.use
    assert sizes == {name: buckets_of(name, CONFIG) for name in Field}
    assert (sizes[Field.description], sizes[Field.sub_title], sizes[Field.channel]) == (4999, 4999, 1024)
    assert sizes[Field.minutes] == len(EDGES) + 1
    programmes = with_random_fields(TITLES * 20)
    for name, (buckets, counts) in encoder.encode(programmes).items():
        assert len(counts) == len(programmes)
        assert ((buckets >= 0) & (buckets < sizes[name])).all()


@pytest.mark.parametrize("name", OWN_TABLE)
def test_a_missing_value_has_no_features(name):
    before, missing, after = features(name.column, SOME[name.column], None, SOME[name.column])
    assert before == after != []
    assert missing == []
    assert features(name.column, None, None) == [[], []]
    assert features(name.column) == []


@pytest.mark.parametrize("name", OWN_TABLE)
def test_the_same_value_has_the_same_features_in_any_batch(name):
    programmes = with_random_fields(TITLES * 3)
    values = programmes.columns[name.column]
    together = features(name.column, *values)
    assert together == [features(name.column, value)[0] for value in values]
    assert features(name.column, *reversed(values)) == together[::-1]


@pytest.mark.parametrize("name", ["description", "sub_title"])
def test_texts_have_the_ngrams_of_their_first_words(name):
    (found,) = features(name, "Headlines of the day")
    assert found == hashed("Headlines of the day", CONFIG)
    assert len(found) == 4 + 3
    short = replace(CONFIG, text_length=12)
    assert features(name, "Headlines of the day", config=short) == features(name, "Headlines of")
    assert features(name, "", "?!", " ") == [[], [], []]
    assert features(name, "Of the DAY!") == features(name, "of the day")
    other = replace(CONFIG, text_orders=[1], text_buckets=64)
    assert features(name, "of the", config=other) == [hashed("of the", other)]
    inside = replace(CONFIG, text_characters=[3])
    (with_characters,) = features(name, "of the", config=inside)
    assert with_characters == hashed("of the", inside)
    assert len(with_characters) == 3 + 2 + 3  # of, of the, the; _of of_; _th the he_


def test_descriptions_and_sub_titles_are_fields_of_their_own():
    programmes = Programmes(["", ""], {"description": ["a b", None], "sub_title": [None, "a b"]})
    bags = FieldEncoder(CONFIG).encode(programmes)
    assert bags[Field.description].buckets.tolist() == bags[Field.sub_title].buckets.tolist()
    assert bags[Field.description].counts.tolist() == [3, 0]
    assert bags[Field.sub_title].counts.tolist() == [0, 3]


def test_channels_have_the_ngrams_of_their_names_and_the_whole_name():
    (name,) = features("channel", "bbc")  # " bbc ": four of two characters, three of three, and all five
    assert len(name) == 4 + 3 + 1
    assert features("channel", "BBC") == [name]
    (longer,) = features("channel", "bbc x")
    assert len(set(name) & set(longer)) >= 5
    assert name[-1] != longer[-1]
    (short,) = features("channel", "b", config=replace(CONFIG, channel_orders=[5, 3, 9]))  # " b " is all there is
    assert len(short) == 1
    (order_of_all,) = features("channel", "b", config=replace(CONFIG, channel_orders=[3]))
    assert order_of_all == short
    assert len({tuple(found) for found in features("channel", "one", "two", "eno", "日本テレビ", "📺")}) == 5


def test_durations_have_the_span_that_they_lie_in():
    minutes = [0, 3.9, 4, 7.99, 8, 239, 240, 1440, 1e300]
    assert features("minutes", *minutes) == [[1], [1], [2], [2], [3], [20], [21], [21], [21]]
    assert [features("minutes", edge) for edge in EDGES] == [[[place]] for place in range(1, len(EDGES) + 1)]


def test_years_have_the_span_that_they_lie_in():
    years = [1999, 1995, 1994, 2000, 1900, 0, 1899, 99_999, 10**300]
    spans = features("year", *years)
    assert spans == [[19], [19], [18], [20], [0], [0], [0], [4095], [4095]]


def test_languages_have_one_feature_whatever_the_country():
    german, austrian, upper, english = features("language", "de", "de-AT", "DE_de", "en")
    assert german == austrian == upper != english
    assert len(german) == 1


@pytest.mark.parametrize("characters", [[], [3, 5]])
def test_pure_and_compiled_features_are_the_same(monkeypatch, characters):
    programmes, config = with_random_fields([*TITLES, *TEXTS]), replace(CONFIG, text_characters=characters)
    assert speedups.compiled is not None
    found = FieldEncoder(config).encode(programmes)
    monkeypatch.setattr(speedups, "compiled", None)
    expected = FieldEncoder(config).encode(programmes)
    for name in Field:
        assert found[name].buckets.tolist() == expected[name].buckets.tolist()
        assert found[name].counts.tolist() == expected[name].counts.tolist()
