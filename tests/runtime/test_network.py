"""Every implementation of the network returns the same logits: torch, numpy, folded and ONNX."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.networks import (
    FIELDS,
    LENGTH,
    SIZES,
    TITLES,
    UnknownConfig,
    UnknownNgramConfig,
    centred,
    compose_model,
    folded,
    largest_step,
    rounding_errors,
    table_of,
    unknown_model,
    with_network,
    with_random_fields,
    written,
)
from titleclf.runtime.architecture import known_model
from titleclf.runtime.arrays import Floats
from titleclf.runtime.bundle.contents import Bundle
from titleclf.runtime.bundle.folding import field_prefix
from titleclf.runtime.bundle.packing import SCALE, TABLE
from titleclf.runtime.bundle.reader import shapes_of
from titleclf.runtime.choices import Combine, Field, MemoryKind, Positions, Task
from titleclf.runtime.classifier import Classifier, classifier_of
from titleclf.runtime.errors import InputError
from titleclf.runtime.folded_network import FoldedNetwork
from titleclf.runtime.network import Network, NumpyNetwork, codes_of, logits_of
from titleclf.runtime.onnx_network import OnnxNetwork, parse_onnx
from titleclf.runtime.text.characters import Characters
from titleclf.runtime.text.fields import FieldEncoder
from titleclf.runtime.text.programmes import COLUMNS, Programme, Programmes
from titleclf.training.network import TorchNetwork, encoder_of
from titleclf.training.onnx_graph import onnx_model
from titleclf.training.positions import alternating, sinusoidal
from titleclf.training.quantization import quantize_weights
from titleclf.training.trained_model import TrainedModel, bundle_of, load_trained

CHARACTERS = Characters("abcdefghijklmno", casefold=True, boundary=True, length=23)
PROGRAMMES = Programmes(TITLES)


def assert_same(model: TrainedModel, tmp_path: Path) -> None:
    """Assert that torch and numpy predict the same from the files of a model, in a batch and one by one."""
    trained, classifier = load_trained(written(model, tmp_path)), Classifier.load(tmp_path / "written")
    assert isinstance(classifier.network, NumpyNetwork)
    assert classifier.contents.characters == trained.contents.characters
    # Probabilities near 0 or 1 would hide mistakes. Sums of hundreds of n-grams are only that exact, in either.
    logits = logits_of(trained.network, PROGRAMMES)
    assert np.abs(logits_of(classifier.network, PROGRAMMES) - logits).max() < 1e-4
    expected, probabilities = trained.probabilities(PROGRAMMES), classifier.probabilities(PROGRAMMES)
    assert probabilities.shape == (len(TITLES), len(model.categories))
    assert np.abs(probabilities - expected).max() < 1e-5
    alone = np.concatenate([classifier.probabilities(Programmes([title])) for title in TITLES])
    assert np.abs(alone - expected).max() < 1e-5


@pytest.mark.parametrize("combine", list(Combine))
@pytest.mark.parametrize("positions", list(Positions))
@pytest.mark.parametrize("kind", list(SIZES))
def test_numpy_computes_every_encoder_and_code_as_torch_does(run, tmp_path, kind, positions, combine):
    assert_same(with_network(run, kind, f"model.positions={positions}", f"model.combine={combine}"), tmp_path)


@pytest.mark.parametrize("kind", list(SIZES))
def test_numpy_computes_a_hidden_layer_and_titles_without_boundaries(run, tmp_path, kind):
    assert_same(with_network(run, kind, "model.hidden=13", boundary=False), tmp_path)


@pytest.mark.parametrize("overrides", [["model.across_words=true"], ["model.across_words=false", "model.orders=[3,1]"]])
def test_numpy_computes_ngrams_within_and_across_words(run, tmp_path, overrides):
    assert_same(with_network(run, "ngram", *overrides), tmp_path)


@pytest.mark.parametrize("widths", ["[1]", "[2,3,4,5]", "[6,31]"])
def test_numpy_computes_convolutions_of_all_widths(run, tmp_path, widths):
    assert_same(with_network(run, "conv", f"model.widths={widths}"), tmp_path)


@pytest.mark.parametrize("dim", [5, 6])
@pytest.mark.parametrize(("to_nibbles", "dtype"), [(None, np.float32), (False, np.int8), (True, np.uint8)])
def test_a_packed_table_stays_packed(run, tmp_path, dim, to_nibbles, dtype):
    model = with_network(run, "ngram", f"model.dim={dim}")
    if to_nibbles is not None:
        quantize_weights(table_of(model), to_nibbles=to_nibbles)
    assert_same(model, tmp_path)
    network = Classifier.load(tmp_path / "written").network
    assert isinstance(network, NumpyNetwork)
    assert network.weights[TABLE].dtype == dtype
    assert (SCALE in network.weights) == (to_nibbles is not None)


@pytest.mark.parametrize("kind", list(MemoryKind))
@pytest.mark.parametrize("task", ["run", "tags_run"])
def test_both_predict_the_same_for_every_task_and_memory(request, tmp_path, task, kind):
    model = load_trained(request.getfixturevalue(task))
    memory = model.contents.memory
    assert memory is not None
    known = replace(memory.known, kind=kind)
    model.contents.memory = None if kind is MemoryKind.none else replace(memory, known=known)
    assert_same(model, tmp_path)
    trained, classifier = load_trained(tmp_path / "written"), Classifier.load(tmp_path / "written")
    expected, predictions = (predictor.predict(TITLES, top=2) for predictor in (trained, classifier))
    assert [prediction.named for prediction in predictions] == [prediction.named for prediction in expected]


@dataclass
class Implementations:
    """One network in all four implementations."""

    torch: TorchNetwork
    numpy: NumpyNetwork
    folded: FoldedNetwork
    onnx: OnnxNetwork
    bundle: Bundle  # of the folded one

    @classmethod
    def of(cls, model: TrainedModel) -> "Implementations":
        in_numpy, in_eight_bits = classifier_of(bundle_of(model)).network, classifier_of(folded(model)).network
        assert isinstance(in_numpy, NumpyNetwork)
        assert isinstance(in_eight_bits, FoldedNetwork)
        contents, onnx = parse_onnx(onnx_model(bundle_of(model)).SerializeToString(), "model.onnx")
        assert contents.title_thresholds == model.contents.title_thresholds
        return cls(model.network, in_numpy, in_eight_bits, onnx, folded(model))

    def __iter__(self):
        return iter((self.torch, self.numpy, self.folded, self.onnx))


NOTHING = [None] * len(TITLES)
BARE = {
    "titles": PROGRAMMES,
    "empty fields": Programmes(TITLES, dict.fromkeys(COLUMNS, NOTHING)),
    "fields without features": Programmes(TITLES, {"description": ["", "!?", " \n", *NOTHING[3:]]}),
}
WITH_FIELDS = {
    **{f"random fields {seed}": with_random_fields(TITLES, seed) for seed in range(1, 4)},
    **{f"{name} alone": with_random_fields(TITLES).only([name]) for name in COLUMNS},
    "fields of one": Programmes(TITLES, {"description": [*NOTHING[1:], "word"], "year": [1999, *NOTHING[1:]]}),
}


@pytest.mark.parametrize("programmes", [*BARE, *WITH_FIELDS])
@pytest.mark.parametrize(("task", "fields"), [("run", ()), ("run", FIELDS), ("tags_run", ()), ("tags_run", FIELDS)])
def test_all_four_implementations_agree_with_and_without_fields(request, task, fields, programmes):
    model = with_network(request.getfixturevalue(task), "ngram", fields=fields)
    networks = Implementations.of(model)
    rows = (BARE | WITH_FIELDS)[programmes]
    expected = networks.torch.logits(rows)
    assert expected.shape == (len(TITLES), len(model.categories))
    for network in (networks.numpy, networks.onnx):
        assert np.abs(network.logits(rows) - expected).max() < 1e-4
    differences: Floats = networks.folded.logits(rows) - expected
    if model.task is Task.single:
        differences = centred(differences)
    assert (np.abs(differences).max(axis=1) <= rounding_errors(networks.bundle, rows)).all()
    for network in networks:
        in_turn = np.concatenate([network.logits(rows[row : row + 1]) for row in range(len(rows))])
        assert np.abs(in_turn - network.logits(rows)).max() < 1e-4
        if network is networks.folded:
            assert np.array_equal(in_turn, network.logits(rows))
        bare = network.logits(PROGRAMMES)
        if not fields or programmes in BARE:
            assert np.array_equal(network.logits(rows), bare)
        else:
            assert np.abs(network.logits(rows) - bare).max() > 0.1


@pytest.mark.parametrize("hidden", [0, 13])
@pytest.mark.parametrize("kind", list(SIZES))
def test_every_network_computes_fields_in_numpy_and_onnx_as_in_torch(run, tmp_path, kind, hidden):
    model = with_network(run, kind, f"model.hidden={hidden}", fields=FIELDS)
    programmes = with_random_fields(TITLES)
    trained, classifier = load_trained(written(model, tmp_path)), Classifier.load(tmp_path / "written")
    assert trained.columns == classifier.columns == set(COLUMNS)
    expected = model.network.logits(programmes)
    assert np.array_equal(trained.network.logits(programmes), expected)
    assert np.abs(classifier.network.logits(programmes) - expected).max() < 1e-4
    assert np.abs(model.network.logits(PROGRAMMES) - expected).max() > 0.1
    _, onnx = parse_onnx(onnx_model(bundle_of(model)).SerializeToString(), "model.onnx")
    assert np.abs(onnx.logits(programmes) - expected).max() < 1e-4
    assert np.abs(onnx.logits(PROGRAMMES) - model.network.logits(PROGRAMMES)).max() < 1e-4


@pytest.mark.parametrize("fields", [("channel",), ("minutes", "description"), ("year", "sub_title", "language")])
def test_a_network_reads_no_other_fields_than_it_uses(run, fields):
    networks = Implementations.of(with_network(run, "ngram", fields=fields))
    programmes = with_random_fields(TITLES)
    for network in networks:
        assert np.array_equal(network.logits(programmes), network.logits(programmes.only(fields)))
        assert np.abs(network.logits(programmes) - network.logits(PROGRAMMES)).max() > 0.1


def test_a_folded_network_adds_for_fields_what_the_network_adds(run):
    networks = Implementations.of(with_network(run, "ngram", fields=FIELDS))
    programmes = with_random_fields(TITLES)
    exact, rounded = networks.numpy.field_logits(programmes), networks.folded.field_logits(programmes)
    assert set(exact) == set(rounded) == set(FIELDS)
    for name, bags in networks.numpy.encoder.encode(programmes).items():
        errors = np.abs(centred(rounded[name]) - centred(exact[name])).max(axis=1)
        bound = largest_step(networks.bundle, field_prefix(name)) * np.sqrt(bags.counts)
        assert (errors <= bound + 1e-5).all()
    for network in (networks.numpy, networks.folded):
        added = sum(network.field_logits(programmes).values())
        assert np.abs(network.logits(programmes) - network.logits(PROGRAMMES) - added).max() < 1e-4


def test_folded_networks_give_programmes_with_fields_the_same_bits_in_any_batch_cold_and_warm(run):
    bundle = folded(with_network(run, "ngram", fields=FIELDS))
    programmes = with_random_fields([*TITLES, *(f"Title {number}" for number in range(3000))])
    together = logits_of(classifier_of(bundle).network, programmes)
    cold, warm = classifier_of(bundle).network, classifier_of(bundle).network
    assert isinstance(warm, FoldedNetwork)
    for name, table in warm.fields.items():
        assert table.table.any() == (name != Field.channel_kind or table.scores.any())
    for network in (cold, warm):
        alone = np.concatenate([network.logits(programmes[row : row + 1]) for row in range(50)])
        assert np.array_equal(alone, together[:50])
        assert np.array_equal(logits_of(network, programmes[50:]), together[50:])


def test_missing_fields_add_nothing(run):
    model = with_network(run, "ngram", fields=FIELDS)
    unknown = Programmes.of([Programme("a"), Programme("b", None, None, "", "...")])
    for classifier in (model, classifier_of(bundle_of(model)), classifier_of(folded(model))):
        assert np.array_equal(classifier.logits(unknown), classifier.logits(Programmes(["a", "b"])))


def test_only_programmes_with_fields_have_their_features_among_the_inputs_of_a_network_with_fields(run):
    plain, with_fields = (with_network(run, "ngram", fields=fields).network for fields in ((), FIELDS))
    programmes = with_random_fields(TITLES)
    assert plain.inputs(programmes).fields == {}
    assert with_fields.inputs(PROGRAMMES).fields == {}
    inputs, bags = with_fields.inputs(programmes).fields, with_fields.field_encoder.encode(programmes)
    assert set(inputs) == set(bags) == set(FIELDS)
    for name, (buckets, counts) in bags.items():
        assert inputs[name].buckets.tolist() == buckets.tolist()
        assert inputs[name].counts.tolist() == counts.tolist()


def test_more_programmes_than_a_batch_have_the_logits_that_they_have_in_one(run):
    class Small:
        batch_size = 3

        def __init__(self, network: Network) -> None:
            self.network, self.model, self.familiarities = network, network.model, network.familiarities
            self.batches: list[int] = []

        def logits(self, programmes: Programmes) -> Floats:
            self.batches.append(len(programmes))
            return self.network.logits(programmes)

    network = with_network(run, "ngram", fields=FIELDS).network
    small, programmes = Small(network), with_random_fields(TITLES)
    assert np.abs(logits_of(small, programmes) - network.logits(programmes)).max() < 1e-4
    assert small.batches == [3, 3, 3, 2]
    assert logits_of(small, programmes[:0]).shape == (0, 3)


@pytest.mark.parametrize("positions", list(Positions))
@pytest.mark.parametrize("hidden", [0, 13])
@pytest.mark.parametrize("fields", [(), ("channel",), FIELDS])
@pytest.mark.parametrize("kind", list(SIZES))
def test_the_expected_shapes_are_those_of_the_network(kind, fields, hidden, positions):
    model = compose_model(kind, f"model.hidden={hidden}", f"model.positions={positions}", fields=fields)
    state = TorchNetwork(model, CHARACTERS, 3).state_dict()
    assert shapes_of(model, CHARACTERS, 3) == {name: tuple(tensor.shape) for name, tensor in state.items()}


@pytest.mark.parametrize("dim", [1, 7, 12])
def test_codes_are_those_of_training(dim):
    for kind, code in ((Positions.alternating, alternating), (Positions.sinusoidal, sinusoidal)):
        codes = codes_of(kind, LENGTH, dim)
        assert codes is not None
        assert codes.dtype == np.float32
        # Angles reach LENGTH radians in single precision, and powers differ in their last bit from machine to machine.
        assert np.abs(codes - code(LENGTH, dim).numpy()).max() < LENGTH * np.finfo(np.float32).eps
    assert codes_of(Positions.none, LENGTH, dim) is codes_of(Positions.learned, LENGTH, dim) is None


@pytest.mark.parametrize("config", [UnknownConfig, UnknownNgramConfig])
def test_no_implementation_computes_an_unknown_model_as_another_one(run, config):
    model, trained = unknown_model(config), with_network(run, "ngram")
    trained.network.familiarities = {}  # which do not fit the other model's buckets
    in_floats, in_eight_bits = (replace(bundle, model=model) for bundle in (bundle_of(trained), folded(trained)))
    implementations = [
        lambda: known_model(model),
        lambda: encoder_of(model, CHARACTERS),
        lambda: NumpyNetwork.of(model, in_floats.weights, CHARACTERS, FieldEncoder(model.fields)).logits(PROGRAMMES),
        lambda: classifier_of(in_floats),
        lambda: classifier_of(in_eight_bits),
        lambda: onnx_model(in_floats),
    ]
    for compute in implementations:
        with pytest.raises(InputError) as caught:
            compute()
        assert str(caught.value) == (
            f"model.kind must be one of bag, ngram, conv. Got {config.__name__}. Add it to each implementation of the "
            "network."
        )
