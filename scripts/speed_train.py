"""Measure the training time per title as the number of titles grows."""

import argparse
import contextlib
import io
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from scripts.common.arguments import add_name, parse_with_overrides, report_parser
from scripts.common.report import as_table, made_by
from titleclf.config.hydra import compose
from titleclf.config.schemas import SHIPPED_COLUMNS, TrainConfig
from titleclf.data.dataset import read_dataset
from titleclf.data.titles import read_all_titles
from titleclf.runtime.arguments import count
from titleclf.runtime.errors import InputError, exit_codes
from titleclf.runtime.files import write_text
from titleclf.train import fit
from titleclf.training.distributed import pick_device
from titleclf.training.run import Run
from titleclf.training.trained_model import new_model

EPOCHS = 2


def measure(config: TrainConfig, titles: pd.DataFrame, sizes: Sequence[int], seed: int) -> pd.DataFrame:
    """Return a row for each size: rows, training titles, seconds, and seconds per 1,000 titles and epoch."""
    rows = []
    for size in tqdm(sizes, "sizes", disable=None):
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
            path = Path(folder) / "titles.csv"
            titles.sample(size, random_state=seed).to_csv(path, index=False)
            sample = replace(config.data, path=str(path), test_path=None, columns=SHIPPED_COLUMNS)
            data = read_dataset(replace(config, data=sample))
            model = new_model(config, data, pick_device(config.device))
            started = time.perf_counter()
            fit(config, data, model.network, Run(Path(folder), is_new=True))
            seconds = time.perf_counter() - started
        trained = len(data.train)
        rows.append((size, trained, seconds, seconds / EPOCHS / trained * 1000))
    return pd.DataFrame(rows, columns=["rows", "trained", "seconds", "per_thousand"])


def as_markdown(rows: pd.DataFrame) -> str:
    """Return the measurements as a table, with the seconds for each title relative to the smallest size."""
    relative = rows["per_thousand"] / rows["per_thousand"].iloc[0]
    cells = pd.DataFrame(
        {
            "rows": rows["rows"].map("{:,}".format),
            "training titles": rows["trained"].map("{:,}".format),
            "seconds": rows["seconds"].map("{:,.1f}".format),
            "seconds per 1,000 titles and epoch": rows["per_thousand"].map("{:.3f}".format),
            "vs smallest": relative.map("{:.2f} x".format),
        }
    )
    return as_table(cells.set_index("rows"))


def report(config: TrainConfig, arguments: argparse.Namespace, provenance: str) -> str:
    """Measure each size that the data has rows for, write the report, and return its table."""
    files = arguments.train or [config.data.path]
    titles = pd.concat([read_all_titles(file, config.data.columns) for file in files], ignore_index=True)
    sizes = sorted(arguments.sizes)
    too_large = ", ".join(f"{size:,}" for size in sizes if size > len(titles))
    sizes = [size for size in sizes if size <= len(titles)]
    if not sizes:
        raise InputError(f"--sizes must not exceed the {len(titles):,} rows of the data. Got {too_large}.")
    table = as_markdown(measure(config, titles, sizes, arguments.seed))
    if too_large:
        table += f"\nThe data has {len(titles):,} rows: too few for {too_large}.\n"
    text = f"""\
# Training time for each title

{provenance}.
Data: {arguments.name or ", ".join(files)}. {EPOCHS} epochs, validation included.

{table}"""
    write_text(arguments.output, text)
    return table


@exit_codes
def main() -> None:
    """Measure, print and write."""
    parser = report_parser("speed_train", __doc__)
    parser.add_argument("--sizes", type=count, nargs="+", required=True, help="numbers of rows")
    parser.add_argument("--train", nargs="+", metavar="FILE", help="training titles (default: those of the package)")
    add_name(parser)
    parser.add_argument("--seed", type=int, default=1, help="seed of the samples (%(default)s)")
    arguments = parse_with_overrides(parser)
    provenance = made_by("speed_train", arguments.train or [] if arguments.name else [])
    config: TrainConfig = compose("train", [*arguments.overrides, f"training.epochs={EPOCHS}"])
    table = report(config, arguments, provenance)
    print(f"{table}\nWrote {arguments.output}")


if __name__ == "__main__":
    main()
