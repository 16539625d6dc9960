"""Predict ten million titles by several processes, kill one on the way, and look whether each has its answer once.

python -m scripts.speed_dataset [--titles 10000000] [--workers 2] [--output results/predict_dataset.md]
"""

import argparse
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

from scripts.common.report import machine
from titleclf.runtime.files import shipped, write_text

_FILES = 10
_GROUP = 100_000  # titles: a shard each
_SECONDS = 0.5  # between two looks
_MB = 1024  # kB


def write_titles(count: int, folder: Path) -> None:
    """Write so many titles, each with its number: those of the repository, with years and episodes, no two alike."""
    titles = pd.read_csv(shipped("data/titles.csv"))["title"].to_numpy()
    schema = pyarrow.schema({"id": pyarrow.int64(), "title": pyarrow.string()})
    numbers = np.arange(count)
    for number, part in enumerate(np.array_split(numbers, _FILES)):
        with parquet.ParquetWriter(folder / f"titles-{number}.parquet", schema) as target:
            for first in range(0, len(part), _GROUP):
                ids = part[first : first + _GROUP]
                rounds = (ids // len(titles)).tolist()
                names = titles[ids % len(titles)].tolist()
                varied = [
                    f"{name} S{turn // 100:02d}E{turn % 100:02d}" for name, turn in zip(names, rounds, strict=True)
                ]
                target.write_table(pyarrow.table([ids, varied], schema=schema))


def descendants(pid: int) -> Iterator[tuple[int, str]]:
    """Yield all processes that `pid` has started, and that these have, with their names."""
    children = defaultdict(list)
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parent = int(path.joinpath("stat").read_text().rpartition(")")[2].split()[1])
            name = path.joinpath("cmdline").read_text().replace("\0", " ")
        except OSError:
            continue  # has ended
        children[parent].append((int(path.name), name))
    waiting = [pid]
    while waiting:
        for child in children[waiting.pop()]:
            yield child
            waiting.append(child[0])


def memory(pid: int) -> float:
    """Return the memory of a process in MB, 0 if it has ended."""
    try:
        found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return 0
    return int(found[1]) / _MB if found else 0


def role(name: str) -> str:
    """Say what a process is there for."""
    return "worker" if name.startswith("ray::Worker") else "Ray's own, the largest"


def watch(process: subprocess.Popen[str], shards: int, answers: Path) -> tuple[pd.DataFrame, float]:
    """Look at memory until the command ends, and kill a worker at a third; return a row a look, and its share."""
    rows, killed_at = [], 0.0
    while process.poll() is None:
        done = sum(1 for _ in answers.glob("[!_.]*.parquet")) / shards
        found = list(descendants(process.pid))
        at_work = [pid for pid, name in found if name.startswith("ray::Worker.answer")]
        if not killed_at and done >= 1 / 3 and at_work:
            os.kill(at_work[0], signal.SIGKILL)
            killed_at = done
        rows.append({"done": done, "role": "command", "mb": memory(process.pid)})
        rows += [{"done": done, "role": role(name), "mb": memory(pid)} for pid, name in found]
        time.sleep(_SECONDS)
    return pd.DataFrame(rows), killed_at


def count_answers(answers: Path, titles: int) -> tuple[int, int, int]:
    """Return how many titles have no answer, how many several, and how many one with a category."""
    counts, named = np.zeros(titles, dtype=np.int64), 0
    for shard in answers.glob("*.parquet"):
        table = parquet.read_table(shard, columns=["id", "category"])
        counts += np.bincount(table["id"].to_numpy(), minlength=titles)
        named += len(table) - table["category"].null_count
    return int((counts == 0).sum()), int((counts > 1).sum()), named


def as_markdown(looks: pd.DataFrame) -> str:
    """Return the most memory of each role, by thirds of the work."""
    thirds = pd.cut(looks["done"], [-1, 1 / 3, 2 / 3, 2], labels=["first third", "second", "last"])
    most = looks.assign(third=thirds).pivot_table(
        index="role", columns="third", values="mb", aggfunc="max", observed=True
    )
    lines = [
        f"| {role} | {' | '.join(f'{value:.0f}' for value in values)} |"
        for role, values in zip(most.index, most.to_numpy(), strict=True)
    ]
    head = f"| peak memory of a process, MB | {' | '.join(most.columns)} |"
    return "\n".join([head, f"| --- |{' ---: |' * len(most.columns)}", *lines]) + "\n"


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--titles", type=int, default=10_000_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--output", type=Path, default=Path("results/predict_dataset.md"))
    arguments = parser.parse_args()
    before = machine()
    with tempfile.TemporaryDirectory() as scratch:
        data, answers = Path(scratch, "data"), Path(scratch, "answers")
        data.mkdir()
        write_titles(arguments.titles, data)
        shards = sum(parquet.read_metadata(path).num_row_groups for path in data.iterdir())
        command = ["titleclf.predict.dataset", str(data), str(answers), "--model", "shipped"]
        started = time.perf_counter()
        with subprocess.Popen(  # noqa: S603 (its arguments are ours)
            [sys.executable, "-m", *command, "--workers", str(arguments.workers)], text=True
        ) as process:
            looks, killed_at = watch(process, shards, answers)
        seconds = time.perf_counter() - started
        if process.returncode:
            sys.exit(process.returncode)
        lost, twice, named = count_answers(answers, arguments.titles)
    text = f"""# Ten million titles on Ray

{arguments.titles:,} titles, no two alike (those of this repository with seasons and episodes), in {shards} row groups
of {_FILES} Parquet files, answered by the shipped model in {arguments.workers} worker processes. One of them was killed
(SIGKILL) when {killed_at:.0%} of the shards were there.

Made by `python -m scripts.speed_dataset`, {before}.

- Without an answer: {lost:,} titles. With more than one: {twice:,}. With a category: {named:,}.
- {seconds:,.0f} seconds, {arguments.titles / seconds:,.0f} titles a second, with the start of Ray.

{as_markdown(looks)}"""
    print(text)
    write_text(arguments.output, text)


if __name__ == "__main__":
    main()
