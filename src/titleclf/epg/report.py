"""What `fill` would do with a guide, by channel, and the unsure titles with the most airtime."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from titleclf.epg.fill import Filler, Outcome, Settled, Tally, surveyed
from titleclf.epg.parser import pieces
from titleclf.epg.streams import reading

_MOST_TITLES = 20_000  # enough to know how familiar a guide's are


@dataclass
class Part(Tally):
    """The programmes of a channel, or of the whole guide; `missing` counts those without a category."""

    name: str = ""
    missing: int = 0
    filled_probability: float = 0.0  # sum over the filled ones
    unsure_minutes: float = 0.0

    def add(self, settled: Settled) -> None:
        """Count a programme."""
        super().add(settled)
        self.missing += not settled.airing.categories
        if settled.decision is not None and settled.outcome is Outcome.filled:
            self.filled_probability += settled.decision.probability
        elif settled.outcome is Outcome.unsure:
            self.unsure_minutes += settled.airing.minutes or 0.0

    @property
    def programmes(self) -> int:
        """The number of programmes."""
        return self.outcomes.total()

    @property
    def attempted(self) -> int:
        """The number of programmes that would be filled if all titles were sure."""
        return self.outcomes[Outcome.filled] + self.outcomes[Outcome.unsure]

    @property
    def confidence(self) -> float | None:
        """The mean probability of the filled ones."""
        filled = self.outcomes[Outcome.filled]
        return self.filled_probability / filled if filled else None


@dataclass
class UnsureTitle:
    """An unsure title: its most probable category, the number of its airings, and their total minutes."""

    title: str
    top1: str
    probability: float
    showings: int = 0
    minutes: float = 0.0


@dataclass
class Report:
    """A guide as a whole, its channels by id, its unsure titles, and the categories that would be added.

    `unfamiliar` is the share of the titles to fill that hardly resemble those of the first model's training, if known.
    """

    whole: Part
    channels: dict[str, Part] = field(default_factory=dict)
    unsure: dict[str, UnsureTitle] = field(default_factory=dict)
    categories: Counter[str] = field(default_factory=Counter)
    unused_overrides: list[int] = field(default_factory=list)  # lines of the file
    unfamiliar: float | None = None

    def add(self, settled: Settled) -> None:
        """Count a programme."""
        airing, decision = settled.airing, settled.decision
        self.whole.add(settled)
        self.channels.setdefault(airing.channel, Part(name=airing.channel)).add(settled)
        if decision is None:
            return
        if settled.outcome is Outcome.filled:
            self.categories.update(decision.categories)
        elif settled.outcome is Outcome.unsure:
            new = UnsureTitle(airing.title, decision.top1, decision.probability)
            title = self.unsure.setdefault(airing.title, new)
            title.showings += 1
            title.minutes += airing.minutes or 0.0

    def name_channels(self, names: Mapping[str, str]) -> None:
        """Name the channels by their ids; one without a name keeps its id."""
        for channel, part in self.channels.items():
            part.name = names.get(channel) or channel

    def gaps(self) -> list[Part]:
        """Return the channels that lack categories or would get some, those with the most gaps first."""
        parts = [part for part in self.channels.values() if part.missing or part.attempted]
        return sorted(parts, key=lambda part: (-part.missing, -part.attempted, part.name))

    def worst_titles(self) -> list[UnsureTitle]:
        """Return the unsure titles, those with the most airtime first."""
        return sorted(self.unsure.values(), key=lambda title: (-title.minutes, -title.showings, title.title))


def report(guide: str, filler: Filler) -> Report:
    """Read a guide and report what `fill` would do with it.

    Raises
    ------
    InputError
        If the guide can't be read.
    """
    result = Report(Part(name=Path(guide).name))
    names: dict[str, str] = {}
    titles: set[str] = set()
    with surveyed(guide, filler) as second, reading(guide) as source:
        for piece in pieces(source.chunks, guide):
            names.update(piece.channels)
            for settled in filler.settle(second.airings(piece)):
                result.add(settled)
                if settled.outcome in (Outcome.filled, Outcome.unsure) and len(titles) < _MOST_TITLES:
                    titles.add(settled.airing.title)
    result.unfamiliar = filler.decider.models[0][0].unfamiliar(sorted(titles))
    result.name_channels(names)
    if filler.decider.overrides is not None:
        result.unused_overrides = filler.decider.overrides.unused()
    return result
