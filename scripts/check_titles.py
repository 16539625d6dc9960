"""Check a file of labelled titles: duplicates, near duplicates, unknown categories, and agreement with other files.

python -m scripts.check_titles data/titles.csv [--against OTHER.csv ...]
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer
from tqdm import tqdm

from titleclf.config.schemas import ColumnsConfig
from titleclf.data.titles import read_titles
from titleclf.runtime.errors import BAD_INPUT, exit_codes
from titleclf.runtime.text.title_keys import base_title

# The level-1 genres of ETSI EN 300 468, table 29.
CATEGORIES = (
    "Movie / Drama",
    "News / Current affairs",
    "Show / Game show",
    "Sports",
    "Children's / Youth programmes",
    "Music / Ballet / Dance",
    "Arts / Culture (without music)",
    "Social / Political issues / Economics",
    "Education / Science / Factual topics",
    "Leisure hobbies",
)
COLUMNS = ColumnsConfig("title", "category", "lang", "und", channel=None, duration=None)
_ROWS_AT_ONCE = 1000


def unknown_categories(titles: pd.DataFrame) -> list[str]:
    """Return a line for each row whose category is none of the ten."""
    rows = titles[~titles["category"].isin(CATEGORIES)]
    return [f"unknown category {row.category!r}: {row.title}" for row in rows.itertuples()]


def duplicates(titles: pd.DataFrame) -> list[str]:
    """Return a line for each programme that stands there more than once, in any spelling of its marks and case."""
    groups = titles.groupby(titles["title"].map(base_title))["title"]
    return [f"duplicate: {' = '.join(group)}" for _, group in groups if len(group) > 1]


def near_duplicates(titles: pd.DataFrame, similarity: float) -> Iterator[str]:
    """Yield a line for each pair of one language whose character trigrams have a cosine of at least `similarity`."""
    for _, group in titles.groupby("lang"):
        names = group["title"].to_numpy()
        bases = group["title"].map(base_title).to_numpy()
        vectors = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 3)).fit_transform(bases)
        for start in tqdm(range(0, len(names), _ROWS_AT_ONCE), leave=False, disable=None):
            cosine = (vectors[start : start + _ROWS_AT_ONCE] @ vectors.T).tocoo()
            close = (cosine.data >= similarity) & (cosine.col > cosine.row + start)
            for row, column in zip(cosine.row[close] + start, cosine.col[close], strict=True):
                if bases[row] != bases[column]:  # else they are duplicates
                    yield f"alike: {names[row]} ~ {names[column]}"


def agreement(titles: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """Return the shared programmes with both categories; the other file's is its most frequent one.

    Programmes are shared if their base titles are equal, and their languages where the other file names them.
    """
    keys = ["base"] if (other["lang"] == "und").all() else ["base", "lang"]
    ours = titles.assign(base=titles["title"].map(base_title))
    theirs = other.assign(base=other["title"].map(base_title))
    theirs = theirs[theirs["base"].isin(ours["base"])]
    votes = theirs.groupby(keys)["category"].agg(lambda group: Counter(group).most_common(1)[0][0])
    return ours.join(votes.rename("other"), on=keys, how="inner")


def main() -> None:
    """Run the checks; exit code 2 if there are duplicates or unknown categories."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("titles", type=Path, help="a table with the columns title, category, lang")
    parser.add_argument("--against", type=Path, nargs="*", default=[], metavar="FILE", help="other labelled files")
    parser.add_argument("--similarity", type=float, default=0.9, help="cosine from which titles are alike (0.9)")
    parser.add_argument("--disagreements", action="store_true", help="list every title on which the files disagree")
    arguments = parser.parse_args()

    titles = read_titles(arguments.titles, COLUMNS)
    print(f"{len(titles):,} titles")
    print(pd.crosstab(titles["category"], titles["lang"]).to_string())
    wrong = [*unknown_categories(titles), *duplicates(titles)]
    alike = list(near_duplicates(titles, arguments.similarity))
    print("\n".join([*wrong, *alike]))
    print(f"{len(wrong)} duplicates or unknown categories, {len(alike)} pairs alike")
    for path in arguments.against:
        shared = agreement(titles, read_titles(path, COLUMNS))
        same = shared["category"] == shared["other"]
        share = f"{same.mean():.1%}" if len(shared) else "nothing to compare"
        print(f"{path.name}: {len(shared):,} shared titles, same category on {np.count_nonzero(same):,} ({share})")
        if arguments.disagreements:
            for row in shared[~same].itertuples():
                print(f"  {row.title} [{row.lang}]: {row.category}; there {row.other}")
    if wrong:
        sys.exit(BAD_INPUT)


if __name__ == "__main__":
    exit_codes(main)()
