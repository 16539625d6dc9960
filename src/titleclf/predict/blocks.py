"""Parquet data sets of any size: blocks of their files, a shard per block, and a manifest."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from pyarrow import ArrowException, parquet, types

from titleclf.runtime.errors import InputError
from titleclf.runtime.files import write_text

MANIFEST = "_titleclf.json"  # readers of folders pass over names that begin so
_ENDING = ".parquet"


class Block(NamedTuple):
    """A row group of a file, and the shard for its predictions."""

    file: Path
    group: int
    rows: int
    shard: Path

    def is_done(self) -> bool:
        """Return whether the shard exists with one prediction per row. Shards are written whole or not at all."""
        try:
            return self.shard.is_file() and int(parquet.read_metadata(self.shard).num_rows) == self.rows
        except ArrowException:
            return False


def files_in(path: Path) -> list[Path]:
    """Return a Parquet file, or all Parquet files below a folder, except hidden ones.

    Raises
    ------
    InputError
        If there is none.
    """
    if path.is_file():
        return [path]
    found = sorted(path.rglob(f"*{_ENDING}"))
    files = [one for one in found if not any(part[0] in "._" for part in one.relative_to(path).parts)]
    if not files:
        raise InputError(f"{path} must be a {_ENDING} file or a folder of Parquet files. Got none. Check the path.")
    return files


class Data(NamedTuple):
    """The blocks of all files, and the files' fingerprints by name."""

    blocks: list[Block]
    fingerprints: dict[str, str]


def read(path: Path, folder: Path, column: str, added: list[str]) -> Data:
    """List the blocks of a file, or of all files below a folder; their shards go to `folder`.

    A fingerprint covers a file's size and its footer, which lists the place and size of every column chunk: reading all
    data would take as long as predicting it.

    Raises
    ------
    InputError
        If a file can't be read, lacks the column of titles, or already has one of the columns in `added`.
    """
    data = Data([], {})
    for file in files_in(path):
        name = file.relative_to(path if path.is_dir() else path.parent)
        with reading(file), parquet.ParquetFile(file) as opened:
            _check_columns(file, opened.schema_arrow, column, added)
            metadata = opened.metadata
        for group in range(metadata.num_row_groups):
            shard = folder / name.parent / f"{name.stem}-{group:05d}{_ENDING}"
            data.blocks.append(Block(file, group, metadata.row_group(group).num_rows, shard))
        data.fingerprints[str(name)] = _fingerprint(file, metadata.serialized_size)
    return data


@contextmanager
def reading(file: Path) -> Iterator[None]:
    """Turn the errors of reading a Parquet file into an `InputError`.

    Raises
    ------
    InputError
        If it is another kind of file, or damaged.
    """
    try:
        yield
    except (ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # the disk's: errors of damaged pages have no number
            raise
        reason = str(error).splitlines()[0].rstrip(".")
        raise InputError(f"{file} must be a Parquet file. Got: {reason}. Write it again.") from error


def begin(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Create the folder of shards, or continue in one with the same manifest.

    Raises
    ------
    InputError
        If the folder holds something else.
    """
    path = folder / MANIFEST
    if path.exists():
        try:
            before = json.loads(path.read_bytes())
        except ValueError:
            before = {}
        differing = [name for name in manifest if before.get(name) != manifest[name]]
        if differing:
            raise InputError(
                f"{folder} must have been created with the same {' and '.join(differing)}. Got another. "
                "Name a new folder."
            )
        return
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} must be a folder. Got a file. Name another one.")
    if folder.exists() and any(folder.iterdir()):
        raise InputError(
            f"{folder} must be empty, or hold shards of the same data. Got other files. Name another folder."
        )
    write_text(path, json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")


def clear_up(folder: Path) -> None:
    """Remove the unfinished files of killed processes."""
    for left in folder.rglob(f".*{_ENDING}.*"):
        left.unlink(missing_ok=True)


def _check_columns(file: Path, schema: Any, column: str, added: list[str]) -> None:
    if column not in schema.names:
        names = ", ".join(schema.names)[:200]
        raise InputError(
            f"{file} must have the column {column}. Got {names}. Name the column of titles: --column NAME."
        )
    taken = sorted({*added} & {*schema.names})
    if taken:
        raise InputError(
            f"{file} must not have columns with the names that predictions get. Got {', '.join(taken)}. Rename them."
        )
    kind = schema.field(column).type
    kind = kind.value_type if types.is_dictionary(kind) else kind
    if not (types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)):
        raise InputError(f"{file} must have text in {column}. Got {kind}. Name the column of titles: --column NAME.")


def _fingerprint(file: Path, footer: int) -> str:
    size = file.stat().st_size
    with file.open("rb") as opened:
        opened.seek(size - footer - 8)  # the last eight bytes are its length and a magic number
        return hashlib.sha256(size.to_bytes(8) + opened.read()).hexdigest()
