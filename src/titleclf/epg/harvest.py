"""Labelled titles from guides whose programmes have categories: what the guides say, voted on."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from titleclf.epg.genres import Genre
from titleclf.epg.guide import Programme
from titleclf.epg.labels import Labels
from titleclf.epg.mark import own_categories
from titleclf.epg.parser import programmes
from titleclf.programmes import key_of

_MAJORITY = 0.5  # of a title's programmes, which must be exceeded: of two opinions none is right


@dataclass
class _Votes:
    genres: Counter[Genre] = field(default_factory=Counter)
    spellings: Counter[tuple[str, str]] = field(default_factory=Counter)  # title and language


@dataclass
class Harvest:
    """What guides say of titles, and of how many programmes; and the labels that nobody could map, by frequency."""

    votes: dict[str, _Votes] = field(default_factory=lambda: defaultdict(_Votes))  # by `key_of`
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
        votes = self.votes[key_of(programme.title)]
        votes.genres[genre] += 1
        votes.spellings[programme.title, programme.lang or ""] += 1

    def titles(self) -> Iterator[tuple[str, Genre, str]]:
        """Yield each title once, in its commonest spelling, with the genre of most of its programmes and language."""
        for key in sorted(self.votes):
            votes = self.votes[key]
            (genre, count), *_ = votes.genres.most_common(1)
            if count > _MAJORITY * votes.genres.total():
                title, lang = min(votes.spellings, key=lambda spelling: (-votes.spellings[spelling], spelling))
                yield title, genre, lang

    def __str__(self) -> str:
        titles = sum(1 for _ in self.titles())
        return (
            f"{titles:,} titles from {self.mapped:,} of {self.labelled:,} programmes with categories "
            f"({self.programmes:,} in all); left out: {len(self.votes) - titles:,} whose programmes disagree"
        )


def harvest(guides: Iterable[str], labels: Labels) -> Harvest:
    """Read guides and return what they say of their titles, all together.

    Raises
    ------
    InputError
        If a guide can't be read.
    """
    found = Harvest()
    for guide in guides:
        for programme in programmes(guide):
            found.add(programme, labels)
    return found
