"""The table of what a fill changes: a row for each filled programme."""

import csv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from titleclf.epg.fill import Outcome, Settled
from titleclf.runtime.files import replacing
from titleclf.runtime.text.tags import BAR

COLUMNS = ("programme", "title", "channel", "category", "evidence", "probability")


@contextmanager
def changes_table(path: Path) -> Iterator[Callable[[Settled], None]]:
    """Yield a function that writes a row for a programme if it is filled; the file is there when the block ends.

    `programme` is its start as in the guide, `category` the genre, whatever the player calls it, and `evidence` what
    the decision is based on.
    """
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)

        def add(settled: Settled) -> None:
            airing, decision = settled.airing, settled.decision
            if settled.outcome is Outcome.filled and decision is not None:
                categories, probability = BAR.join(decision.categories), round(float(decision.probability), 4)
                cells = (airing.start, airing.title, airing.channel_title, categories, decision.basis, probability)
                table.writerow(cells)

        yield add
