"""A process that fills one guide, so that the service stays responsive and can cancel it at any time."""

import asyncio
import hashlib
import json
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from titleclf.epg.decisions import Basis, Decider
from titleclf.epg.edits import rewrite
from titleclf.epg.fill import Filler, Outcome, When, surveyed
from titleclf.epg.genres import GenreTable, check_genres
from titleclf.epg.overrides import Overrides
from titleclf.epg.profiles import PROFILES
from titleclf.epg.report import Part, Report
from titleclf.epg.xmltv import Edit, Piece
from titleclf.runtime.classifier import Classifier
from titleclf.runtime.errors import BAD_INPUT, InputError, exit_codes
from titleclf.runtime.text.channels import ChannelList
from titleclf.serve.filled_titles import FilledTitles

_MAX_CHANNELS, _MAX_TITLES = 500, 200  # in a report
_MAX_NICENESS = 19
_MAX_LINE_BYTES = 8 << 20

FillReport = dict[str, Any]


@dataclass(frozen=True)
class FillJob:
    """A guide, its output, the list of filled titles, and how to fill it, in JSON values."""

    guide: str
    output: str
    filled_titles: str
    model: str
    channels: str | None  # the user's own list
    precision: float
    overrides: str
    profile: str | None
    when: str | None
    is_marked: bool
    max_bytes: int  # of the unpacked guide


async def run_job(
    job: FillJob, timeout_seconds: float, niceness: int, on_progress: Callable[[int], None]
) -> FillReport:
    """Fill a guide in a process of its own, and return a report with the output's digest.

    `on_progress` gets the number of programmes processed so far; `niceness` is added to this process's own.

    Raises
    ------
    InputError
        If the guide can't be read or takes too long; nothing is then written.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "titleclf.serve.fill_worker", json.dumps(asdict(job))),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=_MAX_LINE_BYTES,
    )
    _raise_niceness(process.pid, niceness)
    try:
        async with asyncio.timeout(timeout_seconds):
            report = await _read_report(process, on_progress)
            stderr = await process.stderr.read() if process.stderr else b""
            code = await process.wait()
    except TimeoutError as error:
        raise InputError(
            f"{job.guide}: filling must take at most {timeout_seconds:g} seconds. Got no result. "
            "Run titleclf epg fill instead."
        ) from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if code == 0 and report is not None:
        return report
    messages = stderr.decode(errors="replace").strip()
    if code == BAD_INPUT:
        raise InputError(messages.splitlines()[-1])
    print(messages, file=sys.stderr)  # a traceback, for the administrator
    raise InputError(
        f"{job.guide}: the filling process must succeed. Got exit code {code}. See the service's standard error."
    )


def _raise_niceness(pid: int, niceness: int) -> None:
    """Lower a process's priority below this one's, but not to SCHED_IDLE, which can starve on a busy machine.

    It is set from here, since the process's imports alone would delay titles.
    """
    own = os.getpriority(os.PRIO_PROCESS, 0)
    with suppress(ProcessLookupError):  # it has already exited
        os.setpriority(os.PRIO_PROCESS, pid, min(own + niceness, _MAX_NICENESS))


async def _read_report(process: asyncio.subprocess.Process, on_progress: Callable[[int], None]) -> FillReport | None:
    report: FillReport | None = None
    while process.stdout and (line := await process.stdout.readline()):
        message = json.loads(line)
        if isinstance(message, int):
            on_progress(message)
        else:
            report = message
    return report


@exit_codes
def main() -> None:
    """Run the job given as JSON in the first argument: print the progress, line by line, then the report."""
    job = FillJob(**json.loads(sys.argv[1]))
    print(json.dumps(fill_guide(job, lambda programmes: print(programmes, flush=True))))


def fill_guide(job: FillJob, on_progress: Callable[[int], None]) -> FillReport:
    """Fill a guide in this process, and return a report with the output's digest.

    Raises
    ------
    InputError
        If the guide can't be read.
    """
    report, filled_titles = Report(Part(name="all channels")), FilledTitles()
    channel_names: dict[str, str] = {}
    filler = _filler(job)

    def check_size(piece: Piece) -> None:
        if piece.start + len(piece.content) > job.max_bytes:
            raise InputError(
                f"{job.guide} must unpack to at most {job.max_bytes >> 20:,} MB. Got more. "
                "Run titleclf epg fill instead."
            )

    def edits(piece: Piece) -> Sequence[Edit]:
        check_size(piece)
        settled = list(filler.settle(second.airings(piece)))
        for outcome in settled:
            report.add(outcome)
            filled_titles.add(outcome)
        channel_names.update(piece.channels)
        on_progress(report.whole.programmes)
        return list(filler.edits(piece, settled))

    with surveyed(job.guide, filler, check_size) as second:
        rewrite(job.guide, job.output, edits)
    report.name_channels(channel_names)
    filled_titles.write(Path(job.filled_titles), channel_names)
    with Path(job.output).open("rb") as file:
        return _as_json(report) | {"digest": hashlib.file_digest(file, "sha256").hexdigest()}


def _filler(job: FillJob) -> Filler:
    channels = None if job.channels is None else ChannelList.read(Path(job.channels))
    classifier = Classifier.load(job.model, channels)
    check_genres(classifier.categories, "a model for guides")
    path = Path(job.overrides)
    overrides = Overrides.read(path, classifier.categories) if path.exists() else None
    decider = Decider([(classifier, classifier.thresholds_at(job.precision))], overrides)
    profile = PROFILES[job.profile] if job.profile else None
    return Filler(decider, profile, When.of(job.when, job.profile), job.is_marked, GenreTable.shipped())


def _as_json(report: Report) -> FillReport:
    gaps, unsure = report.gaps(), report.worst_titles()
    return {
        "whole": _part_json(report.whole),
        "categories": report.categories.most_common(),
        "channels": [_part_json(part) for part in gaps[:_MAX_CHANNELS]],
        "channels_left_out": max(0, len(gaps) - _MAX_CHANNELS),
        "doubts": [asdict(title) for title in unsure[:_MAX_TITLES]],
        "doubts_left_out": max(0, len(unsure) - _MAX_TITLES),
    }


def _part_json(part: Part) -> FillReport:
    return {
        "name": part.name,
        "programmes": part.programmes,
        "missing": part.missing,
        **{outcome.value: part.outcomes[outcome] for outcome in Outcome},
        "bases": {basis.name: part.bases[basis] for basis in Basis},
        "confidence": part.confidence,
        "unsure_minutes": part.unsure_minutes,
    }


if __name__ == "__main__":
    main()
