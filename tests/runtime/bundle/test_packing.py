from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from tests.helpers.networks import written
from tests.helpers.training import compose_train, train_without_plots
from titleclf.runtime.bundle.packing import SCALE, TABLE, unpack, unpacked
from titleclf.runtime.errors import InputError
from titleclf.runtime.text.characters import Characters
from titleclf.training.network import Ngram, TorchNetwork
from titleclf.training.quantization import pack, packed, quantize_table, quantize_weights
from titleclf.training.trained_model import load_trained, load_weights

CHARACTERS = Characters("abcdefg", casefold=True, boundary=True, length=13)


def new_network(*overrides: str) -> TorchNetwork:
    return TorchNetwork(compose_train("model.dim=5", *overrides).model, CHARACTERS, outputs=3)


def network_of(*overrides: str, seed: int = 1) -> TorchNetwork:
    """Return a network whose n-gram table, if it has one, has columns of all sizes, one of zeros."""
    torch.manual_seed(seed)
    network = new_network(*overrides)
    if isinstance(network.encoder, Ngram):
        with torch.no_grad():
            spread = torch.tensor([1e-30, 1e-3, 1.0, 0.0, 1e30])
            network.encoder.ngrams.weight.copy_(torch.randn(network.encoder.ngrams.weight.shape) * spread)
    return network


def table_in(network: TorchNetwork) -> Tensor:
    """Return the n-gram table itself, not a copy."""
    return network.get_parameter(TABLE).detach()


def packed_table(table: Tensor) -> tuple[Tensor, Tensor]:
    """Return a quantized table as integers and scale."""
    small = packed(table)
    assert small is not None
    return small


def unpacked_again(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    arrays = unpack({name: tensor.numpy() for name, tensor in tensors.items()})
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def bits(tensors: Mapping[str, Tensor]) -> dict[str, bytes]:
    return {name: tensor.numpy().tobytes() for name, tensor in tensors.items()}


def test_a_quantized_table_is_near_the_trained_one():
    network = network_of("model.buckets=997")
    table = table_in(network)
    before = table.clone()
    quantize_table(network)
    step = before.abs().amax(dim=0) / 127
    assert not torch.equal(table, before)
    assert ((table - before).abs() <= 0.51 * step).all()
    assert table[:, 3].eq(0).all()


@pytest.mark.parametrize("seed", range(20))
def test_quantizing_a_network_twice_changes_nothing(seed):
    network = network_of("model.buckets=97", seed=seed)
    quantize_table(network)
    once = table_in(network).clone()
    quantize_table(network)
    assert torch.equal(table_in(network), once)


@pytest.mark.parametrize("seed", range(20))
def test_packed_and_unpacked_weights_are_the_same_bit_for_bit(seed):
    network = network_of("model.buckets=97", seed=seed)
    quantize_table(network)
    state = dict(network.state_dict())
    small = pack(state)
    assert (small[TABLE].dtype, small[TABLE].shape) == (torch.int8, (97, 5))
    assert (small[SCALE].dtype, small[SCALE].shape) == (torch.float32, (5,))
    assert bits(unpacked_again(small)) == bits(state)
    assert bits(pack(unpacked_again(small))) == bits(small)


def test_a_table_that_is_not_quantized_is_not_packed():
    state = dict(network_of("model.buckets=97").state_dict())
    assert bits(pack(state)) == bits(state)


@pytest.mark.parametrize("model", ["model=bag", "model=conv"])
def test_models_without_ngrams_do_not_change(model):
    network = network_of(model)
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    quantize_table(network)
    assert bits(pack(network.state_dict())) == bits(state)
    assert bits(unpacked_again(state)) == bits(state)


def test_a_frozen_table_does_not_change():
    network = network_of("model.buckets=97")
    network.get_parameter(TABLE).requires_grad = False
    before = table_in(network).clone()
    quantize_table(network)
    assert torch.equal(table_in(network), before)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_of_a_diverged_training_run_are_refused(value):
    network = network_of("model.buckets=97")
    table_in(network)[3, 2] = value
    with pytest.raises(InputError, match=r"^training must leave finite weights\. Got others\. Train with a smaller"):
        quantize_table(network)


def test_a_trained_bundle_is_packed_and_written_again_to_the_same_bytes(run, tmp_path):
    again = written(load_trained(run), tmp_path) / "weights.safetensors"
    assert load_file(again)[TABLE].dtype == torch.int8
    assert again.read_bytes() == (run / "bundle" / "weights.safetensors").read_bytes()
    assert load_file(run / "best.safetensors")[TABLE].dtype == torch.float32  # at full precision, to continue training


def test_training_evaluates_the_weights_that_the_bundle_holds(small, monkeypatch):
    from titleclf import train as module

    evaluated = []
    evaluate_on_test = module.evaluate_on_test

    def remember(config, data, model, run, **options):
        evaluated.append({name: tensor.clone() for name, tensor in model.network.state_dict().items()})
        evaluate_on_test(config, data, model, run, **options)

    monkeypatch.setattr(module, "evaluate_on_test", remember)
    folder = train_without_plots(small())
    (weights,) = evaluated
    assert bits(dict(load_trained(folder).network.state_dict())) == bits(weights)


def random_table(rows: int, dim: int, seed: int = 1) -> Tensor:
    """Return a table with columns of all sizes, the last but one of zeros."""
    spread = torch.logspace(-3, 3, dim)
    spread[dim // 2] = 0
    return torch.randn(rows, dim, generator=torch.Generator().manual_seed(seed)) * spread


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("dim", [1, 2, 5, 6])
@pytest.mark.parametrize("rows", [1, 2, 97])
def test_nibbles_are_the_same_bit_for_bit_and_take_half_the_size(rows, dim, seed):
    table = random_table(rows, dim, seed)
    before = table.clone()
    quantize_weights(table, to_nibbles=True)
    integers, scale = packed_table(table)
    assert (integers.dtype, integers.shape) == (torch.uint8, (rows, (dim + 1) // 2))
    assert (scale.dtype, scale.shape) == (torch.float32, (dim,))
    assert unpacked(integers.numpy(), scale.numpy()).tobytes() == table.numpy().tobytes()
    assert table[:, dim // 2].eq(0).all()
    assert all(len(column.unique()) <= 15 for column in table.T)
    assert (table * before >= 0).all()  # no sign is lost


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("to_nibbles", [True, False])
def test_quantizing_weights_twice_changes_nothing(seed, to_nibbles):
    table = random_table(97, 5, seed)
    quantize_weights(table, to_nibbles=to_nibbles)
    once = table.clone()
    quantize_weights(table, to_nibbles=to_nibbles)
    assert torch.equal(table, once)


def test_a_table_in_nibbles_is_not_changed_by_quantizing_it_to_bytes():
    table = random_table(97, 5)
    quantize_weights(table, to_nibbles=True)
    once = table.clone()
    quantize_weights(table)
    assert torch.allclose(table, once, rtol=0.01)


def test_weights_beyond_two_and_a_half_deviations_are_clipped_only_in_nibbles():
    table = torch.randn(997, 3, generator=torch.Generator().manual_seed(1))
    table[5, 1], table[6, 1] = 40.0, -40.0
    before = table.clone()
    most = 2.5 * before.square().mean(dim=0).sqrt()
    quantize_weights(table, to_nibbles=True)
    assert torch.allclose(table.abs().amax(dim=0), most, rtol=0.01)
    assert (table[5, 1], table[6, 1]) == (table[:, 1].max(), table[:, 1].min())
    inside = before.abs() <= most
    assert ((table - before).abs() <= 0.51 * most / 7)[inside].all()
    bytes_ = before.clone()
    quantize_weights(bytes_)
    assert bytes_[5, 1].item() == pytest.approx(40, rel=0.01)


@pytest.mark.parametrize("rows", [1, 9])
def test_a_column_of_equal_weights_keeps_them(rows):
    table = torch.tensor([[0.3, -40.0, 0.0]]).repeat(rows, 1)
    before = table.clone()
    quantize_weights(table, to_nibbles=True)
    assert torch.allclose(table, before, rtol=0.005)


def test_a_table_of_random_values_is_not_packed():
    assert packed(torch.randn(9, 5, generator=torch.Generator().manual_seed(1))) is None


def test_zeros_stay_zeros():
    table = torch.zeros(9, 5)
    quantize_weights(table, to_nibbles=True)
    integers, scale = packed_table(table)
    assert not unpacked(integers.numpy(), scale.numpy()).any()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_of_a_diverged_pretraining_run_are_refused(value):
    table = random_table(9, 5)
    table[3, 2] = value
    with pytest.raises(InputError, match=r"training must leave finite weights. Got others. Train with a smaller"):
        quantize_weights(table, to_nibbles=True)


@pytest.mark.parametrize("dim", [5, 6])
def test_bundles_hold_either_kind_of_integers(tmp_path, dim):
    path = tmp_path / "w.safetensors"
    for to_nibbles, dtype, columns in ((True, torch.uint8, 3), (False, torch.int8, dim)):
        network, target = (new_network(f"model.dim={dim}", "model.buckets=97") for _ in range(2))
        torch.nn.init.normal_(network.get_parameter(TABLE))
        quantize_weights(table_in(network), to_nibbles=to_nibbles)
        state = pack(network.state_dict())
        assert (state[TABLE].dtype, state[TABLE].shape) == (dtype, (97, columns))
        save_file(state, path)
        load_weights(target, path)
        assert bits(dict(target.state_dict())) == bits(dict(network.state_dict()))


@pytest.fixture
def in_bytes() -> dict[str, Tensor]:
    network = network_of("model.buckets=97")
    quantize_table(network)
    return pack(network.state_dict())


def test_both_forms_are_loaded(in_bytes, tmp_path):
    for tensors in (in_bytes, unpacked_again(in_bytes)):
        path = tmp_path / "w.safetensors"
        save_file(tensors, path)
        target = network_of("model.buckets=97", seed=2)
        load_weights(target, path)
        assert bits(dict(target.state_dict())) == bits(unpacked_again(in_bytes))


SHAPES = "w.safetensors must hold the tensors that its configuration describes. Got "
VALUES = "w.safetensors must hold a table of int8 or uint8 and scales above 0. Got "


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({SCALE: None}, f"{SHAPES}{SCALE} of shape None for (97, 5). Train or copy it again."),
        ({SCALE: torch.ones(7)}, f"{SHAPES}{SCALE} of shape (7,) for (97, 5). Train or copy it again."),
        ({TABLE: torch.ones(96, 5).to(torch.int8)}, f"{SHAPES}{TABLE} of shape (96, 5) for (97, 5). Train or copy"),
        ({TABLE: torch.ones(97, 5)}, f"{SHAPES}{SCALE} of shape (5,) for None. Train or copy it again."),
        ({TABLE: None}, f"{SHAPES}{SCALE} of shape (5,) for None. Train or copy it again."),
        ({SCALE: torch.tensor([1, 1, torch.nan, 1, 1])}, f"{VALUES}{SCALE} nan. Train or copy it again."),
        ({SCALE: torch.tensor([1, torch.inf, 1, 1, 1])}, f"{VALUES}{SCALE} inf. Train or copy it again."),
        ({SCALE: torch.tensor([1.0, 1, 1, 1, 0])}, f"{VALUES}{SCALE} 0. Train or copy it again."),
        ({SCALE: torch.tensor([-0.5, 1, 1, 1, 1])}, f"{VALUES}{SCALE} -0.5. Train or copy it again."),
        ({SCALE: torch.ones(5, 1)}, f"{SHAPES}{SCALE} of shape (5, 1) for (97, 5). Train or copy it again."),
        ({SCALE: torch.tensor(1.0)}, f"{SHAPES}{SCALE} of shape () for (97, 5). Train or copy it again."),
        ({TABLE: torch.ones(97, 2).to(torch.uint8)}, f"{SHAPES}{SCALE} of shape (5,) for (97, 2). Train or copy"),
        ({TABLE: torch.ones(97, 5).long()}, f"{VALUES}{TABLE} of int64. Train or copy it again."),
    ],
)
def test_damaged_tables_are_refused(in_bytes, tmp_path, change, sentence):
    path = Path(tmp_path / "w.safetensors")
    save_file({name: tensor for name, tensor in (in_bytes | change).items() if tensor is not None}, path)
    with pytest.raises(InputError) as caught:
        load_weights(network_of("model.buckets=97"), path)
    assert str(caught.value).replace(f"{tmp_path}/", "").startswith(sentence)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({SCALE: None}, f"{SHAPES}{SCALE} of shape None for (97, 3). Train or copy it again."),
        ({SCALE: torch.ones(4)}, f"{SHAPES}{SCALE} of shape (4,) for (97, 3). Train or copy it again."),
        ({SCALE: torch.ones(6)}, f"{SHAPES}{TABLE} of shape (97, 6) for (97, 5). Train or copy it again."),
        ({SCALE: torch.tensor([1, 1, torch.nan, 1, 1])}, f"{VALUES}{SCALE} nan. Train or copy it again."),
        ({SCALE: torch.tensor([1.0, 1, 1, 1, 0])}, f"{VALUES}{SCALE} 0. Train or copy it again."),
        ({SCALE: torch.tensor([-0.5, 1, 1, 1, 1])}, f"{VALUES}{SCALE} -0.5. Train or copy it again."),
    ],
)
def test_damaged_nibbles_are_refused(tmp_path, change, sentence):
    network = network_of("model.buckets=97")
    table_in(network).normal_()
    quantize_weights(table_in(network), to_nibbles=True)
    path = Path(tmp_path / "w.safetensors")
    state = pack(network.state_dict()) | change
    save_file({name: tensor for name, tensor in state.items() if tensor is not None}, path)
    with pytest.raises(InputError) as caught:
        load_weights(network_of("model.buckets=97"), path)
    assert str(caught.value).replace(f"{tmp_path}/", "") == sentence
