"""Uploaded guides, kept in a private folder under unguessable ids until they are no longer used."""

import asyncio
import re
import secrets
import shutil
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from titleclf.epg.packings import Packing
from titleclf.serve.guides import FillOptions, FillQueue, Guide, State
from titleclf.serve.security import Limits, Refused

_ID_BYTES = 16
_MAX_NAME = 100  # characters
_UNSAFE = re.compile(r"[^\w .()-]")
_SUFFIX = re.compile(r"\.(xml|xmltv|gz|bz2|xz|zst|zip)$", re.IGNORECASE)


@dataclass
class _Upload:
    guide: Guide
    folder: Path
    last_used: float  # monotonic clock
    task: "asyncio.Task[None] | None" = None


class Uploads:
    """Uploaded guides by id, each in its own folder, in which no file name comes from a client."""

    def __init__(self, folder: Path, fill_queue: FillQueue, limits: Limits) -> None:
        self._folder, self._fill_queue, self._limits = folder, fill_queue, limits
        self._uploads: dict[str, _Upload] = {}
        self._arriving = 0

    def __len__(self) -> int:
        return len(self._uploads)

    async def receive(self, name: str, options: FillOptions, content: AsyncIterator[bytes]) -> str:
        """Store a guide as it arrives, start filling it and return its id; an incomplete upload is deleted.

        Raises
        ------
        Refused
            If there are too many guides or the disk is full.
        """
        self._check_room()
        guide_id = secrets.token_urlsafe(_ID_BYTES)
        folder = self._folder / guide_id
        folder.mkdir(mode=0o700)
        name = safe_name(name)
        guide = Guide(name, folder / "guide", folder / f"filled{Packing.of_name(name)}", options)
        self._arriving += 1
        try:
            with guide.source.open("wb") as file:
                async for chunk in content:
                    file.write(chunk)
        except OSError as error:
            shutil.rmtree(folder)
            raise Refused(
                503, f"{name} must fit on the disk. Got: {error.strerror}. Try again later.", retry_seconds=60
            ) from error
        except BaseException:
            shutil.rmtree(folder)
            raise
        finally:
            self._arriving -= 1
        self._uploads[guide_id] = _Upload(guide, folder, time.monotonic())
        self.find(guide_id)
        return guide_id

    def find(self, guide_id: str) -> Guide:
        """Return a guide, and start filling it again if its copy lacks the latest corrections.

        Raises
        ------
        Refused
            If there is no such id.
        """
        upload = self._upload(guide_id)
        if (upload.task is None or upload.task.done()) and not self._fill_queue.is_current(upload.guide):
            upload.guide.state = State.filling
            upload.task = asyncio.create_task(self._fill_queue.fill(upload.guide))
        return upload.guide

    async def filled(self, guide_id: str) -> Guide:
        """Wait until a guide is filled with the latest corrections, and return it.

        Raises
        ------
        Refused
            If there is no such id or the guide can't be filled.
        """
        guide = self.find(guide_id)
        while (task := self._upload(guide_id).task) is not None and not task.done():
            await asyncio.wait([task])
            guide = self.find(guide_id)
        if guide.state is not State.filled:
            raise Refused(422, guide.problem or f"{guide.name} must be filled. Got no result. Upload it again.")
        return guide

    async def remove(self, guide_id: str) -> None:
        """Delete a guide, and stop filling it.

        Raises
        ------
        Refused
            If there is no such id.
        """
        upload = self._upload(guide_id)
        del self._uploads[guide_id]
        if upload.task is not None:
            upload.task.cancel()
            await asyncio.wait([upload.task])
        shutil.rmtree(upload.folder, ignore_errors=True)

    async def remove_idle(self) -> None:
        """Delete the guides that have not been used for a long time."""
        oldest = time.monotonic() - self._limits.idle_seconds
        for guide_id in [guide_id for guide_id, upload in self._uploads.items() if upload.last_used < oldest]:
            await self.remove(guide_id)

    async def close(self) -> None:
        """Delete all guides."""
        for guide_id in list(self._uploads):
            await self.remove(guide_id)

    def _upload(self, guide_id: str) -> _Upload:
        upload = self._uploads.get(guide_id)
        if upload is None:
            raise Refused(404, f"no guide has this id. Got {guide_id[:40]}. Upload the guide again.")
        upload.last_used = time.monotonic()
        return upload

    def _check_room(self) -> None:
        limits = self._limits
        if self._arriving >= limits.uploads:
            sentence = f"at most {limits.uploads} guides may be uploaded at once. Got one more. Try again soon."
            raise Refused(503, sentence, retry_seconds=5)
        if len(self._uploads) + self._arriving >= limits.guides:
            sentence = f"at most {limits.guides} guides may be kept. Got one more. Delete one or try again later."
            raise Refused(503, sentence, retry_seconds=60)


def safe_name(name: str) -> str:
    """Return the last part of a path without characters that are special to a shell, a header or a file system."""
    last = re.split(r"[/\\]", name)[-1]
    return _UNSAFE.sub("_", last)[-_MAX_NAME:].strip(" .") or "guide.xml"


def filled_name(name: str) -> str:
    """Return the name of a guide's filled copy: guide.filled.xml.gz for guide.xml.gz."""
    suffixes: list[str] = []
    stem = name
    while suffix := _SUFFIX.search(stem):
        stem = stem[: suffix.start()]
        suffixes.insert(0, suffix.group())
    return f"{stem or 'guide'}.filled{''.join(suffixes)}"
