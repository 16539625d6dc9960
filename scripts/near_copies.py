"""How alike a title must be to a corrected one to follow it: which copies are reached, and which others, wrongly.

python -m scripts.near_copies [--titles data/titles.csv] [--corrected 2000] [--output results/near_copies.md]
"""

import argparse
import csv
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from scripts.common.report import as_table, machine, shown
from titleclf.data.augmentation.noise import misspell, reformat
from titleclf.epg.decorations import unmarked
from titleclf.epg.overrides import NEAR
from titleclf.runtime.choices import Format, MemoryKind, Misspelling
from titleclf.runtime.errors import exit_codes
from titleclf.runtime.files import write_text
from titleclf.runtime.memory.known_titles import Known
from titleclf.runtime.text.title_keys import key_of

_COMMAND = ("python", "-m", "scripts.near_copies")
_LIKENESS = (0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.9)


def judge(rows: dict[str, tuple[str, str]], corrected: int, generator: np.random.Generator) -> pd.DataFrame:
    """Correct some programmes (by key: title, category); tell by likeness who follows: copies of theirs, and others."""
    keys = generator.permutation(sorted(rows)).tolist()
    named, others = keys[:corrected], keys[corrected:]
    titles = [rows[key][0] for key in named]
    known = Known(MemoryKind.fuzzy, sorted({key_of(unmarked(title)) for title in titles}))
    category = {key_of(unmarked(rows[key][0])): rows[key][1] for key in named}
    copies = {
        "one misspelling": misspell(titles, list(Misspelling), 1, generator),
        "two misspellings": misspell(titles, list(Misspelling), 2, generator),
        "a channel's format": reformat(titles, list(Format), generator),
    }
    found = {name: known.nearest([unmarked(title) for title in some]) for name, some in copies.items()}
    other = known.nearest([unmarked(rows[key][0]) for key in others])
    is_same = np.array(
        [category[known.keys[place]] == rows[key][1] for place, key in zip(other.places, others, strict=True)]
    )
    return pd.DataFrame(
        {
            "likeness": f"{least:g}",
            **{name: f"{(some.likeness >= least).mean():.1%}" for name, some in found.items()},
            "other titles": f"{(other.likeness >= least).mean():.1%}",
            "of these, of the same category": f"{is_same[other.likeness >= least].mean():.1%}",
        }
        for least in _LIKENESS
    ).set_index("likeness")


@exit_codes
def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--titles", type=Path, default=Path("data/titles.csv"))
    parser.add_argument("--corrected", type=int, default=2000)
    parser.add_argument("--output", type=Path, default=Path("results/near_copies.md"))
    arguments = parser.parse_args()
    with arguments.titles.open(encoding="utf-8", newline="") as file:
        rows = {key_of(row["title"]): (row["title"], row["category"]) for row in csv.DictReader(file)}
    table = judge(rows, arguments.corrected, np.random.default_rng(0))
    counts = f"{arguments.corrected:,} of {len(rows):,}"
    text = f"""# Near copies of corrected titles

{counts} programmes are corrected. Which titles are at least so alike (Dice of trigrams, without
marks) that they would follow: copies of the corrected ones, and the other programmes, and how many of these are of the
category that they would get. Titles follow from {NEAR:g} on.

Made by `{shown(sys.argv[1:], [], _COMMAND)}`, {machine()}.

{as_table(table)}"""
    write_text(arguments.output, text)
    print(f"{text}\nWrote {arguments.output}")


if __name__ == "__main__":
    main()
