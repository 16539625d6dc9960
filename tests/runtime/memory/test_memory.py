import gzip
import json
from collections import Counter
from dataclasses import asdict

import numpy as np
import pytest

from tests.helpers.titles import rows
from titleclf.data.augmentation.noise import misspell, reformat
from titleclf.runtime.choices import Format, MemoryKind, Misspelling, Task
from titleclf.runtime.errors import InputError
from titleclf.runtime.memory import trigram_index
from titleclf.runtime.memory.memory import Memory
from titleclf.runtime.memory.trigram_index import Index
from titleclf.runtime.text.title_keys import key_of

CATEGORIES = ["Music", "News", "Sports"]
TITLES = [title for title, _, _ in rows()]
LABELS = np.array([CATEGORIES.index(category) for _, category, _ in rows()])


def memory_of(kind=MemoryKind.fuzzy, titles=TITLES, labels=LABELS, weights=(-1.0, 3.0)) -> Memory:
    memory = Memory.from_titles(kind, titles, np.array(labels))
    memory.weights = np.array(weights)
    return memory


def neighbour(memory: Memory, title: str) -> str | None:
    """Return the known title that a title is or resembles most."""
    place = memory.known.nearest([title]).places[0]
    return None if place < 0 else memory.known.keys[place]


@pytest.mark.parametrize(
    "title", ["TAGESSCHAU", "  tagesschau ", "Tagesschau (2019)", "Tagesschau S02E03", "Tágesschaü", "Tagesschau!"]
)
@pytest.mark.parametrize("kind", [MemoryKind.exact, MemoryKind.fuzzy])
def test_a_known_title_is_found_however_it_is_written(title, kind):
    memory = memory_of(kind)
    assert neighbour(memory, title) == "tagesschau"
    assert memory.known.nearest([title]).similarity.tolist() == [1.0]


def test_composed_and_decomposed_accents_and_none_are_one_key():
    assert key_of("Café") == key_of("Cafe\u0301") == key_of("CAFE") == "cafe"
    assert key_of("Ночной эфир") == "ночнои эфир"
    assert key_of("24") == "24"
    assert key_of("¨") == "¨"  # nothing but an accent is its own key


def test_misspelt_known_titles_find_their_originals():
    known = memory_of().known
    misspelt = misspell(TITLES, list(Misspelling), 1, np.random.default_rng(0))
    found = known.nearest(misspelt)
    originals = known.nearest(TITLES).places
    assert (found.places == originals).mean() > 0.9
    assert ((found.similarity > 0) & (found.similarity <= 1)).all()
    assert found.similarity.mean() < 0.9


@pytest.mark.parametrize("kind", [MemoryKind.exact, MemoryKind.fuzzy])
def test_matches_are_the_titles_that_have_a_neighbour(kind):
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
    assert neighbour(memory, title) is None
    assert (memory.evidence([title], 3) == 0).all()


def test_an_exact_memory_finds_known_titles_alone():
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


def test_evidence_is_the_same_alone_and_in_any_batch():
    memory = memory_of()
    titles = reformat(misspell(TITLES * 7, list(Misspelling), 2, np.random.default_rng(1)), list(Format), generator())
    together = memory.evidence(titles, 3)
    assert (together[::-1] == memory.evidence(titles[::-1], 3)).all()
    for row in range(0, len(titles), 29):
        assert (memory.evidence([titles[row]], 3)[0] == together[row]).all()
    assert memory.evidence([], 3).shape == (0, 3)


def test_evidence_is_added_to_logits_in_place():
    memory = memory_of()
    titles = ["Tagesschau", "zzzz", "Tagesschaw"]
    logits = np.random.default_rng(1).normal(size=(3, 3)).astype(np.float32)
    expected = logits + memory.evidence(titles, 3)
    assert memory.add_evidence(logits, titles) is logits
    assert np.allclose(logits, expected)


def generator() -> np.random.Generator:
    return np.random.default_rng(2)


def test_a_title_with_several_categories_gets_the_commonest_and_of_equals_the_first():
    memory = memory_of(titles=["Heat", "HEAT", "heat (1995)", "Zoo", "zoo"], labels=[0, 2, 2, 1, 0])
    assert memory.known.keys == ["heat", "zoo"]
    assert memory.targets.tolist() == [2, 1]
    assert memory.categories_of(0, CATEGORIES) == ["Sports"]


def test_of_equally_similar_titles_the_first_is_found():
    assert neighbour(memory_of(titles=["abcd zz", "abcd yy", "abcd xx"], labels=[0, 1, 2]), "abcd") == "abcd xx"


def test_a_memory_of_one_short_title():
    memory = memory_of(titles=["7"], labels=[1])
    assert neighbour(memory, "7") == "7"
    assert neighbour(memory, "8") is None
    assert neighbour(memory_of(titles=["Heat"], labels=[1]), "Heap") == "heat"


def test_common_trigrams_are_not_searched_for_but_count_for_similarity():
    keys = sorted(f"the {number:03}" for number in range(300))
    index = Index.of(keys)
    found = index.nearest(["the 007x", "the"])
    assert [keys[found.places[0]], found.places[1]] == ["the 007", -1]
    assert found.similarity[0] == pytest.approx(2 * 6 / (7 + 8))


def trigrams_of(key: str) -> set[str]:
    return {f"^{key}$"[start : start + 3] for start in range(len(key))}


def cosines(keys: list[str], title: str) -> np.ndarray:
    """Return the cosine of each key with a title (keys,) by the formula, but for the factor of the title's length."""
    by_key = [trigrams_of(key) for key in keys]
    counts = Counter(trigram for trigrams in by_key for trigram in trigrams)
    weights = {trigram: np.log1p(len(keys) / count) ** 2 for trigram, count in counts.items()}
    shared = [sum(weights[trigram] for trigram in trigrams & trigrams_of(title)) for trigrams in by_key]
    return np.array(shared) / np.sqrt([sum(weights[trigram] for trigram in trigrams) for trigrams in by_key])


@pytest.mark.parametrize("cells", [1, 100, 2**20])
def test_neighbours_are_those_of_the_formula_however_many_are_searched_at_once(monkeypatch, cells):
    monkeypatch.setattr(trigram_index, "_CELLS", cells)
    keys = memory_of().known.keys
    titles = sorted({key_of(title) for title in misspell(TITLES * 3, list(Misspelling), 2, generator())} - set(keys))
    found = Index.of(keys).nearest([*titles, "", "zzzz"])
    assert found.places[-2:].tolist() == [-1, -1]
    for title, place, similarity in zip(titles, found.places, found.similarity, strict=False):
        known = cosines(keys, title)
        assert place == (known > known.max() - 1e-6).argmax() if known.any() else -1
        ours, theirs = trigrams_of(title), trigrams_of(keys[place])
        shared = len(ours & theirs) if place >= 0 else 0
        assert similarity == pytest.approx(2 * shared / (len(ours) + len(theirs)))


def test_repeated_titles_find_the_same():
    known = memory_of().known
    once = known.nearest(["Tagesschaw", "Tagesschau", "Heap"])
    again = known.nearest(["Heap", "Tagesschaw", "Heap", "tagesschaw!", "Tagesschau"])
    assert again.places.tolist() == once.places[[2, 0, 2, 0, 1]].tolist()
    assert again.similarity.tolist() == once.similarity[[2, 0, 2, 0, 1]].tolist()


def test_a_title_that_begins_like_the_longest_known_one_is_not_the_same():
    memory = memory_of(titles=["Heat", "Zoo"], labels=[0, 1])
    assert neighbour(memory, "Heat of the Night") == "heat"
    assert memory.known.nearest(["Heat of the Night"]).similarity[0] < 0.4


def load(content: bytes, settings: object) -> Memory:
    return Memory.from_bytes(content, settings, Task.single, CATEGORIES, "memory.jsonl.gz", "config.json: memory")


def test_bytes_bring_the_memory_back_and_are_the_same_each_time():
    titles = [*TITLES, "日本沈没", '"!"', "a\u2028b", "-\n-", "x" * 200_000]
    memory = memory_of(titles=titles, labels=[*LABELS, 0, 1, 2, 0, 1])
    copy = load(memory.to_bytes(CATEGORIES), json.loads(json.dumps({"kind": "fuzzy", "weights": [-1.0, 3.0]})))
    assert copy.known == memory.known
    assert (copy.targets == memory.targets).all()
    assert (copy.evidence(titles, 3) == memory.evidence(titles, 3)).all()
    assert copy.to_bytes(CATEGORIES) == memory.to_bytes(CATEGORIES)
    assert copy.settings() == memory.settings()
    assert asdict(copy.settings()) == {"kind": "fuzzy", "weights": [-1.0, 3.0]}


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
    ("settings", "sentence"),
    [
        ([], "config.json: memory must be a mapping. Got []."),
        ({"kind": "fuzzy"}, "config.json: memory must have the keys kind, weights. Missing or unknown: weights."),
        ({"kind": "none", "weights": [0.0, 0.0]}, f"memory.kind must be exact or fuzzy. Got none. {AGAIN}"),
        ({"kind": "fuzzy", "weights": [1.0]}, f"memory.weights must be 2 finite numbers. Got [1.0]. {AGAIN}"),
        ({"kind": "fuzzy", "weights": [1.0, float("nan")]}, "memory.weights must be 2 finite numbers. Got [1.0, nan]."),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings, sentence):
    with pytest.raises(InputError) as caught:
        load(WHOLE, settings)
    assert sentence in str(caught.value)
