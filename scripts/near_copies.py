"""Measure how many noisy copies of corrected titles, and how many other titles, follow at which similarity."""

import csv
from pathlib import Path

import numpy as np
import pandas as pd

from scripts.common.arguments import report_parser
from scripts.common.noise import NOISY, noisy_copies
from scripts.common.report import as_percent, as_table, made_by, write_report
from titleclf.epg.decorations import undecorated
from titleclf.epg.overrides import MIN_SIMILARITY
from titleclf.runtime.choices import MemoryKind
from titleclf.runtime.errors import exit_codes
from titleclf.runtime.memory.known_titles import KnownTitles
from titleclf.runtime.text.title_keys import key_of

_SIMILARITIES = (0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.9)


def measure(rows: dict[str, tuple[str, str]], corrected: int, generator: np.random.Generator) -> pd.DataFrame:
    """Correct `corrected` of the programmes, and return the titles that follow at each similarity.

    `rows` are (title, category) by key.
    """
    keys = generator.permutation(sorted(rows)).tolist()
    corrected_keys, other_keys = keys[:corrected], keys[corrected:]
    titles = [rows[key][0] for key in corrected_keys]
    index = KnownTitles(MemoryKind.fuzzy, sorted({key_of(undecorated(title)) for title in titles}))
    categories = {key_of(undecorated(rows[key][0])): rows[key][1] for key in corrected_keys}
    copies = {
        condition: index.nearest([undecorated(title) for title in noisy]).similarity
        for condition, noisy in noisy_copies(titles, [generator] * len(NOISY)).items()
    }
    others = index.nearest([undecorated(rows[key][0]) for key in other_keys])
    same_category = pd.Series(
        [categories[index.keys[place]] == rows[key][1] for place, key in zip(others.places, other_keys, strict=True)]
    )
    return pd.DataFrame(
        {
            "similarity": f"{threshold:g}",
            **{condition: as_percent((similarities >= threshold).mean()) for condition, similarities in copies.items()},
            "other titles": as_percent((others.similarity >= threshold).mean()),
            "of these, same category": as_percent(same_category[others.similarity >= threshold].mean()),
        }
        for threshold in _SIMILARITIES
    ).set_index("similarity")


@exit_codes
def main() -> None:
    """Measure, print and write."""
    parser = report_parser("near_copies", __doc__)
    parser.add_argument(
        "--titles", type=Path, default=Path("data/titles.csv"), metavar="FILE", help="labelled titles (%(default)s)"
    )
    parser.add_argument("--corrected", type=int, default=2000, metavar="N", help="programmes to correct (%(default)s)")
    arguments = parser.parse_args()
    provenance = made_by("near_copies")
    with arguments.titles.open(encoding="utf-8", newline="") as file:
        rows = {key_of(row["title"]): (row["title"], row["category"]) for row in csv.DictReader(file)}
    table = measure(rows, arguments.corrected, np.random.default_rng(0))
    counts = f"{arguments.corrected:,} of {len(rows):,}"
    text = f"""\
# Near copies of corrected titles

{counts} programmes are corrected. A title follows the correction of a similar title (Dice
coefficient of trigrams, without decorations). The table has the fraction of titles that reach each similarity: noisy
copies of the corrected titles, other programmes, and how many of these have the category of the correction. Titles
follow from {MIN_SIMILARITY:g} on.

Made by {provenance}.

{as_table(table)}"""
    write_report(arguments.output, text)


if __name__ == "__main__":
    main()
