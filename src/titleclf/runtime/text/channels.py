"""What kind of channel a name belongs to: a list of channels with their categories, and the key that names share."""

import csv
import functools
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from titleclf.runtime import files
from titleclf.runtime.tables import Record, open_text, read_unique, text_problem

_SEPARATOR = ";"  # of categories
_CACHE_SIZE = 65_536  # names; the largest guides have about ten thousand channels
_MAX_LENGTH = 200  # characters; longer text is no name, and would fill the cache's memory

# Countries by the codes of the list, and what names call them in English and in their own language.
_COUNTRIES = {
    "ar": "argentina arg",
    "at": "austria österreich",
    "au": "australia",
    "be": "belgium belgique",
    "bo": "bolivia",
    "br": "brasil brazil",
    "ca": "canada",
    "ch": "schweiz suisse switzerland",
    "cl": "chile",
    "co": "colombia",
    "cz": "czechia",
    "de": "deutschland germany",
    "dk": "denmark danmark",
    "ec": "ecuador",
    "es": "españa spain",
    "fi": "finland suomi",
    "fr": "france",
    "gr": "greece",
    "hr": "croatia",
    "hu": "hungary magyarország",
    "id": "indonesia",
    "ie": "ireland",
    "il": "israel",
    "in": "india",
    "it": "italia italy",
    "jp": "japan",
    "mx": "mexico méxico",
    "my": "malaysia",
    "nl": "nederland netherlands",
    "no": "norge norway",
    "pe": "peru perú",
    "ph": "philippines",
    "pl": "poland polska",
    "pt": "portugal",
    "py": "paraguay",
    "ro": "romania",
    "rs": "serbia",
    "ru": "russia",
    "se": "sverige sweden",
    "sg": "singapore",
    "si": "slovenia",
    "sk": "slovakia",
    "th": "thailand",
    "tr": "turkey türkiye",
    "tw": "taiwan",
    "ua": "ukraine",
    "uk": "uk gb",
    "us": "usa us",
    "uy": "uruguay",
    "ve": "venezuela",
    "vn": "vietnam",
}
# Formats of the picture, wherever they stand, and words that are as often left out.
_FORMATS = frozenset(("hd", "hdtv", "sd", "fhd", "uhd", "hq", "4k", "8k", "hevc", "h265", "raw", "50fps", "60fps"))
_OPTIONAL = frozenset(("tv", "channel", "and", "the"))
# What a channel adds to its name in one of several regions or languages.
_REGIONS = frozenset(
    (
        *("east", "eastern", "west", "western", "north", "south", "pacific", "atlantic", "mountain"),
        *("feed", "local", "regional", "national", "international", "europe", "asia", "africa", "america", "latam"),
        *("latin", "latino", "latinoamerica", "panregional", "sur", "norte", "este", "oeste"),
        *("english", "french", "german", "spanish", "hindi", "tamil", "telugu", "arabic", "malay", "int"),
    )
)
_ENDINGS = frozenset(("tv", "channel", "network"))
_ESSENTIAL = 4  # letters that must be left of a name without "TV" and "Channel", as "Fashion" of "Fashion TV"
_REGIONAL = 3  # the same without its region or country, as "HBO" of "HBO East"
_NUMBERED = 6  # the same without its number, as "Eurosport" of "Eurosport 9"; "Story 4" may be another channel
_LARGEST_NUMBER = 2  # digits; "Live 360" is a name
_SPACED = 5  # letters and digits; "RT US" is not "RTUS", but "Nat Geo Wild" is "NatGeoWild"
_TOO_COMMON = frozenset(
    ("canal", "cine", "cinema", "kanal", "kino", "nova", "prime", "radio", "star", "super", "tele", "television")
)  # what many channels are called, and only their number or region tells apart

_COUNTRY_SUFFIX = re.compile(r"(?<=\w)\.([a-z]{2})\d?(?:_\w+)?(?:@\w+)?$")  # BBCOne.uk, BBCOne.uk@SD, ABC.us2
_PREFIX = re.compile(r"^(\w{2,12})(?:\s*[:|]\s*| - )(?=\w)")  # "UK: ", "US - ", "MX | "
_PACKAGE = re.compile(r"^[^|•]{1,12}[|•]\s*(?=\w)")  # "PREMIUM | ": what an operator sells the channel in
_BRACKETS = re.compile(r"[(\[]([^()\[\]]*)[)\]]")
# "+1", "»1«": the same channel, hours later
_LATER = re.compile(r"(?<=\w)\s?\+\d{1,2}h?(?=\W|$)|\s»\d+«", re.IGNORECASE)
_SYMBOLS = re.compile("[™®©]")
_AT_DIGITS = re.compile(r"(?<=\d) | (?=\d)")
_INSIDE_WORDS = re.compile(
    r"""
    (?=[A-Z]) (?: (?<=[a-zß-ÿ]) | (?<=[A-Z])(?=.[a-z]) )     # Sky|History, BBC|One
    | (?=\d{1,2}(?:HD)?(?![^\W_])) (?<=[^\W\d_]{6})          # Novacinema|2
    """,
    re.VERBOSE,
)
_LATIN_ACCENTS = re.compile(r"(?<=[a-z])[\u0300-\u036f]+")
_WITHOUT_MARKS = str.maketrans({"ø": "o", "æ": "ae", "œ": "oe", "ł": "l", "đ": "d", "ı": "i"})
_APOSTROPHES = re.compile("['’‘ʼ`´]")
_NOT_IN_WORDS = re.compile(r"[\W_]+")


class ChannelName(NamedTuple):
    """A name as the list compares it: folded words, and the country that it names ("": none)."""

    words: tuple[str, ...]
    country: str = ""

    @classmethod
    def parse(cls, name: str) -> "ChannelName":
        """Split a display name ("UK: Sky History HD +1") or an id ("Sky.HistoryHD.uk")."""
        if not name.isascii():
            name = unicodedata.normalize("NFKC", _SYMBOLS.sub("", name))
        name, country = _without_country(name.strip().lstrip("@"))
        if ("+" in name or "»" in name) and name[1:2] != "+":  # "1+1" is a channel of its own
            name = _LATER.sub(" ", name)
        if len(name) > _SPACED:
            name = _INSIDE_WORDS.sub(" ", name)
        return cls(_essential(_plain(name.casefold()).split()), country)

    def shorter(self, country: str = "") -> Iterator["ChannelName"]:
        """Yield this name, and then what is left without the number before it, and the regions and numbers behind.

        They are in the `country` of another name if this one names none.
        """
        whole = ChannelName(self.words, self.country or country)
        if not self.words:
            return
        yield whole
        first, *rest = self.words
        if first.isdecimal() and _letters("".join(rest)) >= _REGIONAL:
            listed = ChannelName(tuple(rest), whole.country)
            yield listed
            yield from listed._without_ends()
        yield from whole._without_ends()

    def _without_ends(self) -> Iterator["ChannelName"]:
        (words, country), least = self, _REGIONAL
        while len(words) > 1 and (_is_number(words[-1]) or is_region(words[-1]) or words[-1] in _ENDINGS):
            country = _PLAIN_COUNTRIES.get(words[-1], country)
            least = _NUMBERED if _is_number(words[-1]) else least
            words = words[:-1]
            left = "".join(words)
            if least <= _letters(left) and left not in _TOO_COMMON:
                yield ChannelName(words, country)


class Channel(NamedTuple):
    """A row of the list: its folded name, and its categories (none: the channel is known, but not its kind)."""

    name: str
    categories: tuple[str, ...]


class ChannelList:
    """Channels by their folded names; channels of one name may have other categories in each country.

    The list is exact: a name matches the channel that has the same folded name. Only then the number before it, its
    region, country or language, and the number behind it are left out, as long as enough is left.
    """

    def __init__(self, channels: Mapping[str, tuple[str, str]]) -> None:
        self._channels = channels  # folded name and joined categories, by `key_of_channel`
        self._cached = functools.lru_cache(maxsize=_CACHE_SIZE)(self._look_up)

    def __len__(self) -> int:
        return len(self._channels)

    @classmethod
    @functools.cache
    def shipped(cls) -> "ChannelList":
        """Return the list that comes with the package."""
        with open_text(files.shipped("data/channels.csv")) as text:
            rows = csv.reader(text)
            next(rows)
            return cls({key_of_channel(name, country): (name, categories) for name, country, categories in rows})

    @classmethod
    def read(cls, path: Path) -> "ChannelList":
        """Read a user's own table with the columns `name` and `categories`, which are joined by semicolons.

        Raises
        ------
        InputError
            If the file can't be read, lacks a column, or has bad rows; up to ten of them are named with their lines.
        """
        return cls(read_unique(path, ["name", "categories"], _problem, _row_of, _conflict))

    def merged(self, own: "ChannelList") -> "ChannelList":
        """Return both lists as one, in which a name of `own` has the categories of `own` in every country."""
        names = {key.partition(".")[0] for key in own._channels}
        rest = {key: row for key, row in self._channels.items() if key.partition(".")[0] not in names}
        return ChannelList({**rest, **own._channels})

    def match(self, name: str) -> str | None:
        """Return the folded name of the list that a display name or an id belongs to; None if there is none."""
        found = self.find(name)
        return None if found is None else found.name

    def categories_of(self, name: str) -> tuple[str, ...]:
        """Return the categories of a display name or an id; none if the list lacks it, or does not know its kind."""
        found = self.find(name)
        return () if found is None else found.categories

    def find(self, *names: str) -> Channel | None:
        """Return the row of the first of a channel's names that the list has; None if it has none.

        A country that one of them names, as the id "BBCOne.uk" does, is that of them all.
        """
        return self._cached(*(name for name in names if len(name) <= _MAX_LENGTH))

    def _look_up(self, *names: str) -> Channel | None:
        parsed = [ChannelName.parse(name) for name in names]
        country = next((name.country for name in parsed if name.country), "")
        for name in parsed:
            for shorter in name.shorter(country):
                if row := self._row(shorter):
                    return Channel(row[0], tuple(filter(None, row[1].split(_SEPARATOR))))
        return None

    def _row(self, name: ChannelName) -> tuple[str, str] | None:
        key = key_of_channel(" ".join(name.words))
        own = self._channels.get(f"{key}.{name.country}") if name.country else None
        return own or self._channels.get(key)


def fold_channel(name: str) -> str:
    """Return what names and ids of one channel share: no case, accents, country, HD, "+1", "TV" or "Channel".

    Short names keep "TV" and "Channel" ("TV 5"), and all keep their numbers.
    """
    return " ".join(ChannelName.parse(name).words)


def key_of_channel(folded_name: str, country: str = "") -> str:
    """Return what a folded name is looked up by: without spaces, in which ids and names often differ, unless short."""
    key = folded_name.replace(" ", "")
    if len(key) <= _SPACED or folded_name.startswith(("tv ", "channel ")):
        key = _AT_DIGITS.sub("", folded_name)
    return f"{key}.{country}" if country else key


def is_region(word: str) -> bool:
    """Return whether a word of a folded name is a region, a language or a country."""
    return word in _REGIONS or word in _PLAIN_COUNTRIES


def _is_number(word: str) -> bool:
    return len(word) <= _LARGEST_NUMBER and word.isdecimal()


def _without_country(name: str) -> tuple[str, str]:
    """Return a name without a country before, behind or in brackets, and without anything else in brackets."""
    country = ""
    if "." in name and (found := _COUNTRY_SUFFIX.search(name)) and found[1] != "tv":  # "Motorvision.tv" is a name
        name, country = name[: found.start()], found[1]
    if (":" in name or "|" in name or " - " in name) and (found := _PREFIX.match(name)):
        country = _country(found[1]) or country
        if _country(found[1]) or found[1].casefold() in _FORMATS:
            name = name[found.end() :]
    if "|" in name or "•" in name:
        name = _PACKAGE.sub("", name)
    if "(" in name or "[" in name:
        for inside in _BRACKETS.findall(name):
            country = country or _country(inside.partition(",")[0].strip())
        name = _BRACKETS.sub(" ", name).strip() or name
    return name, country


def _country(text: str) -> str:
    """Return the code of a country that a text names or is; "" if it doesn't."""
    plain = _plain(text.casefold())
    if plain in _PLAIN_COUNTRIES:
        return _PLAIN_COUNTRIES[plain]
    return plain if len(text) == 2 and text.isalpha() and text.isupper() and plain not in _NO_COUNTRIES else ""


def _plain(name: str) -> str:
    """Return a casefolded name without Latin accents and punctuation; a plus sign is a word."""
    if not name.isascii():
        decomposed = _LATIN_ACCENTS.sub("", unicodedata.normalize("NFD", name))
        name = unicodedata.normalize("NFC", decomposed).translate(_WITHOUT_MARKS)
    return _NOT_IN_WORDS.sub(" ", _APOSTROPHES.sub("", name.replace("+", " plus "))).strip()


def _essential(words: Sequence[str]) -> tuple[str, ...]:
    """Return words without formats and optional ones, unless next to nothing would be left."""
    shown = [_without_format(word) for word in words if word not in _FORMATS]
    if not _OPTIONAL.isdisjoint(shown):
        essential = [word for word in shown if word not in _OPTIONAL]
        shown = essential if _letters("".join(essential).replace("plus", "")) >= _ESSENTIAL else shown
    return tuple(shown or words)


def _letters(text: str) -> int:
    return sum(map(str.isalpha, text))


def _without_format(word: str) -> str:
    return word[:-2] if word.endswith("hd") and (len(word) > 4 or word[:-2].isdecimal()) else word


def _row_of(record: Record) -> tuple[str, tuple[str, str]]:
    name = fold_channel(record.cells["name"])
    parts = [part.strip() for part in (record.cells["categories"] or "").casefold().split(_SEPARATOR)]
    return key_of_channel(name), (name, _SEPARATOR.join(dict.fromkeys(filter(None, parts))))


def _problem(record: Record) -> str | None:
    for column in ("name", "categories"):
        if problem := text_problem(record.cells, column):
            return problem
    name = record.cells["name"] or ""
    if not fold_channel(name):
        return f"name must have a letter or a digit. Got {name!r}. Fill it, or remove the row."
    if len(name) > _MAX_LENGTH:
        return f"name must have at most {_MAX_LENGTH} characters. Got {len(name)}. Shorten it."
    return None


def _conflict(record: Record, earlier: tuple[str, str], first: int) -> str | None:
    if _row_of(record)[1][1] == earlier[1]:  # the same categories
        return None
    return (
        f"name must have the categories that it has in line {first}. Got {record.cells['name']!r} with others. "
        "Make them alike, or remove one."
    )


_PLAIN_COUNTRIES = {_plain(name): code for code, names in _COUNTRIES.items() for name in names.split()}
_NO_COUNTRIES = frozenset(("hd", "sd", "hq", "tv"))
