import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from tests.helpers.titles import rows
from tests.helpers.training import compose_train, composed
from titleclf.config.schemas import PretrainConfig
from titleclf.data.augmentation.draws import draws
from titleclf.data.unlabelled import Survey
from titleclf.pretrain import new_encoder
from titleclf.runtime.architecture import NgramConfig
from titleclf.runtime.text.characters import BOUNDARY, PAD, UNK, Characters
from titleclf.runtime.text.ngrams import ngrams
from titleclf.training import objectives
from titleclf.training.distributed import seed_everything
from titleclf.training.network import Conv, Encoder, Ngram, to_inputs
from titleclf.training.objectives import Cbow, Masked, Objective, Skipgram, halved, objective_of, pieces_of
from titleclf.training.optimizer import Optimizer

CPU = torch.device("cpu")
TITLES = [title for title, _, _ in rows()]
CHARACTERS = Characters.from_titles(TITLES, casefold=True, min_count=1, boundary=True)
ABC = Characters("abc", casefold=True, boundary=False, length=9)
ABC_BOUNDED = replace(ABC, boundary=True)
FITTING = [(model, kind) for kind in ("views", "skipgram", "cbow") for model in ("bag", "ngram", "conv")]
FITTING = [*FITTING, ("conv", "masked")]


def configured(model: str, kind: str, *overrides: str) -> PretrainConfig:
    sizes = {"bag": [], "ngram": ["model.buckets=997"], "conv": ["model.channels=11"]}[model]
    boundary = "model.boundary=true"  # as in CHARACTERS
    settings = [f"model={model}", f"objective={kind}", "model.dim=7", boundary, *sizes, *overrides]
    training = compose_train(*settings)  # training allows more models than pre-training, whose files can't hold all
    optim = [override for override in overrides if override.startswith("optim.")]
    config: PretrainConfig = composed("pretrain", *optim)
    return replace(config, model=training.model, objective=training.objective)


def new_pair(config: PretrainConfig, characters: Characters = CHARACTERS, seed: int = 1) -> tuple[Encoder, Objective]:
    torch.manual_seed(seed)
    encoder = new_encoder(config, Survey(characters, len(TITLES), ""))
    return encoder, objective_of(config.objective, config.model, characters, encoder)


def randomize(*modules: nn.Module) -> None:
    """Draw all parameters: zeros, as contexts are initialized, would hide mistakes."""
    for module in modules:
        for parameter in module.parameters():
            nn.init.normal_(parameter)


class ScriptedGenerator(np.random.Generator):
    """A generator that returns the given numbers."""

    def __init__(self, fractions: list[list[float]], integers: list[list[int]]) -> None:
        super().__init__(np.random.PCG64())
        self.fractions, self.numbers = iter(fractions), integers

    def random(self, size):  # type: ignore[override]
        return np.array(next(self.fractions)).reshape(size)

    def integers(self, _, *, size):  # type: ignore[override]
        return np.array(self.numbers, dtype=np.int64).reshape(size)


@pytest.mark.parametrize(("model", "kind"), FITTING)
def test_the_loss_is_finite_and_falls(model, kind):
    config = configured(model, kind, "optim.table_lr=0.05", "optim.warmup_fraction=0")
    encoder, objective = new_pair(config)
    optimizer = Optimizer(nn.ModuleDict({"encoder": encoder, "objective": objective}), config.optim, steps=80)

    def mean_loss() -> float:
        with torch.no_grad():
            return float(np.mean([objective(encoder, TITLES, seed_everything(2, part)).item() for part in range(5)]))

    before = mean_loss()
    for step in range(80):
        optimizer.step(objective(encoder, TITLES, seed_everything(1, step)))
    after = mean_loss()
    assert math.isfinite(before)
    assert after < 0.9 * before


@pytest.mark.parametrize(("model", "kind"), FITTING)
def test_gradients_reach_what_is_learned_and_nothing_else(model, kind):
    encoder, objective = new_pair(configured(model, kind, "model.positions=learned"))
    randomize(encoder, objective)
    modules = nn.ModuleDict({"encoder": encoder, "objective": objective})
    objective(encoder, TITLES, seed_everything(1)).backward()
    reached = {
        name
        for name, parameter in modules.named_parameters()
        if parameter.grad is not None and parameter.grad.to_dense().any()
    }
    expected = {"encoder.embedding.characters.weight"} | ({"encoder.ngrams.weight"} if model == "ngram" else set())
    if kind in ("views", "masked"):
        expected |= {name for name, _ in modules.named_parameters() if name.startswith("encoder.")}
    expected |= {name for name, _ in modules.named_parameters() if name.startswith("objective.")}
    assert reached == expected
    used = CHARACTERS.batch(TITLES)
    gradient = encoder.embedding.characters.weight.grad
    assert gradient is not None
    hidden = {UNK} if kind == "masked" else set()  # hidden characters look like unknown ones
    assert set(gradient.any(dim=1).nonzero().ravel().tolist()) <= hidden | set(used.ids[used.mask].tolist())


@pytest.mark.parametrize("kind", ["skipgram", "cbow"])
def test_only_ngrams_of_the_batch_move(kind):
    config = configured("ngram", kind)
    encoder, objective = new_pair(config)
    randomize(encoder, objective)
    objective(encoder, TITLES[:3], seed_everything(1)).backward()
    assert isinstance(encoder, Ngram)
    gradient = encoder.ngrams.weight.grad
    assert gradient is not None
    moved = set(gradient.coalesce().indices()[0].tolist())
    assert moved
    assert moved <= set(to_inputs(CHARACTERS.batch(TITLES[:3]), config.model, CPU).grams.tolist())


@pytest.mark.parametrize(("model", "kind"), FITTING)
def test_the_same_seed_gives_the_same_loss_and_another_seed_another(model, kind):
    encoder, objective = new_pair(configured(model, kind))
    randomize(encoder, objective)
    first, second, another = (objective(encoder, TITLES, seed_everything(seed)).item() for seed in (1, 1, 2))
    assert first == second != another


@pytest.mark.parametrize("titles", [["Newsnight"], ["ab"], ["ab", "日本"], ["a b"], ["a"], ["ab", "ab", "x" * 999]])
@pytest.mark.parametrize(("model", "kind"), FITTING)
def test_few_and_short_titles_have_finite_losses(model, kind, titles):
    config = configured(model, kind)
    encoder, objective = new_pair(config)
    randomize(encoder, objective)
    modules = nn.ModuleDict({"encoder": encoder, "objective": objective})
    optimizer = Optimizer(modules, config.optim, steps=9)
    for seed in range(9):
        loss = objective(encoder, titles, seed_everything(seed))
        assert loss.isfinite()
        assert kind != "views" or len(titles) > 1 or loss.item() == 0  # a single title has no others to move away from
        optimizer.step(loss)
    assert all(parameter.isfinite().all() for parameter in modules.parameters())


@pytest.mark.parametrize("kind", ["skipgram", "cbow"])
def test_a_title_without_two_separate_pieces_has_no_loss(kind):
    config = configured("ngram", kind, "model.boundary=false")
    encoder, objective = new_pair(config, ABC)
    randomize(encoder, objective)
    before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    loss = objective(encoder, ["a"], seed_everything(1))
    assert loss.item() == 0
    Optimizer(nn.ModuleDict({"encoder": encoder, "objective": objective}), config.optim, steps=9).step(loss)
    assert all(torch.equal(tensor, before[name]) for name, tensor in encoder.state_dict().items())


def test_halves_have_all_words_of_a_title_and_none_is_empty():
    generator = np.random.default_rng(1)
    draw = draws(generator)
    letters = [*"aB日é0", " ", "  ", "\t", "\u00a0"]
    is_left_longer = set()
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
        is_left_longer.add(len(left.split()) > len(right.split()))
    assert is_left_longer == {True, False}


def test_distinct_words_keep_their_order_in_both_halves():
    draw = draws(np.random.default_rng(2))
    words = [f"w{number}" for number in range(9)]
    for _ in range(300):
        left, right = (half.split() for half in halved(" ".join(words), draw))
        assert left == sorted(left)
        assert right == sorted(right)
        assert sorted(left + right) == words


def test_a_single_word_is_split_at_every_position():
    draw = draws(np.random.default_rng(3))
    assert {halved("abcd", draw) for _ in range(200)} == {("a", "bcd"), ("ab", "cd"), ("abc", "d")}
    assert halved("ab", draw) == ("a", "b")


@pytest.mark.parametrize("across_words", ["true", "false"])
@pytest.mark.parametrize("model", ["bag", "ngram", "conv"])
def test_pieces_are_all_characters_and_ngrams_of_each_title_with_their_positions(model, across_words):
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
            assert isinstance(config, NgramConfig)
            alone, _ = ngrams(ids, ids > 0, [end - first], config.buckets, across_words=True)
            assert alone.tolist() == [number - len(CHARACTERS)]
    if model == "ngram":
        inputs = to_inputs(batch, config, CPU)
        counts = inputs.mask.sum(dim=1) + inputs.gram_counts
        assert np.bincount(pieces.titles).tolist() == counts.tolist()


def test_the_same_number_of_pieces_is_drawn_from_each_title_and_any_may_be_drawn():
    batch = CHARACTERS.batch(["ab", "match of the day", "x"])
    pieces = pieces_of(batch, configured("ngram", "skipgram").model, len(CHARACTERS))
    drawn = objectives._drawn(pieces, 3, 2000, np.random.default_rng(1))
    assert pieces.titles[drawn].tolist() == [0] * 2000 + [1] * 2000 + [2] * 2000
    assert set(drawn.tolist()) == set(range(len(pieces.ids)))


@pytest.mark.parametrize("model", ["bag", "ngram", "conv"])
def test_views_are_infonce_of_cosines_in_both_directions(model):
    config = configured(model, "views", "objective.temperature=0.3")
    encoder, objective = new_pair(config)
    randomize(encoder)
    titles = ["Match of the Day", "Newsnight", "BBC News at Ten"]
    loss = objective(encoder, titles, np.random.default_rng(5)).item()
    draw = draws(np.random.default_rng(5))
    halves = [halved(title, draw) for title in titles]

    def direction(text: str) -> np.ndarray:
        vector = encoder(to_inputs(CHARACTERS.batch([text]), config.model, CPU))[0].detach().numpy().astype(float)
        unit: np.ndarray = vector / np.linalg.norm(vector)
        return unit

    lefts, rights = ([direction(pair[side]) for pair in halves] for side in (0, 1))
    losses = []
    for anchors, candidates in ((lefts, rights), (rights, lefts)):
        for row, anchor in enumerate(anchors):
            scores = [math.exp(float(anchor @ candidate) / 0.3) for candidate in candidates]
            losses.append(-math.log(scores[row] / sum(scores)))
    assert loss == pytest.approx(sum(losses) / len(losses), abs=1e-5)


def log_sigmoid(score: torch.Tensor) -> torch.Tensor:
    return torch.log(1 / (1 + torch.exp(-score)))


def abc(kind: str, *overrides: str):
    """Return a bag's encoder and objective with random weights, and the vectors and contexts of a, b and c."""
    encoder, objective = new_pair(configured("bag", kind, "model.boundary=false", *overrides), ABC)
    assert isinstance(objective, Skipgram | Cbow)
    randomize(encoder, objective)
    return encoder, objective, encoder.embedding.characters.weight[4:], objective.contexts.weight[4:]


def test_skipgram_is_negative_sampling_of_separate_pairs():
    encoder, objective, (_, b, c), (of_a, of_b, of_c) = abc("skipgram", "objective.pairs=3", "objective.negatives=2")
    # Pairs: a with itself, which is left out; b with c; c with a. Negatives: a and b; c twice.
    generator = ScriptedGenerator([[0.0, 0.5, 0.99], [0.0, 0.99, 0.3]], [[0, 1], [2, 2]])
    expected = -log_sigmoid(b @ of_c) - log_sigmoid(-b @ of_a) - log_sigmoid(-b @ of_b)
    expected += -log_sigmoid(c @ of_a) - 2 * log_sigmoid(-c @ of_c)
    assert objective(encoder, ["abc"], generator).item() == pytest.approx(expected.item() / 2, rel=1e-5)


def test_cbow_is_negative_sampling_by_the_mean_of_the_visible_pieces():
    encoder, objective, (a, b, c), (of_a, of_b, of_c) = abc("cbow", "objective.negatives=2")
    # Hidden: the second of abc, the first of ca. Negatives: the first and last of all five; the third twice.
    generator = ScriptedGenerator([[0.5, 0.0]], [[0, 4], [2, 2]])
    first, second = (a + c) / 2, a
    expected = -log_sigmoid(first @ of_b) - log_sigmoid(-first @ of_a) - log_sigmoid(-first @ of_a)
    expected += -log_sigmoid(second @ of_c) - 2 * log_sigmoid(-second @ of_c)
    assert b.isfinite().all()
    assert objective(encoder, ["abc", "ca"], generator).item() == pytest.approx(expected.item() / 2, rel=1e-5)


@pytest.mark.parametrize("title", ["the sky", "ab", "banana"])
def test_a_piece_predicts_only_pieces_that_share_no_character_with_it(monkeypatch, title):
    config = configured("ngram", "skipgram")
    encoder, objective = new_pair(config)
    pieces = pieces_of(CHARACTERS.batch([title]), config.model, len(CHARACTERS))
    count = len(pieces.ids)
    every = iter([np.repeat(np.arange(count), count), np.tile(np.arange(count), count)])
    seen = SimpleNamespace()
    monkeypatch.setattr(objectives, "_drawn", lambda *_: next(every))
    monkeypatch.setattr(objectives, "_vectors", lambda _, ids: setattr(seen, "centres", ids))
    monkeypatch.setattr(objectives, "_sampled_loss", lambda *arguments: setattr(seen, "targets", arguments[3]))
    objective(encoder, [title], np.random.default_rng(1))
    spans = [set(range(first, end)) for first, end in zip(pieces.starts, pieces.ends, strict=True)]
    apart = [
        (centre, target) for centre in range(count) for target in range(count) if not spans[centre] & spans[target]
    ]
    assert apart
    assert seen.centres.tolist() == [pieces.ids[centre] for centre, _ in apart]
    assert seen.targets.tolist() == [target for _, target in apart]


@pytest.mark.parametrize("hidden", [0, 3, 11, -1])
def test_the_visible_pieces_of_a_title_share_no_character_with_the_hidden_one(monkeypatch, hidden):
    config = configured("ngram", "cbow")
    encoder, objective = new_pair(config)
    titles = ["ab", "the sky"]
    pieces = pieces_of(CHARACTERS.batch(titles), config.model, len(CHARACTERS))
    own = np.array([0, np.flatnonzero(pieces.titles == 1)[hidden]])
    seen = SimpleNamespace()
    vectors = objectives._vectors
    monkeypatch.setattr(objectives, "_drawn", lambda *_: own)

    def record(encoder, ids):
        seen.visible = ids
        return vectors(encoder, ids)

    monkeypatch.setattr(objectives, "_vectors", record)
    objective(encoder, titles, np.random.default_rng(1))
    spans = [set(range(first, end)) for first, end in zip(pieces.starts, pieces.ends, strict=True)]
    visible = [n for n, title in enumerate(pieces.titles) if not spans[n] & spans[own[title]]]
    assert seen.visible.tolist() == pieces.ids[visible].tolist()


def new_masked(config: PretrainConfig, characters: Characters = CHARACTERS) -> tuple[Conv, Masked]:
    encoder, objective = new_pair(config, characters)
    assert isinstance(encoder, Conv)
    assert isinstance(objective, Masked)
    return encoder, objective


def record_places(monkeypatch, encoder):
    """Return a list that receives what the encoder sees from now on."""
    seen = []
    places = encoder.places

    def recorded(inputs):
        seen.append(inputs)
        return places(inputs)

    monkeypatch.setattr(encoder, "places", recorded)
    return seen


@pytest.mark.parametrize("fraction", [0.1, 0.5])
def test_only_characters_inside_titles_are_hidden_and_predicted(monkeypatch, fraction):
    encoder, objective = new_masked(configured("conv", "masked", f"objective.share={fraction}"))
    batch = CHARACTERS.batch(TITLES)
    places, seen = encoder.places, record_places(monkeypatch, encoder)
    for seed in range(9):
        loss = objective(encoder, TITLES, np.random.default_rng(seed))
        inputs = seen[-1]
        hidden = inputs.ids.numpy() != batch.ids
        assert (inputs.ids.numpy()[hidden] == UNK).all()
        assert not (hidden & ~batch.mask).any()
        with torch.no_grad():
            logits = objective.guess(places(inputs).transpose(1, 2)[torch.from_numpy(hidden)])
        expected = functional.cross_entropy(logits, torch.from_numpy(batch.ids[hidden]))
        assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    fractions = [(inputs.ids.numpy() == UNK).sum() / batch.mask.sum() for inputs in seen]
    assert np.mean(fractions) == pytest.approx(fraction, rel=0.15)


def test_boundary_tokens_and_unknown_characters_are_never_hidden(monkeypatch):
    encoder, objective = new_masked(configured("conv", "masked", "objective.share=0.9"), ABC_BOUNDED)
    titles = ["ab c", "xaxx", "zz", "c"]  # x and z are unknown
    batch = ABC_BOUNDED.batch(titles)
    may_hide = batch.mask & ~np.isin(batch.ids, [PAD, UNK, BOUNDARY])  # blanks too
    predicted = []

    def record(logits, targets, **_):
        predicted.append(targets)
        return logits.sum()

    monkeypatch.setattr(functional, "cross_entropy", record)
    seen = record_places(monkeypatch, encoder)
    everything = np.zeros_like(may_hide)
    for seed in range(30):
        objective(encoder, titles, np.random.default_rng(seed))
        hidden = seen[-1].ids.numpy() != batch.ids
        assert not (hidden & ~may_hide).any()
        assert predicted[-1].tolist() == batch.ids[hidden].tolist()  # no unknown character is a target either
        everything |= hidden
    assert (everything == may_hide).all()


def test_a_batch_without_hidden_characters_has_no_loss():
    encoder, objective = new_masked(configured("conv", "masked", "objective.share=1e-9"))
    loss = objective(encoder, TITLES, np.random.default_rng(1))
    assert loss.item() == 0
    loss.backward()
    gradients = [parameter.grad for parameter in objective.parameters()]
    assert len(gradients) == 2
    assert not any(gradient is None or gradient.any() for gradient in gradients)


def test_masked_characters_need_convolutions():
    masked, ngram = configured("conv", "masked"), configured("ngram", "views")
    encoder, _ = new_pair(ngram)
    with pytest.raises(TypeError, match="no objective MaskedConfig for Ngram"):
        objective_of(masked.objective, ngram.model, CHARACTERS, encoder)
    _, objective = new_pair(masked)
    with pytest.raises(TypeError, match=r"objective=masked needs convolutions. Got Ngram. Use model=conv."):
        objective(encoder, TITLES, np.random.default_rng(1))
