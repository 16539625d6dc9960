"""Guides on the disk that are served filled: filled again when they change, the last good one as long as they don't."""

import stat
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from titleclf.epg.streams import Packing
from titleclf.runtime.errors import InputError
from titleclf.serve.guides import Guide, Options, State, Workshop


class _Stamp(NamedTuple):
    """What changes when a file does."""

    nanoseconds: int
    size: int


class Watched:
    """A guide on the disk and its filled copy, which is always gzipped: most players ask for that."""

    def __init__(self, path: Path, folder: Path, options: Options) -> None:
        self.name = served_name(path)
        self.guide = Guide(path.name, path, folder / f"{self.name}.gz", options)
        self.filled_at: float | None = None  # seconds since 1970
        self._seen: _Stamp | None = None
        self._tried: _Stamp | None = None

    @property
    def is_good(self) -> bool:
        """Whether the copy is that of the guide as it is."""
        return self.guide.problem is None and self.guide.told is not None

    async def look(self, workshop: Workshop) -> None:
        """Fill the guide if it has changed and is at rest, or if there are corrections that its copy does not know."""
        stamp = self._stamp()
        if stamp is None:
            return
        # What is still being written is given until the next look; at the first one nothing is known of it.
        is_at_rest = self._seen in (None, stamp)
        self._seen = stamp
        if is_at_rest and (stamp != self._tried or not workshop.is_current(self.guide)):
            self._tried = stamp
            await workshop.fill(self.guide)
            if self.is_good:
                self.filled_at = time.time()

    def as_object(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        whole = self.guide.told and self.guide.told["whole"]
        return {
            "name": self.name,
            "url": f"/guides/{self.name}",
            "state": self.guide.state.value,
            "problem": self.guide.problem,
            "filled_at": self.filled_at,
            "whole": whole,
        }

    def _stamp(self) -> _Stamp | None:
        try:
            found = self.guide.source.stat()
        except OSError as error:
            self._miss(error.strerror or "nothing")
            return None
        if not stat.S_ISREG(found.st_mode):  # who opens a pipe waits until somebody writes, and all others behind
            self._miss("a folder, a pipe or a device")
            return None
        return _Stamp(found.st_mtime_ns, found.st_size)

    def _miss(self, got: str) -> None:
        self.guide.state = State.broken
        self.guide.problem = f"{self.guide.name} must be a file that can be read. Got: {got}. Check the path."
        self._tried = None


def check_names(paths: Iterable[Path]) -> None:
    """Refuse guides that would be served under the same name.

    Raises
    ------
    InputError
        If there are two.
    """
    name, count = max(Counter(map(served_name, paths)).items(), key=lambda item: item[1], default=("", 0))
    if count > 1:
        raise InputError(f"--watch must be given guides of different names. Got {name} twice. Rename one.")


def served_name(path: Path) -> str:
    """Return the name that a guide is served under: guide.xml for guide.xml.gz."""
    return path.name[: len(path.name) - len(Packing.of_name(path.name))]


async def look_at_all(guides: Sequence[Watched], workshop: Workshop) -> None:
    """Look at each in turn."""
    for one in guides:
        await one.look(workshop)
