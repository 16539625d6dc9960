"""Embeddings files: written from one encoder, and loaded into another whose rows have the same meaning."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

from titleclf.runtime.architecture import ConvConfig, EmbeddingsConfig, ModelConfig, NgramConfig
from titleclf.runtime.bundle.packing import damage, fits, unpacked
from titleclf.runtime.errors import InputError
from titleclf.runtime.files import SHIPPED, replacing, shipped
from titleclf.runtime.text.characters import FIRST_CHARACTER, Characters
from titleclf.training.network import Conv, Encoder, Ngram
from titleclf.training.quantization import packed

_HEADER, _SCALE = "titleclf", ".scale"
# The settings that a table's meaning depends on, besides dim, casefold and boundary, which all tables depend on.
_DEPENDENCIES = {
    "ngrams": ("orders", "across_words", "buckets"),
    "convolutions": ("widths", "channels", "positions", "combine"),
}


@dataclass
class Embeddings:
    """Tables of vectors, and what their rows stand for.

    `tables` has `characters` (characters, dim), and may have `ngrams` (buckets, dim) or convolution weights.
    `meaning` holds the settings that an encoder must share to load them: dim, casefold and boundary; for n-grams also
    orders, across_words and buckets; for convolutions widths, channels, positions and combine.
    """

    path: str
    known: str
    meaning: dict[str, Any]
    tables: dict[str, Tensor]


def embeddings_path(path: str) -> Path:
    """Return the path of a file; `shipped` stands for the package's own embeddings."""
    return shipped("data/embeddings.safetensors") if path == SHIPPED else Path(path)


def embeddings_fingerprint(config: EmbeddingsConfig) -> dict[str, str]:
    """Return the fingerprint of the file that the model loads, if it loads one."""
    if config.path is None:
        return {}
    return {"embeddings": hashlib.sha256(embeddings_path(config.path).read_bytes()).hexdigest()}


def read_embeddings(path: Path, where: str = "model.embeddings.path") -> Embeddings:
    """Read what `write_embeddings` wrote; `where` names the user's setting in errors.

    Raises
    ------
    InputError
        If the file is missing, damaged, or of another kind.
    """
    if not path.is_file():
        raise InputError(f"{where} must be a file that exists. Got {path}. Check the path.")
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {}).get(_HEADER, "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
        embeddings = Embeddings(str(path), header["known"], header["meaning"], _unpacked(tensors))
        _check_sizes(embeddings)
    except (SafetensorError, KeyError, ValueError, RuntimeError) as error:
        raise InputError(
            f"{where} must be a file of titleclf embeddings. Got {path}: {error}. "
            "Make one with: python -m titleclf.pretrain"
        ) from error
    return embeddings


def embeddings_of(encoder: Encoder, config: ModelConfig, characters: Characters, path: str) -> Embeddings:
    """Return the embeddings of an encoder, on the CPU, to be written to `path`."""
    tables = {name: table.detach().cpu().contiguous() for name, table in _tables(encoder).items()}
    return Embeddings(path, characters.known, _meaning(config, characters), tables)


def write_embeddings(path: Path, encoder: Encoder, config: ModelConfig, characters: Characters) -> Embeddings:
    """Write the embeddings of an encoder, quantized tables packed, and return them."""
    embeddings = embeddings_of(encoder, config, characters, str(path))
    tensors: dict[str, Tensor] = {}
    for name, table in embeddings.tables.items():
        integers_and_scale = packed(table) if table.ndim == 2 else None
        if integers_and_scale is None:
            tensors[name] = table
        else:
            tensors[name], tensors[f"{name}{_SCALE}"] = integers_and_scale
    header = {"known": embeddings.known, "meaning": embeddings.meaning}
    data = save_tensors(tensors, metadata={_HEADER: json.dumps(header, ensure_ascii=False)})
    with replacing(path) as temporary:
        temporary.write_bytes(data)
    return embeddings


def load_embeddings(
    embeddings: Embeddings, encoder: Encoder, model: ModelConfig, characters: Characters, config: EmbeddingsConfig
) -> str:
    """Load the tables into the encoder, frozen if `config.freeze`, and return a sentence that lists them.

    Raises
    ------
    InputError
        If the encoder has none of the tables, or their rows have another meaning there; all differences are listed.
    """
    tables = _tables(encoder)
    loaded = sorted(name for name in set(tables) & set(embeddings.tables) if _is_selected(name, config.tables))
    if not loaded:
        available = ", ".join(sorted({name.split(".")[0] for name in embeddings.tables}))
        raise InputError(
            f"model.embeddings.tables must name tables that the file and the model have. Got {config.tables} for "
            f"{embeddings.path} with {available}. Name others, or use null for all."
        )
    differing = [
        f"{name} {embeddings.meaning.get(name)!r} for {value!r}"
        for name, value in _meaning(model, characters).items()
        if embeddings.meaning.get(name) != value and _is_relevant(name, loaded)
    ]
    if differing:
        raise InputError(
            f"model.embeddings.path must fit the model. Got {embeddings.path} with {', '.join(differing)}. "
            "Change the model to match the file, or train from scratch with model.embeddings.path=null."
        )
    with torch.no_grad():
        for name in loaded:
            tables[name].copy_(embeddings.tables[name])
            tables[name].requires_grad = not config.freeze
    ignored = sorted(set(embeddings.tables) - set(loaded))
    initialized = sorted(set(tables) - set(loaded))
    return (
        f"Embeddings from {embeddings.path}: loaded {_sizes(embeddings.tables, loaded)}"
        f" ({'frozen' if config.freeze else 'tuned'}); ignored {', '.join(ignored) or 'nothing'};"
        f" initialized {', '.join(initialized) or 'nothing'}."
    )


def _tables(encoder: Encoder) -> dict[str, nn.Parameter]:
    tables: dict[str, Any] = {"characters": encoder.embedding.characters.weight}
    if isinstance(encoder, Ngram):
        tables["ngrams"] = encoder.ngrams.weight
    if isinstance(encoder, Conv):
        tables |= {f"convolutions.{name}": weight for name, weight in encoder.convolutions.named_parameters()}
    return tables


def _meaning(config: ModelConfig, characters: Characters) -> dict[str, Any]:
    meaning: dict[str, Any] = {"dim": config.dim, "casefold": characters.casefold, "boundary": characters.boundary}
    if isinstance(config, NgramConfig):
        meaning |= {"orders": config.orders, "across_words": config.across_words, "buckets": config.buckets}
    if isinstance(config, ConvConfig):
        meaning |= {"widths": config.widths, "channels": config.channels}
        meaning |= {"positions": str(config.positions), "combine": str(config.combine)}
    return meaning


def _is_selected(name: str, tables: list[str] | None) -> bool:
    return tables is None or name.split(".")[0] in tables


def _is_relevant(setting: str, loaded: list[str]) -> bool:
    dependents = [table for table, settings in _DEPENDENCIES.items() if setting in settings]
    return not dependents or any(table.startswith(dependents[0]) for table in loaded)


def _unpacked(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    tables = {name: tensor for name, tensor in tensors.items() if not name.endswith(_SCALE)}
    for name in [name for name, tensor in tables.items() if not tensor.is_floating_point()]:
        integers, scale = tables[name].numpy(), tensors[f"{name}{_SCALE}"].float().numpy()
        if not fits(integers, scale):
            raise ValueError(f"{name}{_SCALE} of shape {scale.shape} for {integers.shape}")
        if (problem := damage(name, integers, f"{name}{_SCALE}", scale)) is not None:
            raise ValueError(problem)
        tables[name] = torch.from_numpy(unpacked(integers, scale))
    return tables


def _check_sizes(embeddings: Embeddings) -> None:
    dim = embeddings.meaning["dim"]
    shapes: dict[str, tuple[int, ...]] = {"characters": (FIRST_CHARACTER + len(embeddings.known), dim)}
    if "ngrams" in embeddings.tables:
        shapes["ngrams"] = (embeddings.meaning["buckets"], dim)
    for number, width in enumerate(embeddings.meaning.get("widths", [])):
        channels = embeddings.meaning["channels"]
        shapes[f"convolutions.{number}.weight"] = (channels, dim, width)
        shapes[f"convolutions.{number}.bias"] = (channels,)
    for name, shape in shapes.items():
        actual = tuple(embeddings.tables[name].shape)
        if actual != shape:
            raise ValueError(f"{name} of shape {actual} for {shape}")


def _sizes(tables: dict[str, Tensor], names: list[str]) -> str:
    return ", ".join(f"{name} ({' x '.join(map(str, tables[name].shape))})" for name in names)
