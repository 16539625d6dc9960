"""The configuration of a run, in its folder."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from titleclf.runtime.architecture import from_mapping
from titleclf.runtime.bundle.reader import RUN
from titleclf.runtime.errors import InputError
from titleclf.runtime.files import write_text

CONFIG, CHECKPOINT, BEST = RUN, "checkpoint.pt", "best.safetensors"
VALIDATION = "validation.json"  # of the best epoch, once training has ended
Config = TypeVar("Config")


def save_config(folder: Path, config: Any) -> None:
    """Write config.yaml: everything that shapes the run except the data."""
    write_text(folder / CONFIG, OmegaConf.to_yaml(OmegaConf.create(as_plain(config))))


def as_plain(config: Any) -> dict[str, Any]:
    """Return a configuration as nested plain values; enums become their names."""
    plain: dict[str, Any] = json.loads(json.dumps(asdict(config)))
    return plain


def check_resumable(folder: Path) -> None:
    """Refuse a trial that a sweep has dropped: only the best one keeps its weights.

    Raises
    ------
    InputError
        If `folder` is one.
    """
    if (folder / VALIDATION).exists() and not any((folder / name).exists() for name in (CHECKPOINT, BEST, "bundle")):
        raise InputError(
            f"resume must be a run that has its weights. Got {folder}: its sweep kept those of the best trial alone. "
            "Name that trial."
        )


def load_config(folder: Path, schema: type[Config]) -> Config:
    """Read the configuration of type `schema` that `save_config` wrote.

    Raises
    ------
    InputError
        If `folder` holds no run, or its configuration is not readable.
    """
    path = folder / CONFIG
    if not path.is_file():
        raise InputError(f"{folder} must be the folder of a run. Got no {CONFIG} there. Check the path.")
    try:
        values = OmegaConf.to_container(OmegaConf.load(path))
    except (OmegaConfBaseException, YAMLError, ValueError) as error:
        raise InputError(
            f"{path} must be YAML. Got: {str(error).splitlines()[0]}. Repair it or train again."
        ) from error
    if isinstance(values, dict):
        values.pop("trial", None)  # older runs have it
    config: Config = from_mapping(schema, values, str(path))  # type: ignore[arg-type]
    return config
