"""Fixtures for tests of scripts."""

from typing import Any

import pytest
from matplotlib.figure import Figure


@pytest.fixture
def no_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write empty files in place of plots, which take half of the time of a small training run."""

    def write_nothing(_: Figure, path: Any, **__: Any) -> None:
        path.write_bytes(b"")

    monkeypatch.setattr(Figure, "savefig", write_nothing)
