import gzip
import json
from collections import Counter
from dataclasses import asdict

import numpy as np
import pytest

from tests.helpers.titles import rows, tag_rows
from titleclf.data.augmentation.noise import misspell, reformat
from titleclf.runtime.choices import Format, MemoryKind, Misspelling, Task
from titleclf.runtime.errors import InputError
from titleclf.runtime.memory import trigram_index
from titleclf.runtime.memory.known_titles import KnownTitles
from titleclf.runtime.memory.memory import Memory
from titleclf.runtime.memory.trigram_index import Index
from titleclf.runtime.text.tags import tags_in
from titleclf.runtime.text.title_keys import key_of

TITLES = [title for title, _, _ in rows()]
CATEGORIES = ["Music", "News", "Sports"]
LABELS = np.array([CATEGORIES.index(category) for _, category, _ in rows()])
WEIGHTS = (-1.0, 3.0)
TAG_NAMES = ["Live", "Long", "Music", "News", "Sports"]
TAGS = np.array([[name in tags_in(cell) for name in TAG_NAMES] for _, cell, _ in tag_rows()])
TAG_WEIGHTS = (-1.0, 3.0, -2.0, 2.0)


def memory_of(kind=MemoryKind.fuzzy, titles=TITLES, labels=LABELS, weights=WEIGHTS) -> Memory:
    memory = Memory.from_titles(kind, titles, np.array(labels))
    memory.weights = np.array(weights)
    return memory


def tag_memory_of(kind=MemoryKind.fuzzy, titles=TITLES, tags=TAGS, weights=TAG_WEIGHTS) -> Memory:
    return memory_of(kind, titles, tags, weights)


def nearest_key(known: KnownTitles, title: str) -> str | None:
    place = known.nearest([title]).places[0]
    return None if place < 0 else known.keys[place]


def generator() -> np.random.Generator:
    return np.random.default_rng(2)


@pytest.mark.parametrize(
    "title", ["TAGESSCHAU", "  tagesschau ", "Tagesschau (2019)", "Tagesschau S02E03", "Tágesschaü", "Tagesschau!"]
)
@pytest.mark.parametrize("kind", [MemoryKind.exact, MemoryKind.fuzzy])
def test_a_known_title_is_found_in_any_spelling(title, kind):
    known = memory_of(kind).known
    assert nearest_key(known, title) == "tagesschau"
    assert known.nearest([title]).similarity.tolist() == [1.0]


def test_a_key_has_no_accents_composed_or_decomposed():
    assert key_of("Café") == key_of("Cafe\u0301") == key_of("CAFE") == "cafe"
    assert key_of("Ночной эфир") == "ночнои эфир"
    assert key_of("24") == "24"
    assert key_of("¨") == "¨"  # a lone accent is its own key


def test_misspelt_known_titles_find_their_originals():
    known = memory_of().known
    neighbours = known.nearest(misspell(TITLES, list(Misspelling), 1, np.random.default_rng(0)))
    originals = known.nearest(TITLES).places
    assert (neighbours.places == originals).mean() > 0.9
    assert ((neighbours.similarity > 0) & (neighbours.similarity <= 1)).all()
    assert neighbours.similarity.mean() < 0.9


@pytest.mark.parametrize("kind", [MemoryKind.exact, MemoryKind.fuzzy])
def test_matches_are_the_titles_with_a_neighbour(kind):
    known = memory_of(kind).known
    titles = ["Tagesschaw", "zzzz", "Tagesschau", "", "TAGESSCHAU (2019)", "日本沈没"]
    places, similarity = known.nearest(titles)
    matches = known.matches(titles)
    assert matches.rows.tolist() == np.flatnonzero(places >= 0).tolist()
    assert matches.places.tolist() == places[matches.rows].tolist()
    assert matches.similarity.tolist() == similarity[matches.rows].tolist()
    assert (similarity[places < 0] == 0).all()
    assert len(known.matches([]).rows) == 0


@pytest.mark.parametrize("title", ["", " ", "日本沈没", "zzzz", "\N{SNOWMAN}"])
def test_an_empty_title_and_one_of_unknown_trigrams_have_no_neighbour(title):
    memory = memory_of()
    assert nearest_key(memory.known, title) is None
    assert (memory.evidence([title], 3) == 0).all()


def test_only_a_fuzzy_memory_finds_similar_titles():
    titles = ["Tagesschau", "Tagesschaw", "News"]
    assert (memory_of(MemoryKind.exact).known.nearest(titles).places >= 0).tolist() == [True, False, False]
    assert (memory_of(MemoryKind.fuzzy).known.nearest(titles).places >= 0).all()


def test_evidence_is_for_one_category_and_grows_with_similarity():
    evidence = memory_of().evidence(["Tagesschau", "Tagesschaw", "Tagexschaw"], 3)
    assert evidence.dtype == np.float32
    assert (evidence[:, [0, 2]] == 0).all()
    assert evidence[0, 1] > evidence[1, 1] > evidence[2, 1] > 0
    assert evidence[0, 1] == pytest.approx(np.log1p(np.exp(2)))


@pytest.mark.parametrize("weights", [(-50.0, 0.0), (0.0, 0.0), (50.0, 3.0)])
def test_evidence_is_never_negative_and_always_finite(weights):
    evidence = memory_of(weights=weights).evidence([*TITLES, "Tagesschaw", "zzzz"], 3)
    assert (evidence >= 0).all()
    assert np.isfinite(evidence).all()


def test_evidence_raises_the_tags_of_a_neighbour_and_lowers_all_others():
    evidence = tag_memory_of().evidence(TITLES, 5)
    assert evidence.dtype == np.float32
    assert ((evidence > 0) == TAGS).all()
    assert ((evidence < 0) == ~TAGS).all()
    assert evidence[TAGS] == pytest.approx(np.log1p(np.exp(2)))
    assert evidence[~TAGS] == pytest.approx(-np.log(2))


def test_evidence_for_tags_grows_with_similarity():
    same, similar, different = tag_memory_of().evidence(["Tagesschau", "Tagesschaw", "Tagexschaw"], 5)
    assert (np.abs(same) > np.abs(similar)).all()
    assert (np.abs(similar) > np.abs(different)).all()
    assert (np.sign(same) == np.sign(different)).all()


@pytest.mark.parametrize("title", ["", "日本沈没", "zzzz"])
def test_there_is_no_evidence_for_tags_without_a_neighbour(title):
    assert (tag_memory_of().evidence([title], 5) == 0).all()
    assert tag_memory_of().evidence([], 5).shape == (0, 5)


def test_evidence_is_the_same_alone_and_in_any_batch():
    memory = memory_of()
    misspelt = misspell(TITLES * 7, list(Misspelling), 2, np.random.default_rng(1))
    titles = reformat(misspelt, list(Format), generator())
    together = memory.evidence(titles, 3)
    assert (together[::-1] == memory.evidence(titles[::-1], 3)).all()
    for row in range(0, len(titles), 29):
        assert (memory.evidence([titles[row]], 3)[0] == together[row]).all()
    assert memory.evidence([], 3).shape == (0, 3)


def test_evidence_for_tags_is_the_same_alone_and_in_any_batch():
    titles = misspell(TITLES, list(Misspelling), 2, np.random.default_rng(1))
    together = tag_memory_of().evidence(titles, 5)
    for row in range(0, len(titles), 7):
        assert (tag_memory_of().evidence([titles[row]], 5)[0] == together[row]).all()


def test_evidence_is_added_to_logits_in_place():
    memory = memory_of()
    titles = ["Tagesschau", "zzzz", "Tagesschaw"]
    logits = np.random.default_rng(1).normal(size=(3, 3)).astype(np.float32)
    expected = logits + memory.evidence(titles, 3)
    assert memory.add_evidence(logits, titles) is logits
    assert np.allclose(logits, expected)


def test_the_most_common_category_is_remembered_and_the_first_on_ties():
    memory = memory_of(titles=["Heat", "HEAT", "heat (1995)", "Zoo", "zoo"], labels=[0, 2, 2, 1, 0])
    assert memory.known.keys == ["heat", "zoo"]
    assert memory.targets.tolist() == [2, 1]
    assert memory.categories_of(0, CATEGORIES) == ["Sports"]


def test_the_most_common_set_of_tags_is_remembered_and_the_first_on_ties():
    first, second, both = [True, False], [False, True], [True, True]
    memory = tag_memory_of(
        titles=["Heat", "HEAT", "heat (1995)", "Zoo", "zoo"], tags=[first, both, both, second, first]
    )
    assert memory.known.keys == ["heat", "zoo"]
    assert memory.targets.tolist() == [both, second]
    assert memory.categories_of(0, ["a", "b"]) == ["a", "b"]


def test_the_first_of_equally_similar_titles_is_found():
    memory = memory_of(titles=["abcd zz", "abcd yy", "abcd xx"], labels=[0, 1, 2])
    assert nearest_key(memory.known, "abcd") == "abcd xx"


def test_a_memory_of_one_short_title():
    known = memory_of(titles=["7"], labels=[1]).known
    assert nearest_key(known, "7") == "7"
    assert nearest_key(known, "8") is None
    assert nearest_key(memory_of(titles=["Heat"], labels=[1]).known, "Heap") == "heat"


def test_common_trigrams_are_not_searched_for_but_count_for_similarity():
    keys = sorted(f"the {number:03}" for number in range(300))
    neighbours = Index.of(keys).nearest(["the 007x", "the"])
    assert [keys[neighbours.places[0]], neighbours.places[1]] == ["the 007", -1]
    assert neighbours.similarity[0] == pytest.approx(2 * 6 / (7 + 8))


def trigrams_of(key: str) -> set[str]:
    return {f"^{key}$"[start : start + 3] for start in range(len(key))}


def cosines(keys: list[str], title: str) -> np.ndarray:
    """Return the cosine of each key with a title (keys,) by its formula, not divided by the title's length."""
    trigrams_by_key = [trigrams_of(key) for key in keys]
    counts = Counter(trigram for trigrams in trigrams_by_key for trigram in trigrams)
    weights = {trigram: np.log1p(len(keys) / count) ** 2 for trigram, count in counts.items()}
    shared = [sum(weights[trigram] for trigram in trigrams & trigrams_of(title)) for trigrams in trigrams_by_key]
    return np.array(shared) / np.sqrt([sum(weights[trigram] for trigram in trigrams) for trigrams in trigrams_by_key])


@pytest.mark.parametrize("cosines_at_once", [1, 100, 2**20])
def test_neighbours_follow_the_formula_in_chunks_of_any_size(monkeypatch, cosines_at_once):
    monkeypatch.setattr(trigram_index, "_CHUNK_COSINES", cosines_at_once)
    keys = memory_of().known.keys
    titles = sorted({key_of(title) for title in misspell(TITLES * 3, list(Misspelling), 2, generator())} - set(keys))
    neighbours = Index.of(keys).nearest([*titles, "", "zzzz"])
    assert neighbours.places[-2:].tolist() == [-1, -1]
    for title, place, similarity in zip(titles, neighbours.places, neighbours.similarity, strict=False):
        expected = cosines(keys, title)
        assert place == (expected > expected.max() - 1e-6).argmax() if expected.any() else -1
        of_title, of_key = trigrams_of(title), trigrams_of(keys[place])
        shared = len(of_title & of_key) if place >= 0 else 0
        assert similarity == pytest.approx(2 * shared / (len(of_title) + len(of_key)))


def test_repeated_queries_have_the_same_neighbours():
    known = memory_of().known
    once = known.nearest(["Tagesschaw", "Tagesschau", "Heap"])
    again = known.nearest(["Heap", "Tagesschaw", "Heap", "tagesschaw!", "Tagesschau"])
    assert again.places.tolist() == once.places[[2, 0, 2, 0, 1]].tolist()
    assert again.similarity.tolist() == once.similarity[[2, 0, 2, 0, 1]].tolist()


def test_a_title_that_continues_the_longest_known_one_is_not_the_same():
    known = memory_of(titles=["Heat", "Zoo"], labels=[0, 1]).known
    assert nearest_key(known, "Heat of the Night") == "heat"
    assert known.nearest(["Heat of the Night"]).similarity[0] < 0.4


def load(content: bytes, settings: object) -> Memory:
    return Memory.from_bytes(content, settings, Task.single, CATEGORIES, "memory.jsonl.gz", "config.json: memory")


def load_tags(content: bytes, settings: object) -> Memory:
    return Memory.from_bytes(content, settings, Task.multilabel, TAG_NAMES, "memory.jsonl.gz", "config.json: memory")


def test_bytes_restore_the_memory_and_are_always_the_same():
    titles = [*TITLES, "日本沈没", '"!"', "a\u2028b", "-\n-", "x" * 200_000]
    memory = memory_of(titles=titles, labels=[*LABELS, 0, 1, 2, 0, 1])
    copy = load(memory.to_bytes(CATEGORIES), json.loads(json.dumps({"kind": "fuzzy", "weights": list(WEIGHTS)})))
    assert copy.known == memory.known
    assert (copy.targets == memory.targets).all()
    assert (copy.evidence(titles, 3) == memory.evidence(titles, 3)).all()
    assert copy.to_bytes(CATEGORIES) == memory.to_bytes(CATEGORIES)
    assert copy.settings() == memory.settings()
    assert asdict(copy.settings()) == {"kind": "fuzzy", "weights": [-1.0, 3.0]}


def test_bytes_restore_a_memory_of_tags_and_are_always_the_same():
    memory = tag_memory_of()
    content = memory.to_bytes(TAG_NAMES)
    copy = load_tags(content, json.loads(json.dumps({"kind": "fuzzy", "weights": list(TAG_WEIGHTS)})))
    assert copy.known == memory.known
    assert (copy.targets == memory.targets).all()
    assert (copy.evidence(TITLES, 5) == memory.evidence(TITLES, 5)).all()
    assert copy.to_bytes(TAG_NAMES) == content
    assert copy.settings() == memory.settings()
    first = json.loads(gzip.decompress(content).decode().splitlines()[0])
    assert first == {"title": "bbc news at ten", "categories": ["Live", "Long", "News"]}


WHOLE = memory_of().to_bytes(CATEGORIES)
AGAIN = "Train or copy it again."


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "memory.jsonl.gz must hold sorted titles, each with its category. " + AGAIN),
        (b"title", "memory.jsonl.gz must be whole gzipped JSON lines. Got: Not a gzipped file"),
        (WHOLE[:100], "memory.jsonl.gz must be whole gzipped JSON lines. Got: "),
        (WHOLE[:100] + b"????" + WHOLE[104:], "memory.jsonl.gz must be whole gzipped JSON lines. Got: "),
        (gzip.compress(b"\xff"), "memory.jsonl.gz must be whole gzipped JSON lines. Got: "),
        (gzip.compress(b"{"), "memory.jsonl.gz must be whole gzipped JSON lines. Got: "),
        (gzip.compress(b"3"), "memory.jsonl.gz must hold sorted titles, each with its category. " + AGAIN),
        (gzip.compress(b'{"title": 3, "category": "News"}'), "must hold sorted titles, each with its category."),
        (gzip.compress(b'{"title": "a"}'), "must hold sorted titles, each with its category."),
        (
            gzip.compress(b'{"title": "a", "category": "News"}\n' * 2),
            "must hold sorted titles, each with its category.",
        ),
        (
            gzip.compress(b'{"title": "a", "category": "Film"}'),
            f"memory.jsonl.gz must name the categories Music; News; Sports. Got Film. {AGAIN}",
        ),
    ],
)
def test_damaged_titles_are_refused(content, sentence):
    with pytest.raises(InputError) as caught:
        load(content, {"kind": "fuzzy", "weights": [0.0, 0.0]})
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"short", "memory.jsonl.gz must be whole gzipped JSON lines. Got: "),
        (
            gzip.compress(b'{"title": "a", "category": "News"}'),
            f"memory.jsonl.gz must hold sorted titles, each with its list of categories. {AGAIN}",
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
def test_damaged_titles_with_tags_are_refused(content, sentence):
    with pytest.raises(InputError) as caught:
        load_tags(content, {"kind": "fuzzy", "weights": [0.0] * 4})
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ([], "config.json: memory must be a mapping. Got []."),
        ({"kind": "fuzzy"}, "config.json: memory must have the keys kind, weights. Missing or unknown: weights."),
        ({"kind": "none", "weights": [0.0, 0.0]}, f"memory.kind must be exact or fuzzy. Got none. {AGAIN}"),
        ({"kind": "fuzzy", "weights": [1.0]}, f"memory.weights must be 2 finite numbers. Got [1.0]. {AGAIN}"),
        ({"kind": "fuzzy", "weights": [1.0, float("nan")]}, "memory.weights must be 2 finite numbers. Got [1.0, nan]."),
    ],
)
def test_invalid_settings_are_refused(settings, sentence):
    with pytest.raises(InputError) as caught:
        load(WHOLE, settings)
    assert sentence in str(caught.value)


def test_invalid_settings_for_tags_are_refused():
    with pytest.raises(
        InputError, match=r"config.json: memory.weights must be 4 finite numbers. Got \[1.0\]. Train or"
    ):
        load_tags(tag_memory_of().to_bytes(TAG_NAMES), {"kind": "fuzzy", "weights": [1.0]})
