"""The parts of the service, put together, and what it does without being asked."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from titleclf.epg.genres import check_genres
from titleclf.runtime.bundle.reader import model_folder
from titleclf.runtime.classifier import Classifier
from titleclf.serve.batcher import Answering
from titleclf.serve.corrections import Corrections
from titleclf.serve.guides import Options, Workshop, profiles_for
from titleclf.serve.metrics import Family, Metrics
from titleclf.serve.security import Limits
from titleclf.serve.uploads import Uploads
from titleclf.serve.watched import Watched, check_names, look_at_all


@dataclass(frozen=True)
class Settings:
    """What the user has asked the service for."""

    model: str
    precision: float
    overrides: Path
    watch: Sequence[Path]
    options: Options
    names: frozenset[str]  # hosts that it is called by, besides addresses and localhost
    limits: Limits


class Service:
    """A classifier with the user's corrections, the guides that were uploaded, and those that are watched."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.metrics = settings, Metrics()
        folder = model_folder(settings.model)
        classifier = Classifier.load(folder)
        least = classifier.least_at(settings.precision)
        self.categories = classifier.categories
        if settings.options.profile is not None:
            check_genres(self.categories, f"a model for --profile {settings.options.profile}")
        self.profiles = profiles_for(self.categories)
        self.corrections = Corrections(settings.overrides, self.categories)
        self.answering = Answering(classifier, least, self.corrections)
        check_names(settings.watch)
        self._folder = Path(tempfile.mkdtemp(prefix="titleclf-"))  # nobody else may look into it
        for name in ("uploads", "watched"):
            (self._folder / name).mkdir()
        self.workshop = Workshop(folder, settings.precision, self.corrections, settings.limits)
        self.uploads = Uploads(self._folder / "uploads", self.workshop, settings.limits)
        guides = (Watched(path, self._folder / "watched", settings.options) for path in settings.watch)
        self.watched = {guide.name: guide for guide in guides}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Look after files and guides until the block ends; then nothing is left of what was uploaded."""
        tasks = [asyncio.create_task(self._tidy()), asyncio.create_task(self._watch())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.uploads.close()
            self.close()

    def close(self) -> None:
        """Remove the private folder."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def samples(self) -> list[Family]:
        """Return what the metrics tell besides requests."""
        watched = self.watched.values()
        return [
            ("corrections", "gauge", "Rows of the overrides.", [({}, len(self.corrections))]),
            ("corrections_readable", "gauge", "1 if they can be read.", [({}, float(not self.corrections.problem))]),
            ("uploaded_guides", "gauge", "Guides that are kept.", [({}, len(self.uploads))]),
            ("guides_filled_total", "counter", "Guides that were filled.", [({}, self.workshop.filled)]),
            ("guides_failed_total", "counter", "Guides that could not be filled.", [({}, self.workshop.failed)]),
            (
                *("watched_guide_good", "gauge", "1 if the filled copy is that of the guide as it is."),
                [({"guide": one.name}, float(one.is_good)) for one in watched],
            ),
            (
                *("watched_guide_filled_time_seconds", "gauge", "When the filled copy was made."),
                [({"guide": one.name}, one.filled_at) for one in watched if one.filled_at is not None],
            ),
        ]

    def problems(self) -> list[str]:
        """Return what the user should know of, in sentences."""
        found = [one.guide.problem for one in self.watched.values()]
        return [problem for problem in (self.corrections.problem, *found) if problem]

    async def _tidy(self) -> None:
        while True:
            self.corrections.read()
            await self.uploads.remove_idle()
            await asyncio.sleep(self.settings.limits.look_seconds)

    async def _watch(self) -> None:
        while True:
            await look_at_all(list(self.watched.values()), self.workshop)
            await asyncio.sleep(self.settings.limits.look_seconds)
