import itertools
import re
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from scripts import neighbours
from scripts.common import vectors
from tests.helpers.commands import one_line
from tests.helpers.titles import write_csv
from tests.helpers.training import compose_train
from titleclf.runtime.arrays import Floats
from titleclf.runtime.files import CHECKOUT
from titleclf.runtime.text.characters import FIRST_CHARACTER, Characters
from titleclf.runtime.text.ngrams import ngrams
from titleclf.training.embeddings import write_embeddings
from titleclf.training.network import Ngram, TorchNetwork, to_inputs
from titleclf.training.trained_model import load_trained

ALPHABET = Characters("abcdefg日", casefold=True, boundary=True, length=13)
TITLES = ["abc", "Abc", "abcd", "cab", "gfe", "日日 ab", "", "fade"]
REMEDIES = {
    "OTHER": "Name another folder, or shipped for the model that comes with titleclf.",
    "MAKE": "Make one with: python -m titleclf.pretrain",
}
NGRAMS = ("model.orders=[2,3]", "model.buckets=997", "model.boundary=true")


def network(*overrides: str) -> TorchNetwork:
    """Return a network with random vectors for all of its n-grams."""
    torch.manual_seed(1)
    config = compose_train("model.dim=5", *overrides).model
    random = TorchNetwork(config, ALPHABET, outputs=3)
    if isinstance(random.encoder, Ngram):
        torch.nn.init.normal_(random.encoder.ngrams.weight)
    return random


def write(path: Path, source: TorchNetwork, alphabet: Characters = ALPHABET) -> None:
    write_embeddings(path, source.encoder, source.model, alphabet)


def opened(tmp_path, *overrides: str, alphabet: Characters = ALPHABET) -> vectors.Vectors:
    write(tmp_path / "e.safetensors", network(*overrides), alphabet)
    return vectors.open_vectors(str(tmp_path / "e.safetensors"))


def table_of(source: vectors.Vectors) -> Floats:
    """Return the vectors of the n-gram buckets."""
    assert source.ngrams is not None
    return source.ngrams


def rotated(degrees: list[float]) -> torch.Tensor:
    """Return vectors (degrees, 5) of different lengths, rotated from the first axis by these angles."""
    angles = torch.tensor(degrees).deg2rad()
    lengths = torch.arange(1, len(degrees) + 1)[:, None]
    return torch.stack([angles.cos(), angles.sin()], dim=1) @ torch.eye(2, 5) * lengths


@pytest.fixture
def script(monkeypatch, tmp_path):
    """Run the script with planted embeddings and titles, unless the arguments name others."""
    planted = network(*NGRAMS)
    with torch.no_grad():
        planted.encoder.embedding.characters.weight[FIRST_CHARACTER:] = rotated([0, 50, 10, 32, 80, 110, 140, 170])
    write(tmp_path / "e.safetensors", planted)
    titles = write_csv(tmp_path / "titles.csv", [(title,) for title in TITLES], header=("title",))

    def run(*arguments):
        given = ["--embeddings", tmp_path / "e.safetensors", "--titles", titles, *arguments]
        monkeypatch.setattr(sys, "argv", ["neighbours", *map(str, given)])
        neighbours.main()

    return run


def section(text: str, name: str) -> list[list[str]]:
    """Return the cells of each line below a heading that begins with `name`."""
    _, below = re.split(rf"^  {name}.*\n", text, maxsplit=1, flags=re.MULTILINE)
    return [line.split() for line in itertools.takewhile(lambda line: line.startswith("    "), below.splitlines())]


def test_the_nearest_have_the_highest_cosines_whatever_the_chunks():
    generator = np.random.default_rng(1)
    queries, candidates = generator.normal(size=(3, 5)), generator.normal(size=(11, 5))
    candidates[7] = queries[2] * 3
    candidates[4] = 0
    lengths = np.linalg.norm(candidates, axis=1)
    cosines = queries @ candidates.T / np.linalg.norm(queries, axis=1)[:, None] / np.where(lengths, lengths, 1)
    cosines[:, 4] = -2
    for own, excluded in ((np.array([-1, -1, -1]), 0), (np.array([0, 3, 7]), 1)):
        expected = cosines.copy()
        if excluded:
            expected[np.arange(3), own] = -2
        near = neighbours.nearest(queries, [candidates[:3], candidates[3:8], candidates[8:]], own, 6)
        assert (near.indices == (-expected).argsort(axis=1)[:, :6]).all()
        assert np.allclose(near.cosines, np.take_along_axis(expected, near.indices, axis=1))
    everything = neighbours.nearest(queries, [candidates], np.array([0, 3, 7]), 99)
    assert [len(everything.of(row)) for row in range(3)] == [9, 9, 9]  # without itself and the zero vector


def test_a_zero_vector_has_no_neighbours():
    near = neighbours.nearest(np.zeros((1, 5)), [np.ones((3, 5))], np.array([-1]), 2)
    assert near.of(0) == []


def test_planted_characters_are_sorted_by_angle_without_themselves(script, capsys):
    script("AB da", "--count", 3)
    assert section(capsys.readouterr().out, "nearest characters") == [
        ["a", "c", "0.98", "d", "0.85", "b", "0.64"],
        ["b", "d", "0.95", "e", "0.87", "c", "0.77"],
        ["d", "b", "0.95", "c", "0.93", "a", "0.85"],
    ]


@pytest.mark.parametrize("count", [1, 2, 4])
def test_as_many_are_listed_as_requested(script, capsys, count):
    script("cab", "--count", count)
    text = capsys.readouterr().out
    assert {len(row) for row in section(text, "nearest characters")} == {1 + 2 * count}
    assert {len(row) for row in section(text, "nearest n-grams")} == {1 + 2 * count}
    assert len(section(text, "nearest titles")) == count


def test_titles_are_listed_once_in_their_first_spelling_without_the_text_itself(script, capsys):
    script("ABCD", "日日 ab", "--count", 99)
    first, second = capsys.readouterr().out.split("\n日日 ab\n")
    titles = [" ".join(row[1:]) for row in section(first, "nearest titles")]
    assert sorted(titles) == ["abc", "cab", "fade", "gfe", "日日 ab"]
    assert "日日 ab" not in [" ".join(row[1:]) for row in section(second, "nearest titles")]


def test_unknown_characters_are_listed(script, capsys):
    script("a☃")
    assert section(capsys.readouterr().out, "nearest characters")[-1] == ["no", "vector", "for", "☃"]


def test_a_character_without_a_vector_is_unknown_and_not_a_neighbour(tmp_path):
    planted = opened(tmp_path, *NGRAMS)
    planted.characters[ALPHABET.known.index("b")] = 0
    *rows, last = (line.split() for line in neighbours.similar_characters("abc", planted, 99))
    assert [row[0] for row in rows] == ["a", "c"]
    assert not any("b" in row for row in rows)
    assert last == ["no", "vector", "for", "b"]


def test_the_only_title_has_no_neighbours(tmp_path):
    planted = opened(tmp_path, *NGRAMS)
    assert neighbours.similar_titles(["ABC", "cab"], planted, {"abc": "abc"}, 3)[0] == []


def test_a_text_shorter_than_all_ngrams_has_no_ngrams(tmp_path):
    short = opened(tmp_path, "model.orders=[4]", NGRAMS[1], alphabet=replace(ALPHABET, boundary=False))
    grams = neighbours.Grams.of(short, vectors.common_grams(short, TITLES, 99))
    assert neighbours.similar_grams("a", short, table_of(short), grams, 3) == []
    assert neighbours.similar_grams("abcd", short, table_of(short), neighbours.Grams.of(short, []), 3) == ["    abcd"]
    assert neighbours.similar_titles(["a"], short, {"abcd": "abcd"}, 3) == [["    no vector for it"]]


def test_an_untrained_ngram_is_listed_and_has_no_neighbours(tmp_path):
    fresh = opened(tmp_path, *NGRAMS)
    table_of(fresh)[:] = 0
    table_of(fresh)[fresh.buckets(["ab", "bc"])] = 1
    grams = neighbours.Grams.of(fresh, vectors.common_grams(fresh, TITLES, 99))
    lines = [line.split() for line in neighbours.similar_grams("abcd", fresh, table_of(fresh), grams, 3)]
    assert lines[:2] == [["ab", "bc", "1.00"], ["bc", "ab", "1.00"]]
    assert lines[2] == ["no", "vector", "for", "⊢a", "cd", "d⊣", "⊢ab", "abc", "bcd", "cd⊣"]
    assert neighbours.similar_titles(["gfe"], fresh, {"abc": "abc"}, 3) == [["    no vector for it"]]


@pytest.mark.parametrize("across_words", [True, False])
@pytest.mark.parametrize("boundary", [True, False])
def test_ngrams_as_text_have_the_same_buckets_as_in_the_model(tmp_path, across_words, boundary):
    alphabet = replace(ALPHABET, boundary=boundary)
    overrides = (*NGRAMS[:2], f"model.across_words={str(across_words).lower()}")
    planted = opened(tmp_path, *overrides, alphabet=alphabet)
    titles = ["a", "Ab  c d", "日 ☃e", "gfedcba"]
    ids, mask = alphabet.batch(titles)
    expected, counts = ngrams(ids, mask, [2, 3], 997, across_words=across_words)
    for title, rows in zip(titles, np.split(expected, counts.cumsum()[:-1]), strict=True):
        assert sorted(planted.buckets(list(planted.grams(title)))) == sorted(rows)


def test_ngrams_of_one_bucket_are_listed_together(tmp_path):
    crowded = opened(tmp_path, "model.orders=[2,3]", "model.buckets=2", "model.boundary=true")
    grams = vectors.common_grams(crowded, TITLES, 99)
    by_bucket = neighbours.Grams.of(crowded, grams)
    first, second = by_bucket.names.values()
    assert len(first) + len(second) == len(grams)
    lines = neighbours.similar_grams("ab", crowded, table_of(crowded), by_bucket, 5)
    for line, gram in zip(lines, ["⊢a", "ab", "b⊣", "⊢ab", "ab⊣"], strict=True):
        name, near, _ = line.split()  # there is only one other bucket
        assert name.startswith(f"{gram}=")
        assert name.endswith(f"+{len(by_bucket.names[crowded.buckets([_raw(gram)])[0]]) - 3}")
        assert near.count("=") == 2


def _raw(gram: str) -> str:
    return gram.replace("⊢", vectors.START).replace("⊣", vectors.END)


def test_the_most_frequent_ngrams_are_kept_and_rare_ones_dropped(tmp_path, monkeypatch):
    planted = opened(tmp_path, *NGRAMS)
    assert vectors.common_grams(planted, ["ab", "ab", "abc"], 2) == [f"{vectors.START}a", "ab"]
    monkeypatch.setattr(vectors, "_BATCH", 3)
    counts = Counter(gram for title in TITLES for gram in planted.grams(title))
    kept = vectors.common_grams(planted, TITLES, 99, max_counted=9)
    assert len(kept) <= 9
    assert kept[0] == counts.most_common(1)[0][0]


def test_titles_encoded_from_a_file_have_the_direction_of_the_model(tmp_path):
    source = network(*NGRAMS)
    with torch.no_grad():
        source.encoder.embedding.characters.weight[:] = 0  # a file has no positions of characters
    write(tmp_path / "e.safetensors", source)
    encoded = vectors.open_vectors(str(tmp_path / "e.safetensors")).encode(TITLES)
    inputs = to_inputs(ALPHABET.batch(TITLES), source.model, torch.device("cpu"))
    expected = source.encoder(inputs).detach().numpy()
    cosines = (encoded * expected).sum(axis=1) / np.linalg.norm(encoded, axis=1) / np.linalg.norm(expected, axis=1)
    assert cosines == pytest.approx(1, abs=1e-5)


def test_a_model_encodes_titles_itself(run):
    network, titles = load_trained(run).network, ["Newsnight", "Ski Sunday ☃"]
    inputs = to_inputs(network.characters.batch(titles), network.model, network.device)
    expected = network.eval().encoder(inputs).detach().numpy()
    for folder in (run, run / "bundle"):
        assert np.array_equal(vectors.open_vectors(str(folder)).encode(titles), expected)


def test_a_runs_folder_is_accepted_like_a_file(script, capsys, run, titles_csv):
    script("Sky News", "--embeddings", run, "--titles", titles_csv)
    text = capsys.readouterr().out
    assert "Sky News Today" in text
    assert section(text, "nearest n-grams")


def test_a_file_without_ngrams_compares_titles_by_their_characters(script, capsys, tmp_path):
    write(tmp_path / "bag", network("model=bag"))
    script("BAC", "--embeddings", tmp_path / "bag")
    text = capsys.readouterr().out
    assert "n-grams" not in text
    assert section(text, "nearest titles")[:2] == [["1.00", "abc"], ["1.00", "cab"]]


def test_columns_are_aligned_beside_wide_and_combining_characters():
    lines = neighbours._table([("日本", [("a", 1.0)]), ("e\N{COMBINING ACUTE ACCENT}b", [("語語", 0.5)])])
    assert lines == ["    日本  a     1.00", "    e\N{COMBINING ACUTE ACCENT}b    語語  0.50"]


def test_control_characters_are_escaped(script, capsys):
    script("ab\x1b[2J")
    text = capsys.readouterr().out
    assert "\x1b" not in text
    assert text.startswith("ab\\x1b[2J\n")


def test_the_map_is_a_png(script, capsys, tmp_path):
    script("--picture", tmp_path / "new" / "map.png")
    assert (tmp_path / "new" / "map.png").read_bytes().startswith(b"\x89PNG")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["map.png"]
    assert capsys.readouterr().out == f"Wrote {tmp_path / 'new' / 'map.png'}\n"


@pytest.fixture
def invalid_files(tmp_path):
    """Return a folder of files that can't be used."""
    save_file({"a": torch.zeros(3)}, tmp_path / "other")
    write_csv(tmp_path / "names.csv", [("a",)], header=("name",))
    write_csv(tmp_path / "empty.csv", [], header=("title",))
    (tmp_path / "run").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("", "a text must be given. Got none. Name one, or pass --picture FILE.png; see --help."),
        (
            "a ☃",
            (
                "a text must have a character in the alphabet of {}/e.safetensors. Got '☃'. "
                "Try another text, or other embeddings."
            ),
        ),
        ("a\udcff", r"a text must be UTF-8. Got 'a\udcff'. Convert it, for example with iconv."),
        ("a --embeddings {}/none", "--embeddings must be a file that exists. Got {}/none. Check the path."),
        ("a --embeddings {}/other", "--embeddings must be a file of titleclf embeddings. Got {}/other: 'known'. MAKE"),
        ("a --embeddings {}/run", "{}/run must be a folder with a model. Got no config.json there. OTHER"),
        ("a --titles {}/none.csv", "{}/none.csv: no such file. Check the path."),
        ("a --titles {}/names.csv", "{}/names.csv must have the column title. Got name. Rename yours."),
        ("a --titles {}/empty.csv", "{}/empty.csv must have at least one title. Got none. Add rows below the header."),
    ],
)
def test_mistakes_end_in_one_line_and_exit_code_2(script, capsys, invalid_files, arguments, sentence):
    with pytest.raises(SystemExit) as exited:
        script(*arguments.replace("{}", str(invalid_files)).split())
    assert exited.value.code == 2
    output = capsys.readouterr()
    for name, remedy in REMEDIES.items():
        sentence = sentence.replace(name, remedy)
    assert one_line(output.err) == sentence.replace("{}", str(invalid_files))
    assert output.out == ""


def test_the_count_is_at_least_one(script, capsys):
    with pytest.raises(SystemExit) as exited:
        script("a", "--count", 0)
    assert exited.value.code == 2
    assert "--count must be an integer above 0. Got 0." in capsys.readouterr().err


def test_the_shipped_embeddings_are_a_source():
    shipped = vectors.open_vectors("shipped")
    assert shipped.embeddings.path == str(CHECKOUT / "data" / "embeddings.safetensors")
    assert table_of(shipped).any()
