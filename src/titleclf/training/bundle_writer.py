"""A bundle's folder, written whole or not at all."""

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
from titleclf.runtime.bundle.folding import SCORES, is_folded
from titleclf.runtime.bundle.reader import CHARACTERS, CONFIG, FORMAT, MEMORY, WEIGHTS, WITH_CONTEXTS, Saved, kind_of
from titleclf.runtime.errors import InputError
from titleclf.runtime.text.programmes import Contexts

CARD = "README.md"


def save(saved: Saved, folder: Path) -> None:
    """Write a bundle to `folder`, which must not exist yet.

    Raises
    ------
    InputError
        If it does.
    """
    if folder.exists():
        raise InputError(f"{folder} must not exist yet. Got {kind_of(folder)}. Name another one or remove it.")
    files = {
        WEIGHTS: save_tensors(saved.weights),
        CHARACTERS: _to_json(saved.characters.to_mapping()),
        CONFIG: _to_json(_config(saved)),
    }
    if saved.memory is not None:
        files[MEMORY] = saved.memory.to_bytes(saved.categories)
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        for name, content in {**files, CARD: _card(saved).encode(), SUMS: sums_of(files)}.items():
            (temporary / name).write_bytes(content)
        temporary.chmod(0o755)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _card(saved: Saved) -> str:
    if is_folded(saved.weights):
        rows, columns = saved.weights[SCORES].shape
        what = f"folded into {rows:,} x {columns} scores of n-grams in eight bits"
    else:
        what = f"{sum(array.size for array in saved.weights.values()):,} weights"
    model = f"{saved.model.kind}, {what}, {len(saved.characters):,} characters{_beside(saved.contexts)}"
    remembered = None if saved.memory is None else len(saved.memory.keys)
    return model_card(saved.facts, saved.task, model, saved.categories, remembered)


def _beside(contexts: Contexts | None) -> str:
    if contexts is None:
        return ""
    known = [f"{len(contexts.channels):,} channels"] if contexts.channels else []
    return f"; beside the title it looks at {' and '.join([*known, *(['durations'] if contexts.edges else [])])}"


def _config(saved: Saved) -> dict[str, Any]:
    # The file that embeddings came from is no part of the bundle: they are among its weights.
    architecture = replace(saved.model, embeddings=EmbeddingsConfig(path=None, tables=None, freeze=False))
    return {
        "format": FORMAT if saved.contexts is None else WITH_CONTEXTS,
        "version": __version__,
        "task": saved.task,
        "categories": saved.categories,
        "temperature": asdict(saved.temperature),
        "model": asdict(architecture),
        "thresholds": asdict(saved.thresholds),
        "memory": None if saved.memory is None else asdict(saved.memory.settings()),
        "facts": asdict(saved.facts),
        **_of_contexts(saved),
    }


def _of_contexts(saved: Saved) -> dict[str, Any]:
    if saved.contexts is None or saved.alone is None:
        return {}
    return {"contexts": asdict(saved.contexts), "alone": asdict(saved.alone)}


def _to_json(values: dict[str, Any]) -> bytes:
    return (json.dumps(values, indent=2, ensure_ascii=False) + "\n").encode()
