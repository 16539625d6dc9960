"""`titleclf predict_dataset`: the categories of Parquet data sets of any size, by several processes."""

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
from titleclf.runtime.arguments import count, precision
from titleclf.runtime.bundle.reader import LATEST, default_model
from titleclf.runtime.errors import InputError, exit_codes, require_extra
from titleclf.runtime.files import SHIPPED

if TYPE_CHECKING:  # only who has data sets needs pyarrow
    from titleclf.predict.blocks import Block
    from titleclf.predict.worker import Asked


_STORE_BYTES = 80 * 2**20  # about the least that Ray takes: only numbers of rows go through its store
_RETRIES = 3  # of a block whose worker was killed
_EXAMPLES = """examples:
  {program} titles.parquet answers
  {program} --workers 8 --precision 0.9 --column name guide/ answers/

Interrupted, the same command goes on with the shards that are missing.
"""


@exit_codes
def main() -> None:
    """Run the command line."""
    arguments = _parser().parse_args()
    with require_extra("ray"):
        import ray  # noqa: F401  # only to miss it now

        from titleclf.predict import blocks as dataset
        from titleclf.predict import worker as shards

    model, folder = arguments.model or default_model(), Path(arguments.output)
    asked = shards.Asked(model, arguments.column, arguments.top, arguments.precision, arguments.batch_size)
    worker = shards.Worker(asked)  # refuses model and precision here, and not in processes that nobody hears
    data = dataset.read(Path(arguments.input), folder, asked.column, [field.name for field in worker.added])
    dataset.begin(folder, {"data": data.fingerprints, "titleclf": __version__, **shards.identity(asked)})
    left = [block for block in data.blocks if not block.is_done()]
    rows, missing = (sum(block.rows for block in blocks) for blocks in (data.blocks, left))
    with (
        _only_python_on_standard_error(),
        tqdm(total=missing, unit=" titles", unit_scale=True, leave=False, disable=None) as bar,
    ):
        for count_of_block in answered(left, asked, arguments.workers):
            bar.update(count_of_block)
    dataset.clear_up(folder)
    before = f" ({rows - missing:,} were there before)" if missing < rows else ""
    print(f"{rows:,} titles in {len(data.blocks):,} shards: {folder}{before}. Model: {model}.")


def answered(blocks: Sequence["Block"], asked: "Asked", workers: int) -> Iterator[int]:
    """Yield how many rows each block has, as soon as its shard is written.

    Each is a task from file to file, of a process that loads the model once. Ray Data would send all rows through its
    store, and doesn't tell which rows are of which file: a shard could not be left out because it is there. Ray repeats
    what a killed process was at, and a shard is written whole or not at all: no row is lost, and none comes twice.

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
        redirect_stdout(sys.stderr),  # Ray tells there when a process was killed
    ):
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # nothing of this is for others: no statistics, page, or cluster
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
            pool: Any = ActorPool([actor.remote(asked) for _ in range(min(workers, len(blocks)))])
            yield from pool.map_unordered(lambda one, block: one.answer.remote(block), blocks)
        except RayTaskError as error:
            raise error.cause from error
        except RayActorError as error:
            raise InputError(
                f"a block must be answered in {_RETRIES + 1} tries. Got a killed process each time. "
                "Pass fewer --workers or a smaller --batch-size, should memory have run out."
            ) from error
        except KeyboardInterrupt:
            raise KeyboardInterrupt("The same command goes on with the shards that are missing.") from None
        finally:
            ray.shutdown()


@contextmanager
def _only_python_on_standard_error() -> Iterator[None]:
    """Hide what compiled code writes there: Ray's, while it ends, now and then tells again what the sentence says."""
    told = sys.stderr
    told.flush()
    kept = os.dup(2)
    with Path(os.devnull).open("wb") as nowhere, os.fdopen(kept, "w", buffering=1) as sys.stderr:
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            sys.stderr = told


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="titleclf predict_dataset",
        description="Tell the categories of the titles of a Parquet data set of any size: each row group becomes a "
        "shard with its rows, in their order, and the columns category (or categories, of a model of several tags) and "
        "probability. Models that know them look at the columns channel and duration (in minutes), too.",
        epilog=_EXAMPLES.format(program="titleclf predict_dataset"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("input", metavar="IN", help="a Parquet file, or a folder of such and of folders")
    parser.add_argument("output", metavar="OUT", help="a folder for the shards: a new one, or that of the same command")
    parser.add_argument(
        "--model",
        metavar="DIR",
        help=f"a bundle, a run's folder, or {SHIPPED}: the model that comes with titleclf "
        f"(default: {LATEST} if there is one, else {SHIPPED})",
    )
    parser.add_argument("--column", default="title", metavar="NAME", help="the column of titles (default: title)")
    parser.add_argument(
        "--top", type=count, default=1, metavar="K", help="add a column candidates with the K likeliest (default: 1)"
    )
    parser.add_argument(
        "--precision",
        type=precision,
        metavar="P",
        help="name a category only where it is sure enough for a share P of such answers to be right",
    )
    parser.add_argument(
        "--workers", type=count, default=os.cpu_count(), metavar="N", help="processes (default: one a core)"
    )
    parser.add_argument(
        "--batch-size", type=count, default=8192, metavar="N", help="rows in memory at a time (default: 8192)"
    )
    return parser


if __name__ == "__main__":
    main()
