"""What a guide's own categories say about its titles, on each channel and elsewhere in the guide."""

from collections import defaultdict
from collections.abc import Hashable, Mapping
from functools import cached_property
from typing import TypeVar

from titleclf.epg.genres import Genre
from titleclf.epg.xmltv import Showing
from titleclf.runtime.text.title_keys import key_of

Key = TypeVar("Key", bound=Hashable)

_MAJORITY = 2 / 3  # of the programmes of a title: "Live" may be anything


class GuideLabels:
    """The genres that a guide gives to programmes itself, counted by title and channel."""

    def __init__(self) -> None:
        self.programmes = 0
        self._counts: dict[tuple[Showing, Genre], int] = {}

    def __len__(self) -> int:
        return len(self._counts)

    def add(self, showing: Showing, genre: Genre) -> None:
        """Count a programme."""
        self.programmes += 1
        self._counts[showing, genre] = self._counts.get((showing, genre), 0) + 1
        self.__dict__.pop("of_showings", None)
        self.__dict__.pop("_of_titles", None)

    @cached_property
    def of_showings(self) -> Mapping[Showing, Genre]:
        """The genre of each title on each channel, as they are spelt; without those whose programmes disagree."""
        votes: defaultdict[Showing, dict[Genre, int]] = defaultdict(dict)
        for (showing, genre), count in self._counts.items():
            votes[showing][genre] = count
        return _winners(votes)

    def genre_of(self, showing: Showing) -> Genre | None:
        """Return the genre that the programmes of a title have on the channel, or else in the whole guide.

        Case, accents and episodes of the title do not matter. It is None if there are none, or if they disagree.
        """
        title, channel = showing
        key = key_of(title)
        return self._of_titles.get((key, channel)) or self._of_titles.get((key, None))

    @cached_property
    def _of_titles(self) -> Mapping[Showing, Genre]:
        votes: defaultdict[Showing, defaultdict[Genre, int]] = defaultdict(lambda: defaultdict(int))
        for ((title, channel), genre), count in self._counts.items():
            key = key_of(title)
            for where in {channel, None}:
                votes[key, where][genre] += count
        return _winners(votes)


def _winners(votes: Mapping[Key, Mapping[Genre, int]]) -> dict[Key, Genre]:
    """Return the genre of each key that has a majority."""
    winners = {}
    for key, counts in votes.items():
        genre = max(counts, key=counts.__getitem__)
        if counts[genre] > _MAJORITY * sum(counts.values()):
            winners[key] = genre
    return winners
