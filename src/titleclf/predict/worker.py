"""Answers of a data set: what is added to its rows, and the worker that turns a block into a shard."""

import hashlib
from typing import Any, NamedTuple

import pyarrow
from pyarrow import Table, parquet

from titleclf.predict.blocks import Block, reading
from titleclf.runtime.bundle.checksums import SUMS
from titleclf.runtime.bundle.reader import model_folder
from titleclf.runtime.choices import Task
from titleclf.runtime.classifier import Classifier
from titleclf.runtime.errors import InputError
from titleclf.runtime.files import replacing
from titleclf.runtime.prediction import Prediction
from titleclf.runtime.text.programmes import Context, ContextColumns, Contexts, columns_asked

_BUFFER_BYTES = 2**20  # of a column are read at a time, not all that a row group has of it


class Asked(NamedTuple):
    """What the user wants to know of each title, of the model `model`."""

    model: str
    column: str
    top: int
    precision: float | None
    batch_size: int


def identity(asked: Asked) -> dict[str, Any]:
    """Return what answers depend on beside the data; the model is named by its checksums, wherever it lies."""
    folder = model_folder(asked.model)
    sums = (folder / "bundle" if (folder / "bundle").is_dir() else folder) / SUMS
    options = {"column": asked.column, "top": asked.top, "precision": asked.precision}
    return {"model": hashlib.sha256(sums.read_bytes()).hexdigest(), "options": options}


class Worker:
    """A classifier that answers one block after the other."""

    def __init__(self, asked: Asked) -> None:
        self.asked, self.classifier = asked, Classifier.load(model_folder(asked.model))
        self.least = None if asked.precision is None else self.classifier.least_at(asked.precision)
        self.added = _added(self.classifier.task, asked.top)

    def answer(self, block: Block) -> int:
        """Write the shard of a block, a batch at a time, and return how many rows that are."""
        with reading(block.file), parquet.ParquetFile(block.file, buffer_size=_BUFFER_BYTES) as source:
            schema = pyarrow.schema([*source.schema_arrow, *self.added], source.schema_arrow.metadata)
            with replacing(block.shard) as temporary, parquet.ParquetWriter(temporary, schema) as target:
                for batch in source.iter_batches(self.asked.batch_size, row_groups=[block.group]):
                    target.write_table(self._answered(Table.from_batches([batch]), block))
        return block.rows

    def _answered(self, rows: Table, block: Block) -> Table:
        titles = [title or "" for title in rows[self.asked.column].to_pylist()]
        contexts = _contexts(rows, self.classifier.contexts, f"{block.file}, row group {block.group}")
        predictions, _ = self.classifier.predict_counting(titles, self.asked.top, self.least, contexts)
        for field in self.added:
            cells = [_cell(field.name, prediction, self.asked.top) for prediction in predictions]
            rows = rows.append_column(field, pyarrow.array(cells, field.type))
        return rows


def _contexts(rows: Table, known: Contexts | None, where: str) -> list[Context] | None:
    """Return what the columns `channel` and `duration` say of each row; None where there is neither.

    Raises
    ------
    InputError
        If a cell is not what it should be.
    """
    columns = ContextColumns(None, None) if known is None else columns_asked(known)
    there = [name for name in columns.named if name in rows.column_names]
    if not there:
        return None
    found = rows.select(there).to_pylist()
    problem = next(filter(None, map(columns.problem, found)), None)
    if problem:
        raise InputError(f"{where}: {problem}")
    return [columns.context(cells) for cells in found]


def _added(task: Task, top: int) -> list[Any]:
    """Return the fields that answers are in."""
    text, number = pyarrow.string(), pyarrow.float32()
    candidates = pyarrow.list_(pyarrow.struct({"category": text, "probability": number}))
    return [
        pyarrow.field("category", text) if task is Task.single else pyarrow.field("categories", pyarrow.list_(text)),
        pyarrow.field("probability", number),
        *([pyarrow.field("candidates", candidates)] if top > 1 else []),
    ]


def _cell(name: str, prediction: Prediction, top: int) -> Any:
    match name:
        case "category":
            return prediction.category
        case "categories":
            return prediction.named
        case "probability":
            return prediction.probability
    return [{"category": category, "probability": share} for category, share in prediction.candidates[:top]]
