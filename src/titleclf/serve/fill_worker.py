"""A guide filled in a process of its own: titles are answered meanwhile, and it can be ended at any moment."""

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

from titleclf.epg.edits import rewrite
from titleclf.epg.fill import Decider, Filler, Outcome, When
from titleclf.epg.overrides import Overrides
from titleclf.epg.profiles import PROFILES
from titleclf.epg.report import Part, Report
from titleclf.epg.xmltv import Edit, Piece
from titleclf.runtime.classifier import Classifier
from titleclf.runtime.errors import BAD_INPUT, InputError, exit_codes

_CHANNELS, _DOUBTS = 500, 200  # that are told of
_LAST = 19  # of the steps of niceness
_LONGEST_LINE = 8 << 20  # bytes

Told = dict[str, Any]


@dataclass(frozen=True)
class Order:
    """A guide, where its filled copy is to stand, and how it is to be filled, as plain values for JSON."""

    guide: str
    output: str
    model: str
    precision: float
    overrides: str
    profile: str | None
    when: str
    is_marked: bool
    most_bytes: int  # of the guide, unpacked


async def fill(order: Order, seconds: float, tell: Callable[[int], None]) -> Told:
    """Fill a guide, `tell` how many programmes are done, and return what became of them, and the new file's digest.

    Raises
    ------
    InputError
        If the guide can't be read, or takes longer than so many seconds. What stood at the output is then still there.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "titleclf.serve.fill_worker", json.dumps(asdict(order))),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=_LONGEST_LINE,
    )
    _step_back(process.pid)
    try:
        async with asyncio.timeout(seconds):
            told = await _listen(process, tell)
            said = await process.stderr.read() if process.stderr else b""
            code = await process.wait()
    except TimeoutError as error:
        raise InputError(
            f"{order.guide} must be filled within {seconds:g} seconds. Got no end. Fill it with titleclf epg fill."
        ) from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if code == 0 and told is not None:
        return told
    sentence = said.decode(errors="replace").strip()
    if code == BAD_INPUT:
        raise InputError(sentence.splitlines()[-1])
    print(sentence, file=sys.stderr)  # a bug's traceback is for whoever runs the service
    raise InputError(
        f"{order.guide} must be filled by a process that ends well. Got exit code {code}. Look at what was said."
    )


def _step_back(pid: int) -> None:
    """Let a process have no more time than the service leaves, which answers people.

    It is told from outside, because its imports alone would keep those waiting who ask for a title.
    """
    with suppress(ProcessLookupError):  # it has ended already
        if hasattr(os, "SCHED_IDLE"):  # Linux
            os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0))
        else:
            os.setpriority(os.PRIO_PROCESS, pid, _LAST)


async def _listen(process: asyncio.subprocess.Process, tell: Callable[[int], None]) -> Told | None:
    told: Told | None = None
    while process.stdout and (line := await process.stdout.readline()):
        said = json.loads(line)
        if isinstance(said, int):
            tell(said)
        else:
            told = said
    return told


@exit_codes
def main() -> None:
    """Run the order that the first argument is (JSON): print counts of programmes, and at last what is told of all."""
    order = Order(**json.loads(sys.argv[1]))
    print(json.dumps(_filled(order)))


def _filled(order: Order) -> Told:
    found = Report(Part("all channels"))
    names: dict[str, str] = {}
    filler = _filler(order)

    def edits(piece: Piece) -> Sequence[Edit]:
        if piece.start + len(piece.content) > order.most_bytes:
            raise InputError(
                f"{order.guide} must unpack to at most {order.most_bytes >> 20:,} MB. Got more. "
                "Fill it with titleclf epg fill."
            )
        settled = list(filler.settle(piece.airings))
        for one in settled:
            found.add(one)
        names.update(piece.channels)
        print(found.whole.programmes, flush=True)
        return list(filler.edits(piece, settled))

    rewrite(order.guide, order.output, edits)
    found.name_channels(names)
    with Path(order.output).open("rb") as file:
        return _told(found) | {"digest": hashlib.file_digest(file, "sha256").hexdigest()}


def _filler(order: Order) -> Filler:
    classifier = Classifier.load(order.model)
    path = Path(order.overrides)
    overrides = Overrides.read(path, classifier.categories) if path.exists() else None
    decider = Decider([(classifier, classifier.least_at(order.precision))], overrides)
    profile = PROFILES[order.profile] if order.profile else None
    return Filler(decider, profile, When(order.when), order.is_marked)


def _told(report: Report) -> Told:
    """Return plain values for JSON: the whole, the channels with most gaps, the unsure titles with most airtime."""
    gaps, doubts = report.gaps(), report.worst_doubts()
    return {
        "whole": _part(report.whole),
        "categories": report.categories.most_common(),
        "channels": [_part(part) for part in gaps[:_CHANNELS]],
        "channels_left_out": max(0, len(gaps) - _CHANNELS),
        "doubts": [asdict(doubt) for doubt in doubts[:_DOUBTS]],
        "doubts_left_out": max(0, len(doubts) - _DOUBTS),
    }


def _part(part: Part) -> Told:
    return {
        "name": part.name,
        "programmes": part.programmes,
        "missing": part.missing,
        **{outcome.value: part.outcomes[outcome] for outcome in Outcome},
        "overridden": part.overridden,
        "confidence": part.confidence,
        "unsure_minutes": part.unsure_minutes,
    }


if __name__ == "__main__":
    main()
