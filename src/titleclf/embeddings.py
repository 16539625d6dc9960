"""A file of embeddings: taken from one network, loaded into another, checked that they mean the same."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

from titleclf.characters import Characters
from titleclf.config import EmbeddingsConfig, ModelConfig, NgramConfig
from titleclf.errors import InputError
from titleclf.files import replacing
from titleclf.model import Network, Ngram

_HEADER = "titleclf"


@dataclass
class Embeddings:
    """Tables of vectors and what their rows stand for.

    `tables` has `characters` (characters, dim) and maybe `ngrams` (buckets, dim). `meaning` names all that must be
    alike in the network that takes them: dim, casefold, boundary and, for n-grams, orders, across_words and buckets.
    """

    path: str
    known: str
    meaning: dict[str, Any]
    tables: dict[str, Tensor]


def read_embeddings(path: Path, where: str = "model.embeddings.path") -> Embeddings:
    """Read what `write_embeddings` wrote; `where` names in errors what the user gave the path to.

    Raises
    ------
    InputError
        If there is no such file, or it is another kind of file.
    """
    if not path.is_file():
        raise InputError(f"{where} must be a file that exists. Got {path}. Check the path.")
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {}).get(_HEADER, "{}"))
            tables = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
        return Embeddings(str(path), header["known"], header["meaning"], tables)
    except (SafetensorError, KeyError, ValueError) as error:
        raise InputError(
            f"{where} must be a file of titleclf embeddings. Got {path}: {error}. "
            "Make one with: python -m titleclf.export format=embeddings output=FILE"
        ) from error


def embeddings_of(network: Network, characters: Characters, path: str) -> Embeddings:
    """Return the embeddings of a network, on the CPU; `path` names them."""
    tables = {name: table.weight.detach().cpu().contiguous() for name, table in _tables(network).items()}
    return Embeddings(path, characters.known, _meaning(network.config, characters), tables)


def write_embeddings(path: Path, network: Network, characters: Characters) -> None:
    """Write the embeddings of a network with all that is needed to use them in another one."""
    embeddings = embeddings_of(network, characters, str(path))
    header = {"known": embeddings.known, "meaning": embeddings.meaning}
    data = save_tensors(embeddings.tables, metadata={_HEADER: json.dumps(header, ensure_ascii=False)})
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def load_embeddings(embeddings: Embeddings, network: Network, characters: Characters, config: EmbeddingsConfig) -> str:
    """Fill the network's tables, freeze them if `config` says so, and return a sentence that tells what was done.

    Raises
    ------
    InputError
        If the rows mean something else in the network; every difference is named.
    """
    tables = _tables(network)
    loaded = sorted(set(tables) & set(embeddings.tables))
    wanted = _meaning(network.config, characters)
    if "ngrams" not in loaded:
        wanted = {name: value for name, value in wanted.items() if name not in ("orders", "across_words", "buckets")}
    differing = [
        f"{name} {embeddings.meaning.get(name)!r} for {value!r}"
        for name, value in wanted.items()
        if embeddings.meaning.get(name) != value
    ]
    if differing:
        raise InputError(
            f"model.embeddings.path must fit the model. Got {embeddings.path} with {', '.join(differing)}. "
            "Change the model to the file, or the file to the model."
        )
    with torch.no_grad():
        for name in loaded:
            tables[name].weight.copy_(embeddings.tables[name])
            tables[name].weight.requires_grad = not config.freeze
    left_out = sorted(set(embeddings.tables) - set(loaded))
    started_anew = sorted(set(tables) - set(loaded))
    return (
        f"Embeddings from {embeddings.path}: loaded {_sizes(embeddings.tables, loaded)}"
        f" ({'frozen' if config.freeze else 'tuned'}); left out {', '.join(left_out) or 'nothing'};"
        f" started anew {', '.join(started_anew) or 'nothing'}."
    )


def _tables(network: Network) -> dict[str, nn.Embedding | nn.EmbeddingBag]:
    encoder = network.encoder
    tables: dict[str, nn.Embedding | nn.EmbeddingBag] = {"characters": encoder.embedding.characters}
    if isinstance(encoder, Ngram):
        tables["ngrams"] = encoder.ngrams
    return tables


def _meaning(config: ModelConfig, characters: Characters) -> dict[str, Any]:
    meaning: dict[str, Any] = {"dim": config.dim, "casefold": characters.casefold, "boundary": characters.boundary}
    if isinstance(config, NgramConfig):
        meaning |= {"orders": config.orders, "across_words": config.across_words, "buckets": config.buckets}
    return meaning


def _sizes(tables: dict[str, Tensor], names: list[str]) -> str:
    return ", ".join(f"{name} ({' x '.join(map(str, tables[name].shape))})" for name in names)
