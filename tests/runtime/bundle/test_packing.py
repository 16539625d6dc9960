from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from tests.helpers.training import compose_train
from titleclf.runtime.bundle.packing import SCALE, TABLE, unpack, unpacked
from titleclf.runtime.errors import InputError
from titleclf.train import train
from titleclf.training.network import Network
from titleclf.training.quantization import pack, packed, round_table, round_weights
from titleclf.training.trained_model import load_bundle, load_weights


def network(*overrides: str, seed: int = 1) -> Network:
    torch.manual_seed(seed)
    made = Network(compose_train("model.dim=5", *overrides).model, 11, 13, categories=3)
    if hasattr(made.encoder, "ngrams"):
        with torch.no_grad():
            spread = torch.tensor([1e-30, 1e-3, 1.0, 0.0, 1e30])  # one column is empty
            made.encoder.ngrams.weight.copy_(torch.randn(made.encoder.ngrams.weight.shape) * spread)
    return made


def table(made: Network) -> Tensor:
    return made.encoder.ngrams.weight.detach().clone()


def unpacked_again(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    arrays = unpack({name: tensor.numpy() for name, tensor in tensors.items()})
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def bits(tensors: dict[str, Tensor]) -> dict[str, bytes]:
    return {name: tensor.numpy().tobytes() for name, tensor in tensors.items()}


def test_a_rounded_table_is_near_the_trained_one():
    made = network("model.buckets=997")
    before = table(made)
    round_table(made)
    step = before.abs().amax(dim=0) / 127
    assert ((table(made) - before).abs() <= 0.51 * step).all()
    assert table(made)[:, 3].eq(0).all()


@pytest.mark.parametrize("seed", range(20))
def test_rounding_twice_changes_nothing(seed):
    made = network("model.buckets=97", seed=seed)
    round_table(made)
    once = table(made)
    round_table(made)
    assert torch.equal(table(made), once)


@pytest.mark.parametrize("seed", range(20))
def test_packed_and_unpacked_weights_are_the_same_to_the_bit(seed):
    made = network("model.buckets=97", seed=seed)
    round_table(made)
    state = dict(made.state_dict())
    small = pack(state)
    assert (small[TABLE].dtype, small[TABLE].shape) == (torch.int8, (97, 5))
    assert (small[SCALE].dtype, small[SCALE].shape) == (torch.float32, (5,))
    assert bits(unpacked_again(small)) == bits(state)
    assert bits(pack(unpacked_again(small))) == bits(small)


def test_a_table_that_is_not_rounded_is_packed_without_loss_that_is_not_at_all():
    state = dict(network("model.buckets=97").state_dict())
    assert bits(pack(state)) == bits(state)


@pytest.mark.parametrize("model", ["model=bag", "model=conv"])
def test_models_without_ngrams_stay_as_they_are(model):
    made = network(model)
    state = {name: tensor.clone() for name, tensor in made.state_dict().items()}
    round_table(made)
    assert bits(pack(made.state_dict())) == bits(state)
    assert bits(unpacked_again(state)) == bits(state)


def test_a_frozen_table_is_not_touched():
    made = network("model.buckets=97")
    made.encoder.ngrams.weight.requires_grad = False
    before = table(made)
    round_table(made)
    assert torch.equal(table(made), before)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_training_that_went_astray_is_told(value):
    made = network("model.buckets=97")
    with torch.no_grad():
        made.encoder.ngrams.weight[3, 2] = value
    with pytest.raises(InputError, match=r"training must leave finite weights. Got others. Train with a smaller"):
        round_table(made)


def test_a_trained_bundle_is_packed_and_saved_again_to_the_same_bytes(run, tmp_path):
    load_bundle(run).save(tmp_path / "again")
    again = tmp_path / "again" / "weights.safetensors"
    assert load_file(again)[TABLE].dtype == torch.int8
    assert again.read_bytes() == (run / "bundle" / "weights.safetensors").read_bytes()
    assert load_file(run / "best.safetensors")[TABLE].dtype == torch.float32  # to go on from: at full precision


def test_what_is_judged_in_training_is_what_the_bundle_computes(small, monkeypatch):
    from titleclf import train as module

    judged = []
    finish = module.finish

    def remember(config, data, bundle, *others):
        finish(config, data, bundle, *others)
        judged.append({name: tensor.clone() for name, tensor in bundle.network.state_dict().items()})

    monkeypatch.setattr(module, "finish", remember)
    folder = train(small())
    assert bits(dict(load_bundle(folder).network.state_dict())) == bits(judged[0])


def random_table(rows: int, dim: int, seed: int = 1) -> Tensor:
    """Return a table with columns of all sizes, the last but one of zeros."""
    spread = torch.logspace(-3, 3, dim)
    spread[dim // 2] = 0
    return torch.randn(rows, dim, generator=torch.Generator().manual_seed(seed)) * spread


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("dim", [1, 2, 5, 6])
@pytest.mark.parametrize("rows", [1, 2, 97])
def test_nibbles_are_the_same_to_the_bit_and_take_half_of_the_room(rows, dim, seed):
    table = random_table(rows, dim, seed)
    before = table.clone()
    round_weights(table, to_nibbles=True)
    integers, scale = packed(table)
    assert (integers.dtype, integers.shape) == (torch.uint8, (rows, (dim + 1) // 2))
    assert (scale.dtype, scale.shape) == (torch.float32, (dim,))
    assert unpacked(integers.numpy(), scale.numpy()).tobytes() == table.numpy().tobytes()
    assert table[:, dim // 2].eq(0).all()
    assert all(len(column.unique()) <= 15 for column in table.T)
    assert (table * before >= 0).all()  # no sign is lost


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("to_nibbles", [True, False])
def test_rounding_weights_twice_changes_nothing(seed, to_nibbles):
    table = random_table(97, 5, seed)
    round_weights(table, to_nibbles=to_nibbles)
    once = table.clone()
    round_weights(table, to_nibbles=to_nibbles)
    assert torch.equal(table, once)


def test_a_table_in_nibbles_is_not_changed_by_rounding_to_bytes():
    table = random_table(97, 5)
    round_weights(table, to_nibbles=True)
    once = table.clone()
    round_weights(table)
    assert torch.allclose(table, once, rtol=0.01)


def test_what_is_larger_than_two_and_a_half_deviations_is_cut_off_in_nibbles_alone():
    table = torch.randn(997, 3, generator=torch.Generator().manual_seed(1))
    table[5, 1], table[6, 1] = 40.0, -40.0
    before = table.clone()
    most = 2.5 * before.square().mean(dim=0).sqrt()
    round_weights(table, to_nibbles=True)
    assert torch.allclose(table.abs().amax(dim=0), most, rtol=0.01)
    assert (table[5, 1], table[6, 1]) == (table[:, 1].max(), table[:, 1].min())
    inside = before.abs() <= most
    assert ((table - before).abs() <= 0.51 * most / 7)[inside].all()
    bytes_ = before.clone()
    round_weights(bytes_)
    assert bytes_[5, 1].item() == pytest.approx(40, rel=0.01)


@pytest.mark.parametrize("rows", [1, 9])
def test_a_column_whose_weights_are_all_alike_keeps_them(rows):
    table = torch.tensor([[0.3, -40.0, 0.0]]).repeat(rows, 1)
    before = table.clone()
    round_weights(table, to_nibbles=True)
    assert torch.allclose(table, before, rtol=0.005)


def test_a_table_without_a_rounded_value_is_not_packed():
    assert packed(torch.randn(9, 5, generator=torch.Generator().manual_seed(1))) is None


def test_zeros_stay_zeros():
    table = torch.zeros(9, 5)
    round_weights(table, to_nibbles=True)
    assert not unpacked(*(one.numpy() for one in packed(table))).any()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_pretraining_that_went_astray_is_told_too(value):
    table = random_table(9, 5)
    table[3, 2] = value
    with pytest.raises(InputError, match=r"training must leave finite weights. Got others. Train with a smaller"):
        round_weights(table, to_nibbles=True)


@pytest.mark.parametrize("dim", [5, 6])
def test_bundles_hold_either_kind_of_integers(tmp_path, dim):
    path = tmp_path / "w.safetensors"
    for to_nibbles, dtype, columns in ((True, torch.uint8, 3), (False, torch.int8, dim)):
        made, target = (Network(compose_train(f"model.dim={dim}", "model.buckets=97").model, 11, 13, 3) for _ in "ab")
        torch.nn.init.normal_(made.encoder.ngrams.weight)
        round_weights(made.encoder.ngrams.weight, to_nibbles=to_nibbles)
        state = pack(made.state_dict())
        assert (state[TABLE].dtype, state[TABLE].shape) == (dtype, (97, columns))
        save_file(state, path)
        load_weights(target, path)
        assert bits(dict(target.state_dict())) == bits(dict(made.state_dict()))


@pytest.fixture
def in_bytes() -> dict[str, Tensor]:
    made = network("model.buckets=97")
    round_table(made)
    return pack(made.state_dict())


def test_both_forms_are_loaded(in_bytes, tmp_path):
    for tensors in (in_bytes, unpacked_again(in_bytes)):
        path = tmp_path / "w.safetensors"
        save_file(tensors, path)
        target = network("model.buckets=97", seed=2)
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
        load_weights(network("model.buckets=97"), path)
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
    made = network("model.buckets=97")
    with torch.no_grad():
        made.encoder.ngrams.weight.normal_()
    round_weights(made.encoder.ngrams.weight, to_nibbles=True)
    path = Path(tmp_path / "w.safetensors")
    state = pack(made.state_dict()) | change
    save_file({name: tensor for name, tensor in state.items() if tensor is not None}, path)
    with pytest.raises(InputError) as caught:
        load_weights(network("model.buckets=97"), path)
    assert str(caught.value).replace(f"{tmp_path}/", "") == sentence
