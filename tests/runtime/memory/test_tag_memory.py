import gzip
import json

import numpy as np
import pytest
from scipy.special import expit
from titleclf.runtime.memory.tag_memory import TagMemory

from tests.helpers.titles import rows, tag_rows
from titleclf.data.augmentation.noise import misspell
from titleclf.runtime.choices import MemoryKind, Misspelling
from titleclf.runtime.errors import InputError
from titleclf.runtime.memory.known_titles import Sample
from titleclf.runtime.text.tags import tags_in

CATEGORIES = ["Live", "Long", "Music", "News", "Sports"]
TITLES = [title for title, _, _ in rows()]
TAGS = np.array([[name in tags_in(cell) for name in CATEGORIES] for _, cell, _ in tag_rows()])
WEIGHTS = (-1.0, 3.0, -2.0, 2.0)


def memory(kind=MemoryKind.fuzzy, titles=TITLES, tags=TAGS, weights=WEIGHTS) -> TagMemory:
    made = TagMemory.from_titles(kind, titles, np.array(tags))
    made.weights = np.array(weights)
    return made


def test_the_tags_of_a_neighbour_rise_and_all_others_fall():
    evidence = memory().evidence(TITLES, 5)
    assert evidence.dtype == np.float32
    assert ((evidence > 0) == TAGS).all()
    assert ((evidence < 0) == ~TAGS).all()
    assert evidence[TAGS] == pytest.approx(np.log1p(np.exp(2)))
    assert evidence[~TAGS] == pytest.approx(-np.log(2))


def test_evidence_grows_with_likeness():
    same, near, far = memory().evidence(["Tagesschau", "Tagesschaw", "Tagexschaw"], 5)
    assert (np.abs(same) > np.abs(near)).all()
    assert (np.abs(near) > np.abs(far)).all()
    assert (np.sign(same) == np.sign(far)).all()


@pytest.mark.parametrize("title", ["", "日本沈没", "zzzz"])
def test_without_a_neighbour_nothing_is_added(title):
    assert (memory().evidence([title], 5) == 0).all()
    assert memory().evidence([], 5).shape == (0, 5)


def test_evidence_is_the_same_alone_and_in_any_batch():
    titles = misspell(TITLES, list(Misspelling), 2, np.random.default_rng(1))
    together = memory().evidence(titles, 5)
    for row in range(0, len(titles), 7):
        assert (memory().evidence([titles[row]], 5)[0] == together[row]).all()


def test_a_title_with_several_sets_of_tags_gets_the_commonest_and_of_equals_the_first():
    one, other, both = [True, False], [False, True], [True, True]
    made = memory(titles=["Heat", "HEAT", "heat (1995)", "Zoo", "zoo"], tags=[one, both, both, other, one])
    assert made.keys == ["heat", "zoo"]
    assert made.tags.tolist() == [both, other]


def sample(tags: np.ndarray, logits: np.ndarray, titles=TITLES) -> Sample:
    return Sample(titles, logits, tags, 1.0)


def test_likely_neighbours_are_trusted_and_unlikely_ones_are_not():
    logits = np.random.default_rng(3).normal(size=TAGS.shape)
    trusted, doubted = memory(), memory()
    trusted.fit([sample(TAGS, logits)])
    doubted.fit([sample(~TAGS, logits)])
    assert np.abs(trusted.evidence(TITLES, 5)).min() > 1
    assert np.abs(doubted.evidence(TITLES, 5)).max() < 0.5
    assert np.isfinite(trusted.weights).all()


def test_fitted_weights_make_the_tags_likelier_than_any_near_them():
    generator = np.random.default_rng(4)
    titles = misspell(TITLES * 5, list(Misspelling), 2, generator)
    tags = np.tile(TAGS, (5, 1)) ^ (generator.random((250, 5)) < 0.1)
    logits = generator.normal(size=tags.shape)
    made = memory()
    made.fit([sample(tags, logits, titles)])

    def loss(weights: np.ndarray) -> float:
        leaning = logits + memory(weights=weights).evidence(titles, 5)
        likelihoods = [
            np.log(np.where(tags, expit(tempered), expit(-tempered))).sum(axis=1).mean()
            for temperature in np.geomspace(0.3, 3, 60)
            for tempered in [leaning / temperature + shift for shift in np.linspace(-1, 1, 41)]
        ]
        return -max(likelihoods) + 1e-3 * weights @ weights

    best = loss(made.weights)
    for step in np.vstack([np.eye(4), -np.eye(4)]) * 0.4:
        assert loss(made.weights + step) > best


def load(content: bytes, settings: object) -> TagMemory:
    return TagMemory.from_bytes(content, settings, CATEGORIES, "memory.jsonl.gz", "config.json: memory")


def test_bytes_bring_the_memory_back_and_are_the_same_each_time():
    made = memory()
    copy = load(made.to_bytes(CATEGORIES), json.loads(json.dumps({"kind": "fuzzy", "weights": list(WEIGHTS)})))
    assert (copy.kind, copy.keys) == (made.kind, made.keys)
    assert (copy.tags == made.tags).all()
    assert (copy.evidence(TITLES, 5) == made.evidence(TITLES, 5)).all()
    assert copy.to_bytes(CATEGORIES) == made.to_bytes(CATEGORIES)
    assert copy.settings() == made.settings()
    first = json.loads(gzip.decompress(made.to_bytes(CATEGORIES)).decode().splitlines()[0])
    assert first == {"title": "bbc news at ten", "categories": ["Live", "Long", "News"]}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"short", "memory.jsonl.gz must be whole gzipped JSON lines. Got: "),
        (
            gzip.compress(b'{"title": "a", "category": "News"}'),
            "memory.jsonl.gz must hold sorted titles with lists of their categories. Train or copy it again.",
        ),
        (gzip.compress(b'{"title": "a", "categories": "News"}'), "must hold sorted titles with lists of their"),
        (gzip.compress(b'{"title": "a", "categories": [3]}'), "must hold sorted titles with lists of their"),
        (gzip.compress(b'{"title": 3, "categories": []}'), "must hold sorted titles with lists of their"),
        (
            gzip.compress(b'{"title": "a", "categories": ["Film", "News"]}'),
            "memory.jsonl.gz must name the categories Live; Long; Music; News; Sports. Got Film. Train or copy it",
        ),
    ],
)
def test_damaged_titles_are_refused(content, sentence):
    with pytest.raises(InputError) as caught:
        load(content, {"kind": "fuzzy", "weights": [0.0] * 4})
    assert sentence in str(caught.value)


def test_settings_that_do_not_fit_are_refused():
    with pytest.raises(
        InputError, match=r"config.json: memory.weights must be 4 finite numbers. Got \[1.0\]. Train or"
    ):
        load(memory().to_bytes(CATEGORIES), {"kind": "fuzzy", "weights": [1.0]})
