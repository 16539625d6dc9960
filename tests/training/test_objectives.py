import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from tests.helpers.titles import rows
from tests.helpers.training import compose_train
from titleclf.config.hydra import compose
from titleclf.config.schemas import PretrainConfig
from titleclf.data.augmentation.draws import draws
from titleclf.data.unlabelled import Survey
from titleclf.pretrain import start
from titleclf.runtime.text.characters import BOUNDARY, PAD, UNK, Characters
from titleclf.runtime.text.ngrams import ngrams
from titleclf.training import objectives
from titleclf.training.distributed import seeded
from titleclf.training.network import Encoder, to_inputs
from titleclf.training.objectives import Objective, halved, objective_of, pieces_of
from titleclf.training.optimizer import Optimizer

CPU = torch.device("cpu")
TITLES = [title for title, _, _ in rows()]
CHARACTERS = Characters.from_titles(TITLES, casefold=True, min_count=1, boundary=True)
ABC = Characters("abc", casefold=True, boundary=False, length=9)
ABC_MARKED = replace(ABC, boundary=True)
FITTING = [(model, kind) for kind in ("views", "skipgram", "cbow") for model in ("bag", "ngram", "conv")]
FITTING = [*FITTING, ("conv", "masked")]


def configured(model: str, kind: str, *overrides: str) -> PretrainConfig:
    sizes = {"bag": [], "ngram": ["model.buckets=997"], "conv": ["model.channels=11"]}[model]
    boundary = "model.boundary=true"  # as the vocabulary has it
    given = [f"model={model}", f"objective={kind}", "model.dim=7", boundary, *sizes, *overrides]
    training = compose_train(*given)  # it allows more than pre-training, which must fit into a file
    optim = [override for override in overrides if override.startswith("optim.")]
    return replace(compose("pretrain", optim), model=training.model, objective=training.objective)


def made(config: PretrainConfig, characters: Characters = CHARACTERS, seed: int = 1) -> tuple[Encoder, Objective]:
    torch.manual_seed(seed)
    encoder = start(config, Survey(characters, len(TITLES), ""))
    return encoder, objective_of(config.objective, config.model, characters, encoder)


def randomised(*modules: nn.Module) -> None:
    """Fill contexts too, that start at zero: that would hide mistakes."""
    for module in modules:
        for parameter in module.parameters():
            nn.init.normal_(parameter)


class Dice:
    """A generator whose next numbers are written down."""

    def __init__(self, randoms: list[list[float]], integers: list[list[int]]) -> None:
        self.randoms, self.numbers = iter(randoms), integers

    def random(self, shape: tuple[int, int]) -> np.ndarray:
        return np.array(next(self.randoms)).reshape(shape)

    def integers(self, _: int, size: tuple[int, int]) -> np.ndarray:
        return np.array(self.numbers, dtype=np.int64).reshape(size)


@pytest.mark.parametrize(("model", "kind"), FITTING)
def test_the_loss_is_finite_and_falls(model, kind):
    config = configured(model, kind, "optim.table_lr=0.05", "optim.warmup_fraction=0")
    encoder, objective = made(config)
    optimizer = Optimizer(nn.ModuleDict({"encoder": encoder, "objective": objective}), config.optim, steps=80)

    def measured() -> float:
        with torch.no_grad():
            return np.mean([objective(encoder, TITLES, seeded(2, number)).item() for number in range(5)])

    before = measured()
    for step in range(80):
        optimizer.step(objective(encoder, TITLES, seeded(1, step)))
    after = measured()
    assert math.isfinite(before)
    assert after < 0.9 * before


@pytest.mark.parametrize(("model", "kind"), FITTING)
def test_gradients_reach_what_is_learnt_and_nothing_else(model, kind):
    encoder, objective = made(configured(model, kind, "model.positions=learned"))
    randomised(encoder, objective)
    modules = nn.ModuleDict({"encoder": encoder, "objective": objective})
    objective(encoder, TITLES, seeded(1)).backward()
    reached = {
        name
        for name, parameter in modules.named_parameters()
        if parameter.grad is not None and parameter.grad.to_dense().any()
    }
    wanted = {"encoder.embedding.characters.weight"} | ({"encoder.ngrams.weight"} if model == "ngram" else set())
    if kind in ("views", "masked"):
        wanted |= {name for name, _ in modules.named_parameters() if name.startswith("encoder.")}
    wanted |= {name for name, _ in modules.named_parameters() if name.startswith("objective.")}
    assert reached == wanted
    used = CHARACTERS.batch(TITLES)
    rows_moved = encoder.embedding.characters.weight.grad.any(dim=1).nonzero().ravel()
    known = {UNK} if kind == "masked" else set()  # hidden characters look like unknown ones
    assert set(rows_moved.tolist()) <= known | set(used.ids[used.mask].tolist())


@pytest.mark.parametrize("kind", ["skipgram", "cbow"])
def test_only_ngrams_of_the_batch_move(kind):
    config = configured("ngram", kind)
    encoder, objective = made(config)
    randomised(encoder, objective)
    objective(encoder, TITLES[:3], seeded(1)).backward()
    found = set(encoder.ngrams.weight.grad.coalesce().indices()[0].tolist())
    assert found
    assert found <= set(to_inputs(CHARACTERS.batch(TITLES[:3]), config.model, CPU).grams.tolist())


@pytest.mark.parametrize(("model", "kind"), FITTING)
def test_the_same_seed_gives_the_same_loss_and_another_one_another(model, kind):
    encoder, objective = made(configured(model, kind))
    randomised(encoder, objective)
    first, second, other = (objective(encoder, TITLES, seeded(seed)).item() for seed in (1, 1, 2))
    assert first == second != other


@pytest.mark.parametrize("titles", [["Newsnight"], ["ab"], ["ab", "日本"], ["a b"], ["a"], ["ab", "ab", "x" * 999]])
@pytest.mark.parametrize(("model", "kind"), FITTING)
def test_few_and_short_titles_are_no_trouble(model, kind, titles):
    config = configured(model, kind)
    encoder, objective = made(config)
    randomised(encoder, objective)
    modules = nn.ModuleDict({"encoder": encoder, "objective": objective})
    optimizer = Optimizer(modules, config.optim, steps=9)
    for seed in range(9):
        loss = objective(encoder, titles, seeded(seed))
        assert loss.isfinite()
        assert kind != "views" or len(titles) > 1 or loss.item() == 0  # there is nothing to be away from
        optimizer.step(loss)
    assert all(parameter.isfinite().all() for parameter in modules.parameters())


@pytest.mark.parametrize("kind", ["skipgram", "cbow"])
def test_without_two_pieces_that_are_apart_there_is_no_loss(kind):
    config = configured("ngram", kind, "model.boundary=false")
    encoder, objective = made(config, ABC)
    randomised(encoder, objective)
    before = {name: tensor.clone() for name, tensor in [*encoder.state_dict().items()]}
    loss = objective(encoder, ["a"], seeded(1))
    assert loss.item() == 0
    Optimizer(nn.ModuleDict({"encoder": encoder, "objective": objective}), config.optim, steps=9).step(loss)
    assert all(torch.equal(tensor, before[name]) for name, tensor in encoder.state_dict().items())


def test_halves_share_a_titles_words_in_their_order_and_none_is_empty():
    generator = np.random.default_rng(1)
    draw = draws(generator)
    letters = [*"aB日é0", " ", "  ", "\t", "\u00a0"]
    sides = set()
    for _ in range(3000):
        title = "".join(generator.choice(letters, size=generator.integers(2, 14)))
        if len(title.strip()) < 2:
            continue
        left, right = halved(title, draw)
        assert left.strip()
        assert right.strip()
        words = title.split()
        if len(words) == 1:
            assert left + right == words[0]
        else:
            assert sorted(words) == sorted(left.split() + right.split())
        sides.add(len(left.split()) > len(right.split()))
    assert sides == {True, False}


def test_distinct_words_keep_their_order_in_both_halves():
    draw = draws(np.random.default_rng(2))
    words = [f"w{number}" for number in range(9)]
    for _ in range(300):
        left, right = (half.split() for half in halved(" ".join(words), draw))
        assert left == sorted(left)
        assert right == sorted(right)
        assert sorted(left + right) == words


def test_a_single_word_is_cut_at_every_place():
    draw = draws(np.random.default_rng(3))
    assert {halved("abcd", draw) for _ in range(200)} == {("a", "bcd"), ("ab", "cd"), ("abc", "d")}
    assert halved("ab", draw) == ("a", "b")


@pytest.mark.parametrize("across_words", ["true", "false"])
@pytest.mark.parametrize("model", ["bag", "ngram", "conv"])
def test_pieces_are_all_characters_and_ngrams_of_each_title_at_their_places(model, across_words):
    overrides = [f"model.across_words={across_words}"] if model == "ngram" else []
    config = configured(model, "skipgram", *overrides).model
    batch = CHARACTERS.batch(["the sky", "ab", "news at ten"])
    pieces = pieces_of(batch, config, len(CHARACTERS))
    assert (np.diff(pieces.titles) >= 0).all()
    assert {len(array) for array in pieces} == {len(pieces.ids)}
    singles = pieces.ids < len(CHARACTERS)
    assert pieces.ids[singles].tolist() == batch.ids[batch.mask].tolist()
    assert (pieces.ends - pieces.starts)[singles].tolist() == [1] * singles.sum()
    for title, number, first, end in zip(*pieces, strict=True):
        ids = batch.ids[title : title + 1, first:end]
        assert batch.mask[title, first:end].all()
        if number < len(CHARACTERS):
            assert ids.tolist() == [[number]]
        else:
            alone, _ = ngrams(ids, ids > 0, [end - first], config.buckets, across_words=True)
            assert alone.tolist() == [number - len(CHARACTERS)]
    if model == "ngram":
        inputs = to_inputs(batch, config, CPU)
        counts = inputs.mask.sum(dim=1) + inputs.gram_counts
        assert np.bincount(pieces.titles).tolist() == counts.tolist()


def test_as_many_pieces_are_drawn_of_each_title_and_all_can_be():
    batch = CHARACTERS.batch(["ab", "match of the day", "x"])
    pieces = pieces_of(batch, configured("ngram", "skipgram").model, len(CHARACTERS))
    drawn = objectives._drawn(pieces, 3, 2000, np.random.default_rng(1))
    assert pieces.titles[drawn].tolist() == [0] * 2000 + [1] * 2000 + [2] * 2000
    assert set(drawn.tolist()) == set(range(len(pieces.ids)))


@pytest.mark.parametrize("model", ["bag", "ngram", "conv"])
def test_views_are_infonce_of_cosines_both_ways(model):
    config = configured(model, "views", "objective.temperature=0.3")
    encoder, objective = made(config)
    randomised(encoder)
    titles = ["Match of the Day", "Newsnight", "BBC News at Ten"]
    found = objective(encoder, titles, np.random.default_rng(5)).item()
    draw = draws(np.random.default_rng(5))
    halves = [halved(title, draw) for title in titles]

    def direction(text: str) -> np.ndarray:
        vector = encoder(to_inputs(CHARACTERS.batch([text]), config.model, CPU))[0].detach().numpy().astype(float)
        return vector / np.linalg.norm(vector)

    lefts, rights = ([direction(pair[side]) for pair in halves] for side in (0, 1))
    losses = []
    for one, others in ((lefts, rights), (rights, lefts)):
        for row, vector in enumerate(one):
            scores = [math.exp(float(vector @ other) / 0.3) for other in others]
            losses.append(-math.log(scores[row] / sum(scores)))
    assert found == pytest.approx(sum(losses) / len(losses), abs=1e-5)


def log_sigmoid(score: torch.Tensor) -> torch.Tensor:
    return torch.log(1 / (1 + torch.exp(-score)))


def abc(kind: str, *overrides: str):
    """Return a bag's encoder and objective of random vectors, with those of a, b, c and what foretells them."""
    encoder, objective = made(configured("bag", kind, "model.boundary=false", *overrides), ABC)
    randomised(encoder, objective)
    return encoder, objective, encoder.embedding.characters.weight[4:], objective.contexts.weight[4:]


def test_skipgram_is_negative_sampling_of_pairs_that_are_apart():
    encoder, objective, (_, b, c), (of_a, of_b, of_c) = abc("skipgram", "objective.pairs=3", "objective.negatives=2")
    # Pairs: a with itself, which is left out; b with c; c with a. Strangers: a and b; c twice.
    dice = Dice([[0.0, 0.5, 0.99], [0.0, 0.99, 0.3]], [[0, 1], [2, 2]])
    expected = -log_sigmoid(b @ of_c) - log_sigmoid(-b @ of_a) - log_sigmoid(-b @ of_b)
    expected += -log_sigmoid(c @ of_a) - 2 * log_sigmoid(-c @ of_c)
    assert objective(encoder, ["abc"], dice).item() == pytest.approx(expected.item() / 2, rel=1e-5)


def test_cbow_is_negative_sampling_by_the_mean_of_what_is_left():
    encoder, objective, (a, b, c), (of_a, of_b, of_c) = abc("cbow", "objective.negatives=2")
    # Hidden: the second of abc, the first of ca; strangers: the first and last of all five; the third twice.
    dice = Dice([[0.5, 0.0]], [[0, 4], [2, 2]])
    first, second = (a + c) / 2, a
    expected = -log_sigmoid(first @ of_b) - log_sigmoid(-first @ of_a) - log_sigmoid(-first @ of_a)
    expected += -log_sigmoid(second @ of_c) - 2 * log_sigmoid(-second @ of_c)
    assert b.isfinite().all()
    assert objective(encoder, ["abc", "ca"], dice).item() == pytest.approx(expected.item() / 2, rel=1e-5)


@pytest.mark.parametrize("title", ["the sky", "ab", "banana"])
def test_a_piece_foretells_only_pieces_that_share_no_character_with_it(monkeypatch, title):
    config = configured("ngram", "skipgram")
    encoder, objective = made(config)
    pieces = pieces_of(CHARACTERS.batch([title]), config.model, len(CHARACTERS))
    count = len(pieces.ids)
    every = iter([np.repeat(np.arange(count), count), np.tile(np.arange(count), count)])
    seen = SimpleNamespace()
    monkeypatch.setattr(objectives, "_drawn", lambda *_: next(every))
    monkeypatch.setattr(objectives, "_vectors", lambda _, ids: setattr(seen, "centres", ids))
    monkeypatch.setattr(objectives, "_sampled_loss", lambda *given: setattr(seen, "others", given[3]))
    objective(encoder, [title], np.random.default_rng(1))
    spans = [set(range(first, end)) for first, end in zip(pieces.starts, pieces.ends, strict=True)]
    apart = [(one, other) for one in range(count) for other in range(count) if not spans[one] & spans[other]]
    assert apart
    assert seen.centres.tolist() == [pieces.ids[one] for one, _ in apart]
    assert seen.others.tolist() == [other for _, other in apart]


@pytest.mark.parametrize("hidden", [0, 3, 11, -1])
def test_what_is_left_of_a_title_shares_no_character_with_the_hidden_piece(monkeypatch, hidden):
    config = configured("ngram", "cbow")
    encoder, objective = made(config)
    titles = ["ab", "the sky"]
    pieces = pieces_of(CHARACTERS.batch(titles), config.model, len(CHARACTERS))
    own = np.array([0, np.flatnonzero(pieces.titles == 1)[hidden]])
    seen = SimpleNamespace()
    vectors = objectives._vectors
    monkeypatch.setattr(objectives, "_drawn", lambda *_: own)

    def heard(encoder, ids):
        seen.left = ids
        return vectors(encoder, ids)

    monkeypatch.setattr(objectives, "_vectors", heard)
    objective(encoder, titles, np.random.default_rng(1))
    spans = [set(range(first, end)) for first, end in zip(pieces.starts, pieces.ends, strict=True)]
    left = [n for n, title in enumerate(pieces.titles) if not spans[n] & spans[own[title]]]
    assert seen.left.tolist() == pieces.ids[left].tolist()


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_only_characters_inside_titles_are_hidden_and_foretold(monkeypatch, share):
    encoder, objective = made(configured("conv", "masked", f"objective.share={share}"))
    batch = CHARACTERS.batch(TITLES)
    seen = []
    places = encoder.places
    monkeypatch.setattr(encoder, "places", lambda inputs: seen.append(inputs) or places(inputs))
    for seed in range(9):
        loss = objective(encoder, TITLES, np.random.default_rng(seed))
        inputs = seen[-1]
        hidden = inputs.ids.numpy() != batch.ids
        assert (inputs.ids.numpy()[hidden] == UNK).all()
        assert not (hidden & ~batch.mask).any()
        with torch.no_grad():
            guesses = objective.guess(places(inputs).transpose(1, 2)[torch.from_numpy(hidden)])
        expected = functional.cross_entropy(guesses, torch.from_numpy(batch.ids[hidden]))
        assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    shares = [(inputs.ids.numpy() == UNK).sum() / batch.mask.sum() for inputs in seen]
    assert np.mean(shares) == pytest.approx(share, rel=0.15)


def test_marks_and_unknown_characters_are_never_hidden(monkeypatch):
    encoder, objective = made(configured("conv", "masked", "objective.share=0.9"), ABC_MARKED)
    titles = ["ab c", "xaxx", "zz", "c"]  # x and z are unknown
    batch = ABC_MARKED.batch(titles)
    worth = batch.mask & ~np.isin(batch.ids, [PAD, UNK, BOUNDARY])  # a blank is worth a guess too
    guessed = []
    monkeypatch.setattr(
        functional, "cross_entropy", lambda guesses, targets, **_: guessed.append(targets) or guesses.sum()
    )
    seen = []
    places = encoder.places
    monkeypatch.setattr(encoder, "places", lambda inputs: seen.append(inputs) or places(inputs))
    everything = np.zeros_like(worth)
    for seed in range(30):
        objective(encoder, titles, np.random.default_rng(seed))
        hidden = seen[-1].ids.numpy() != batch.ids
        assert not (hidden & ~worth).any()
        assert guessed[-1].tolist() == batch.ids[hidden].tolist()  # no unknown character is a target either
        everything |= hidden
    assert (everything == worth).all()


def test_where_nothing_is_hidden_there_is_no_loss():
    encoder, objective = made(configured("conv", "masked", "objective.share=1e-9"))
    loss = objective(encoder, TITLES, np.random.default_rng(1))
    assert loss.item() == 0
    loss.backward()
    assert all(not parameter.grad.any() for parameter in objective.parameters())


def test_masked_characters_need_convolutions():
    masked, ngram = configured("conv", "masked"), configured("ngram", "views")
    encoder, _ = made(ngram)
    with pytest.raises(TypeError, match="no objective MaskedConfig for Ngram"):
        objective_of(masked.objective, ngram.model, CHARACTERS, encoder)
    _, objective = made(masked)
    with pytest.raises(TypeError, match="masked characters need convolutions, not Ngram"):
        objective(encoder, TITLES, np.random.default_rng(1))
