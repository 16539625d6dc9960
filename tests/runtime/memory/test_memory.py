import gzip
import json
from collections import Counter

import numpy as np
import pytest
from scipy.special import softmax

from tests.helpers.titles import rows
from titleclf.data.augmentation.noise import misspell, reformat
from titleclf.runtime.choices import Format, MemoryKind, Misspelling
from titleclf.runtime.errors import InputError
from titleclf.runtime.memory import trigram_index as neighbours
from titleclf.runtime.memory.known_titles import Sample
from titleclf.runtime.memory.memory import Memory
from titleclf.runtime.memory.trigram_index import Index
from titleclf.runtime.text.title_keys import key_of

CATEGORIES = ["Music", "News", "Sports"]
TITLES = [title for title, _, _ in rows()]
LABELS = np.array([CATEGORIES.index(category) for _, category, _ in rows()])


def memory(kind=MemoryKind.fuzzy, titles=TITLES, labels=LABELS, weights=(-1.0, 3.0)) -> Memory:
    made = Memory.from_titles(kind, titles, np.array(labels))
    made.weights = np.array(weights)
    return made


def found(made: Memory, title: str) -> str | None:
    place = made.nearest([title]).places[0]
    return None if place < 0 else made.keys[place]


@pytest.mark.parametrize(
    "title", ["TAGESSCHAU", "  tagesschau ", "Tagesschau (2019)", "Tagesschau S02E03", "Tágesschaü", "Tagesschau!"]
)
@pytest.mark.parametrize("kind", [MemoryKind.exact, MemoryKind.fuzzy])
def test_a_known_title_is_found_however_it_is_written(title, kind):
    made = memory(kind)
    assert found(made, title) == "tagesschau"
    assert made.nearest([title]).likeness.tolist() == [1.0]


def test_composed_and_decomposed_accents_and_none_are_one_key():
    assert key_of("Café") == key_of("Cafe\u0301") == key_of("CAFE") == "cafe"
    assert key_of("Ночной эфир") == "ночнои эфир"
    assert key_of("24") == "24"
    assert key_of("¨") == "¨"  # nothing but an accent is its own key


def test_misspelt_known_titles_find_their_originals():
    made = memory()
    written = misspell(TITLES, list(Misspelling), 1, np.random.default_rng(0))
    found = made.nearest(written)
    originals = made.nearest(TITLES).places
    assert (found.places == originals).mean() > 0.9
    assert ((found.likeness > 0) & (found.likeness <= 1)).all()
    assert found.likeness.mean() < 0.9


@pytest.mark.parametrize("title", ["", " ", "日本沈没", "zzzz", "\N{SNOWMAN}"])
def test_an_empty_title_and_one_of_unknown_trigrams_find_nothing(title):
    made = memory()
    assert found(made, title) is None
    assert (made.evidence([title], 3) == 0).all()


def test_exact_finds_no_more_than_known_titles():
    written = ["Tagesschau", "Tagesschaw", "News"]
    assert (memory(MemoryKind.exact).nearest(written).places >= 0).tolist() == [True, False, False]
    assert (memory(MemoryKind.fuzzy).nearest(written).places >= 0).all()


def test_evidence_is_for_one_category_and_grows_with_likeness():
    evidence = memory().evidence(["Tagesschau", "Tagesschaw", "Tagexschaw"], 3)
    assert evidence.dtype == np.float32
    assert (evidence[:, [0, 2]] == 0).all()
    assert evidence[0, 1] > evidence[1, 1] > evidence[2, 1] > 0
    assert evidence[0, 1] == pytest.approx(np.log1p(np.exp(2)))


@pytest.mark.parametrize("weights", [(-50.0, 0.0), (0.0, 0.0), (50.0, 3.0)])
def test_evidence_is_never_negative_and_always_finite(weights):
    evidence = memory(weights=weights).evidence([*TITLES, "Tagesschaw", "zzzz"], 3)
    assert (evidence >= 0).all()
    assert np.isfinite(evidence).all()


def test_evidence_is_the_same_alone_and_in_any_batch():
    made = memory()
    titles = reformat(misspell(TITLES * 7, list(Misspelling), 2, np.random.default_rng(1)), list(Format), generator())
    together = made.evidence(titles, 3)
    assert (together[::-1] == made.evidence(titles[::-1], 3)).all()
    for row in range(0, len(titles), 29):
        assert (made.evidence([titles[row]], 3)[0] == together[row]).all()
    assert made.evidence([], 3).shape == (0, 3)


def generator() -> np.random.Generator:
    return np.random.default_rng(2)


def test_a_title_with_several_categories_gets_the_commonest_and_of_equals_the_first():
    made = memory(titles=["Heat", "HEAT", "heat (1995)", "Zoo", "zoo"], labels=[0, 2, 2, 1, 0])
    assert made.keys == ["heat", "zoo"]
    assert made.labels.tolist() == [2, 1]


def test_of_equally_similar_titles_the_first_is_found():
    assert found(memory(titles=["abcd zz", "abcd yy", "abcd xx"], labels=[0, 1, 2]), "abcd") == "abcd xx"


def test_a_memory_of_one_short_title():
    made = memory(titles=["7"], labels=[1])
    assert found(made, "7") == "7"
    assert found(made, "8") is None
    assert found(memory(titles=["Heat"], labels=[1]), "Heap") == "heat"


def test_common_trigrams_are_not_searched_for_but_count_for_likeness():
    keys = sorted(f"the {number:03}" for number in range(300))
    index = Index.of(keys)
    found = index.nearest(["the 007x", "the"])
    assert [keys[found.places[0]], found.places[1]] == ["the 007", -1]
    assert found.likeness[0] == pytest.approx(2 * 6 / (7 + 8))


def trigrams_of(key: str) -> set[str]:
    return {f"^{key}$"[start : start + 3] for start in range(len(key))}


def cosines(keys: list[str], title: str) -> np.ndarray:
    """Return what the cosine of each key with a title is (keys,), but for the title's length, by the formula."""
    every = [trigrams_of(key) for key in keys]
    counts = Counter(trigram for one in every for trigram in one)
    weights = {trigram: np.log1p(len(keys) / count) ** 2 for trigram, count in counts.items()}
    shared = [sum(weights[trigram] for trigram in one & trigrams_of(title)) for one in every]
    return np.array(shared) / np.sqrt([sum(weights[trigram] for trigram in one) for one in every])


@pytest.mark.parametrize("cells", [1, 100, 2**20])
def test_neighbours_are_those_of_the_formula_however_many_are_searched_at_once(monkeypatch, cells):
    monkeypatch.setattr(neighbours, "_CELLS", cells)
    keys = memory().keys
    titles = sorted({key_of(title) for title in misspell(TITLES * 3, list(Misspelling), 2, generator())} - set(keys))
    found = Index.of(keys).nearest([*titles, "", "zzzz"])
    assert found.places[-2:].tolist() == [-1, -1]
    for title, place, likeness in zip(titles, found.places, found.likeness, strict=False):
        known = cosines(keys, title)
        assert place == (known > known.max() - 1e-6).argmax() if known.any() else -1
        ours, theirs = trigrams_of(title), trigrams_of(keys[place])
        shared = len(ours & theirs) if place >= 0 else 0
        assert likeness == pytest.approx(2 * shared / (len(ours) + len(theirs)))


def test_titles_that_are_asked_for_again_find_the_same():
    made = memory()
    once = made.nearest(["Tagesschaw", "Tagesschau", "Heap"])
    again = made.nearest(["Heap", "Tagesschaw", "Heap", "tagesschaw!", "Tagesschau"])
    assert again.places.tolist() == once.places[[2, 0, 2, 0, 1]].tolist()
    assert again.likeness.tolist() == once.likeness[[2, 0, 2, 0, 1]].tolist()


def test_a_title_that_begins_like_the_longest_known_one_is_not_the_same():
    made = memory(titles=["Heat", "Zoo"], labels=[0, 1])
    assert found(made, "Heat of the Night") == "heat"
    assert made.nearest(["Heat of the Night"]).likeness[0] < 0.4


def sample(titles: list[str], labels: np.ndarray, logits: np.ndarray, weight: float = 1.0) -> Sample:
    return Sample(titles, logits, labels, weight)


def test_likely_neighbours_are_trusted_and_unlikely_ones_are_not():
    written = misspell(TITLES * 9, list(Misspelling), 1, generator())
    logits = np.random.default_rng(3).normal(size=(len(written), 3))
    trusted, doubted = memory(), memory()
    trusted.fit([sample(written, np.tile(LABELS, 9), logits)])
    doubted.fit([sample(written, np.tile((LABELS + 1) % 3, 9), logits)])
    assert trusted.evidence(["Tagesschau"], 3).max() > 2
    assert doubted.evidence(["Tagesschau"], 3).max() < 0.3
    assert trusted.weights[1] >= 0
    assert doubted.weights[1] >= 0


def test_an_exact_hit_is_never_certain_even_if_all_were_right():
    noise = np.random.default_rng(6).normal(size=(len(TITLES), 3))
    logits = noise + 2 * np.eye(3)[LABELS]
    made = memory()
    made.fit([sample(["zzzz"] * len(TITLES), LABELS, logits), sample(TITLES, LABELS, logits)])
    assert np.isfinite(made.weights).all()
    shares = softmax(noise + made.evidence(TITLES, 3), axis=1)[np.arange(len(LABELS)), LABELS]
    assert 0.9 < shares.mean() < 0.99


def test_fitted_weights_make_the_labels_likelier_than_any_near_them():
    written = misspell(TITLES * 5, list(Misspelling), 2, generator())
    labels = np.where(np.random.default_rng(5).random(len(written)) < 0.3, 0, np.tile(LABELS, 5))
    logits = np.random.default_rng(4).normal(size=(len(written), 3))
    made = memory()
    made.fit([sample(written, labels, logits)])

    def loss(weights: np.ndarray) -> float:
        raised = logits + memory(weights=weights).evidence(written, 3)
        scaled = [softmax(raised / temperature, axis=1) for temperature in np.geomspace(0.05, 20, 400)]
        likelihood = max(np.log(one[np.arange(len(labels)), labels]).mean() for one in scaled)
        return -likelihood + 1e-3 * weights @ weights

    best = loss(made.weights)
    for step in ([0.3, 0], [-0.3, 0], [0, 0.3], [0, -0.3]):
        assert loss(made.weights + step) > best


def test_fitting_twice_gives_the_same_weights_and_the_weight_of_a_sample_counts():
    logits = np.zeros((len(TITLES), 3))
    right, wrong = sample(TITLES, LABELS, logits), sample(TITLES, (LABELS + 1) % 3, logits, 0.5)
    one, other, less = memory(), memory(weights=(9, 9)), memory()
    one.fit([right, wrong])
    other.fit([right, wrong])
    less.fit([right, wrong._replace(weight=0.1)])
    assert one.weights.tolist() == other.weights.tolist()
    assert less.evidence(["Tagesschau"], 3).max() > one.evidence(["Tagesschau"], 3).max()


def test_a_memory_is_fitted_where_no_title_has_a_neighbour():
    made = memory(MemoryKind.exact)
    made.fit([sample(["zzzz"], np.array([1]), np.zeros((1, 3))), sample([], np.array([], int), np.zeros((0, 3)))])
    assert made.weights.tolist() == [0, 0]


def load(content: bytes, settings: object) -> Memory:
    return Memory.from_bytes(content, settings, CATEGORIES, "memory.jsonl.gz", "config.json: memory")


def test_bytes_bring_the_memory_back_and_are_the_same_each_time():
    titles = [*TITLES, "日本沈没", '"!"', "a\u2028b", "-\n-", "x" * 200_000]
    made = memory(titles=titles, labels=[*LABELS, 0, 1, 2, 0, 1])
    copy = load(made.to_bytes(CATEGORIES), json.loads(json.dumps({"kind": "fuzzy", "weights": [-1.0, 3.0]})))
    assert (copy.kind, copy.keys) == (made.kind, made.keys)
    assert (copy.labels == made.labels).all()
    assert (copy.evidence(titles, 3) == made.evidence(titles, 3)).all()
    assert copy.to_bytes(CATEGORIES) == made.to_bytes(CATEGORIES)
    assert copy.settings() == made.settings()


WHOLE = memory().to_bytes(CATEGORIES)
AGAIN = "Train or copy it again."


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "memory.jsonl.gz must hold sorted titles with their categories. " + AGAIN),
        (b"title", "memory.jsonl.gz must be whole gzipped JSON lines. Got: Not a gzipped file"),
        (WHOLE[:100], "memory.jsonl.gz must be whole gzipped JSON lines. Got: "),
        (WHOLE[:100] + b"????" + WHOLE[104:], "memory.jsonl.gz must be whole gzipped JSON lines. Got: "),
        (gzip.compress(b"\xff"), "memory.jsonl.gz must be whole gzipped JSON lines. Got: "),
        (gzip.compress(b"{"), "memory.jsonl.gz must be whole gzipped JSON lines. Got: "),
        (gzip.compress(b"3"), "memory.jsonl.gz must hold sorted titles with their categories. " + AGAIN),
        (gzip.compress(b'{"title": 3, "category": "News"}'), "must hold sorted titles with their categories."),
        (gzip.compress(b'{"title": "a"}'), "must hold sorted titles with their categories."),
        (gzip.compress(b'{"title": "a", "category": "News"}\n' * 2), "must hold sorted titles with their categories."),
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
