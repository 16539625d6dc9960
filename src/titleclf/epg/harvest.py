"""Labelled titles from guides whose programmes have categories: what the guides say, voted on."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from titleclf.epg.edits import own_categories
from titleclf.epg.genres import Genre, Labels
from titleclf.epg.parser import programmes
from titleclf.epg.xmltv import Programme
from titleclf.runtime.text.programmes import Programme as TitleProgramme
from titleclf.runtime.text.title_keys import key_of

_MAJORITY = 0.5  # of a title's programmes, which must be exceeded: of two opinions none is right


@dataclass
class _Votes:
    genres: Counter[Genre] = field(default_factory=Counter)
    spellings: Counter[tuple[str, str]] = field(default_factory=Counter)  # title and language
    minutes: Counter[float | None] = field(default_factory=Counter)


class Harvested(NamedTuple):
    """A title in its commonest spelling, with the genre of most of its programmes, and what else is wanted of them."""

    programme: TitleProgramme
    genre: Genre
    lang: str


@dataclass
class Harvest:
    """What guides say of titles, and of how many programmes; and the labels that nobody could map, by frequency.

    If `by_channel`, each channel votes alone: what "Live" is depends on who shows it.
    """

    by_channel: bool = False
    with_minutes: bool = False
    votes: dict[tuple[str, str], _Votes] = field(default_factory=lambda: defaultdict(_Votes))  # by `key_of`, channel
    unknown: Counter[str] = field(default_factory=Counter)
    programmes: int = 0
    labelled: int = 0  # programmes that have categories of their own
    mapped: int = 0  # of these, those that stand for one genre

    def add(self, programme: Programme, labels: Labels) -> None:
        """Count what a programme's own categories say; what was filled in is no evidence."""
        self.programmes += 1
        categories = own_categories(programme)
        if not programme.title or not categories:
            return
        self.labelled += 1
        self.unknown.update(labels.unknown(categories))
        genre = labels.genre_of(categories)
        if genre is None:
            return
        self.mapped += 1
        votes = self.votes[key_of(programme.title), programme.channel if self.by_channel else ""]
        votes.genres[genre] += 1
        votes.spellings[programme.title, programme.lang or ""] += 1
        if self.with_minutes:
            votes.minutes[programme.minutes] += 1

    def rows(self) -> Iterator[Harvested]:
        """Yield each title once, or once a channel, with its commonest duration."""
        for key, channel in sorted(self.votes):
            votes = self.votes[key, channel]
            (genre, count), *_ = votes.genres.most_common(1)
            if count > _MAJORITY * votes.genres.total():
                title, lang = min(votes.spellings, key=lambda spelling: (-votes.spellings[spelling], spelling))
                minutes = min(votes.minutes, key=lambda one: (-votes.minutes[one], one or 0.0), default=None)
                yield Harvested(TitleProgramme(title, channel or None, minutes), genre, lang)

    def titles(self) -> Iterator[tuple[str, Genre, str]]:
        """Yield each title with the genre of most of its programmes and its language."""
        for row in self.rows():
            yield row.programme.title, row.genre, row.lang

    def __str__(self) -> str:
        titles = sum(1 for _ in self.rows())
        of_channels = " by channel" if self.by_channel else ""
        return (
            f"{titles:,} titles{of_channels} from {self.mapped:,} of {self.labelled:,} programmes with categories "
            f"({self.programmes:,} in all); left out: {len(self.votes) - titles:,} whose programmes disagree"
        )


def harvest(guides: Iterable[str], labels: Labels, *, by_channel: bool = False, with_minutes: bool = False) -> Harvest:
    """Read guides and return what they say of their titles, all together, or by channel.

    Raises
    ------
    InputError
        If a guide can't be read.
    """
    found = Harvest(by_channel, with_minutes)
    for guide in guides:
        for programme in programmes(guide):
            found.add(programme, labels)
    return found
