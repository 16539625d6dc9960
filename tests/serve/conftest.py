"""A model that uses fields and has learned kinds, for the service."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.helpers.titles import rows

FIELDS = {  # of the titles of a category
    "Sports": ("sport.one", "100", "All goals of the match, live from the stadium.", "other"),
    "News": ("Sky News", "15", "Headlines and reports of the day.", "episode"),
    "Music": ("music.tv", "60", "An orchestra plays songs.", "film"),
}


@pytest.fixture(scope="session")
def kinds_run(shared_csv: Callable[..., Path], trained: Callable[..., Path]) -> Path:
    """Return the folder of a finished run that uses fields and has learned kinds; tests must not change it."""
    header = ("title", "category", "lang", "channel", "minutes", "description", "kind")
    path = shared_csv("programmes_of_kinds.csv", [(*row, *FIELDS[row[1]]) for row in rows()], header)
    return trained(
        *(f"data.path={path}", "training.epochs=8", "loss.kind=0.3"),
        "model.fields.use=[description,channel,channel_kind,minutes]",
        *("model.fields.text_buckets=4999", "model.fields.channel_buckets=1024"),
    )
