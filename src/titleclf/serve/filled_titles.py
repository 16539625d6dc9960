"""The titles that were filled on each channel, as the page lists them."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from titleclf.epg.decisions import Basis
from titleclf.epg.fill import Outcome, Settled
from titleclf.runtime.text.tags import BAR
from titleclf.serve.security import MAX_CHARACTERS

_MAX_TITLES = 10_000  # about 2 MB


@dataclass(slots=True)
class FilledTitle:
    """A title on a channel, its new category, the name of the decision's basis, its airings and their total minutes."""

    title: str
    channel: str
    category: str
    basis: str
    probability: float
    showings: int = 0
    minutes: float = 0.0


@dataclass
class FilledTitles:
    """The filled titles of a guide by channel; a title has several on a channel if its own categories differ."""

    _titles: dict[tuple[str, ...], FilledTitle] = field(default_factory=dict)

    def add(self, settled: Settled) -> None:
        """Count a programme if it is filled."""
        airing, decision = settled.airing, settled.decision
        if settled.outcome is not Outcome.filled or decision is None:
            return
        key = airing.title, airing.channel, BAR.join(decision.categories), decision.basis.name
        if (title := self._titles.get(key)) is None:
            title = self._titles[key] = FilledTitle(*key, round(float(decision.probability), 4))
        title.showings += 1
        title.minutes += airing.minutes or 0.0

    def write(self, path: Path, channel_names: Mapping[str, str]) -> None:
        """Write the titles as JSON: the user's own and the least probable, with the number of those that are left out.

        Channels have their names, or else their ids. Titles that are too long to be corrected are left out, too.
        """
        titles = [title for title in self._titles.values() if len(title.title) <= MAX_CHARACTERS]
        titles.sort(key=_rank)
        listed = titles[:_MAX_TITLES]
        rows = [asdict(title) | {"channel": channel_names.get(title.channel) or title.channel} for title in listed]
        content = {"titles": rows, "left_out": len(self._titles) - len(rows)}
        path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def _rank(title: FilledTitle) -> tuple[bool, float, float, str, str]:
    # A title that was just corrected must stay in the list.
    return title.basis != Basis.override.name, title.probability, -title.minutes, title.title, title.channel
