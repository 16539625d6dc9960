from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

from tests.conftest import compose_train
from titleclf.bundle import load_bundle
from titleclf.characters import Characters
from titleclf.config import EmbeddingsConfig
from titleclf.embeddings import load_embeddings, read_embeddings, write_embeddings
from titleclf.errors import InputError
from titleclf.model import Network
from titleclf.optim import group_parameters
from titleclf.train import train

CHARACTERS = Characters("abcdef", casefold=True, boundary=True, length=13)
TUNED, FROZEN = EmbeddingsConfig("unused", freeze=False), EmbeddingsConfig("unused", freeze=True)


def network(*overrides: str, seed: int = 1) -> Network:
    torch.manual_seed(seed)
    model = compose_train("model.dim=5", *overrides).model
    made = Network(model, len(CHARACTERS), CHARACTERS.length, categories=3)
    if "model=bag" not in overrides:
        torch.nn.init.normal_(made.encoder.ngrams.weight)
    return made


@pytest.fixture
def file(tmp_path):
    write_embeddings(tmp_path / "e.safetensors", network("model.buckets=97"), CHARACTERS)
    return tmp_path / "e.safetensors"


def test_what_was_written_is_loaded_and_said(file):
    source, target = network("model.buckets=97"), network("model.buckets=97", seed=2)
    embeddings = read_embeddings(file)
    sentence = load_embeddings(embeddings, target, CHARACTERS, FROZEN)
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
    sentence = load_embeddings(read_embeddings(file), target, CHARACTERS, TUNED)
    assert "loaded characters (10 x 5) (tuned); left out ngrams; started anew nothing." in sentence
    assert target.encoder.embedding.characters.weight.requires_grad


def test_ngrams_that_a_file_lacks_start_anew(tmp_path):
    write_embeddings(tmp_path / "bag.safetensors", network("model=bag"), CHARACTERS)
    embeddings = read_embeddings(tmp_path / "bag.safetensors")
    target = network("model.buckets=97")
    assert "started anew ngrams" in load_embeddings(embeddings, target, CHARACTERS, FROZEN)
    assert target.encoder.ngrams.weight.requires_grad


def test_a_file_that_does_not_fit_says_all_that_differs(file):
    target = network("model.dim=7", "model.buckets=89", "model.orders=[2,3]")
    with pytest.raises(InputError) as caught:
        load_embeddings(read_embeddings(file), target, replace(CHARACTERS, casefold=False), TUNED)
    assert str(caught.value) == (
        f"model.embeddings.path must fit the model. Got {file} with dim 5 for 7, casefold True for False, "
        "orders [2, 3, 4, 5, 6] for [2, 3], buckets 97 for 89. Change the model to the file, or the file to the model."
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
    path = tmp_path / "e.safetensors"
    write_embeddings(path, source.network, source.characters)
    overrides = [f"model.embeddings.path={path}", f"model.embeddings.freeze={str(freeze).lower()}", "seed=7"]
    trained = load_bundle(train(small(*overrides)))
    assert "Embeddings from" in capsys.readouterr().out
    assert trained.characters.known == source.characters.known
    before, after = source.network.state_dict(), trained.network.state_dict()
    same = {name for name, tensor in after.items() if torch.equal(tensor, before[name])}
    tables = {"encoder.embedding.characters.weight", "encoder.ngrams.weight"}
    assert same == (tables if freeze else set())
