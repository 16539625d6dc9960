"""Guides on disk, filled again whenever they change; the last good copy is served until then."""

import stat
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from titleclf.epg.packings import unpacked_name
from titleclf.runtime.errors import InputError
from titleclf.serve.guides import FillOptions, FillQueue, Guide, State


class _FileVersion(NamedTuple):
    modified_ns: int
    size: int


class WatchedGuide:
    """A guide on disk and its filled copy, which is always gzipped, since most players accept that."""

    def __init__(self, path: Path, folder: Path, options: FillOptions) -> None:
        self.name = served_name(path)
        self.guide = Guide(path.name, path, folder / f"{self.name}.gz", options)
        self.filled_at: float | None = None  # seconds since 1970
        self._last_seen: _FileVersion | None = None
        self._last_tried: _FileVersion | None = None

    @property
    def is_good(self) -> bool:
        """Whether the copy matches the guide on disk."""
        return self.guide.problem is None and self.guide.report is not None

    async def refresh(self, fill_queue: FillQueue) -> None:
        """Fill the guide if it has changed and is completely written, or if its copy lacks the latest corrections."""
        version = self._read_version()
        if version is None:
            return
        # A file that changed since the last refresh may still be being written.
        is_stable = self._last_seen in (None, version)
        self._last_seen = version
        if is_stable and (version != self._last_tried or not fill_queue.is_current(self.guide)):
            self._last_tried = version
            await fill_queue.fill(self.guide)
            if self.is_good:
                self.filled_at = time.time()

    def as_json(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "name": self.name,
            "url": f"/guides/{self.name}",
            "state": self.guide.state.value,
            "problem": self.guide.problem,
            "filled_at": self.filled_at,
            "whole": self.guide.report and self.guide.report["whole"],
        }

    def _read_version(self) -> _FileVersion | None:
        try:
            status = self.guide.source.stat()
        except OSError as error:
            self._set_unreadable(error.strerror or "an unknown error")
            return None
        if not stat.S_ISREG(status.st_mode):  # opening a pipe would block until there is a writer
            self._set_unreadable("a folder, a pipe or a device")
            return None
        return _FileVersion(status.st_mtime_ns, status.st_size)

    def _set_unreadable(self, got: str) -> None:
        self.guide.state = State.broken
        self.guide.problem = f"{self.guide.name} must be a readable file. Got: {got}. Check the path."
        self._last_tried = None


def check_served_names(paths: Iterable[Path]) -> None:
    """Check that no two guides would be served under the same name.

    Raises
    ------
    InputError
        If two guides have the same name.
    """
    name, count = max(Counter(map(served_name, paths)).items(), key=lambda item: item[1], default=("", 0))
    if count > 1:
        raise InputError(f"--watch guides must have different names. Got {name} twice. Rename one of them.")


def served_name(path: Path) -> str:
    """Return the name under which a guide is served: guide.xml for guide.xml.gz."""
    return unpacked_name(path.name)
