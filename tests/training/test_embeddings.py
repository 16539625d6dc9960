from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from tests.helpers.training import compose_train, killed, same, train_without_plots, weights
from titleclf.runtime.architecture import EmbeddingsConfig
from titleclf.runtime.bundle.packing import SCALE, TABLE
from titleclf.runtime.errors import InputError
from titleclf.runtime.text.characters import Characters
from titleclf.training.bundle_writer import write_bundle
from titleclf.training.embeddings import (
    Embeddings,
    embeddings_fingerprint,
    load_embeddings,
    read_embeddings,
    write_embeddings,
)
from titleclf.training.network import Ngram, TorchNetwork
from titleclf.training.optimizer import group_parameters
from titleclf.training.quantization import quantize_weights
from titleclf.training.trained_model import bundle_of, load_trained

CHARACTERS = Characters("abcdef", casefold=True, boundary=True, length=13)
TUNED, FROZEN = (EmbeddingsConfig("unused", tables=None, freeze=freeze) for freeze in (False, True))


def new_network(*overrides: str, seed: int = 1) -> TorchNetwork:
    torch.manual_seed(seed)
    network = TorchNetwork(compose_train("model.dim=5", *overrides).model, CHARACTERS, outputs=3)
    if isinstance(network.encoder, Ngram):
        torch.nn.init.normal_(network.encoder.ngrams.weight)
    return network


def ngram_table(network: TorchNetwork) -> torch.Tensor:
    assert isinstance(network.encoder, Ngram)
    return network.encoder.ngrams.weight


def character_table(network: TorchNetwork) -> torch.Tensor:
    return network.encoder.embedding.characters.weight


def write(path: Path, source: TorchNetwork) -> Path:
    write_embeddings(path, source.encoder, source.model, source.characters)
    return path


def load(
    embeddings: Embeddings, target: TorchNetwork, config: EmbeddingsConfig, characters: Characters = CHARACTERS
) -> str:
    return load_embeddings(embeddings, target.encoder, target.model, characters, config)


@pytest.fixture
def file(tmp_path):
    return write(tmp_path / "e.safetensors", new_network("model.buckets=97"))


def test_written_embeddings_are_loaded_and_listed(file):
    source, target = new_network("model.buckets=97"), new_network("model.buckets=97", seed=2)
    embeddings = read_embeddings(file)
    sentence = load(embeddings, target, FROZEN)
    assert sentence == (
        f"Embeddings from {file}: loaded characters (10 x 5), ngrams (97 x 5) (frozen); ignored nothing; "
        "initialized nothing."
    )
    assert torch.equal(ngram_table(target), ngram_table(source))
    assert torch.equal(character_table(target), character_table(source))
    assert embeddings.known == CHARACTERS.known
    assert len(list(group_parameters(target, []))) == 2  # those of the head: frozen tables are in no group


def test_a_bag_loads_the_characters_and_ignores_the_ngrams(file):
    target = new_network("model=bag", "model.boundary=true")
    sentence = load(read_embeddings(file), target, TUNED)
    assert "loaded characters (10 x 5) (tuned); ignored ngrams; initialized nothing." in sentence
    assert character_table(target).requires_grad


def test_a_conv_loads_convolutions_that_fit_and_characters_of_any_file(tmp_path, file):
    overrides = ["model=conv", "model.channels=7", "model.widths=[3,2]", "model.boundary=true"]
    source, target = new_network(*overrides), new_network(*overrides, seed=2)
    path = write(tmp_path / "conv.safetensors", source)
    sentence = load(read_embeddings(path), target, FROZEN)
    names = ["characters (10 x 5)"]
    names += ["convolutions.0.bias (7)", "convolutions.0.weight (7 x 5 x 3)"]
    names += ["convolutions.1.bias (7)", "convolutions.1.weight (7 x 5 x 2)"]
    assert f"loaded {', '.join(names)} (frozen); ignored nothing; initialized nothing." in sentence
    tables = dict(target.encoder.named_parameters())
    assert all(torch.equal(tables[name], weight) for name, weight in source.encoder.named_parameters())
    assert not any(weight.requires_grad for weight in tables.values())
    swapped = new_network(*overrides[:2], "model.widths=[2,3]")
    with pytest.raises(InputError, match=r"with widths \[3, 2\] for \[2, 3\]. Change the model to match the file"):
        load(read_embeddings(path), swapped, TUNED)
    assert "loaded characters (10 x 5) (tuned); ignored ngrams; initialized convolutions.0.bias" in load(
        read_embeddings(file), target, TUNED
    )


@pytest.mark.parametrize(
    ("override", "difference"),
    [
        ("model.positions=alternating", "positions 'sinusoidal' for 'alternating'"),
        ("model.combine=multiply", "combine 'add' for 'multiply'"),
    ],
)
def test_convolutions_depend_on_the_positional_codes(tmp_path, override, difference):
    overrides = ["model=conv", "model.channels=7", "model.widths=[3,2]"]
    embeddings = read_embeddings(write(tmp_path / "conv.safetensors", new_network(*overrides)))
    assert (embeddings.meaning["positions"], embeddings.meaning["combine"]) == ("sinusoidal", "add")
    with pytest.raises(InputError) as caught:
        load(embeddings, new_network(*overrides, override), TUNED)
    assert f"Got {embeddings.path} with {difference}. Change the model to match the file" in str(caught.value)
    # Characters alone mean the same with any positional code.
    assert "loaded characters" in load(
        embeddings, new_network("model=bag", "model.boundary=true", "model.dim=5"), TUNED
    )


def test_ngrams_that_a_file_lacks_are_initialized(tmp_path):
    embeddings = read_embeddings(write(tmp_path / "bag.safetensors", new_network("model=bag")))
    target = new_network("model.buckets=97")
    assert "initialized ngrams" in load(embeddings, target, FROZEN)
    assert ngram_table(target).requires_grad


def test_the_error_for_a_file_that_does_not_fit_names_all_differences(file):
    target = new_network("model.dim=7", "model.buckets=89", "model.orders=[2,3]")
    with pytest.raises(InputError) as caught:
        load(read_embeddings(file), target, TUNED, replace(CHARACTERS, casefold=False))
    assert str(caught.value) == (
        f"model.embeddings.path must fit the model. Got {file} with dim 5 for 7, casefold True for False, "
        "orders [2, 3, 4, 5, 6] for [2, 3], buckets 97 for 89. Change the model to match the file, or train from "
        "scratch with model.embeddings.path=null."
    )


def test_other_files_than_embeddings_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"model.embeddings.path must be a file that exists. Got .*none. Check the"):
        read_embeddings(tmp_path / "none")
    save_file({"a": torch.zeros(3)}, tmp_path / "other")
    (tmp_path / "text").write_text("hello")
    for name in ("other", "text"):
        with pytest.raises(InputError, match=r"must be a file of titleclf embeddings. Got .*Make one with: python -m"):
            read_embeddings(tmp_path / name)


@pytest.mark.parametrize("freeze", [True, False])
def test_frozen_embeddings_do_not_change_and_everything_else_does(run, small, tmp_path, capsys, freeze):
    source = load_trained(run).network
    path = write(tmp_path / "e.safetensors", source)
    overrides = [f"model.embeddings.path={path}", f"model.embeddings.freeze={str(freeze).lower()}", "seed=7"]
    trained = load_trained(train_without_plots(small(*overrides))).network
    assert "Embeddings from" in capsys.readouterr().out
    assert trained.characters.known == source.characters.known
    before, after = source.state_dict(), trained.state_dict()
    unchanged = {name for name, tensor in after.items() if torch.equal(tensor, before[name])}
    tables = {"encoder.embedding.characters.weight", "encoder.ngrams.weight"}
    assert unchanged == (tables if freeze else set())


def test_the_fingerprint_is_that_of_the_content_of_the_file(file):
    config = replace(TUNED, path=str(file))
    before = embeddings_fingerprint(config)
    assert before.keys() == {"embeddings"}
    assert embeddings_fingerprint(replace(TUNED, path=str(file.rename(file.with_name("moved"))))) == before
    write(file, new_network("model.buckets=97", seed=2))
    assert embeddings_fingerprint(config) != before
    assert embeddings_fingerprint(replace(TUNED, path=None)) == {}


def test_quantized_tables_are_kept_as_int8_bit_for_bit_and_others_as_floats(tmp_path):
    source = new_network("model.buckets=97")
    characters, ngrams = character_table(source), ngram_table(source)
    dtypes = {name: tensor.dtype for name, tensor in load_file(write(tmp_path / "floats", source)).items()}
    assert dtypes == {"characters": torch.float32, "ngrams": torch.float32}
    quantize_weights(ngrams)
    saved = load_file(write(tmp_path / "mixed", source))
    assert {name: tensor.dtype for name, tensor in saved.items()} == {
        "characters": torch.float32,
        "ngrams": torch.int8,
        "ngrams.scale": torch.float32,
    }
    quantize_weights(characters)
    assert load_file(write(tmp_path / "integers", source))["characters"].dtype == torch.int8
    for name in ("mixed", "integers"):
        read = read_embeddings(tmp_path / name).tables
        assert torch.equal(read["ngrams"], ngrams)
        assert torch.equal(read["characters"], characters) is (name == "integers")
    integers_size, floats_size = ((tmp_path / name).stat().st_size for name in ("integers", "floats"))
    assert integers_size < floats_size


@pytest.mark.parametrize("dim", [5, 6])
def test_tables_with_four_bits_per_weight_take_half_the_space(tmp_path, dim):
    source = new_network("model.buckets=97", f"model.dim={dim}")
    characters, ngrams = character_table(source), ngram_table(source)
    for table in (characters, ngrams):
        quantize_weights(table, to_nibbles=True)
    path = write(tmp_path / "nibbles", source)
    assert {name: (tensor.dtype, tuple(tensor.shape)) for name, tensor in load_file(path).items()} == {
        "characters": (torch.uint8, (10, 3)),
        "characters.scale": (torch.float32, (dim,)),
        "ngrams": (torch.uint8, (97, 3)),
        "ngrams.scale": (torch.float32, (dim,)),
    }
    read = read_embeddings(path).tables
    assert torch.equal(read["characters"], characters)
    assert torch.equal(read["ngrams"], ngrams)


@pytest.mark.parametrize(("to_nibbles", "dtype"), [(True, torch.uint8), (False, torch.int8)])
def test_a_bundle_holds_a_frozen_table_as_it_is_in_the_file(run, small, tmp_path, to_nibbles, dtype):
    source = load_trained(run).network
    torch.nn.init.normal_(ngram_table(source))
    quantize_weights(ngram_table(source), to_nibbles=to_nibbles)
    path = write(tmp_path / "e.safetensors", source)
    overrides = [f"model.embeddings.path={path}", "model.embeddings.freeze=true", "training.epochs=1"]
    folder = train_without_plots(small(*overrides))
    saved, file = load_file(folder / "bundle" / "weights.safetensors"), load_file(path)
    assert file["ngrams"].dtype == saved[TABLE].dtype == dtype
    assert torch.equal(saved[TABLE], file["ngrams"])
    assert torch.equal(saved[SCALE], file["ngrams.scale"])
    model = load_trained(folder)
    assert torch.equal(ngram_table(model.network), ngram_table(source))
    write_bundle(bundle_of(model), tmp_path / "again")
    again = tmp_path / "again" / "weights.safetensors"
    assert again.read_bytes() == (folder / "bundle" / "weights.safetensors").read_bytes()


def test_a_bundle_holds_a_tuned_table_as_int8_whatever_it_is_in_the_file(run, small, tmp_path):
    source = load_trained(run).network
    quantize_weights(ngram_table(source), to_nibbles=True)
    path = write(tmp_path / "e.safetensors", source)
    folder = train_without_plots(small(f"model.embeddings.path={path}", "training.epochs=1"))
    assert load_file(folder / "bundle" / "weights.safetensors")[TABLE].dtype == torch.int8


def damaged(path: Path, **changes: torch.Tensor | None) -> Path:
    """Rewrite a file with some tensors changed or left out."""
    with safe_open(path, framework="pt") as file:
        header = file.metadata()
    tensors = {**load_file(path), **{name.replace("__", "."): tensor for name, tensor in changes.items()}}
    save_file({name: tensor for name, tensor in tensors.items() if tensor is not None}, path, header)
    return path


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"characters": None}, "'characters'"),
        ({"characters": torch.zeros(9, 5)}, "characters of shape (9, 5) for (10, 5)"),
        ({"ngrams": torch.zeros(97, 4)}, "ngrams of shape (97, 4) for (97, 5)"),
        ({"ngrams": torch.zeros(96, 5)}, "ngrams of shape (96, 5) for (97, 5)"),
        ({"ngrams__scale": None}, "'ngrams.scale'"),
        ({"ngrams__scale": torch.ones(4)}, "ngrams.scale of shape (4,) for (97, 5)"),
        ({"ngrams__scale": torch.ones(1)}, "ngrams.scale of shape (1,) for (97, 5)"),
        ({"ngrams__scale": torch.ones(5, 1)}, "ngrams.scale of shape (5, 1) for (97, 5)"),
        ({"ngrams__scale": torch.tensor(1.0)}, "ngrams.scale of shape () for (97, 5)"),
        ({"ngrams": torch.ones(97).to(torch.int8)}, "ngrams.scale of shape (5,) for (97,)"),
        ({"ngrams": torch.ones(97, 5).to(torch.uint8)}, "ngrams.scale of shape (5,) for (97, 5)"),
        ({"ngrams": torch.ones(97, 5).long()}, "ngrams of int64"),
        ({"ngrams__scale": torch.tensor([1, 1, torch.nan, 1, 1])}, "ngrams.scale nan"),
        ({"ngrams__scale": torch.tensor([1, 1, 1, 1, torch.inf])}, "ngrams.scale inf"),
        ({"ngrams__scale": torch.tensor([1.0, 0, 1, 1, 1])}, "ngrams.scale 0"),
        ({"ngrams__scale": torch.tensor([1.0, -2, 1, 1, 1])}, "ngrams.scale -2"),
    ],
)
def test_damaged_files_are_refused_in_one_sentence(tmp_path, changes, reason):
    source = new_network("model.buckets=97")
    quantize_weights(ngram_table(source))
    path = damaged(write(tmp_path / "e.safetensors", source), **changes)
    with pytest.raises(InputError) as caught:
        read_embeddings(path)
    assert str(caught.value) == (
        f"model.embeddings.path must be a file of titleclf embeddings. Got {path}: {reason}. "
        "Make one with: python -m titleclf.pretrain"
    )


def test_convolutions_of_a_wrong_shape_are_refused_too(tmp_path):
    source = new_network("model=conv", "model.channels=7", "model.widths=[3,2]")
    path = damaged(write(tmp_path / "e.safetensors", source), convolutions__1__bias=torch.zeros(6))
    with pytest.raises(InputError, match=r"Got .*: convolutions.1.bias of shape \(6,\) for \(7,\). Make one"):
        read_embeddings(path)


def test_a_truncated_file_is_refused(file):
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(InputError, match=r"must be a file of titleclf embeddings. Got .*Make one with"):
        read_embeddings(file)


def test_under_a_huge_decay_tuned_tables_stay_as_in_the_file_and_new_ones_near_zero(run, small, tmp_path):
    source = load_trained(run).network
    path = write(tmp_path / "e.safetensors", source)
    # Steps too small to matter, and a decay of 2 % per step: little of a value remains after seventy steps.
    still = ["optim.table_decay=2000", "optim.table_lr=1e-5", "optim.loaded_decay=2000", "optim.loaded_lr=1e-5"]
    still += ["training.epochs=2", "training.batch_size=1"]
    tuned = ngram_table(load_trained(train_without_plots(small(f"model.embeddings.path={path}", *still))).network)
    before = ngram_table(source)
    assert before.abs().max() > 0.1
    assert torch.allclose(tuned, before, atol=before.abs().max().item() / 50)
    new = ngram_table(load_trained(train_without_plots(small(*still))).network)
    assert new.abs().max() < 1e-3


def test_a_run_with_tuned_tables_killed_and_resumed_gives_the_weights_of_an_uninterrupted_one(run, small, tmp_path):
    path = write(tmp_path / "e.safetensors", load_trained(run).network)
    config = small(f"model.embeddings.path={path}", "optim.loaded_decay=30", "training.epochs=4")
    uninterrupted, broken = train_without_plots(config), killed(config, 2, KeyboardInterrupt, match="Resume with")
    train_without_plots(replace(config, resume=str(broken)))
    assert same(weights(broken), weights(uninterrupted))


def test_only_the_configured_tables_are_loaded(file):
    for names, loaded, rest in (
        (["ngrams"], "ngrams (97 x 5)", "characters"),
        (["characters"], "characters (10 x 5)", "ngrams"),
    ):
        target = new_network("model.buckets=97", seed=2)
        config = EmbeddingsConfig("unused", tables=names, freeze=True)
        sentence = load(read_embeddings(file), target, config)
        assert f"loaded {loaded} (frozen); ignored {rest}; initialized {rest}." in sentence
        frozen = {name for name, weight in target.encoder.named_parameters() if not weight.requires_grad}
        assert frozen == {"ngrams.weight" if names == ["ngrams"] else "embedding.characters.weight"}


@pytest.mark.parametrize("names", [["convolutions"], ["ngram"], []])
def test_tables_that_the_file_lacks_are_refused(file, names):
    with pytest.raises(InputError) as caught:
        load(
            read_embeddings(file),
            new_network("model.buckets=97"),
            EmbeddingsConfig("unused", tables=names, freeze=True),
        )
    assert str(caught.value) == (
        f"model.embeddings.tables must name tables that the file and the model have. Got {names} for {file} with "
        "characters, ngrams. Name others, or use null for all."
    )
