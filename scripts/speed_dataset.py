"""Predict ten million titles on Ray, kill a worker on the way, and check that each title has exactly one prediction."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow
from pyarrow import parquet

from scripts.common.arguments import report_parser
from scripts.common.report import as_table, made_by, write_report
from titleclf.runtime.arguments import count
from titleclf.runtime.errors import exit_codes
from titleclf.runtime.files import shipped

_FILES = 10
_ROW_GROUP = 100_000  # titles; each row group is a shard
_POLL_SECONDS = 0.5
_KILL_AT = 1 / 3  # of the shards


def write_titles(title_count: int, folder: Path) -> None:
    """Write distinct numbered titles: those of the repository, with seasons and episodes."""
    titles = pd.read_csv(shipped("data/titles.csv"))["title"].to_numpy()
    schema = pyarrow.schema({"id": pyarrow.int64(), "title": pyarrow.string()})
    for number, all_ids in enumerate(np.array_split(np.arange(title_count), _FILES)):
        with parquet.ParquetWriter(folder / f"titles-{number}.parquet", schema) as writer:
            for first in range(0, len(all_ids), _ROW_GROUP):
                ids = all_ids[first : first + _ROW_GROUP]
                rounds = (ids // len(titles)).tolist()
                names = titles[ids % len(titles)].tolist()
                episodes = [
                    f"{name} S{turn // 100:02d}E{turn % 100:02d}" for name, turn in zip(names, rounds, strict=True)
                ]
                writer.write_table(pyarrow.table([ids, episodes], schema=schema))


def descendants(pid: int) -> Iterator[tuple[int, str]]:
    """Yield the process ids and command lines of all direct and indirect children of a process."""
    children = defaultdict(list)
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parent = int(path.joinpath("stat").read_text().rpartition(")")[2].split()[1])
            command = path.joinpath("cmdline").read_text().replace("\0", " ")
        except OSError:
            continue  # it has exited
        children[parent].append((int(path.name), command))
    parents = [pid]
    while parents:
        for child in children[parents.pop()]:
            yield child
            parents.append(child[0])


def resident_megabytes(pid: int) -> float:
    """Return the resident memory of a process, 0 if it has ended."""
    try:
        match = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return 0
    return int(match[1]) / 1024 if match else 0


def role(command: str) -> str:
    """Return the role of a process of Ray."""
    return "worker" if command.startswith("ray::Worker") else "largest of Ray's own"


def watch(process: subprocess.Popen[str], shards: int, predictions: Path) -> tuple[pd.DataFrame, float | None]:
    """Sample the memory of all processes until the command ends, and kill a worker after a third of the shards.

    Returns a row for each sample and process (done, role, mb), and the fraction of shards done at the kill.
    """
    samples: list[dict[str, object]] = []
    killed_at = None
    while process.poll() is None:
        done = sum(1 for _ in predictions.glob("[!_.]*.parquet")) / shards
        children = list(descendants(process.pid))
        busy = [pid for pid, command in children if command.startswith("ray::Worker.predict")]
        if killed_at is None and done >= _KILL_AT and busy:
            os.kill(busy[0], signal.SIGKILL)
            killed_at = done
        samples.append({"done": done, "role": "command", "mb": resident_megabytes(process.pid)})
        samples += [{"done": done, "role": role(command), "mb": resident_megabytes(pid)} for pid, command in children]
        time.sleep(_POLL_SECONDS)
    return pd.DataFrame(samples), killed_at


def count_predictions(predictions: Path, title_count: int) -> tuple[int, int, int]:
    """Return the number of titles without a prediction, with several, and with a category."""
    counts, categories = np.zeros(title_count, dtype=np.int64), 0
    for shard in predictions.glob("*.parquet"):
        table = parquet.read_table(shard, columns=["id", "category"])
        counts += np.bincount(table["id"].to_numpy(), minlength=title_count)
        categories += len(table) - table["category"].null_count
    return int((counts == 0).sum()), int((counts > 1).sum()), categories


def as_markdown(samples: pd.DataFrame) -> str:
    """Return the peak memory of each role, by thirds of the work."""
    thirds = pd.cut(samples["done"], [-1, 1 / 3, 2 / 3, 2], labels=["first third", "second", "last"])
    peaks = samples.assign(third=thirds).pivot_table(
        index="role", columns="third", values="mb", aggfunc="max", observed=True
    )
    return as_table(peaks.map("{:.0f}".format).rename_axis("peak memory of a process, MB"))


@exit_codes
def main() -> None:
    """Measure, print and write."""
    parser = report_parser("speed_dataset", __doc__)
    parser.add_argument("--titles", type=count, default=10_000_000, metavar="N", help="titles (%(default)s)")
    parser.add_argument("--workers", type=count, default=2, metavar="N", help="worker processes (%(default)s)")
    arguments = parser.parse_args()
    provenance = made_by("speed_dataset")
    with tempfile.TemporaryDirectory() as scratch:
        data, predictions = Path(scratch, "data"), Path(scratch, "predictions")
        data.mkdir()
        write_titles(arguments.titles, data)
        shards = sum(parquet.read_metadata(path).num_row_groups for path in data.iterdir())
        command = ["titleclf.predict.dataset", str(data), str(predictions), "--model", "shipped"]
        started = time.perf_counter()
        with subprocess.Popen(  # noqa: S603 (the command is ours)
            [sys.executable, "-m", *command, "--workers", str(arguments.workers)], text=True
        ) as process:
            samples, killed_at = watch(process, shards, predictions)
        seconds = time.perf_counter() - started
        if process.returncode:
            sys.exit(process.returncode)
        missing, repeated, categories = count_predictions(predictions, arguments.titles)
    kill = (
        "No worker was killed: the run was too short."
        if killed_at is None
        else (f"One of them was killed\n(SIGKILL) after {killed_at:.0%} of the shards.")
    )
    text = f"""\
# Ten million titles on Ray

{arguments.titles:,} distinct titles (those of this repository with seasons and episodes) in {shards} row groups
of {_FILES} Parquet files, predicted by the shipped model in {arguments.workers} worker processes. {kill}

Made by {provenance}.

- Without a prediction: {missing:,} titles. With more than one: {repeated:,}. With a category: {categories:,}.
- {seconds:,.0f} seconds, {arguments.titles / seconds:,.0f} titles per second, including the start of Ray.

{as_markdown(samples)}"""
    write_report(arguments.output, text)


if __name__ == "__main__":
    main()
