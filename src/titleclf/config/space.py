"""The search space of a sweep: the tree of the configuration, with a range in place of a value."""

import functools
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from operator import getitem
from typing import Any

from titleclf.config.schemas import SweepConfig, TrainConfig
from titleclf.runtime.architecture import from_mapping
from titleclf.runtime.errors import InputError

RANGE_KEYS = ({"low", "high"}, {"low", "high", "log"}, {"choices"})

# All other values leave the validation score as it is, or make it incomparable.
SEARCHABLE = ("characters", "context", "model", "noise", "objective", "loss", "optim", "training", "seed")


def ranges(space: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the ranges of `space` by dotted key; null takes a key out of the search."""
    by_key: dict[str, Any] = {}
    for name, node in space.items():
        is_range = not isinstance(node, Mapping) or any(node.keys() & keys for keys in RANGE_KEYS)
        if node is not None:
            by_key |= {f"{prefix}{name}": node} if is_range else ranges(node, f"{prefix}{name}.")
    return by_key


def fix(space: dict[str, Any], overrides: Iterable[str]) -> None:
    """Take out of `space` the keys that an override `key=value` gives."""
    given = {override.partition("=")[0] for override in overrides}
    for key in given & ranges(space).keys():
        *path, name = key.split(".")
        functools.reduce(getitem, path, space)[name] = None


def bounds(values: Mapping[str, Any]) -> list[Any]:
    """Return the values of a range that must be valid: its choices, or its two ends."""
    return list(values["choices"]) if "choices" in values else [values["low"], values["high"]]


def encode(choice: Any) -> Any:
    """Return a choice as a study stores it: lists become JSON."""
    return json.dumps(choice) if isinstance(choice, list) else choice


def decode(values: Mapping[str, Any], stored: Any) -> Any:
    """Return the value of a range that `encode` stored."""
    return next((choice for choice in values.get("choices", []) if encode(choice) == stored), stored)


def with_values(config: SweepConfig, values: Mapping[str, Any]) -> TrainConfig:
    """Return the training of a trial: `config` with these values by dotted key.

    Raises
    ------
    InputError
        If a key is unknown, or a value has the wrong type.
    """
    plain = asdict(config)
    del plain["sweep"]
    for key, value in values.items():
        *path, name = key.split(".")
        node: Any = plain
        for part in path:
            node = node.get(part) if isinstance(node, dict) else None
        if not isinstance(node, dict) or name not in node:
            where = f"sweep.space.{key}"
            raise InputError(f"{where} must be a key of the configuration. Got an unknown one. Remove it: ~{where}.")
        node[name] = value
    training: TrainConfig = from_mapping(TrainConfig, plain, "sweep.space")
    return training
