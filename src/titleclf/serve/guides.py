"""Guides with their filled copies, which follow the corrections; filled one at a time, each in its own process."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from titleclf.epg.fill import When
from titleclf.epg.genres import Genre
from titleclf.epg.profiles import PROFILES
from titleclf.runtime.errors import InputError
from titleclf.serve.corrections import Corrections
from titleclf.serve.fill_worker import Order, Told, fill
from titleclf.serve.security import Limits, Refused

_NOTHING = -1  # a revision that the corrections never have


@dataclass(frozen=True)
class Options:
    """How a guide is to be filled: for which reader, where, and whether with marks."""

    profile: str | None
    when: str
    is_marked: bool

    def asked(self, query: Mapping[str, str], profiles: list[str]) -> "Options":
        """Return these with what a query changes.

        Raises
        ------
        Refused
            If it asks for what there is not.
        """
        profile = _one_of("profile", query.get("profile", self.profile or ""), ["", *profiles]) or None
        when = _one_of("when", query.get("when", self.when), list(When))
        mark = _one_of("mark", query.get("mark", str(int(self.is_marked))), ["0", "1"])
        if when == When.unknown and profile is None:
            raise Refused(422, f"when={When.unknown} must have a profile. Got none. Name the reader of the guide.")
        return Options(profile, when, mark == "1")


class State(StrEnum):
    """Where a guide stands: not begun, being filled (its last copy is still there), filled, or not to be filled."""

    waiting = "waiting"
    filling = "filling"
    filled = "filled"
    broken = "broken"


class Guide:
    """A guide and its filled copy: the last good one, when a new one is broken."""

    def __init__(self, name: str, source: Path, output: Path, options: Options) -> None:
        self.name, self.source, self.output, self.options = name, source, output, options
        self.state = State.waiting
        self.programmes = 0  # that are done
        self.told: Told | None = None  # of the copy
        self.problem: str | None = None  # of the last try
        self.revision = _NOTHING  # of the corrections, at the last try
        self.size = 0  # bytes of the copy

    def advance(self, programmes: int) -> None:
        """Note how many programmes are done."""
        self.programmes = programmes

    def as_object(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "name": self.name,
            "state": self.state.value,
            "programmes": self.programmes,
            "problem": self.problem,
            "revision": self.revision,
            "bytes": self.size,
            "report": self.told,
        }


class Workshop:
    """What fills guides: one after the other, so that a core stays free for titles."""

    def __init__(self, model: Path, precision: float, corrections: Corrections, limits: Limits) -> None:
        self._model, self._precision, self._corrections, self._limits = model, precision, corrections, limits
        self._turn = asyncio.Semaphore()
        self.filled, self.failed = 0, 0  # for the metrics

    def is_current(self, guide: Guide) -> bool:
        """Tell whether the last try knew all corrections."""
        return guide.revision == self._corrections.revision

    async def fill(self, guide: Guide) -> None:
        """Fill a guide, with the corrections as they are when it is its turn; what went wrong is its problem."""
        async with self._turn:
            guide.state, guide.programmes = State.filling, 0
            revision = self._corrections.revision
            new = guide.output.with_name(f"new-{guide.output.name}")
            order = replace(self._order(guide), output=str(new))
            try:
                told = await fill(order, self._limits.filling_seconds, guide.advance)
            except InputError as error:
                # Where our copies lie is nobody's business.
                sentence = str(error).replace(str(guide.source), guide.name)
                guide.problem, guide.state = sentence.replace(str(new), "the filled copy"), State.broken
                self.failed += 1
            except OSError as error:
                guide.problem, guide.state = (
                    (
                        f"{guide.name} must be filled in a process and a file of its own. Got: {error.strerror}. "
                        "Make room for them."
                    ),
                    State.broken,
                )
                self.failed += 1
            else:
                if guide.told is None or told["digest"] != guide.told["digest"]:  # else its time stays as it was
                    new.replace(guide.output)
                guide.told, guide.problem, guide.state = told, None, State.filled
                guide.size = guide.output.stat().st_size
                self.filled += 1
            finally:
                new.unlink(missing_ok=True)
                guide.revision = revision
                if guide.state is State.filling:  # it was ended
                    guide.state = State.waiting

    def _order(self, guide: Guide) -> Order:
        return Order(
            guide=str(guide.source),
            output=str(guide.output),
            model=str(self._model),
            precision=self._precision,
            overrides=str(self._corrections.path),
            profile=guide.options.profile,
            when=guide.options.when,
            is_marked=guide.options.is_marked,
            most_bytes=self._limits.unpacked_bytes,
        )


def profiles_for(categories: list[str]) -> list[str]:
    """Return the readers whose words a model of these categories can write."""
    return list(PROFILES) if set(categories) <= set(Genre) else []


def _one_of(name: str, value: str, options: list[str]) -> str:
    if value not in options:
        listed = ", ".join(option or "nothing" for option in options)
        raise Refused(422, f"{name} must be one of {listed}. Got {value[:40]}. Take one of these.")
    return value
