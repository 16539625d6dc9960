"""Check labelled titles for duplicates, near duplicates, unknown categories, and agreement with other files."""

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer
from tqdm import tqdm

from scripts.common.arguments import script_parser
from titleclf.config.schemas import SHIPPED_COLUMNS
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
_BATCH = 1000  # titles


def unknown_categories(titles: pd.DataFrame) -> list[str]:
    """Return a line for each row whose category is not one of the ten."""
    rows = titles[~titles["category"].isin(CATEGORIES)]
    return [f"unknown category {row.category!r}: {row.title}" for row in rows.itertuples()]


def duplicates(titles: pd.DataFrame) -> list[str]:
    """Return a line for each programme with several rows, whatever their punctuation and case."""
    groups = titles.groupby(titles["title"].map(base_title))["title"]
    return [f"duplicate: {' = '.join(group)}" for _, group in groups if len(group) > 1]


def near_duplicates(titles: pd.DataFrame, similarity: float) -> Iterator[str]:
    """Yield a line for each pair in one language with a cosine of character trigrams of at least `similarity`."""
    for _, group in titles.groupby("lang"):
        names = group["title"].to_numpy()
        bases = group["title"].map(base_title).to_numpy()
        vectors = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 3)).fit_transform(bases)
        for start in tqdm(range(0, len(names), _BATCH), leave=False, disable=None):
            cosine = (vectors[start : start + _BATCH] @ vectors.T).tocoo()
            is_pair = (cosine.data >= similarity) & (cosine.col > cosine.row + start)
            for row, column in zip(cosine.row[is_pair] + start, cosine.col[is_pair], strict=True):
                if bases[row] != bases[column]:  # equal ones are already listed as duplicates
                    yield f"similar: {names[row]} ~ {names[column]}"


def agreement(titles: pd.DataFrame, other_file: pd.DataFrame) -> pd.DataFrame:
    """Return the shared programmes with our category and, as `other`, the most frequent one in the other file.

    Programmes are shared if their base titles are equal, and their languages if the other file has languages.
    """
    keys = ["base"] if (other_file["lang"] == "und").all() else ["base", "lang"]
    ours = titles.assign(base=titles["title"].map(base_title))
    theirs = other_file.assign(base=other_file["title"].map(base_title))
    theirs = theirs[theirs["base"].isin(ours["base"])]
    votes = theirs.groupby(keys)["category"].agg(lambda group: Counter(group).most_common(1)[0][0])
    return ours.join(votes.rename("other"), on=keys, how="inner")


@exit_codes
def main() -> None:
    """Run the checks; the exit code is 2 if there are duplicates or unknown categories."""
    parser = script_parser("check_titles", __doc__)
    parser.add_argument("titles", type=Path, help="a table with the columns title, category, lang")
    parser.add_argument("--against", type=Path, nargs="*", default=[], metavar="FILE", help="other labelled files")
    parser.add_argument(
        "--similarity",
        type=float,
        default=0.9,
        metavar="COSINE",
        help="the lowest similarity of listed pairs (%(default)s)",
    )
    parser.add_argument("--disagreements", action="store_true", help="list every title on which the files disagree")
    arguments = parser.parse_args()

    titles = read_titles(arguments.titles, SHIPPED_COLUMNS)
    print(f"{len(titles):,} titles")
    print(pd.crosstab(titles["category"], titles["lang"]).to_string())
    problems = [*unknown_categories(titles), *duplicates(titles)]
    pairs = list(near_duplicates(titles, arguments.similarity))
    print("\n".join([*problems, *pairs]))
    print(f"{len(problems)} duplicates or unknown categories, {len(pairs)} similar pairs")
    for path in arguments.against:
        shared = agreement(titles, read_titles(path, SHIPPED_COLUMNS))
        agrees = shared["category"] == shared["other"]
        fraction = f"{agrees.mean():.1%}" if len(shared) else "nothing to compare"
        counts = f"{len(shared):,} shared titles, {np.count_nonzero(agrees):,} in the same category"
        print(f"{path.name}: {counts} ({fraction})")
        if arguments.disagreements:
            for row in shared[~agrees].itertuples():
                print(f"  {row.title} [{row.lang}]: {row.category}; there {row.other}")
    if problems:
        sys.exit(BAD_INPUT)


if __name__ == "__main__":
    main()
