"""The Hydra layer: turns a verb into a command that takes overrides and reports mistakes in one line."""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, NamedTuple, get_args, get_type_hints

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException, OverrideParseException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import ConfigTypeError, OmegaConfBaseException, ValidationError

from titleclf.config.rules import check
from titleclf.config.saved import check_resumable
from titleclf.config.schemas import (
    EvaluateConfig,
    ExportConfig,
    ObjectiveConfig,
    PretrainConfig,
    SweepConfig,
    TrainConfig,
)
from titleclf.config.space import fix
from titleclf.runtime.architecture import KINDS, ModelConfig
from titleclf.runtime.arguments import called_as, did_you_mean, program, sentence
from titleclf.runtime.errors import BAD_INPUT, InputError, exit_codes
from titleclf.runtime.files import shipped

SCHEMAS: dict[str, type[Any]] = {
    "pretrain": PretrainConfig,
    "train": TrainConfig,
    "sweep": SweepConfig,
    "evaluate": EvaluateConfig,
    "export": ExportConfig,
}
_TYPES = {"Integer": "an integer", "Float": "a number", "bool": "true or false"}  # as OmegaConf names them
_GROUPS = {"model": ModelConfig, "objective": ObjectiveConfig}  # their schema depends on the chosen file


class Job(NamedTuple):
    """A finished job of a multirun: its overrides, and what the verb returned."""

    overrides: list[str]
    result: Any


def command(
    name: str,
    verb: Callable[[Any], Any],
    alone: str | None = None,
    wrap: Callable[[], AbstractContextManager[None]] = nullcontext,
    table: Callable[[list[Job]], str] | None = None,
) -> Callable[[], None]:
    """Return the command line of `verb`: conf/<name>.yaml plus overrides, checked, as a plain dataclass.

    `alone` names a key that allows no other override, because it brings its own configuration. The command runs
    inside `wrap()`, and ends a multirun by printing the `table` of its jobs.
    """
    jobs: list[Job] = []

    def task(config: DictConfig) -> None:
        try:
            run(config)
        except (InputError, OSError, OmegaConfBaseException) as error:
            raise _ThroughHydra(error) from error

    def run(config: DictConfig) -> None:
        schema = SCHEMAS[name]
        _check_keys(config, schema)
        overrides = list(HydraConfig.get().overrides.task)
        plain = _plain(config, overrides)
        if alone and getattr(plain, alone) is not None:
            rest = [override for override in overrides if not override.startswith(f"{alone}=")]
            if rest:
                raise InputError(f"{alone} allows no other override. Got also {' '.join(rest)}. Leave that out.")
            check_resumable(Path(getattr(plain, alone)))
        result = verb(plain)
        if HydraConfig.get().mode is RunMode.MULTIRUN:
            jobs.append(Job(overrides, result))

    @exit_codes
    def main() -> None:
        jobs.clear()
        register_schemas()
        _check_options(name)
        os.environ["HYDRA_FULL_ERROR"] = "1"  # else Hydra prints errors itself and exits with 1
        with wrap():
            try:
                hydra.main(version_base="1.3", config_path=str(shipped("conf")), config_name=name)(task)()
            except (HydraException, MissingConfigException) as error:
                raise InputError(_sentence(error, SCHEMAS[name])) from error
            except _ThroughHydra as passed:
                if isinstance(passed.error, OmegaConfBaseException):
                    raise InputError(_sentence(passed.error, SCHEMAS[name])) from passed.error
                raise passed.error from None
            finally:
                if jobs and table is not None:
                    print(table(jobs), flush=True)

    return main


def compose(name: str, overrides: Sequence[str]) -> Any:
    """Return the checked dataclass that the command `name` gets with these overrides.

    Raises
    ------
    InputError
        If one of them is not valid.
    """
    register_schemas()
    try:
        with hydra.initialize_config_dir(str(shipped("conf")), version_base="1.3"):
            config = hydra.compose(name, overrides=list(overrides))
        _check_keys(config, SCHEMAS[name])
        return _plain(config, overrides)
    except (HydraException, MissingConfigException, OmegaConfBaseException) as error:
        raise InputError(_sentence(error, SCHEMAS[name])) from error


def _plain(config: DictConfig, overrides: Sequence[str]) -> Any:
    plain: Any = OmegaConf.to_object(config)
    if isinstance(plain, SweepConfig):
        fix(plain.sweep.space, overrides)
    check(plain)
    return plain


def _check_options(name: str) -> None:
    """Refuse wrong options; Hydra would print several lines of usage."""
    parser = get_args_parser()
    parser.prog = called_as(name)
    parser.error = lambda message: parser.exit(BAD_INPUT, f"{sentence(parser, message)}\n")  # type: ignore[method-assign]
    parser.parse_args()


class _ThroughHydra(BaseException):
    """Carries an error out of the task; on an `Exception`, Hydra prints lines of its own."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


def register_schemas() -> None:
    """Register the schemas that the defaults lists in conf/ name."""
    store = ConfigStore.instance()
    for name, schema in SCHEMAS.items():
        store.store(group="schema", name=name, node=schema)
    for group, base in _GROUPS.items():
        for kind, schema in KINDS[base].items():
            store.store(group=f"schema/{group}", name=kind.value, node=schema)


def _check_keys(config: DictConfig, schema: type[Any]) -> None:
    """Refuse keys that `+key=value` added or `~key` removed: Hydra accepts both."""
    missing = OmegaConf.missing_keys(config)
    for where, node, kind in _nodes(config, schema, ""):
        names = {field.name for field in fields(kind)}
        for key in sorted({*map(str, node)} - names):
            raise InputError(_unknown_key(f"{where}{key}", "+", schema))
        missing |= {f"{where}{key}" for key in names - {*map(str, node)}}
    if missing:
        key = sorted(missing)[0]
        if "[" in key:
            raise InputError(f"{key} must be given. Got nothing. Give it in the list.")
        raise InputError(f"{key} must be given. Got nothing. Add {key}=VALUE.")


def _nodes(node: DictConfig, kind: Any, where: str) -> Iterator[tuple[str, DictConfig, Any]]:
    kind = OmegaConf.get_type(node) or kind  # the schema of the chosen model
    yield where, node, kind
    for name, hint in get_type_hints(kind).items():
        if is_dataclass(hint) and name in node and not OmegaConf.is_missing(node, name):
            yield from _nodes(node[name], hint, f"{where}{name}.")


def _sentence(error: Exception, schema: type[Any]) -> str:
    """Return in one line what Hydra or OmegaConf found wrong."""
    cause = error.__cause__ if isinstance(error, ConfigCompositionException) else error
    first = str(error).splitlines()[0]
    if isinstance(error, OverrideParseException):
        quoted = '"key=\\"value\\""' if "'" in str(error.override) else "'key=\"value\"'"
        advice = f"Quote values with special characters twice: {quoted}."
        if "=" not in str(error.override):
            advice = "Name the value, or leave it out."
        return f"each argument must read key=value. Got {error.override}. {advice}"
    if isinstance(error, MissingConfigException) and error.options is not None and error.missing_cfg_file:
        group, _, got = error.missing_cfg_file.rpartition("/")
        return _not_one_of(group, error.options, got)
    if isinstance(cause, ValidationError | ConfigTypeError) and cause.full_key:
        merged = re.match(r"Error merging override \+*([^=]+)=(.*)", first)
        key, given = merged.groups() if merged else (cause.full_key, "another")
        where = cause.full_key if cause.full_key.startswith(key) else f"{key}: {cause.full_key}"
        return _wrong_value(where, given, str(cause).splitlines()[0])
    if "Key 'sweep' not in" in str(error):
        return f"a search must be run by the verb sweep. Got another verb. Use {program('sweep')}."
    if match := re.match(r"Could not override '([^']*)'", first):
        return _unknown_key(match.group(1), "", schema, getattr(cause, "key", None))
    return f"the configuration must be valid. Got: {' '.join(str(error).split())}."


def _wrong_value(key: str, given: str, reason: str) -> str:
    """Return what OmegaConf means by `reason`."""
    if match := re.fullmatch(r"Invalid value '(.*)', expected one of \[(.*)\]", reason):
        return _not_one_of(key, match[2].split(", "), match[1])
    if match := re.fullmatch(r"Value '(.*)' (?:of|is) .*(Integer|Float|bool)\b.*", reason):
        return f"{key} must be {_TYPES[match[2]]}. Got {match[1] or 'nothing'}."
    if reason.endswith("is not Optional"):
        return f"{key} must be given. Got null. Name a value, or leave it out."
    if "ListConfig" in reason:
        return f"{key} must be a list. Got {given}. Write it in brackets: '{key}=[...]'."
    return f"{key} must be text. Got {given}. Quote it twice: '{key}=\"...\"'."


def _not_one_of(key: str, options: Sequence[str], got: str) -> str:
    advice = did_you_mean(got, options, "Take one of them.")
    return f"{key} must be one of {', '.join(options)}. Got {got or 'nothing'}. {advice}"


def _unknown_key(key: str, sign: str, schema: type[Any], nested: str | None = None) -> str:
    keys = dict(_keys(schema, ""))
    if not sign and key.startswith("sweep.space."):
        return f"{key} must be in the search space. Got a key outside. Add it: +{key}=..."
    if key in keys:
        group, _, name = key.partition(".")
        kinds = KINDS[_GROUPS[group]] if group in _GROUPS else {}
        owners = " or ".join(kind for kind, owner in kinds.items() if name in _names(owner))
        if not owners:  # a list of mappings, the only value with keys
            (row,) = get_args(get_type_hints(keys[key])[key.rpartition(".")[2]])
            names = ", ".join(field.name for field in fields(row))
            return f"{key} must have the keys {names}. Got {nested}. Rename it."
        return f"{key} must be used with {group}={owners}. Got another {group}. Add {group}={owners}."
    return f"{sign}{key} must be a key of the configuration. Got an unknown one. {_similar_key(key, list(keys))}"


def _similar_key(got: str, options: Sequence[str]) -> str:
    # The right name in the wrong place is less similar.
    same = [option for option in options if option.rpartition(".")[2] == got.rpartition(".")[2]]
    return did_you_mean(got, options, f"Did you mean {same[0]}?" if same else "List all with --cfg job.")


def _names(kind: type[Any]) -> set[str]:
    return {field.name for field in fields(kind)}


def _keys(kind: Any, where: str) -> Iterator[tuple[str, type[Any]]]:
    for name, hint in get_type_hints(kind).items():
        yield f"{where}{name}", kind
        for nested in KINDS[hint].values() if hint in KINDS else [hint]:
            if is_dataclass(nested):
                yield from _keys(nested, f"{where}{name}.")
