"""Add what guides say a programme is (film, episode or other) to a table of programmes.

Reads the columns source, category, episode (whether the guide gives an episode number), year and minutes; writes all
columns and `kind`. Few guides say "film": a film or drama without an episode number, with a year and of an hour or
more, counts as one in sources that number the episodes of some.
"""

from pathlib import Path

import pandas as pd

from scripts.common.arguments import script_parser
from titleclf.epg.genres import Genre
from titleclf.runtime.choices import ProgrammeKind
from titleclf.runtime.errors import InputError, exit_codes
from titleclf.runtime.files import replacing

NUMBERED = (0.1, 0.9)  # the fraction of films and dramas with an episode number, of a source that tells them apart
FILM_MINUTES = 60
NEITHER = (Genre.news, Genre.sports, Genre.music)


def kinds_of(programmes: pd.DataFrame) -> "pd.Series[str]":
    """Return the kind of each programme, "" where its guide does not say."""
    is_drama = programmes["category"] == Genre.movie.value
    numbered = programmes["episode"].where(is_drama).groupby(programmes["source"]).transform("mean").astype(float)
    is_telling = numbered.between(*NUMBERED)
    is_alone = ~programmes["episode"] & is_telling
    is_long = programmes["minutes"] >= FILM_MINUTES
    kinds = pd.Series("", index=programmes.index)
    kinds[is_alone & is_drama & is_long & (programmes["year"] != "")] = ProgrammeKind.film.value
    kinds[is_alone & programmes["category"].isin([genre.value for genre in NEITHER])] = ProgrammeKind.other.value
    kinds[programmes["episode"]] = ProgrammeKind.episode.value
    return kinds


@exit_codes
def main() -> None:
    """Run the command line."""
    parser = script_parser("programme_kinds", __doc__ or "")
    parser.add_argument("programmes", type=Path, metavar="PARQUET", help="a table of programmes")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="the table to write, .parquet")
    arguments = parser.parse_args()
    if not arguments.programmes.is_file():
        raise InputError(f"{arguments.programmes}: no such file. Check the path.")
    programmes = pd.read_parquet(arguments.programmes)
    result = programmes.assign(kind=kinds_of(programmes))
    with replacing(arguments.output) as temporary:
        result.to_parquet(temporary, index=False)
    counts = result["kind"].value_counts()
    print(", ".join(f"{kind or 'unknown'} {count:,}" for kind, count in counts.items()))


if __name__ == "__main__":
    main()
