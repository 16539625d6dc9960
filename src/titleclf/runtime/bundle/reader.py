"""A bundle's folder, read and checked without torch; weights stay as they lie there."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.numpy import load

from titleclf.runtime.architecture import NO_FIELDS, ConvConfig, ModelConfig, NgramConfig, from_mapping
from titleclf.runtime.arguments import program
from titleclf.runtime.bundle.checksums import SUMS, check_sums
from titleclf.runtime.bundle.contents import Bundle, BundleContents, ModelInfo
from titleclf.runtime.bundle.familiarity import familiarities, without_familiarity
from titleclf.runtime.bundle.folding import POSITIONS, check_folding, field_table, folded_tables, is_folded
from titleclf.runtime.bundle.packing import SCALE, TABLE, Array, check_packing, is_packed
from titleclf.runtime.calibration import NO_TEMPERATURE, Temperature
from titleclf.runtime.choices import Positions, ProgrammeKind, Task
from titleclf.runtime.errors import InputError
from titleclf.runtime.files import SHIPPED, shipped
from titleclf.runtime.memory.memory import Memory
from titleclf.runtime.tasks import TASKS
from titleclf.runtime.text.characters import Characters, printable
from titleclf.runtime.text.fields import buckets_of

FORMAT = 7
FORMAT_WITHOUT_FIELDS = 3  # its configuration has no fields
FORMATS = (FORMAT_WITHOUT_FIELDS, FORMAT)  # no released version wrote those between
WEIGHTS, CHARACTERS, CONFIG = "weights.safetensors", "characters.json", "config.json"
MEMORY = "memory.jsonl.gz"  # not in every bundle
RUN = "config.yaml"  # in the folder of a run
LATEST = Path("outputs/latest")

_OTHER_MODEL = f"Name another folder, or {SHIPPED} for the model that comes with titleclf."

Shapes = dict[str, tuple[int, ...]]


def model_folder(model: str) -> Path:
    """Return the folder that a user means: `shipped` is the model that comes with the package."""
    return shipped("data/model") if model == SHIPPED else Path(model)


def default_model() -> str:
    """Return the model to use if none is named: the newest run's, or without any run the one that ships.

    Raises
    ------
    InputError
        If there is neither.
    """
    if LATEST.exists():
        return str(LATEST)
    if not model_folder(SHIPPED).exists():
        raise InputError(
            f"{LATEST} must exist. Got nothing there. Train a model with {program('train')}, or pass --model DIR."
        )
    return SHIPPED


def read_bundle(folder: Path) -> Bundle:
    """Read a bundle's folder, or the one in a run's folder.

    Raises
    ------
    InputError
        If the folder or one of its files is missing, damaged, of another format, or does not fit the others.
    """
    if (folder / "bundle").is_dir():
        folder = folder / "bundle"
    if not folder.is_dir():
        raise InputError(f"{folder} must be a folder with a model. Got {kind_of(folder)}. {_OTHER_MODEL}")
    if (folder / RUN).is_file() and not (folder / CONFIG).is_file():
        raise InputError(
            f"{folder} must be a finished run. Got one without a bundle. Resume it: {program('train')} resume={folder}"
        )
    where = str(folder / CONFIG)
    config = _read_json(folder / CONFIG)
    if config.get("format") not in FORMATS:
        raise InputError(
            f"{where} must be of format {' or '.join(map(str, FORMATS))}. Got {config.get('format')!r}. "
            "Install the titleclf that wrote it, or train again."
        )
    files = _read_files(folder, has_memory=config.get("memory") is not None)
    contents = _contents(config, files, folder)
    values = config.get("model", {})
    if config["format"] == FORMAT_WITHOUT_FIELDS and isinstance(values, dict):
        values = {**values, "fields": NO_FIELDS}
    model = from_mapping(ModelConfig, values, f"{where}: model")
    shapes = shapes_of(model, contents.characters, contents.outputs)
    return Bundle(contents, model, checked_weights(files[WEIGHTS], shapes, model, folder / WEIGHTS))


def _contents(config: dict[str, Any], files: dict[str, bytes], folder: Path) -> BundleContents:
    where = str(folder / CONFIG)
    task = _checked_task(config.get("task"), folder / CONFIG)
    types, categories = TASKS[task], config.get("categories", [])
    temperature = from_mapping(types.temperature, config.get("temperature", {}), f"{where}: temperature")
    if not _are_names(categories) or not temperature.keeps_order:
        raise InputError(f"{where} must have categories and a temperature above 0. Train again.")
    title_thresholds, memory = None, None
    if config.get("alone") is not None:
        title_thresholds = types.thresholds.from_mapping(config["alone"], categories, f"{where}: alone")
    if MEMORY in files:
        names = (str(folder / MEMORY), f"{where}: memory")
        memory = Memory.from_bytes(files[MEMORY], config["memory"], task, categories, *names)
    return BundleContents(
        task=task,
        characters=Characters.from_mapping(_parsed(files[CHARACTERS], folder / CHARACTERS), str(folder / CHARACTERS)),
        categories=categories,
        temperature=temperature,
        thresholds=types.thresholds.from_mapping(config.get("thresholds", {}), categories, f"{where}: thresholds"),
        memory=memory,
        info=from_mapping(ModelInfo, _with_refit(config.get("facts", {})), f"{where}: facts"),
        kinds=_kinds(config.get("kinds", []), where),
        kind_temperature=from_mapping(Temperature, config["kind_temperature"], f"{where}: kind_temperature")
        if config.get("kinds")
        else NO_TEMPERATURE,
        title_thresholds=title_thresholds,
    )


def _kinds(values: Any, where: str) -> list[str]:
    if values not in ([], list(ProgrammeKind)):
        raise InputError(f"{where}: kinds must be {', '.join(ProgrammeKind)}, or none. Got {values!r}. Train again.")
    return list(values)


def _with_refit(facts: Any) -> Any:
    return {"is_refitted": False, **facts} if isinstance(facts, dict) else facts  # older bundles don't have it


def _read_files(folder: Path, *, has_memory: bool) -> dict[str, bytes]:
    """Read a bundle's files, and refuse changed ones."""
    files = {name: _read(folder / name) for name in (CONFIG, CHARACTERS, WEIGHTS, *([MEMORY] if has_memory else []))}
    check_sums(files, _read(folder / SUMS), folder)
    return files


def shapes_of(model: ModelConfig, characters: Characters, outputs: int) -> Shapes:
    """Return the names and shapes of a network's weights, as training names them."""
    encoded = model.dim
    shapes: Shapes = {"encoder.embedding.characters.weight": (len(characters), model.dim)}
    if model.positions is Positions.learned:
        shapes[POSITIONS] = (characters.length, model.dim)
    if isinstance(model, NgramConfig):
        shapes[TABLE] = (model.buckets, model.dim)
    if isinstance(model, ConvConfig):
        encoded = model.channels * len(model.widths)
        for number, width in enumerate(model.widths):
            shapes[f"encoder.convolutions.{number}.weight"] = (model.channels, model.dim, width)
            shapes[f"encoder.convolutions.{number}.bias"] = (model.channels,)
    shapes |= {field_table(name): (buckets_of(name, model.fields), encoded) for name in model.fields.use}
    if model.hidden:
        layers = {"head.0": (model.hidden, encoded), "head.2": (outputs, model.hidden)}
    else:
        layers = {"head": (outputs, encoded)}
    for name, shape in layers.items():
        shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    return shapes


def read_weights(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Array]:
    """Read a safetensors file, which must fit the shapes exactly; the table may be packed, and stays so.

    Raises
    ------
    InputError
        If the file is missing or damaged, or holds other weights.
    """
    return _fitting(_tensors(_read(path), path), shapes, path)


def checked_weights(
    content: bytes, shapes: Mapping[str, tuple[int, ...]], model: ModelConfig, path: Path
) -> dict[str, Array]:
    """Return the weights of a bundle, folded or not, with the familiarity of texts; `path` names their origin."""
    tensors = _tensors(content, path)
    _check_weights(without_familiarity(tensors), shapes, model, path)
    familiarities(tensors, model, str(path))
    return tensors


def _check_weights(
    weights: dict[str, Array], shapes: Mapping[str, tuple[int, ...]], model: ModelConfig, path: Path
) -> None:
    if not is_folded(weights) or not isinstance(model, NgramConfig):
        _fitting(weights, shapes, path)
        return
    tables = folded_tables({name: buckets_of(name, model.fields) for name in model.fields.use}, model.buckets)
    others = {name: array for name, array in weights.items() if not name.startswith(tuple(tables))}
    field_tables = {field_table(name) for name in model.fields.use}
    _fitting(others, {n: shape for n, shape in shapes.items() if n != TABLE and n not in field_tables}, path)
    check_folding(weights, tables, str(path))


def _tensors(content: bytes, path: Path) -> dict[str, Array]:
    try:
        return _real(load(content))
    except (SafetensorError, KeyError, ValueError) as error:  # damaged, or with a dtype or shape that numpy lacks
        fault = f"dtype {error}" if isinstance(error, KeyError) else str(error)
        raise InputError(
            f"{path} must be a whole safetensors file. Got: {printable(fault)[:200]}. Train or copy it again."
        ) from error


def _real(weights: dict[str, Array]) -> dict[str, Array]:
    for name, array in weights.items():
        if array.dtype.kind not in "fiu":
            raise ValueError(f"{name} of {array.dtype}")
    return weights


def _fitting(weights: dict[str, Array], shapes: Mapping[str, tuple[int, ...]], path: Path) -> dict[str, Array]:
    check_packing(weights, str(path))
    found = {name: array.shape for name, array in weights.items()}
    if is_packed(weights):
        found[TABLE] = (len(weights[TABLE]), *found.pop(SCALE))
    differing = sorted(name for name in {*shapes, *found} if shapes.get(name) != found.get(name))
    if differing:
        name = differing[0]
        raise InputError(
            f"{path} must hold the tensors that its configuration describes. Got {printable(name)} of shape "
            f"{found.get(name)} for {shapes.get(name)}. Train or copy it again."
        )
    return weights


def kind_of(path: Path) -> str:
    """Return what is at a path, in words for an error."""
    return "a folder" if path.is_dir() else "a file" if path.exists() else "nothing there"


def _checked_task(value: Any, path: Path) -> Task:
    if value not in list(Task):
        raise InputError(f"{path}: task must be one of {', '.join(Task)}. Got {value!r}. Train or copy it again.")
    return Task(value)


def _are_names(value: Any) -> bool:
    return isinstance(value, list) and len(value) > 1 and all(isinstance(name, str) for name in value)


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise InputError(f"{path.parent} must be a folder with a model. Got no {path.name} there. {_OTHER_MODEL}")
    return path.read_bytes()


def _read_json(path: Path) -> dict[str, Any]:
    return _parsed(_read(path), path)


def _parsed(content: bytes, path: Path) -> dict[str, Any]:
    try:
        values = json.loads(content)
    except ValueError as error:  # not JSON, or not UTF-8
        raise InputError(f"{path} must be JSON. Got: {error}. Train or copy it again.") from error
    if not isinstance(values, dict):
        raise InputError(f"{path} must be a JSON object. Got {type(values).__name__}. Train or copy it again.")
    return values
