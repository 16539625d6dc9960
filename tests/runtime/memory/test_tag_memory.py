import gzip
import json

import numpy as np
import pytest

from tests.helpers.titles import rows, tag_rows
from titleclf.data.augmentation.noise import misspell
from titleclf.runtime.choices import MemoryKind, Misspelling, Task
from titleclf.runtime.errors import InputError
from titleclf.runtime.memory.memory import Memory
from titleclf.runtime.text.tags import tags_in

CATEGORIES = ["Live", "Long", "Music", "News", "Sports"]
TITLES = [title for title, _, _ in rows()]
TAGS = np.array([[name in tags_in(cell) for name in CATEGORIES] for _, cell, _ in tag_rows()])
WEIGHTS = (-1.0, 3.0, -2.0, 2.0)


def memory_of(kind=MemoryKind.fuzzy, titles=TITLES, tags=TAGS, weights=WEIGHTS) -> Memory:
    memory = Memory.from_titles(kind, titles, np.array(tags))
    memory.weights = np.array(weights)
    return memory


def test_the_tags_of_a_neighbour_rise_and_all_others_fall():
    evidence = memory_of().evidence(TITLES, 5)
    assert evidence.dtype == np.float32
    assert ((evidence > 0) == TAGS).all()
    assert ((evidence < 0) == ~TAGS).all()
    assert evidence[TAGS] == pytest.approx(np.log1p(np.exp(2)))
    assert evidence[~TAGS] == pytest.approx(-np.log(2))


def test_evidence_grows_with_similarity():
    same, near, far = memory_of().evidence(["Tagesschau", "Tagesschaw", "Tagexschaw"], 5)
    assert (np.abs(same) > np.abs(near)).all()
    assert (np.abs(near) > np.abs(far)).all()
    assert (np.sign(same) == np.sign(far)).all()


@pytest.mark.parametrize("title", ["", "日本沈没", "zzzz"])
def test_without_a_neighbour_nothing_is_added(title):
    assert (memory_of().evidence([title], 5) == 0).all()
    assert memory_of().evidence([], 5).shape == (0, 5)


def test_evidence_is_the_same_alone_and_in_any_batch():
    titles = misspell(TITLES, list(Misspelling), 2, np.random.default_rng(1))
    together = memory_of().evidence(titles, 5)
    for row in range(0, len(titles), 7):
        assert (memory_of().evidence([titles[row]], 5)[0] == together[row]).all()


def test_a_title_with_several_sets_of_tags_gets_the_commonest_and_of_equals_the_first():
    first, second, both = [True, False], [False, True], [True, True]
    memory = memory_of(titles=["Heat", "HEAT", "heat (1995)", "Zoo", "zoo"], tags=[first, both, both, second, first])
    assert memory.known.keys == ["heat", "zoo"]
    assert memory.targets.tolist() == [both, second]
    assert memory.categories_of(0, ["a", "b"]) == ["a", "b"]


def load(content: bytes, settings: object) -> Memory:
    return Memory.from_bytes(content, settings, Task.multilabel, CATEGORIES, "memory.jsonl.gz", "config.json: memory")


def test_bytes_bring_the_memory_back_and_are_the_same_each_time():
    memory = memory_of()
    copy = load(memory.to_bytes(CATEGORIES), json.loads(json.dumps({"kind": "fuzzy", "weights": list(WEIGHTS)})))
    assert copy.known == memory.known
    assert (copy.targets == memory.targets).all()
    assert (copy.evidence(TITLES, 5) == memory.evidence(TITLES, 5)).all()
    assert copy.to_bytes(CATEGORIES) == memory.to_bytes(CATEGORIES)
    assert copy.settings() == memory.settings()
    first = json.loads(gzip.decompress(memory.to_bytes(CATEGORIES)).decode().splitlines()[0])
    assert first == {"title": "bbc news at ten", "categories": ["Live", "Long", "News"]}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"short", "memory.jsonl.gz must be whole gzipped JSON lines. Got: "),
        (
            gzip.compress(b'{"title": "a", "category": "News"}'),
            "memory.jsonl.gz must hold sorted titles, each with its list of categories. Train or copy it again.",
        ),
        (gzip.compress(b'{"title": "a", "categories": "News"}'), "must hold sorted titles, each with its list of"),
        (gzip.compress(b'{"title": "a", "categories": [3]}'), "must hold sorted titles, each with its list of"),
        (gzip.compress(b'{"title": 3, "categories": []}'), "must hold sorted titles, each with its list of"),
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
        load(memory_of().to_bytes(CATEGORIES), {"kind": "fuzzy", "weights": [1.0]})
