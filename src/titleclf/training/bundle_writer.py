"""Writes the folder of a bundle, completely or not at all."""

import json
import shutil
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from safetensors.numpy import save as save_tensors

from titleclf import __version__
from titleclf.evaluate.model_card import model_card
from titleclf.runtime.architecture import EmbeddingsConfig
from titleclf.runtime.bundle.checksums import SUMS, sums_of
from titleclf.runtime.bundle.contents import Bundle
from titleclf.runtime.bundle.folding import NGRAMS, SCORES, is_folded
from titleclf.runtime.bundle.reader import (
    CHARACTERS,
    CONFIG,
    FORMAT,
    MEMORY,
    WEIGHTS,
    kind_of,
)
from titleclf.runtime.errors import InputError
from titleclf.runtime.network import check_implemented

CARD = "README.md"


def write_bundle(bundle: Bundle, folder: Path) -> None:
    """Write a bundle to `folder`, which must not exist yet.

    Raises
    ------
    InputError
        If the folder exists, or the numpy network lacks this model: a bundle must predict wherever it is read.
    """
    if folder.exists():
        raise InputError(f"{folder} must not exist yet. Got {kind_of(folder)}. Name another one or remove it.")
    check_implemented(bundle.model)
    contents = bundle.contents
    files = {
        WEIGHTS: save_tensors(bundle.weights),
        CHARACTERS: _to_json(contents.characters.to_mapping()),
        CONFIG: _to_json(_config(bundle)),
    }
    if contents.memory is not None:
        files[MEMORY] = contents.memory.to_bytes(contents.categories)
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        for name, content in {**files, CARD: _card(bundle).encode(), SUMS: sums_of(files)}.items():
            (temporary / name).write_bytes(content)
        temporary.chmod(0o755)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _card(bundle: Bundle) -> str:
    contents = bundle.contents
    if is_folded(bundle.weights):
        rows, columns = bundle.weights[f"{NGRAMS}{SCORES}"].shape
        size = f"folded into {rows:,} x {columns} n-gram scores of eight bits"
    else:
        size = f"{sum(array.size for array in bundle.weights.values()):,} weights"
    model = f"{bundle.model.kind}, {size}, {len(contents.characters):,} characters"
    fields = bundle.model.fields.use
    return model_card(contents, f"{model}; uses {', '.join(fields)} beside the title" if fields else model)


def _config(bundle: Bundle) -> dict[str, Any]:
    contents = bundle.contents
    # The file of the embeddings is not part of the bundle, which has them among its weights.
    architecture = replace(bundle.model, embeddings=EmbeddingsConfig(path=None, tables=None, freeze=False))
    return {
        "format": FORMAT,
        "version": __version__,
        "task": contents.task,
        "categories": contents.categories,
        "temperature": asdict(contents.temperature),
        "model": asdict(architecture),
        "thresholds": asdict(contents.thresholds),
        "memory": None if contents.memory is None else asdict(contents.memory.settings()),
        "facts": asdict(contents.info),
        "kinds": contents.kinds,
        "kind_temperature": asdict(contents.kind_temperature),
        "alone": None if contents.title_thresholds is None else asdict(contents.title_thresholds),
    }


def _to_json(values: dict[str, Any]) -> bytes:
    return (json.dumps(values, indent=2, ensure_ascii=False) + "\n").encode()
