"""The worker of a data set: it predicts the titles of one block and writes its shard."""

import hashlib
from collections.abc import Collection
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
from titleclf.runtime.text.programmes import Programmes, programme_of

_BUFFER_BYTES = 2**20  # read of a column at a time, not all of a row group


class Request(NamedTuple):
    """What to predict, with which model."""

    model: str
    column: str
    top: int
    precision: float | None
    batch_size: int


def identity(request: Request) -> dict[str, Any]:
    """Return what predictions depend on beside the data; a model is identified by its checksums, wherever it lies."""
    folder = model_folder(request.model)
    sums = (folder / "bundle" if (folder / "bundle").is_dir() else folder) / SUMS
    options = {"column": request.column, "top": request.top, "precision": request.precision}
    return {"model": hashlib.sha256(sums.read_bytes()).hexdigest(), "options": options}


class Worker:
    """A classifier that predicts one block after the other."""

    def __init__(self, request: Request) -> None:
        self.request, self.classifier = request, Classifier.load(model_folder(request.model))
        self.thresholds = None if request.precision is None else self.classifier.thresholds_at(request.precision)
        self.added = _added(self.classifier.task, request.top)

    def predict(self, block: Block) -> int:
        """Write the shard of a block, a batch at a time, and return its number of rows."""
        with reading(block.file), parquet.ParquetFile(block.file, buffer_size=_BUFFER_BYTES) as source:
            schema = pyarrow.schema([*source.schema_arrow, *self.added], source.schema_arrow.metadata)
            with replacing(block.shard) as temporary, parquet.ParquetWriter(temporary, schema) as target:
                for batch in source.iter_batches(self.request.batch_size, row_groups=[block.group]):
                    target.write_table(self._with_predictions(Table.from_batches([batch]), block))
        return block.rows

    def _with_predictions(self, rows: Table, block: Block) -> Table:
        titles = [title or "" for title in rows[self.request.column].to_pylist()]
        programmes = _programmes(rows, titles, self.classifier.columns, f"{block.file}, row group {block.group}")
        predictions = self.classifier.predict_programmes(programmes, self.request.top, self.thresholds)
        for field in self.added:
            cells = [_cell(field.name, prediction, self.request.top) for prediction in predictions]
            rows = rows.append_column(field, pyarrow.array(cells, field.type))
        return rows


def _programmes(rows: Table, titles: list[str], columns: Collection[str], where: str) -> Programmes:
    """Return the titles with those of `columns` that their rows have.

    Raises
    ------
    InputError
        If a cell is not valid.
    """
    present = [name for name in columns if name in rows.column_names]
    if not present:
        return Programmes(titles)
    try:
        return Programmes.of(map(programme_of, titles, rows.select(present).to_pylist()))
    except ValueError as error:
        raise InputError(f"{where}: {error}") from error


def _added(task: Task, top: int) -> list[Any]:
    """Return the fields that hold predictions."""
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
    return [{"category": category, "probability": probability} for category, probability in prediction.candidates[:top]]
