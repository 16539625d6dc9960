"""The parts of the service, its background tasks and its metrics."""

import asyncio
import os
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from titleclf.epg.genres import check_genres
from titleclf.runtime.bundle.reader import model_folder
from titleclf.runtime.choices import Field
from titleclf.runtime.classifier import Classifier
from titleclf.runtime.text.channels import ChannelList
from titleclf.serve.batcher import Batcher
from titleclf.serve.corrections import Corrections
from titleclf.serve.guides import FillOptions, FillQueue, profiles_for
from titleclf.serve.security import Limits
from titleclf.serve.uploads import Uploads
from titleclf.serve.watched import WatchedGuide, check_served_names

_MEMORY_STATUS = Path("/proc/self/statm")


@dataclass(frozen=True)
class Settings:
    """The command line, checked."""

    model: str
    precision: float
    overrides: Path
    watch: Sequence[Path]
    options: FillOptions
    host_names: frozenset[str]  # accepted besides IP addresses and localhost
    limits: Limits
    channels: Path | None = None  # the user's own list


class Service:
    """A classifier with the user's corrections, the uploaded guides and the watched ones."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.registry = CollectorRegistry()
        self.titles_predicted = Counter("titleclf_titles", "Titles predicted.", registry=self.registry)
        folder = model_folder(settings.model)
        channels = None if settings.channels is None else ChannelList.read(settings.channels)
        classifier = Classifier.load(folder, channels)
        min_probability = classifier.thresholds_at(settings.precision)
        self.categories, self.kinds = classifier.categories, classifier.contents.kinds
        self.fields = sorted(classifier.columns)
        self.uses_channels = Field.channel_kind in classifier.network.model.fields.use
        if settings.options.profile is not None:
            check_genres(self.categories, f"a model for --profile {settings.options.profile}")
        self.profiles = profiles_for(self.categories)
        self.corrections = Corrections(settings.overrides, self.categories)
        self.batcher = Batcher(classifier, min_probability, self.corrections)
        check_served_names(settings.watch)
        self._folder = Path(tempfile.mkdtemp(prefix="titleclf-"))  # readable only by this user
        for name in ("uploads", "watched", "channels"):
            (self._folder / name).mkdir()
        self.fill_queue = FillQueue(
            folder, self._channels_copy(), settings.precision, self.corrections, settings.limits, self.registry
        )
        self.uploads = Uploads(self._folder / "uploads", self.fill_queue, settings.limits)
        guides = (WatchedGuide(path, self._folder / "watched", settings.options) for path in settings.watch)
        self.watched = {guide.name: guide for guide in guides}
        self.registry.register(_StateCollector(self))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the background tasks until the block ends; then delete all uploads."""
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
        """Delete the private folder."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def problems(self) -> list[str]:
        """Return what the user should fix, in sentences."""
        problems = [self.corrections.problem, *(watched.guide.problem for watched in self.watched.values())]
        return [problem for problem in problems if problem]

    def _channels_copy(self) -> Path | None:
        """Copy the list of channels: until a restart, guides are filled by the same list as titles are predicted."""
        channels = self.settings.channels
        return None if channels is None else Path(shutil.copy(channels, self._folder / "channels"))

    async def _tidy(self) -> None:
        while True:
            self.corrections.read()
            await self.uploads.remove_idle()
            await asyncio.sleep(self.settings.limits.poll_seconds)

    async def _watch(self) -> None:
        while True:
            for watched in self.watched.values():
                before = watched.guide.problem
                await watched.refresh(self.fill_queue)
                if watched.guide.problem != before:
                    line = watched.guide.problem or f"{watched.guide.name} is filled again. Nothing to do."
                    print(line, file=sys.stderr, flush=True)
            await asyncio.sleep(self.settings.limits.poll_seconds)


class _StateCollector(Collector):
    """Gauges of the service's state, read when they are scraped."""

    def __init__(self, service: Service) -> None:
        self._service, self._started = service, time.time()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the gauges."""
        corrections, watched = self._service.corrections, self._service.watched.values()
        yield _gauge("start_time_seconds", "When the service started.", self._started)
        yield _gauge("corrections", "Rows of the overrides file.", len(corrections))
        yield _gauge("corrections_readable", "1 if the overrides file is readable.", not corrections.problem)
        yield _gauge("uploaded_guides", "Uploaded guides kept.", len(self._service.uploads))
        good = GaugeMetricFamily("titleclf_watched_guide_good", "1 if the copy is current.", labels=["guide"])
        filled = GaugeMetricFamily(
            "titleclf_watched_guide_filled_time_seconds", "When the copy was filled.", labels=["guide"]
        )
        for guide in watched:
            good.add_metric([guide.name], guide.is_good)
            if guide.filled_at is not None:
                filled.add_metric([guide.name], guide.filled_at)
        yield from (good, filled)
        if _MEMORY_STATUS.exists():  # Linux
            pages = int(_MEMORY_STATUS.read_text().split()[1])
            yield _gauge("resident_memory_bytes", "Resident memory.", pages * os.sysconf("SC_PAGE_SIZE"))


def _gauge(name: str, description: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"titleclf_{name}", description, value=value)
