"""Make data/channels.csv from the public channel list: what kind of channel a folded name belongs to."""

import csv
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from scripts.common.arguments import script_parser
from titleclf.runtime.errors import exit_codes
from titleclf.runtime.files import replacing
from titleclf.runtime.tables import read_records
from titleclf.runtime.text.channels import ChannelList, ChannelName, fold_channel, is_region, key_of_channel

Categories = tuple[str, ...]
_COLUMNS = ["id", "name", "alt_names", "network", "country", "categories"]
_UNINFORMATIVE = frozenset(("general", "public", "interactive"))
_MAJORITY = 2 / 3  # of the channels of one name, to be reached
_NAMELESS = frozenset(("", "tv", "channel"))  # what is left of "HD TV"
_AFFILIATES = 3  # of a network; what one shows may be its own
_SHORTEST = 4  # characters of another name; shorter ones are abbreviations that many channels have
# Transmitters of the United States and their subchannels ("KERA-TV 13.2", "K44AE-D1"), which guides name by network.
_STATION = re.compile(r"[KW]\d\d[A-Z]{2}\b|[KWX][A-Z]{2,4}(?:-[A-Z]+)?\d* \d+\.\d+|[KWX][A-Z]{2,4}-(?:[A-Z]+)\d+$")


class Votes:
    """The categories of channels by the key of their folded names, and by country."""

    def __init__(self, fewest: int = 1) -> None:
        self.fewest = fewest  # channels of a name
        self.by_key: dict[str, dict[str, list[Categories]]] = defaultdict(lambda: defaultdict(list))
        self.spellings: dict[str, str] = {}

    def add(self, folded: str, country: str, categories: Categories) -> None:
        """Count a channel under one of its names."""
        key = key_of_channel(folded)
        if key not in _NAMELESS:
            self.by_key[key][country].append(categories)
            # Of two spellings the one with more words is the easier to read.
            self.spellings[key] = min(self.spellings.get(key, folded), folded, key=lambda text: (-len(text), text))

    def rows(self) -> Iterator[tuple[str, str, Categories]]:
        """Yield name, country and categories: what a clear majority shares, and each country that differs from it."""
        for key, countries in self.by_key.items():
            name = self.spellings[key]
            everyone = [categories for group in countries.values() for categories in group]
            if len(everyone) < self.fewest:
                continue
            everywhere = majority(everyone, name)
            yield name, "", everywhere
            for country, group in countries.items():
                own = majority(group, name)
                if any(group) and own != everywhere and len(countries) > 1:
                    yield name, country, own


def majority(group: Sequence[Categories], name: str) -> Categories:
    """Return the categories that a clear majority of the channels of a name have; none if they differ.

    Most of the channels must have any; half are enough for names of several words, which are rarely those of strangers.
    """
    known = [categories for categories in group if categories]
    has_several_words = sum(map(str.isalpha, name.split())) > 1
    if 2 * len(known) < len(group) + (not has_several_words):
        return ()
    counts = Counter(category for categories in known for category in dict.fromkeys(categories))
    return tuple(category for category, count in counts.items() if count >= _MAJORITY * len(known))


def informative(categories: Categories) -> bool:
    """Return whether categories say anything of the programmes."""
    return not _UNINFORMATIVE.issuperset(categories)


def read_votes(path: Path) -> list[Votes]:
    """Return the channels by their names, other names, networks, and names without their region."""
    names, others, networks, regional = Votes(), Votes(), Votes(fewest=_AFFILIATES), Votes()
    for record in read_records(path, _COLUMNS):
        cells: dict[str, str] = record.cells
        country, categories = cells["country"].lower(), tuple(filter(None, cells["categories"].split(";")))
        networks.add(fold_channel(cells["network"]), country, categories)
        if _STATION.match(cells["name"]):
            continue
        names.add(fold_channel(cells["name"]), country, categories)
        for name in dict.fromkeys(map(fold_channel, cells["alt_names"].split(";"))):
            if len(name) >= _SHORTEST:
                others.add(name, country, categories)
        words = ChannelName.parse(cells["name"]).words
        while len(words) > 2 and is_region(words[-1]):
            words = words[:-1]
            regional.add(" ".join(words), country, categories)
    return [names, others, networks, regional]


def channels(votes: Iterable[Votes]) -> list[tuple[str, str, str]]:
    """Return the rows of the list, sorted; names count only where those before don't have them."""
    rows: list[tuple[str, str, Categories]] = []
    before: set[str] = set()
    for kind in votes:
        rows += [row for row in kind.rows() if key_of_channel(row[0]) not in before]
        before |= kind.by_key.keys()
    kept = {(name, country): ";".join(categories) for name, country, categories in rows if informative(categories)}
    kept = _needed(kept | _blockers(kept, rows))
    return sorted((name, country, categories) for (name, country), categories in kept.items())


def _blockers(
    kept: Mapping[tuple[str, str], str], rows: Iterable[tuple[str, str, Categories]]
) -> dict[tuple[str, str], str]:
    """Return rows without categories, for the uninformative channels that would match an informative one."""
    table = _table(kept)
    return {
        (name, country): ""
        for name, country, categories in rows
        if not informative(categories) and table.match(_with(name, country)) is not None
    }


def _needed(kept: dict[tuple[str, str], str]) -> dict[tuple[str, str], str]:
    """Leave out the names with a number that have the categories of the name that they match without their row."""
    categories_of = {key_of_channel(*names): categories for names, categories in kept.items()}
    needed = {names: own for names, own in kept.items() if names[1] or _without_number(names[0], categories_of) != own}
    table = _table(needed)
    return {
        names: own
        for names, own in kept.items()
        if names in needed or ";".join(table.categories_of(names[0])) != own or table.match(names[0]) is None
    }


def _without_number(name: str, categories_of: Mapping[str, str]) -> str | None:
    if not name[-1].isdecimal():
        return None
    _, *shorter = ChannelName(tuple(name.split())).shorter()
    keys = (key_of_channel(" ".join(words)) for words, _ in shorter)
    return next((categories_of[key] for key in keys if key in categories_of), None)


def _table(rows: Mapping[tuple[str, str], str]) -> ChannelList:
    return ChannelList({key_of_channel(*names): (names[0], categories) for names, categories in rows.items()})


def _with(name: str, country: str) -> str:
    return f"{name}.{country}" if country else name


@exit_codes
def main() -> None:
    """Write the list."""
    parser = script_parser("channel_list", __doc__)
    parser.add_argument("channels", type=Path, metavar="CHANNELS.csv.gz", help="the public channel list")
    default = Path("data/channels.csv")
    parser.add_argument("--output", type=Path, default=default, metavar="FILE", help="the file to write (%(default)s)")
    arguments = parser.parse_args()
    rows = channels(read_votes(arguments.channels))
    with replacing(arguments.output) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([("name", "country", "categories"), *rows])
    print(f"{len(rows):,} names; wrote {arguments.output}")


if __name__ == "__main__":
    main()
