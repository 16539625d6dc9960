from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from tests.conftest import compose_train
from titleclf.bundle import load_bundle, load_weights
from titleclf.compact import SCALE, TABLE, pack, round_table, unpack
from titleclf.errors import InputError
from titleclf.model import Network
from titleclf.train import train


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
    packed = pack(state)
    assert (packed[TABLE].dtype, packed[TABLE].shape) == (torch.int8, (97, 5))
    assert (packed[SCALE].dtype, packed[SCALE].shape) == (torch.float32, (5,))
    assert bits(unpack(packed, "here")) == bits(state)
    assert bits(pack(unpack(packed, "here"))) == bits(packed)


def test_a_table_that_is_not_rounded_is_packed_without_loss_that_is_not_at_all():
    state = dict(network("model.buckets=97").state_dict())
    assert bits(pack(state)) == bits(state)


@pytest.mark.parametrize("model", ["model=bag", "model=conv"])
def test_models_without_ngrams_stay_as_they_are(model):
    made = network(model)
    state = {name: tensor.clone() for name, tensor in made.state_dict().items()}
    round_table(made)
    assert bits(pack(made.state_dict())) == bits(state)
    assert bits(unpack(state, "here")) == bits(state)


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


@pytest.fixture
def packed() -> dict[str, Tensor]:
    made = network("model.buckets=97")
    round_table(made)
    return pack(made.state_dict())


def test_both_forms_are_loaded(packed, tmp_path):
    for tensors in (packed, unpack(packed, "here")):
        path = tmp_path / "w.safetensors"
        save_file(tensors, path)
        target = network("model.buckets=97", seed=2)
        load_weights(target, path)
        assert bits(dict(target.state_dict())) == bits(unpack(packed, "here"))


SHAPES = "w.safetensors must hold the tensors that its configuration describes. Got "
VALUES = "w.safetensors must hold an int8 table and scales above 0. Got "


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({SCALE: None}, f"{SHAPES}{SCALE} of shape None for (5,). Train or copy it again."),
        ({SCALE: torch.ones(7)}, f"{SHAPES}{SCALE} of shape (7,) for (5,). Train or copy it again."),
        ({TABLE: torch.ones(96, 5).to(torch.int8)}, f"{SHAPES}{TABLE} of shape (96, 5) for (97, 5). Train or copy"),
        ({TABLE: torch.ones(97, 5)}, f"{SHAPES}{SCALE} of shape (5,) for None. Train or copy it again."),
        ({TABLE: None}, f"{SHAPES}{SCALE} of shape (5,) for None. Train or copy it again."),
        ({SCALE: torch.tensor([1, 1, torch.nan, 1, 1])}, f"{VALUES}{SCALE} nan. Train or copy it again."),
        ({SCALE: torch.tensor([1, torch.inf, 1, 1, 1])}, f"{VALUES}{SCALE} inf. Train or copy it again."),
        ({SCALE: torch.tensor([1.0, 1, 1, 1, 0])}, f"{VALUES}{SCALE} 0. Train or copy it again."),
        ({SCALE: torch.tensor([-0.5, 1, 1, 1, 1])}, f"{VALUES}{SCALE} -0.5. Train or copy it again."),
        ({TABLE: torch.ones(97, 5).long()}, f"{VALUES}{TABLE} of torch.int64. Train or copy it again."),
    ],
)
def test_damaged_tables_are_refused(packed, tmp_path, change, sentence):
    path = Path(tmp_path / "w.safetensors")
    save_file({name: tensor for name, tensor in (packed | change).items() if tensor is not None}, path)
    with pytest.raises(InputError) as caught:
        load_weights(network("model.buckets=97"), path)
    assert str(caught.value).replace(f"{tmp_path}/", "").startswith(sentence)
