"""Uploaded guides: kept in a private folder under names that nobody can guess, until nobody asks for them any more."""

import asyncio
import re
import secrets
import shutil
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from titleclf.epg.streams import Packing
from titleclf.serve.guides import Guide, Options, State, Workshop
from titleclf.serve.security import Limits, Refused

_ID_BYTES = 16
_LONGEST_NAME = 100
_UNSAFE = re.compile(r"[^\w .()-]")
_ENDINGS = re.compile(r"\.(xml|xmltv|gz|xz)$", re.IGNORECASE)


@dataclass
class _Kept:
    guide: Guide
    folder: Path
    asked: float  # when it was last asked for, by the monotonic clock
    task: "asyncio.Task[None] | None" = None


class Uploads:
    """Guides by their ids; each has a folder of its own in `folder`, in which no name comes from outside."""

    def __init__(self, folder: Path, workshop: Workshop, limits: Limits) -> None:
        self._folder, self._workshop, self._limits = folder, workshop, limits
        self._kept: dict[str, _Kept] = {}
        self._arriving = 0

    def __len__(self) -> int:
        return len(self._kept)

    async def receive(self, name: str, options: Options, content: AsyncIterator[bytes]) -> str:
        """Write a guide as it comes, begin to fill it, and return its id; if it doesn't come whole, nothing stays.

        Raises
        ------
        Refused
            If there are too many already, or the disk is full.
        """
        self._make_room()
        number = secrets.token_urlsafe(_ID_BYTES)
        folder = self._folder / number
        folder.mkdir(mode=0o700)
        name = safe_name(name)
        guide = Guide(name, folder / "guide", folder / f"filled{Packing.of_name(name)}", options)
        self._arriving += 1
        try:
            with guide.source.open("wb") as file:
                async for some in content:
                    file.write(some)
        except OSError as error:
            shutil.rmtree(folder)
            raise Refused(
                503, f"{name} must have room on the disk. Got: {error.strerror}. Try again later.", retry_seconds=60
            ) from error
        except BaseException:
            shutil.rmtree(folder)
            raise
        finally:
            self._arriving -= 1
        self._kept[number] = _Kept(guide, folder, time.monotonic())
        self.find(number)
        return number

    def find(self, number: str) -> Guide:
        """Return a guide; it begins to be filled again if there are corrections that its copy does not know.

        Raises
        ------
        Refused
            If there is none with this id.
        """
        kept = self._kept_as(number)
        if (kept.task is None or kept.task.done()) and not self._workshop.is_current(kept.guide):
            kept.guide.state = State.filling
            kept.task = asyncio.create_task(self._workshop.fill(kept.guide))
        return kept.guide

    async def filled(self, number: str) -> Guide:
        """Return a guide when it is filled with all corrections.

        Raises
        ------
        Refused
            If there is none with this id, or it can't be filled.
        """
        guide = self.find(number)
        while (task := self._kept_as(number).task) is not None and not task.done():
            await asyncio.wait([task])
            guide = self.find(number)
        if guide.state is not State.filled:
            raise Refused(422, guide.problem or f"{guide.name} must be a guide. Got none. Upload it again.")
        return guide

    async def remove(self, number: str) -> None:
        """Forget a guide, and end what is done with it.

        Raises
        ------
        Refused
            If there is none with this id.
        """
        kept = self._kept_as(number)
        del self._kept[number]
        await _end(kept)

    async def remove_idle(self) -> None:
        """Forget what nobody has asked for in a long time."""
        oldest = time.monotonic() - self._limits.kept_seconds
        for number in [number for number, kept in self._kept.items() if kept.asked < oldest]:
            await self.remove(number)

    async def close(self) -> None:
        """Forget all."""
        for number in list(self._kept):
            await self.remove(number)

    def _kept_as(self, number: str) -> _Kept:
        kept = self._kept.get(number)
        if kept is None:
            raise Refused(404, f"a guide must be known by its id. Got {number[:40]}. Upload it again.")
        kept.asked = time.monotonic()
        return kept

    def _make_room(self) -> None:
        if self._arriving >= self._limits.uploads:
            raise Refused(
                503,
                f"at most {self._limits.uploads} guides must be uploaded at once. Got one more. Try again.",
                retry_seconds=5,
            )
        if len(self._kept) + self._arriving >= self._limits.guides:
            raise Refused(
                503,
                f"at most {self._limits.guides} guides must be kept. Got one more. Delete one, or try again later.",
                retry_seconds=60,
            )


def safe_name(name: str) -> str:
    """Return the last part of a name without what could steer a shell, a header or a file system."""
    last = re.split(r"[/\\]", name)[-1]
    return _UNSAFE.sub("_", last)[-_LONGEST_NAME:].strip(" .") or "guide.xml"


def filled_name(name: str) -> str:
    """Return what the filled copy of a guide is called: guide.filled.xml.gz for guide.xml.gz."""
    endings: list[str] = []
    stem = name
    while found := _ENDINGS.search(stem):
        stem = stem[: found.start()]
        endings.insert(0, found.group())
    return f"{stem or 'guide'}.filled{''.join(endings)}"


async def _end(kept: _Kept) -> None:
    if kept.task is not None:
        kept.task.cancel()
        await asyncio.wait([kept.task])
    shutil.rmtree(kept.folder, ignore_errors=True)
