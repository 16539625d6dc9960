import pytest
import torch
from torch import nn

from tests.helpers.training import compose_train
from titleclf.runtime.architecture import BagConfig, ModelConfig
from titleclf.runtime.text.characters import FIRST_CHARACTER, UNK, Characters
from titleclf.training.network import Network, to_inputs
from titleclf.training.positions import alternating

CATEGORIES = 3
CHARACTERS = Characters("abcdefghijklmnopqrstuvwxyz", casefold=True, boundary=True, length=31)
TITLES = ["match of the day", "a", "", "the antiques roadshow goes on", "ZZ top 日本"]
KINDS = ["bag", "ngram", "conv"]


def config(kind: str, *overrides: str) -> ModelConfig:
    sizes = {"bag": [], "ngram": ["model.buckets=997"], "conv": ["model.channels=11"]}
    return compose_train(f"model={kind}", "model.dim=7", *sizes[kind], *overrides).model


def network(model: ModelConfig, characters: Characters = CHARACTERS, seed: int = 1) -> Network:
    torch.manual_seed(seed)
    made = Network(model, len(characters), characters.length, CATEGORIES)
    for parameter in made.parameters():  # n-grams start at zero; that would hide mistakes
        nn.init.normal_(parameter)
    return made.eval()


def logits(made: Network, titles: list[str], characters: Characters = CHARACTERS) -> torch.Tensor:
    with torch.inference_mode():
        return made(to_inputs(characters.batch(titles), made.config, torch.device("cpu")))


@pytest.mark.parametrize("positions", ["alternating", "sinusoidal", "learned", "none"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_title_has_the_same_logits_alone_and_in_any_batch(kind, positions):
    made = network(config(kind, f"model.positions={positions}"))
    together = logits(made, TITLES)
    assert together.shape == (len(TITLES), CATEGORIES)
    for row, title in enumerate(TITLES):
        assert torch.allclose(logits(made, [title])[0], together[row], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("combine", ["multiply", "add"])
def test_bag_is_the_founding_formula_to_the_letter(combine):
    characters = Characters("abc", casefold=True, boundary=False, length=5)
    model = config("bag", f"model.combine={combine}")
    made = network(model, characters)
    table = alternating(5, 7)
    vectors = made.encoder.embedding.characters.weight
    expected = torch.zeros(7)
    for position, character in enumerate("cabx"):
        vector = vectors[{"a": FIRST_CHARACTER, "b": FIRST_CHARACTER + 1, "c": FIRST_CHARACTER + 2}.get(character, UNK)]
        expected = expected + (table[position] * vector if combine == "multiply" else table[position] + vector)
    found = made.encoder(to_inputs(characters.batch(["cabx", "abcab"]), model, torch.device("cpu")))
    assert isinstance(model, BagConfig)
    assert torch.allclose(found[0], expected, atol=1e-5)


def test_ngram_sums_all_features_and_divides_by_the_root_of_their_number():
    model = config("ngram", "model.orders=[2,3]", "model.positions=none")
    made = network(model)
    inputs = to_inputs(CHARACTERS.batch(["cab", "zzzzzz"]), model, torch.device("cpu"))
    features = [made.encoder.embedding.characters.weight[number] for number in inputs.ids[0] if number]
    features += [made.encoder.ngrams.weight[gram] for gram in inputs.grams[: inputs.gram_counts[0]]]
    assert len(features) == 5 + 4 + 3  # <cab> has five characters, four pairs, three triples
    expected = torch.stack(features).sum(dim=0) / len(features) ** 0.5
    assert torch.allclose(made.encoder(inputs)[0], expected, atol=1e-5)


def test_ngrams_start_silent():
    torch.manual_seed(1)
    made = Network(config("ngram"), len(CHARACTERS), CHARACTERS.length, CATEGORIES)
    assert not made.encoder.ngrams.weight.any()


def test_ngram_dropout_hides_some_in_training_only():
    made = network(config("ngram", "model.ngram_dropout=0.5"))
    inputs = to_inputs(CHARACTERS.batch(TITLES), made.config, torch.device("cpu"))
    torch.manual_seed(1)
    grams, counts = made.encoder._drop(inputs.grams, inputs.gram_counts)
    assert counts.sum() == len(grams)
    assert 0.3 < len(grams) / len(inputs.grams) < 0.7
    assert counts.shape == inputs.gram_counts.shape
    assert torch.equal(logits(made, TITLES), logits(made, TITLES))
    made.train()
    assert not torch.equal(logits(made, TITLES), logits(made, TITLES))


def test_conv_takes_the_strongest_place():
    model = config("conv", "model.widths=[1]", "model.positions=none")
    made = network(model)
    convolution = made.encoder.convolutions[0]
    inputs = to_inputs(CHARACTERS.batch(["cab"]), model, torch.device("cpu"))
    vectors = made.encoder.embedding.characters.weight[inputs.ids[0]]  # (length, dim)
    expected = (vectors @ convolution.weight[..., 0].T + convolution.bias).relu().amax(dim=0)
    assert torch.allclose(made.encoder(inputs)[0], expected, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_the_head_is_linear_or_has_one_hidden_layer(kind):
    linear, hidden = network(config(kind)), network(config(kind, "model.hidden=13"))
    assert isinstance(linear.head, nn.Linear)
    assert [tuple(layer.weight.shape) for layer in hidden.head if isinstance(layer, nn.Linear)] == [
        (13, hidden.encoder.dim),
        (CATEGORIES, 13),
    ]
    assert logits(hidden, TITLES).shape == (len(TITLES), CATEGORIES)


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_title_has_logits_with_and_without_boundary(kind):
    for boundary in (True, False):
        characters = Characters("abc", casefold=True, boundary=boundary, length=5)
        assert logits(network(config(kind), characters), [""], characters).isfinite().all()


@pytest.mark.parametrize("kind", KINDS)
def test_titles_that_differ_only_in_order_differ(kind):
    made = network(config(kind))
    one, other = logits(made, ["abcdefg", "gfedcba"])
    assert not torch.allclose(one, other)


def test_without_positions_a_bag_is_blind_to_order():
    made = network(config("bag", "model.positions=none"))
    one, other = logits(made, ["abcdefg", "gfedcba"])
    assert torch.allclose(one, other, atol=1e-5)
