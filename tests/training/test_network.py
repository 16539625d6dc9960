import numpy as np
import pytest
import torch
from torch import nn

from tests.helpers.networks import FIELDS, compose_model, with_random_fields
from tests.helpers.training import compose_train
from titleclf.runtime.architecture import BagConfig, ModelConfig
from titleclf.runtime.text.characters import FIRST_CHARACTER, UNK, Characters
from titleclf.runtime.text.programmes import Programmes
from titleclf.training.network import Conv, Ngram, TorchNetwork, _drop, to_inputs
from titleclf.training.positions import alternating

CATEGORIES = 3
CHARACTERS = Characters("abcdefghijklmnopqrstuvwxyz", casefold=True, boundary=True, length=31)
TITLES = ["match of the day", "a", "", "the antiques roadshow goes on", "ZZ top 日本"]
KINDS = ["bag", "ngram", "conv"]


def config(kind: str, *overrides: str) -> ModelConfig:
    sizes = {"bag": [], "ngram": ["model.buckets=997"], "conv": ["model.channels=11"]}
    return compose_train(f"model={kind}", "model.dim=7", *sizes[kind], *overrides).model


def random_network(model: ModelConfig, characters: Characters = CHARACTERS, seed: int = 1) -> TorchNetwork:
    torch.manual_seed(seed)
    network = TorchNetwork(model, characters, CATEGORIES)
    for parameter in network.parameters():  # zeros, as n-grams are initialized, would hide mistakes
        nn.init.normal_(parameter)
    return network.eval()


def logits(network: TorchNetwork, titles: list[str]) -> torch.Tensor:
    with torch.inference_mode():
        values: torch.Tensor = network(network.inputs(Programmes(titles)))
    return values


@pytest.mark.parametrize("positions", ["alternating", "sinusoidal", "learned", "none"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_title_has_the_same_logits_alone_and_in_any_batch(kind, positions):
    network = random_network(config(kind, f"model.positions={positions}"))
    together = logits(network, TITLES)
    assert together.shape == (len(TITLES), CATEGORIES)
    for row, title in enumerate(TITLES):
        assert torch.allclose(logits(network, [title])[0], together[row], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("combine", ["multiply", "add"])
def test_bag_equals_its_formula(combine):
    characters = Characters("abc", casefold=True, boundary=False, length=5)
    model = config("bag", f"model.combine={combine}")
    network = random_network(model, characters)
    table = alternating(5, 7)
    vectors = network.encoder.embedding.characters.weight
    expected = torch.zeros(7)
    for position, character in enumerate("cabx"):
        vector = vectors[{"a": FIRST_CHARACTER, "b": FIRST_CHARACTER + 1, "c": FIRST_CHARACTER + 2}.get(character, UNK)]
        expected = expected + (table[position] * vector if combine == "multiply" else table[position] + vector)
    encoded = network.encoder(to_inputs(characters.batch(["cabx", "abcab"]), model, torch.device("cpu")))
    assert isinstance(model, BagConfig)
    assert torch.allclose(encoded[0], expected, atol=1e-5)


def test_ngram_sums_all_features_and_divides_by_the_root_of_their_number():
    model = config("ngram", "model.orders=[2,3]", "model.positions=none")
    network = random_network(model)
    inputs = to_inputs(CHARACTERS.batch(["cab", "zzzzzz"]), model, torch.device("cpu"))
    assert isinstance(network.encoder, Ngram)
    features = [network.encoder.embedding.characters.weight[number] for number in inputs.ids[0] if number]
    features += [network.encoder.ngrams.weight[gram] for gram in inputs.grams[: inputs.gram_counts[0]]]
    assert len(features) == 5 + 4 + 3  # <cab> has five characters, four pairs, three triples
    expected = torch.stack(features).sum(dim=0) / len(features) ** 0.5
    assert torch.allclose(network.encoder(inputs)[0], expected, atol=1e-5)


def test_ngrams_start_at_zero():
    torch.manual_seed(1)
    network = TorchNetwork(config("ngram"), CHARACTERS, CATEGORIES)
    assert isinstance(network.encoder, Ngram)
    assert not network.encoder.ngrams.weight.any()


def test_ngram_dropout_hides_some_in_training_only():
    network = random_network(config("ngram", "model.ngram_dropout=0.5"))
    inputs = to_inputs(CHARACTERS.batch(TITLES), network.model, torch.device("cpu"))
    torch.manual_seed(1)
    grams, counts = _drop(inputs.grams, inputs.gram_counts, 0.5)
    assert counts.sum() == len(grams)
    assert 0.3 < len(grams) / len(inputs.grams) < 0.7
    assert counts.shape == inputs.gram_counts.shape
    assert torch.equal(logits(network, TITLES), logits(network, TITLES))
    network.train()
    assert not torch.equal(logits(network, TITLES), logits(network, TITLES))


def test_feature_dropout_hides_some_features_of_fields_in_training_only():
    network = random_network(compose_model("bag", "model.fields.feature_dropout=0.5", fields=FIELDS))
    with_fields, bare = (network.inputs(programmes) for programmes in (with_random_fields(TITLES), Programmes(TITLES)))
    assert torch.equal(network(with_fields), network(with_fields))
    network.train()
    assert not torch.equal(network(with_fields), network(with_fields))
    assert torch.equal(network(bare), network(bare))


@pytest.mark.parametrize("kind", KINDS)
def test_views_are_of_the_whole_programme_of_its_title_and_of_its_fields(kind):
    network = random_network(compose_model(kind, fields=FIELDS))
    programmes = with_random_fields(TITLES)
    whole, title, fields = network.views(network.inputs(programmes)).unbind(dim=1)
    assert torch.allclose(whole, network(network.inputs(programmes)), atol=1e-5)
    assert torch.allclose(title, network(network.inputs(Programmes(TITLES))), atol=1e-5)
    assert isinstance(network.head, nn.Linear)
    assert torch.allclose(fields - network.head.bias, whole - title, atol=1e-4)
    assert not torch.allclose(title, fields, atol=0.1)


def test_a_programme_without_fields_is_its_title_in_all_views():
    network = random_network(compose_model("bag", fields=FIELDS))
    alone = network.views(network.inputs(Programmes(TITLES)))
    assert alone.shape == (len(TITLES), 3, CATEGORIES)
    assert torch.allclose(alone, logits(network, TITLES)[:, None].expand(-1, 3, -1), atol=1e-6)
    mixed = Programmes(["a", "a"], {"minutes": [None, 90]})
    without, with_minutes = network.views(network.inputs(mixed))
    assert torch.allclose(without, without[:1].expand(3, -1), atol=1e-6)
    assert not torch.allclose(with_minutes[2], with_minutes[1], atol=1e-3)


def test_titles_alone_have_one_view():
    network = random_network(config("bag"))
    views = network.views(network.inputs(Programmes(TITLES)))
    assert torch.equal(views, logits(network, TITLES)[:, None])


def test_conv_takes_the_maximum_over_positions():
    model = config("conv", "model.widths=[1]", "model.positions=none")
    network = random_network(model)
    assert isinstance(network.encoder, Conv)
    convolution = network.encoder.convolutions[0]
    assert isinstance(convolution, nn.Conv1d)
    assert convolution.bias is not None
    inputs = to_inputs(CHARACTERS.batch(["cab"]), model, torch.device("cpu"))
    vectors = network.encoder.embedding.characters.weight[inputs.ids[0]]  # (length, dim)
    expected = (vectors @ convolution.weight[..., 0].T + convolution.bias).relu().amax(dim=0)
    assert torch.allclose(network.encoder(inputs)[0], expected, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_logits_as_an_array_are_those_without_dropout(kind):
    network = random_network(config(kind, "model.dropout=0.5")).train()
    array = network.logits(Programmes(TITLES))
    assert array.shape == (len(TITLES), CATEGORIES)
    assert not network.training
    assert np.array_equal(array, logits(network, TITLES).numpy())


@pytest.mark.parametrize("kind", KINDS)
def test_the_head_is_linear_or_has_one_hidden_layer(kind):
    linear, hidden = random_network(config(kind)), random_network(config(kind, "model.hidden=13"))
    assert isinstance(linear.head, nn.Linear)
    assert isinstance(hidden.head, nn.Sequential)
    assert [tuple(layer.weight.shape) for layer in hidden.head if isinstance(layer, nn.Linear)] == [
        (13, hidden.encoder.dim),
        (CATEGORIES, 13),
    ]
    assert logits(hidden, TITLES).shape == (len(TITLES), CATEGORIES)


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_title_has_logits_with_and_without_boundary(kind):
    for boundary in (True, False):
        characters = Characters("abc", casefold=True, boundary=boundary, length=5)
        assert logits(random_network(config(kind), characters), [""]).isfinite().all()


@pytest.mark.parametrize("kind", KINDS)
def test_titles_with_the_same_characters_in_another_order_have_other_logits(kind):
    network = random_network(config(kind))
    forwards, backwards = logits(network, ["abcdefg", "gfedcba"])
    assert not torch.allclose(forwards, backwards)


def test_a_bag_without_positions_ignores_the_order_of_characters():
    network = random_network(config("bag", "model.positions=none"))
    forwards, backwards = logits(network, ["abcdefg", "gfedcba"])
    assert torch.allclose(forwards, backwards, atol=1e-5)
