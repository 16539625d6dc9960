"""Labelled titles from guides that have categories: a title's programmes vote on its genre."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, NamedTuple

from titleclf.epg.edits import own_categories
from titleclf.epg.genres import Genre, GenreTable
from titleclf.epg.kinds import kind_of
from titleclf.epg.parser import airings
from titleclf.epg.xmltv import Airing
from titleclf.runtime.choices import ProgrammeKind
from titleclf.runtime.text.programmes import COLUMNS, Programme
from titleclf.runtime.text.title_keys import key_of

_MAJORITY = 0.5  # of a title's programmes, to be exceeded


@dataclass
class _Ballot:
    genres: Counter[Genre] = field(default_factory=Counter)
    spellings: Counter[tuple[str, str]] = field(default_factory=Counter)  # title and language
    minutes: Counter[float | None] = field(default_factory=Counter)
    kinds: Counter[ProgrammeKind | None] = field(default_factory=Counter)
    first: dict[str, Any] = field(default_factory=dict)  # the first value of each other field


class HarvestedTitle(NamedTuple):
    """A title in its commonest spelling, with the genre of most of its programmes."""

    programme: Programme
    genre: Genre
    lang: str
    kind: ProgrammeKind | None


@dataclass
class Harvest:
    """The votes of guides, the number of programmes, and the labels that the table lacks, by frequency.

    `fields` are columns of programmes. With `channel`, each channel votes on its own, because "Live" depends on the
    channel. With `minutes`, titles have their commonest duration; with others, the first value that is given.
    """

    fields: Collection[str] = ()
    votes: dict[tuple[str, str], _Ballot] = field(default_factory=lambda: defaultdict(_Ballot))  # by `key_of`, channel
    unknown: Counter[str] = field(default_factory=Counter)
    programmes: int = 0
    labelled: int = 0  # programmes that have categories of their own
    mapped: int = 0  # labelled programmes whose categories give a genre

    def add(self, airing: Airing, table: GenreTable) -> None:
        """Count the vote of a programme's own categories; filled ones are no evidence."""
        self.programmes += 1
        categories = own_categories(airing)
        if not categories or not airing.is_titled:
            return
        self.labelled += 1
        self.unknown.update(table.unknown(categories))
        genre = table.genre_of(categories)
        if genre is None:
            return
        self.mapped += 1
        title = airing.plain_title
        ballot = self.votes[key_of(title), airing.channel if "channel" in self.fields else ""]
        ballot.genres[genre] += 1
        ballot.spellings[title, airing.lang or ""] += 1
        if "kind" in self.fields:
            ballot.kinds[kind_of(airing, categories)] += 1
        if self.fields:
            self._add_fields(ballot, airing.programme)

    def _add_fields(self, ballot: _Ballot, programme: Programme) -> None:
        for name, value in zip(COLUMNS, programme[1:], strict=True):
            if name == "minutes" and name in self.fields:
                ballot.minutes[programme.minutes] += 1
            elif name in self.fields and value is not None:
                ballot.first.setdefault(name, value)

    def rows(self) -> Iterator[HarvestedTitle]:
        """Yield each title once, or once for each channel."""
        for _, ballot in sorted(self.votes.items(), key=itemgetter(0)):
            (genre, count), *_ = ballot.genres.most_common(1)
            if count > _MAJORITY * ballot.genres.total():
                title, lang = min(ballot.spellings, key=lambda spelling: (-ballot.spellings[spelling], spelling))
                minutes = min(ballot.minutes, key=lambda length: (-ballot.minutes[length], length or 0.0), default=None)
                kind = max(ballot.kinds, key=ballot.kinds.__getitem__, default=None)
                yield HarvestedTitle(Programme(title, minutes=minutes, **ballot.first), genre, lang, kind)

    def __str__(self) -> str:
        titles = sum(1 for _ in self.rows())
        of_channels = " by channel" if "channel" in self.fields else ""
        return (
            f"{titles:,} titles{of_channels} from {self.mapped:,} of {self.labelled:,} programmes with categories "
            f"({self.programmes:,} in all); left out: {len(self.votes) - titles:,} whose programmes disagree"
        )


def harvest(guides: Iterable[str], table: GenreTable, fields: Collection[str] = ()) -> Harvest:
    """Read guides and let their programmes vote together.

    Raises
    ------
    InputError
        If a guide can't be read.
    """
    result = Harvest(fields)
    for guide in guides:
        for airing in airings(guide, with_texts=bool(fields)):
            result.add(airing, table)
    return result
