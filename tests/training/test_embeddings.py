from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from tests.helpers.training import compose_train
from titleclf.runtime.architecture import EmbeddingsConfig
from titleclf.runtime.bundle.packing import SCALE, TABLE
from titleclf.runtime.errors import InputError
from titleclf.runtime.text.characters import Characters
from titleclf.train import train
from titleclf.training import run as runs
from titleclf.training.embeddings import Embeddings, load_embeddings, read_embeddings, write_embeddings
from titleclf.training.network import Network, Ngram
from titleclf.training.optimizer import group_parameters
from titleclf.training.quantization import round_weights
from titleclf.training.trained_model import load_bundle

CHARACTERS = Characters("abcdef", casefold=True, boundary=True, length=13)
TUNED, FROZEN = (EmbeddingsConfig("unused", tables=None, freeze=freeze) for freeze in (False, True))


def network(*overrides: str, seed: int = 1) -> Network:
    torch.manual_seed(seed)
    model = compose_train("model.dim=5", *overrides).model
    made = Network(model, len(CHARACTERS), CHARACTERS.length, categories=3)
    if isinstance(made.encoder, Ngram):
        torch.nn.init.normal_(made.encoder.ngrams.weight)
    return made


def write(path: Path, source: Network, characters: Characters = CHARACTERS) -> Path:
    write_embeddings(path, source.encoder, source.config, characters)
    return path


def load(embeddings: Embeddings, target: Network, config: EmbeddingsConfig, characters: Characters = CHARACTERS) -> str:
    return load_embeddings(embeddings, target.encoder, target.config, characters, config)


@pytest.fixture
def file(tmp_path):
    return write(tmp_path / "e.safetensors", network("model.buckets=97"))


def test_what_was_written_is_loaded_and_said(file):
    source, target = network("model.buckets=97"), network("model.buckets=97", seed=2)
    embeddings = read_embeddings(file)
    sentence = load(embeddings, target, FROZEN)
    assert sentence == (
        f"Embeddings from {file}: loaded characters (10 x 5), ngrams (97 x 5) (frozen); left out nothing; "
        "started anew nothing."
    )
    assert torch.equal(target.encoder.ngrams.weight, source.encoder.ngrams.weight)
    assert torch.equal(target.encoder.embedding.characters.weight, source.encoder.embedding.characters.weight)
    assert embeddings.known == CHARACTERS.known
    assert len(list(group_parameters(target, []))) == 2  # the head: frozen tables are in no group


def test_a_bag_takes_the_characters_and_leaves_the_ngrams_out(file):
    target = network("model=bag", "model.boundary=true")
    sentence = load(read_embeddings(file), target, TUNED)
    assert "loaded characters (10 x 5) (tuned); left out ngrams; started anew nothing." in sentence
    assert target.encoder.embedding.characters.weight.requires_grad


def test_a_conv_keeps_its_convolutions_and_takes_characters_from_any(tmp_path, file):
    overrides = ["model=conv", "model.channels=7", "model.widths=[3,2]", "model.boundary=true"]
    source, target = network(*overrides), network(*overrides, seed=2)
    path = write(tmp_path / "conv.safetensors", source)
    sentence = load(read_embeddings(path), target, FROZEN)
    names = ["characters (10 x 5)"]
    names += ["convolutions.0.bias (7)", "convolutions.0.weight (7 x 5 x 3)"]
    names += ["convolutions.1.bias (7)", "convolutions.1.weight (7 x 5 x 2)"]
    assert f"loaded {', '.join(names)} (frozen); left out nothing; started anew nothing." in sentence
    tables = dict(target.encoder.named_parameters())
    assert all(torch.equal(tables[name], one) for name, one in source.encoder.named_parameters())
    assert not any(one.requires_grad for one in tables.values())
    other = network(*overrides[:2], "model.widths=[2,3]")
    with pytest.raises(InputError, match=r"with widths \[3, 2\] for \[2, 3\]. Change the model to the file"):
        load(read_embeddings(path), other, TUNED)
    assert "loaded characters (10 x 5) (tuned); left out ngrams; started anew convolutions.0.bias" in load(
        read_embeddings(file), target, TUNED
    )


@pytest.mark.parametrize(
    ("override", "difference"),
    [
        ("model.positions=alternating", "positions 'sinusoidal' for 'alternating'"),
        ("model.combine=multiply", "combine 'add' for 'multiply'"),
    ],
)
def test_convolutions_are_of_characters_with_their_places(tmp_path, override, difference):
    overrides = ["model=conv", "model.channels=7", "model.widths=[3,2]"]
    embeddings = read_embeddings(write(tmp_path / "conv.safetensors", network(*overrides)))
    assert (embeddings.meaning["positions"], embeddings.meaning["combine"]) == ("sinusoidal", "add")
    with pytest.raises(InputError) as caught:
        load(embeddings, network(*overrides, override), TUNED)
    assert f"Got {embeddings.path} with {difference}. Change the model to the file" in str(caught.value)
    # Characters alone mean the same whatever their places are coded by.
    assert "loaded characters" in load(embeddings, network("model=bag", "model.boundary=true", "model.dim=5"), TUNED)


def test_ngrams_that_a_file_lacks_start_anew(tmp_path):
    embeddings = read_embeddings(write(tmp_path / "bag.safetensors", network("model=bag")))
    target = network("model.buckets=97")
    assert "started anew ngrams" in load(embeddings, target, FROZEN)
    assert target.encoder.ngrams.weight.requires_grad


def test_a_file_that_does_not_fit_says_all_that_differs(file):
    target = network("model.dim=7", "model.buckets=89", "model.orders=[2,3]")
    with pytest.raises(InputError) as caught:
        load(read_embeddings(file), target, TUNED, replace(CHARACTERS, casefold=False))
    assert str(caught.value) == (
        f"model.embeddings.path must fit the model. Got {file} with dim 5 for 7, casefold True for False, "
        "orders [2, 3, 4, 5, 6] for [2, 3], buckets 97 for 89. Change the model to the file, or start anew with "
        "model.embeddings.path=null."
    )


def test_files_that_are_no_embeddings(tmp_path):
    with pytest.raises(InputError, match=r"model.embeddings.path must be a file that exists. Got .*none. Check the"):
        read_embeddings(tmp_path / "none")
    save_file({"a": torch.zeros(3)}, tmp_path / "other")
    (tmp_path / "text").write_text("hello")
    for name in ("other", "text"):
        with pytest.raises(InputError, match=r"must be a file of titleclf embeddings. Got .*Make one with: python -m"):
            read_embeddings(tmp_path / name)


@pytest.mark.parametrize("freeze", [True, False])
def test_frozen_embeddings_do_not_move_by_one_bit_and_all_else_does(run, small, tmp_path, capsys, freeze):
    source = load_bundle(run)
    path = write(tmp_path / "e.safetensors", source.network, source.characters)
    overrides = [f"model.embeddings.path={path}", f"model.embeddings.freeze={str(freeze).lower()}", "seed=7"]
    trained = load_bundle(train(small(*overrides)))
    assert "Embeddings from" in capsys.readouterr().out
    assert trained.characters.known == source.characters.known
    before, after = source.network.state_dict(), trained.network.state_dict()
    same = {name for name, tensor in after.items() if torch.equal(tensor, before[name])}
    tables = {"encoder.embedding.characters.weight", "encoder.ngrams.weight"}
    assert same == (tables if freeze else set())


def test_rounded_tables_are_kept_as_int8_to_the_bit_and_others_as_floats(tmp_path):
    source = network("model.buckets=97")
    characters, ngrams = source.encoder.embedding.characters.weight, source.encoder.ngrams.weight
    kinds = {"characters": torch.float32, "ngrams": torch.float32}
    assert {name: one.dtype for name, one in load_file(write(tmp_path / "floats", source)).items()} == kinds
    round_weights(ngrams)
    saved = load_file(write(tmp_path / "mixed", source))
    assert {name: one.dtype for name, one in saved.items()} == {
        "characters": torch.float32,
        "ngrams": torch.int8,
        "ngrams.scale": torch.float32,
    }
    round_weights(characters)
    assert load_file(write(tmp_path / "integers", source))["characters"].dtype == torch.int8
    for name in ("mixed", "integers"):
        read = read_embeddings(tmp_path / name).tables
        assert torch.equal(read["ngrams"], ngrams)
        assert torch.equal(read["characters"], characters) is (name == "integers")
    small, large = ((tmp_path / name).stat().st_size for name in ("integers", "floats"))
    assert small < large


@pytest.mark.parametrize("dim", [5, 6])
def test_tables_in_four_bits_a_weight_take_half_of_the_room(tmp_path, dim):
    source = network("model.buckets=97", f"model.dim={dim}")
    characters, ngrams = source.encoder.embedding.characters.weight, source.encoder.ngrams.weight
    for table in (characters, ngrams):
        round_weights(table, to_nibbles=True)
    path = write(tmp_path / "nibbles", source)
    found = {name: (one.dtype, tuple(one.shape)) for name, one in load_file(path).items()}
    assert found == {
        "characters": (torch.uint8, (10, 3)),
        "characters.scale": (torch.float32, (dim,)),
        "ngrams": (torch.uint8, (97, 3)),
        "ngrams.scale": (torch.float32, (dim,)),
    }
    read = read_embeddings(path).tables
    assert torch.equal(read["characters"], characters)
    assert torch.equal(read["ngrams"], ngrams)


@pytest.mark.parametrize(("to_nibbles", "dtype"), [(True, torch.uint8), (False, torch.int8)])
def test_a_frozen_table_is_in_the_bundle_as_in_the_file(run, small, tmp_path, to_nibbles, dtype):
    source = load_bundle(run)
    torch.nn.init.normal_(source.network.encoder.ngrams.weight)
    round_weights(source.network.encoder.ngrams.weight, to_nibbles=to_nibbles)
    path = write(tmp_path / "e.safetensors", source.network, source.characters)
    folder = train(small(f"model.embeddings.path={path}", "model.embeddings.freeze=true", "training.epochs=1"))
    saved, file = load_file(folder / "bundle" / "weights.safetensors"), load_file(path)
    assert file["ngrams"].dtype == saved[TABLE].dtype == dtype
    assert torch.equal(saved[TABLE], file["ngrams"])
    assert torch.equal(saved[SCALE], file["ngrams.scale"])
    bundle = load_bundle(folder)
    assert torch.equal(bundle.network.encoder.ngrams.weight, source.network.encoder.ngrams.weight)
    bundle.save(tmp_path / "again")
    again = tmp_path / "again" / "weights.safetensors"
    assert again.read_bytes() == (folder / "bundle" / "weights.safetensors").read_bytes()


def test_a_tuned_table_is_in_the_bundle_as_int8_whatever_it_was_in_the_file(run, small, tmp_path):
    source = load_bundle(run)
    round_weights(source.network.encoder.ngrams.weight, to_nibbles=True)
    path = write(tmp_path / "e.safetensors", source.network, source.characters)
    folder = train(small(f"model.embeddings.path={path}", "training.epochs=1"))
    assert load_file(folder / "bundle" / "weights.safetensors")[TABLE].dtype == torch.int8


def damaged(path: Path, **changes: torch.Tensor | None) -> Path:
    """Write the tensors of a file anew, some of them changed or left out."""
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
    source = network("model.buckets=97")
    round_weights(source.encoder.ngrams.weight)
    path = damaged(write(tmp_path / "e.safetensors", source), **changes)
    with pytest.raises(InputError) as caught:
        read_embeddings(path)
    assert str(caught.value) == (
        f"model.embeddings.path must be a file of titleclf embeddings. Got {path}: {reason}. "
        "Make one with: python -m titleclf.pretrain"
    )


def test_convolutions_of_a_wrong_size_are_refused_too(tmp_path):
    source = network("model=conv", "model.channels=7", "model.widths=[3,2]")
    path = damaged(write(tmp_path / "e.safetensors", source), convolutions__1__bias=torch.zeros(6))
    with pytest.raises(InputError, match=r"Got .*: convolutions.1.bias of shape \(6,\) for \(7,\). Make one"):
        read_embeddings(path)


def test_a_file_that_was_cut_is_refused(file):
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(InputError, match=r"must be a file of titleclf embeddings. Got .*Make one with"):
        read_embeddings(file)


def test_under_a_huge_decay_tuned_tables_stay_as_in_the_file_and_new_ones_near_zero(run, small, tmp_path):
    source = load_bundle(run)
    path = write(tmp_path / "e.safetensors", source.network, source.characters)
    # Steps too small to matter, and a decay of 2 % a step: after some seventy steps little is left of what decays.
    still = ["optim.table_decay=2000", "optim.table_lr=1e-5", "optim.loaded_decay=2000", "optim.loaded_lr=1e-5"]
    still += ["training.epochs=2", "training.batch_size=1"]
    tuned = load_bundle(train(small(f"model.embeddings.path={path}", *still))).network.encoder.ngrams.weight
    before = source.network.encoder.ngrams.weight
    assert before.abs().max() > 0.1
    assert torch.allclose(tuned, before, atol=before.abs().max().item() / 50)
    anew = load_bundle(train(small(*still))).network.encoder.ngrams.weight
    assert anew.abs().max() < 1e-3


def test_a_run_with_tuned_tables_killed_and_resumed_gives_the_weights_of_an_unbroken_one(
    run, small, tmp_path, monkeypatch
):
    source = load_bundle(run)
    path = write(tmp_path / "e.safetensors", source.network, source.characters)
    config = small(f"model.embeddings.path={path}", "optim.loaded_decay=30", "training.epochs=4")
    unbroken = train(config)
    save = runs.save_checkpoint

    def die_after_second(folder: Path, state: runs.State) -> None:
        save(folder, state)
        if len(state["history"]) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(runs, "save_checkpoint", die_after_second)
        with pytest.raises(KeyboardInterrupt, match="Go on with"):
            train(config)
    broken = next(folder for folder in unbroken.parent.iterdir() if folder.name not in ("latest", unbroken.name))
    train(replace(config, resume=str(broken)))
    weights = [load_file(folder / "bundle" / "weights.safetensors") for folder in (broken, unbroken)]
    assert all(torch.equal(tensor, weights[1][name]) for name, tensor in weights[0].items())


def test_a_training_takes_the_tables_that_it_names(file):
    for names, loaded, others in ((["ngrams"], "ngrams (97 x 5)", "characters"), (["characters"], "", "ngrams")):
        target = network("model.buckets=97", seed=2)
        config = EmbeddingsConfig("unused", tables=names, freeze=True)
        sentence = load(read_embeddings(file), target, config)
        assert (
            f"loaded {loaded or 'characters (10 x 5)'} (frozen); left out {others}; started anew {others}." in sentence
        )
        frozen = {name for name, one in target.encoder.named_parameters() if not one.requires_grad}
        assert frozen == {"ngrams.weight" if loaded else "embedding.characters.weight"}


@pytest.mark.parametrize("names", [["convolutions"], ["ngram"], []])
def test_tables_that_are_not_there_are_refused(file, names):
    with pytest.raises(InputError) as caught:
        load(read_embeddings(file), network("model.buckets=97"), EmbeddingsConfig("unused", tables=names, freeze=True))
    assert str(caught.value) == (
        f"model.embeddings.tables must name tables that the file and the model have. Got {names} for {file} with "
        "characters, ngrams. Name others, or null for all."
    )
