"""Fixtures for tests of reports."""

import pytest
from matplotlib.figure import Figure


@pytest.fixture
def no_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip drawing, which takes most of a report's time; plot files stay empty."""
    monkeypatch.setattr(Figure, "savefig", lambda *_, **__: None)
