"""`titleclf predict_dataset`: the categories of Parquet data sets of any size, in several processes."""

import argparse
import logging
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from titleclf import __version__
from titleclf.runtime.arguments import Parser, count, precision
from titleclf.runtime.bundle.reader import LATEST, default_model
from titleclf.runtime.errors import InputError, exit_codes, require_extra
from titleclf.runtime.files import SHIPPED

if TYPE_CHECKING:  # pyarrow is an extra
    from titleclf.predict.blocks import Block
    from titleclf.predict.worker import Request


_STORE_BYTES = 80 * 2**20  # about the minimum of Ray: only row counts go through its store
_RETRIES = 3  # of a block whose worker was killed
_EXAMPLES = """examples:
  {program} titles.parquet answers
  {program} --workers 8 --precision 0.9 --column name guide/ answers/

After an interruption, the same command continues with the missing shards.
"""


@exit_codes
def main() -> None:
    """Run the command line."""
    arguments = _parser().parse_args()
    with require_extra("ray"):
        import ray  # noqa: F401  # so that it is missed now

        from titleclf.predict.blocks import begin, clear_up, read
        from titleclf.predict.worker import Request, Worker, identity

    model, folder = arguments.model or default_model(), Path(arguments.output)
    request = Request(model, arguments.column, arguments.top, arguments.precision, arguments.batch_size)
    worker = Worker(request)  # refuses a wrong model or precision here, where the error is shown
    data = read(Path(arguments.input), folder, request.column, [field.name for field in worker.added])
    begin(folder, {"data": data.fingerprints, "titleclf": __version__, **identity(request)})
    left = [block for block in data.blocks if not block.is_done()]
    rows, missing = (sum(block.rows for block in blocks) for blocks in (data.blocks, left))
    with (
        _only_python_on_standard_error(),
        tqdm(total=missing, unit=" titles", unit_scale=True, leave=False, disable=None) as bar,
    ):
        for count_of_block in predict_blocks(left, request, arguments.workers):
            bar.update(count_of_block)
    clear_up(folder)
    before = f" ({rows - missing:,} were there before)" if missing < rows else ""
    print(f"{rows:,} titles in {len(data.blocks):,} shards: {folder}{before}. Model: {model}.")


def predict_blocks(blocks: Sequence["Block"], request: "Request", workers: int) -> Iterator[int]:
    """Yield the number of rows of each block as soon as its shard is written.

    Each block is a task from file to file for a process that loads the model once. Ray Data would send all rows through
    its store and does not know which rows belong to which file, so finished shards could not be skipped. Ray repeats
    the task of a killed process, and a shard is written whole or not at all: no row is lost or duplicated.

    Raises
    ------
    InputError
        If a file can't be read, or the processes are killed again and again.
    """
    import ray
    from ray.exceptions import RayActorError, RayTaskError
    from ray.util import ActorPool

    from titleclf.predict.worker import Worker

    if not blocks:
        return
    with (
        tempfile.TemporaryDirectory(prefix="titleclf", ignore_cleanup_errors=True) as scratch,
        redirect_stdout(sys.stderr),  # Ray prints there when a process was killed
    ):
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # no statistics, dashboard or cluster
        ray.init(
            address="local",
            num_cpus=workers,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            object_store_memory=_STORE_BYTES,
            _temp_dir=scratch,
        )
        try:
            actor = ray.remote(num_cpus=1, max_restarts=-1, max_task_retries=_RETRIES)(Worker)
            pool: Any = ActorPool([actor.remote(request) for _ in range(min(workers, len(blocks)))])
            yield from pool.map_unordered(lambda process, block: process.predict.remote(block), blocks)
        except RayTaskError as error:
            raise error.cause from error
        except RayActorError as error:
            raise InputError(
                f"a block must be predicted in {_RETRIES + 1} tries. Got a killed process each time. "
                "Pass fewer --workers or a smaller --batch-size, in case memory ran out."
            ) from error
        except KeyboardInterrupt:
            raise KeyboardInterrupt("The same command continues with the missing shards.") from None
        finally:
            ray.shutdown()


@contextmanager
def _only_python_on_standard_error() -> Iterator[None]:
    """Hide what compiled code writes to standard error: Ray's repeats errors there while it shuts down."""
    python_stderr = sys.stderr
    python_stderr.flush()
    copy = os.dup(2)
    with Path(os.devnull).open("wb") as nowhere, os.fdopen(copy, "w", buffering=1) as sys.stderr:
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(copy, 2)
            sys.stderr = python_stderr


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="titleclf predict_dataset",
        description="Predict the categories of the titles of a Parquet data set of any size: each row group becomes a "
        "shard with its rows in their order and the columns category (or categories, for a model of several tags) and "
        "probability. Models that use them also read the columns channel, minutes, description, sub_title, "
        "year and language.",
        epilog=_EXAMPLES.format(program="titleclf predict_dataset"),
    )
    parser.add_argument("input", metavar="IN", help="a Parquet file, or a folder of Parquet files and folders")
    parser.add_argument(
        "output", metavar="OUT", help="a folder for the shards: a new one, or that of the interrupted command"
    )
    parser.add_argument(
        "--model",
        metavar="DIR",
        help=f"a bundle, a run's folder, or {SHIPPED}, the model that comes with titleclf "
        f"(default: {LATEST} if there is one, else {SHIPPED})",
    )
    parser.add_argument("--column", default="title", metavar="NAME", help="the column of titles (default: title)")
    parser.add_argument(
        "--top",
        type=count,
        default=1,
        metavar="K",
        help="add a column candidates with the K most probable categories (default: 1)",
    )
    parser.add_argument(
        "--precision",
        type=precision,
        metavar="P",
        help="predict a category only where it is confident enough for a fraction P of such predictions to be right",
    )
    parser.add_argument(
        "--workers", type=count, default=os.cpu_count(), metavar="N", help="processes (default: one per core)"
    )
    parser.add_argument(
        "--batch-size", type=count, default=8192, metavar="N", help="rows in memory at a time (default: 8192)"
    )
    return parser


if __name__ == "__main__":
    main()
