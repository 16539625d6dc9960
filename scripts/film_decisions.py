"""Measure how many films and episodes of real guides a player would take for films after a fill.

All words for film and series, sub-titles and episode numbers of the guides are hidden. Programmes that last longer than
any film are left out: nothing but the hidden words can say that they are films.
"""

import argparse
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from tqdm import tqdm

from scripts.common.arguments import add_guides, report_parser
from scripts.common.report import as_percent, as_table, made_by, stem, write_report
from titleclf.epg.decisions import Decider
from titleclf.epg.fill import Filler, When
from titleclf.epg.films import MAX_MINUTES
from titleclf.epg.genres import GenreTable
from titleclf.epg.kinds import kind_of, kind_of_label
from titleclf.epg.parser import airings
from titleclf.epg.profiles import PROFILES
from titleclf.epg.xmltv import Airing
from titleclf.runtime.choices import ProgrammeKind
from titleclf.runtime.classifier import Classifier
from titleclf.runtime.errors import InputError, exit_codes
from titleclf.runtime.network import Network
from titleclf.runtime.text.title_keys import key_of

PLAYER = "jellyfin"
PRECISION = 0.9
KINDS = (ProgrammeKind.film, ProgrammeKind.episode)


class Guide(NamedTuple):
    """The airings of a guide whose hints are hidden, and what the guide said each of them is."""

    airings: list[Airing]
    kinds: list[ProgrammeKind | None]


def read(guide: Path) -> Guide:
    """Read a guide and hide what it says about films and episodes."""
    hidden = Guide([], [])
    for airing in airings(str(guide), with_texts=True):
        hidden.airings.append(without_kind(airing))
        hidden.kinds.append(kind_of(airing, [category.text for category in airing.categories]))
    return hidden


def without_kind(airing: Airing) -> Airing:
    """Return an airing without its sub-title, its episode numbers, and the categories that say film or series."""
    kept = [category for category in airing.categories if kind_of_label(category.text) not in KINDS]
    return dataclasses.replace(airing, sub_title=None, episode_numbers=[], categories=kept)


def sample(guide: Guide, size: int, seed: int) -> list[int]:
    """Return the numbers of airings that are films or episodes: half of them films, or as many as there are."""
    draws = np.random.default_rng(seed)
    films, episodes = (
        [number for number, airing in enumerate(guide.airings) if guide.kinds[number] is kind and _fits(airing)]
        for kind in KINDS
    )
    drawn = draws.permutation(films)[: size // 2]
    return sorted([*drawn.tolist(), *draws.permutation(episodes)[: size - len(drawn)].tolist()])


def _fits(airing: Airing) -> bool:
    return airing.is_titled and (airing.minutes is None or airing.minutes <= MAX_MINUTES)


def measure(
    guide: Path, model: Classifier[Network], table: GenreTable, known: set[str], size: int, seed: int
) -> pd.DataFrame:
    """Return a row for each drawn programme: its kind, whether it is called a film, and whether its title is known."""
    hidden = read(guide)
    profile = PROFILES[PLAYER]
    decider = Decider([(model, model.thresholds_at(PRECISION))])
    filler = Filler(decider, profile, When.untranslated, with_keywords=False, table=table)
    filler.survey(hidden.airings)
    texts = [settled.texts for settled in filler.settle(hidden.airings)]
    numbers = sample(hidden, size, seed)
    return pd.DataFrame(
        {
            "guide": stem(guide),
            "title": [hidden.airings[number].title for number in numbers],
            "kind": [str(hidden.kinds[number]) for number in numbers],
            "called_film": [not set(profile.film).isdisjoint(texts[number]) for number in numbers],
            "known": [key_of(hidden.airings[number].title) in known for number in numbers],
        }
    )


def scores_of(rows: pd.DataFrame) -> dict[str, object]:
    """Return the numbers of films and episodes, and the fractions that are called films."""
    films, episodes = (rows[rows["kind"] == kind]["called_film"] for kind in KINDS)
    return {
        "films": f"{len(films):,}",
        "called films": as_percent(films.mean()),
        "episodes": f"{len(episodes):,}",
        "episodes called films": as_percent(episodes.mean()),
    }


def known_titles(tables: Sequence[Path]) -> set[str]:
    """Return the keys of all titles in tables of programmes."""
    for table in tables:
        if not table.is_file():
            raise InputError(f"{table}: no such file. Check the path.")
    return {key_of(title) for table in tables for title in pd.read_parquet(table, columns=["title"])["title"].unique()}


def report(rows: pd.DataFrame, arguments: argparse.Namespace, provenance: str) -> str:
    """Return the report."""
    parts = {"all": rows, "known titles": rows[rows["known"]], "new titles": rows[~rows["known"]]}
    cells = [
        {"guide": guide, "titles": name, **scores_of(part if guide == "all" else part[part["guide"] == guide])}
        for guide in (*rows["guide"].unique(), "all")
        for name, part in parts.items()
    ]
    return f"""\
# Films and episodes

{arguments.name or "Real guides"}: {len(rows):,} programmes that their guide calls a film or an episode, by its
categories or by an episode number (of each guide half films, or as many as it has). These words, all sub-titles and all
episode numbers were hidden from the whole guide, which was then filled for {PLAYER}. Called films: they got its word
for films. Known titles: those in the table of programmes that the shipped model learned kinds from, on any channel and
whatever they are there. Programmes of more than {MAX_MINUTES // 60} hours are left out; none of them is called a film.
{arguments.note}

Made by {provenance}.

{as_table(pd.DataFrame(cells).set_index("guide"), text_columns=2)}"""


@exit_codes
def main() -> None:
    """Measure, print and write."""
    parser = report_parser("film_decisions", __doc__)
    add_guides(parser)
    parser.add_argument(
        "--known", type=Path, nargs="*", default=[], metavar="PARQUET", help="programmes that the model learned from"
    )
    parser.add_argument("--size", type=int, default=3000, metavar="N", help="programmes of all guides (3000)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="the draw of programmes (1)")
    parser.add_argument("--note", default="", metavar="TEXT", help="what to say about the choice of the guides")
    arguments = parser.parse_args()
    files = [str(path) for path in (*arguments.guides, *arguments.known)] if arguments.name else []
    provenance = made_by("film_decisions", files)
    model, table, known = Classifier.load(), GenreTable.shipped(), known_titles(arguments.known)
    size = arguments.size // len(arguments.guides)
    rows = pd.concat(
        [
            measure(guide, model, table, known, size, arguments.seed)
            for guide in tqdm(arguments.guides, "guides", disable=None)
        ]
    )
    write_report(arguments.output, report(rows, arguments, provenance))


if __name__ == "__main__":
    main()
