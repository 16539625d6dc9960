"""Measure how many programmes of real guides a player understands, as the guides are and after a fill.

The guides keep their own categories. A filled category contradicts the guide if these mean one genre, and it is not a
text for that genre.
"""

import argparse
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from tqdm import tqdm

from scripts.common.arguments import add_guides, report_parser
from scripts.common.report import as_percent, as_table, made_by, stem, write_report
from titleclf.epg.decisions import Basis, Decider
from titleclf.epg.fill import Filler, When, fill
from titleclf.epg.genres import GenreTable
from titleclf.epg.parser import airings
from titleclf.epg.profiles import PROFILES, Profile
from titleclf.epg.xmltv import Airing
from titleclf.runtime.classifier import Classifier
from titleclf.runtime.errors import exit_codes
from titleclf.runtime.network import Network

PLAYERS = ("tvheadend", "kodi", "jellyfin")
PRECISION = 0.9


class Measured(NamedTuple):
    """A guide for a player: fractions of its programmes, and the numbers of decisions with each basis."""

    guide: str
    player: str
    programmes: int
    understood_before: float
    understood: float
    contradicted: float  # of those whose own categories mean one genre
    bases: dict[Basis, int]


def measure(guide: Path, player: str, model: Classifier[Network], table: GenreTable) -> Measured:
    """Fill a guide for a player and compare."""
    profile = PROFILES[player]
    filler = Filler(
        Decider([(model, model.thresholds_at(PRECISION))]), profile, When.untranslated, with_keywords=False, table=table
    )
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "filled.xml"
        tally = fill(str(guide), str(output), filler)
        before, after = list(airings(str(guide))), list(airings(str(output)))
    pairs = list(zip(before, after, strict=True))
    return Measured(
        stem(guide),
        player,
        len(before),
        float(np.mean([is_understood(airing, profile) for airing in before])),
        float(np.mean([is_understood(airing, profile) for airing in after])),
        float(np.mean([contradicts(old, new, profile, table) for old, new in pairs if genre_of(old, table)])),
        dict(tally.bases),
    )


def is_understood(airing: Airing, profile: Profile) -> bool:
    """Return whether the player maps a programme to a kind, or shows the text that is meant for it."""
    texts = [category.raw for category in airing.categories]
    return profile.understands_any(texts) or bool(profile.written.intersection(texts))


def genre_of(airing: Airing, table: GenreTable) -> str | None:
    """Return the genre that a programme's own categories mean."""
    return table.genre_of([category.text for category in airing.categories])


def contradicts(old: Airing, new: Airing, profile: Profile, table: GenreTable) -> bool:
    """Return whether a text was added that is none of the genre of the programme's own categories."""
    own = [category.text for category in old.categories]
    genre = table.genre_of(own)
    added = {category.text for category in new.categories} - set(own)
    if genre is None:
        return False
    return not added <= {*profile.words(genre), *profile.words(genre, is_film=True)}


def report(rows: list[Measured], arguments: argparse.Namespace, provenance: str) -> str:
    """Return the report."""
    cells = pd.DataFrame(
        [
            {
                "guide": row.guide,
                "player": row.player,
                "programmes": f"{row.programmes:,}",
                "understood before": as_percent(row.understood_before),
                "after": as_percent(row.understood),
                "contradicted": as_percent(row.contradicted),
                **{str(basis): f"{row.bases.get(basis, 0):,}" for basis in Basis if basis is not Basis.override},
            }
            for row in rows
        ]
    )
    return f"""\
# Programmes that a player understands

{arguments.name or "Real guides"}, with the categories that they have. `titleclf epg fill --profile PLAYER` added what
was not understood. Understood: the player maps a category to a kind of programme, or shows the text that is meant for
it. Contradicted: of the programmes whose own categories mean one genre (data/labels.csv), those that got another. The
last columns are numbers of decisions by what they were based on.

Made by {provenance}.

{as_table(cells.set_index("guide"), text_columns=2)}"""


@exit_codes
def main() -> None:
    """Measure, print and write."""
    parser = report_parser("translated_guides", __doc__)
    add_guides(parser)
    arguments = parser.parse_args()
    provenance = made_by("translated_guides", [str(path) for path in arguments.guides] if arguments.name else [])
    model, table = Classifier.load(), GenreTable.shipped()
    pairs = [(guide, player) for guide in arguments.guides for player in PLAYERS]
    rows = [measure(guide, player, model, table) for guide, player in tqdm(pairs, "guides", disable=None)]
    text = report(rows, arguments, provenance)
    write_report(arguments.output, text)


if __name__ == "__main__":
    main()
