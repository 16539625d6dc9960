"""The times that guides write, and the minutes between them."""

import re
from datetime import date
from functools import lru_cache
from typing import NamedTuple

MAX_MINUTES = 24 * 60.0  # a longer programme is a mistake of the guide

_SECONDS_A_DAY = 24 * 60 * 60
_UNIX_EPOCH = date(1970, 1, 1).toordinal() * _SECONDS_A_DAY
# "20260101200000 +0100" and what guides make of it: shorter, without the space, or as ISO 8601 has it. The zone may be
# an offset, a name or nothing.
_TIME = re.compile(
    r"([0-9]{4})-?([0-9]{2})-?([0-9]{2})"
    r"(?:[T ]?([0-9]{2})(?::?([0-9]{2})(?::?([0-9]{2})(?:[.,][0-9]+)?)?)?)?"
    r"\s*([^\s0-9].*)?",
    re.ASCII | re.DOTALL,
)
_OFFSET = re.compile(r"(?:UTC|GMT)?([+-])([0-9]{1,2})(?::?([0-9]{2}))?")
# The names that occur in guides, by hours. "IST" is left out: it is Irish, Indian or Israeli.
_NAMES = {
    0: "Z UT UTC GMT WET",
    1: "WEST BST CET MET",
    2: "CEST MEST EET SAST",
    3: "EEST MSK TRT",
    8: "AWST",
    9: "JST KST",
    9.5: "ACST",
    10: "AEST",
    10.5: "ACDT",
    11: "AEDT",
    12: "NZST",
    13: "NZDT",
    -2.5: "NDT",
    -3: "ADT BRT ART",
    -3.5: "NST",
    -4: "AST EDT",
    -5: "EST CDT",
    -6: "CST MDT",
    -7: "MST PDT",
    -8: "PST AKDT",
    -9: "AKST",
    -10: "HST",
}
_ZONES = {"": 0.0} | {name: hours for hours, names in _NAMES.items() for name in names.split()}
_SECONDS = {"seconds": 1, "minutes": 60, "hours": 3600}  # the units of the DTD


class _Moment(NamedTuple):
    """Seconds of UTC, or of a zone that is only known by its name."""

    seconds: float
    unknown_zone: str


def minutes_between(start: str, stop: str) -> float | None:
    """Return the minutes from one time of a guide to another.

    It is None if one of them can't be read, their zones can't be compared, or they are not more than 0 minutes and at
    most a day.
    """
    first, last = _moment(start), _moment(stop)
    if first is None or last is None or first.unknown_zone != last.unknown_zone:
        return None
    return _checked((last.seconds - first.seconds) / 60)


def seconds_of(time: str) -> float | None:
    """Return the Unix time of a time of a guide, in seconds; None if it can't be read, or its zone is not known."""
    moment = _moment(time)
    return None if moment is None or moment.unknown_zone else moment.seconds - _UNIX_EPOCH


def minutes_of_length(length: str, units: str | None) -> float | None:
    """Return the minutes of a `<length units="...">`; None if it can't be read, or is not one of a programme."""
    seconds = _SECONDS.get((units or "").strip().lower())
    if seconds is None or not re.fullmatch(r"[0-9]{1,9}(?:\.[0-9]{1,9})?", length):
        return None
    return _checked(float(length) * seconds / 60)


def _checked(minutes: float) -> float | None:
    return minutes if 0 < minutes <= MAX_MINUTES else None


@lru_cache(maxsize=1 << 14)  # many channels change programmes at the same time
def _moment(text: str) -> _Moment | None:
    match = _TIME.fullmatch(text.strip())
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(digits or 0) for digits in match.groups()[:6])
    of_day = (hour * 60 + minute) * 60 + second
    if minute > 59 or second > 60 or of_day > _SECONDS_A_DAY:  # 24:00 ends a day
        return None
    try:
        seconds = date(year, month, day).toordinal() * _SECONDS_A_DAY + of_day
    except ValueError:
        return None
    zone = (match[7] or "").strip()
    offset = _offset(zone)
    return _Moment(seconds, zone) if offset is None else _Moment(seconds - offset, "")


def _offset(zone: str) -> float | None:
    """Return the seconds that a zone is ahead of UTC; None if it is not known."""
    match = _OFFSET.fullmatch(zone.upper())
    if match is None:
        hours = _ZONES.get(zone.upper())
        return None if hours is None else hours * 3600
    sign, hours_ahead, minutes = match[1], int(match[2]), int(match[3] or 0)
    return (hours_ahead * 60 + minutes) * (-60 if sign == "-" else 60)
