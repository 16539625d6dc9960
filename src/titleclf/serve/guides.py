"""Guides and their filled copies, and the queue that fills them one at a time."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter

from titleclf.epg.fill import When
from titleclf.epg.genres import Genre
from titleclf.epg.profiles import PROFILES
from titleclf.runtime.errors import InputError
from titleclf.serve.corrections import Corrections
from titleclf.serve.fill_worker import FillJob, FillReport, run_job
from titleclf.serve.security import Limits, Refused

_NEVER = -1  # lower than any revision of the corrections


@dataclass(frozen=True)
class FillOptions:
    """The player to fill a guide for, the programmes to fill, and whether to add provenance keywords."""

    profile: str | None
    when: str | None  # None: as suits the profile
    is_marked: bool

    def updated(self, query: Mapping[str, str], profiles: list[str]) -> "FillOptions":
        """Return these options, overridden by those in a URL's query.

        Raises
        ------
        Refused
            If the query has an invalid value.
        """
        profile = _choice("profile", query.get("profile", self.profile or ""), ["", *profiles]) or None
        when = query.get("when", self.when)
        when = None if when is None else _choice("when", when, list(When))
        mark = _choice("mark", query.get("mark", str(int(self.is_marked))), ["0", "1"])
        if when == When.untranslated and profile is None:
            raise Refused(422, f"when={When.untranslated} requires a profile. Got none. Add profile=NAME.")
        return FillOptions(profile, when, mark == "1")


class State(StrEnum):
    """The state of a guide; while it is being filled again, its last copy is still there."""

    waiting = "waiting"
    filling = "filling"
    filled = "filled"
    broken = "broken"


class Guide:
    """A guide and its filled copy, which survives a later version that is broken."""

    def __init__(self, name: str, source: Path, output: Path, options: FillOptions) -> None:
        self.name, self.source, self.output, self.options = name, source, output, options
        self.filled_titles = output.with_name(f"{output.name}.json")  # of the copy
        self.state = State.waiting
        self.programmes = 0  # processed so far
        self.report: FillReport | None = None  # of the copy
        self.problem: str | None = None  # of the last attempt
        self.revision = _NEVER  # of the corrections, at the last attempt
        self.size = 0  # bytes of the copy

    def set_progress(self, programmes: int) -> None:
        """Set the number of processed programmes."""
        self.programmes = programmes

    def as_json(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "name": self.name,
            "state": self.state.value,
            "programmes": self.programmes,
            "problem": self.problem,
            "revision": self.revision,
            "bytes": self.size,
            "report": self.report,
        }


class FillQueue:
    """Fills guides one at a time, each in its own process, so that one core stays free for titles."""

    def __init__(
        self,
        model: Path,
        channels: Path | None,
        precision: float,
        corrections: Corrections,
        limits: Limits,
        registry: CollectorRegistry,
    ) -> None:
        self._model, self._channels, self._precision = model, channels, precision
        self._corrections, self._limits = corrections, limits
        self._lock = asyncio.Lock()
        self._filled = Counter("titleclf_guides_filled", "Guides filled.", registry=registry)
        self._failed = Counter("titleclf_guides_failed", "Guides that could not be filled.", registry=registry)

    def is_current(self, guide: Guide) -> bool:
        """Return whether the last attempt used the current corrections."""
        return guide.revision == self._corrections.revision

    async def fill(self, guide: Guide) -> None:
        """Fill a guide when its turn comes, with the corrections at that time; a failure becomes its `problem`."""
        async with self._lock:
            guide.state, guide.programmes = State.filling, 0
            revision = self._corrections.revision
            new_copy, new_titles = (path.with_name(f"new-{path.name}") for path in (guide.output, guide.filled_titles))
            job = self._job(guide, new_copy, new_titles)
            try:
                report = await run_job(job, self._limits.fill_seconds, self._limits.fill_niceness, guide.set_progress)
                self._finish(guide, report, new_copy)
                new_titles.replace(guide.filled_titles)
            except InputError as error:
                # Private paths stay private.
                self._fail(guide, str(error).replace(job.guide, guide.name).replace(job.output, "the filled copy"))
            except OSError as error:
                self._fail(
                    guide,
                    f"{guide.name} could not be filled. Got: {error.strerror}. Free memory and disk space.",
                )
            finally:
                for path in (new_copy, new_titles):
                    path.unlink(missing_ok=True)
                guide.revision = revision
                if guide.state is State.filling:  # cancelled
                    guide.state = State.waiting

    def _job(self, guide: Guide, output: Path, filled_titles: Path) -> FillJob:
        return FillJob(
            guide=str(guide.source),
            output=str(output),
            filled_titles=str(filled_titles),
            model=str(self._model),
            channels=None if self._channels is None else str(self._channels),
            precision=self._precision,
            overrides=str(self._corrections.path),
            profile=guide.options.profile,
            when=guide.options.when,
            is_marked=guide.options.is_marked,
            max_bytes=self._limits.unpacked_bytes,
        )

    def _finish(self, guide: Guide, report: FillReport, new_copy: Path) -> None:
        # An identical copy keeps its modification time, so that players need not fetch it again.
        if guide.report is None or report["digest"] != guide.report["digest"]:
            new_copy.replace(guide.output)
        guide.size = guide.output.stat().st_size
        guide.report, guide.problem, guide.state = report, None, State.filled
        self._filled.inc()

    def _fail(self, guide: Guide, problem: str) -> None:
        guide.problem, guide.state = problem, State.broken
        self._failed.inc()


def profiles_for(categories: list[str]) -> list[str]:
    """Return the profiles that support a model's categories: all or none."""
    return list(PROFILES) if set(categories) <= set(Genre) else []


def _choice(name: str, value: str, choices: list[str]) -> str:
    if value not in choices:
        listed = ", ".join(choice or "nothing" for choice in choices)
        raise Refused(422, f"{name} must be one of {listed}. Got {value[:40]}. Choose one of these.")
    return value
