"""What a guide lacks by channel: what would be filled, how surely, and which unsure titles have most airtime."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from titleclf.epg.fill import Filler, Outcome, Settled
from titleclf.epg.parser import pieces
from titleclf.epg.streams import reading


@dataclass
class Part:
    """Programmes of a channel, or of the whole guide, by what becomes of them.

    `kept` and `untitled` ones may have categories or not: `missing` counts those that have none.
    """

    name: str
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    missing: int = 0
    overridden: int = 0
    sureness: float = 0.0  # the sum of probabilities of those that are filled
    unsure_minutes: float = 0.0

    def add(self, settled: Settled) -> None:
        """Count a programme."""
        self.outcomes[settled.outcome] += 1
        self.missing += not settled.programme.categories
        if settled.decision is None:
            return
        self.overridden += settled.decision.is_override
        if settled.outcome is Outcome.filled:
            self.sureness += settled.decision.probability
        elif settled.outcome is Outcome.unsure:
            self.unsure_minutes += settled.programme.minutes or 0.0

    @property
    def programmes(self) -> int:
        """How many there are."""
        return self.outcomes.total()

    @property
    def asked(self) -> int:
        """How many of them a category was looked for."""
        return self.outcomes[Outcome.filled] + self.outcomes[Outcome.unsure]

    @property
    def confidence(self) -> float | None:
        """The mean probability of what is filled."""
        filled = self.outcomes[Outcome.filled]
        return self.sureness / filled if filled else None


@dataclass
class Doubt:
    """A title that nobody is sure of: what it most likely is, how often it is shown, and how long in all."""

    title: str
    likeliest: str
    probability: float
    showings: int = 0
    minutes: float = 0.0


@dataclass
class Report:
    """A guide as a whole, its channels by their ids, its doubtful titles, and the categories that it would get."""

    whole: Part
    channels: dict[str, Part] = field(default_factory=dict)
    doubts: dict[str, Doubt] = field(default_factory=dict)
    categories: Counter[str] = field(default_factory=Counter)
    unused_overrides: list[int] = field(default_factory=list)  # lines of the file

    def add(self, settled: Settled) -> None:
        """Count a programme."""
        programme, decision = settled.programme, settled.decision
        self.whole.add(settled)
        self.channels.setdefault(programme.channel, Part(programme.channel)).add(settled)
        if decision is None:
            return
        if settled.outcome is Outcome.filled:
            self.categories.update(decision.categories)
        elif settled.outcome is Outcome.unsure:
            doubt = Doubt(programme.title, decision.likeliest, decision.probability)
            doubt = self.doubts.setdefault(programme.title, doubt)
            doubt.showings += 1
            doubt.minutes += programme.minutes or 0.0

    def name_channels(self, names: Mapping[str, str]) -> None:
        """Call channels by their names, as far as these are known by their ids."""
        for channel, part in self.channels.items():
            part.name = names.get(channel) or channel

    def gaps(self) -> list[Part]:
        """Return the channels that lack categories or would get some, those with most gaps first."""
        found = [part for part in self.channels.values() if part.missing or part.asked]
        return sorted(found, key=lambda part: (-part.missing, -part.asked, part.name))

    def worst_doubts(self) -> list[Doubt]:
        """Return the unsure titles, those with most airtime first."""
        return sorted(self.doubts.values(), key=lambda doubt: (-doubt.minutes, -doubt.showings, doubt.title))


def report(guide: str, filler: Filler) -> Report:
    """Read a guide and return what `fill` would do.

    Raises
    ------
    InputError
        If the guide can't be read.
    """
    found = Report(Part(Path(guide).name))
    names: dict[str, str] = {}
    with reading(guide) as source:
        for piece in pieces(source.pieces, guide):
            names.update(piece.channels)
            for settled in filler.settle(piece.programmes):
                found.add(settled)
    found.name_channels(names)
    if filler.decider.overrides is not None:
        found.unused_overrides = filler.decider.overrides.unused()
    return found
