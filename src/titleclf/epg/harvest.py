"""Labelled titles from guides that have categories: a title's programmes vote on its genre."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from titleclf.epg.edits import own_categories
from titleclf.epg.genres import Genre, GenreTable
from titleclf.epg.parser import airings
from titleclf.epg.xmltv import Airing
from titleclf.runtime.text.programmes import Programme
from titleclf.runtime.text.title_keys import key_of

_MAJORITY = 0.5  # of a title's programmes, to be exceeded


@dataclass
class _Ballot:
    genres: Counter[Genre] = field(default_factory=Counter)
    spellings: Counter[tuple[str, str]] = field(default_factory=Counter)  # title and language
    minutes: Counter[float | None] = field(default_factory=Counter)


class HarvestedTitle(NamedTuple):
    """A title in its commonest spelling, with the genre of most of its programmes."""

    programme: Programme
    genre: Genre
    lang: str


@dataclass
class Harvest:
    """The votes of guides, the number of programmes, and the labels that the table lacks, by frequency.

    If `by_channel`, each channel votes on its own, because "Live" depends on the channel. If `with_minutes`, titles
    have their commonest duration.
    """

    by_channel: bool = False
    with_minutes: bool = False
    votes: dict[tuple[str, str], _Ballot] = field(default_factory=lambda: defaultdict(_Ballot))  # by `key_of`, channel
    unknown: Counter[str] = field(default_factory=Counter)
    programmes: int = 0
    labelled: int = 0  # programmes that have categories of their own
    mapped: int = 0  # labelled programmes whose categories give a genre

    def add(self, airing: Airing, table: GenreTable) -> None:
        """Count the vote of a programme's own categories; filled ones are no evidence."""
        self.programmes += 1
        categories = own_categories(airing)
        if not airing.title or not categories:
            return
        self.labelled += 1
        self.unknown.update(table.unknown(categories))
        genre = table.genre_of(categories)
        if genre is None:
            return
        self.mapped += 1
        ballot = self.votes[key_of(airing.title), airing.channel if self.by_channel else ""]
        ballot.genres[genre] += 1
        ballot.spellings[airing.title, airing.lang or ""] += 1
        if self.with_minutes:
            ballot.minutes[airing.minutes] += 1

    def rows(self) -> Iterator[HarvestedTitle]:
        """Yield each title once, or once for each channel."""
        for key, channel in sorted(self.votes):
            ballot = self.votes[key, channel]
            (genre, count), *_ = ballot.genres.most_common(1)
            if count > _MAJORITY * ballot.genres.total():
                title, lang = min(ballot.spellings, key=lambda spelling: (-ballot.spellings[spelling], spelling))
                minutes = min(ballot.minutes, key=lambda length: (-ballot.minutes[length], length or 0.0), default=None)
                yield HarvestedTitle(Programme(title, channel or None, minutes), genre, lang)

    def titles(self) -> Iterator[tuple[str, Genre, str]]:
        """Yield each title with its genre and its language."""
        for row in self.rows():
            yield row.programme.title, row.genre, row.lang

    def __str__(self) -> str:
        titles = sum(1 for _ in self.rows())
        of_channels = " by channel" if self.by_channel else ""
        return (
            f"{titles:,} titles{of_channels} from {self.mapped:,} of {self.labelled:,} programmes with categories "
            f"({self.programmes:,} in all); left out: {len(self.votes) - titles:,} whose programmes disagree"
        )


def harvest(
    guides: Iterable[str], table: GenreTable, *, by_channel: bool = False, with_minutes: bool = False
) -> Harvest:
    """Read guides and let their programmes vote together.

    Raises
    ------
    InputError
        If a guide can't be read.
    """
    result = Harvest(by_channel, with_minutes)
    for guide in guides:
        for airing in airings(guide):
            result.add(airing, table)
    return result
