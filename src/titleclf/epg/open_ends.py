"""Programmes whose end a guide does not give: they last until the next start on their channel, which comes later."""

from array import array
from collections.abc import Iterable, Iterator
from math import isnan, nan

from titleclf.epg.times import minutes_between
from titleclf.epg.xmltv import Airing, Piece

_MAX_HELD = 10_000  # airings: more than a guide has channels; bounds the memory that a hostile one can take


class OpenEnds:
    """Gives airings without an end the time until the next start on their channel, in two readings of a guide.

    The first reading holds them back until it knows the start, and the second takes it from the first. So both see the
    same minutes, whatever pieces a guide comes in. The start must be the next one in the guide: it is not sorted.
    """

    def __init__(self) -> None:
        self._lengths = array("d")  # minutes of each airing without an end, in the guide's order; NaN if unknown
        self._held: dict[str, list[tuple[int, Airing]]] = {}  # by channel, all of one start
        self._held_count = 0

    def closed(self, airings: Iterable[Airing]) -> Iterator[Airing]:
        """Yield airings in the first reading, each as soon as its minutes are known; `rest` has the others."""
        for airing in airings:
            if self._held and airing.channel in self._held:
                yield from self._released(airing.channel, airing.start)
            if _is_open(airing):
                yield from self._hold(airing)
            else:
                yield airing

    def rest(self) -> Iterator[Airing]:
        """Yield the airings that nothing follows on their channel."""
        for channel in list(self._held):
            yield from self._released(channel, "")

    def second_reading(self) -> "SecondReading":
        """Return what gives the airings of the second reading the minutes that those of the first had."""
        return SecondReading(self._lengths)

    def _hold(self, airing: Airing) -> Iterator[Airing]:
        if self._held_count >= _MAX_HELD:
            yield from self._released(next(iter(self._held)), "")
        self._held.setdefault(airing.channel, []).append((len(self._lengths), airing))
        self._held_count += 1
        self._lengths.append(nan)

    def _released(self, channel: str, start: str) -> Iterator[Airing]:
        """Yield the airings of a channel that is known to go on at `start`, unless they start then, too."""
        held = self._held[channel]
        if held[0][1].start == start:
            return
        del self._held[channel]
        self._held_count -= len(held)
        for number, airing in held:
            airing.length = minutes_between(airing.start, start)
            if airing.length is not None:
                self._lengths[number] = airing.length
            yield airing


class SecondReading:
    """Gives airings without an end the minutes that a first reading found."""

    def __init__(self, lengths: Iterable[float]) -> None:
        self._lengths = iter(lengths)

    def airings(self, piece: Piece) -> list[Airing]:
        """Return the airings of the next piece of the guide."""
        for airing in piece.airings:
            if _is_open(airing):
                length = next(self._lengths, nan)
                airing.length = None if isnan(length) else length
        return piece.airings


def _is_open(airing: Airing) -> bool:
    return airing.minutes is None and airing.start != ""
