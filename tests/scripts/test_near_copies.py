import numpy as np

from scripts import near_copies
from tests.helpers.titles import rows
from titleclf.runtime.text.title_keys import key_of


def test_fewer_titles_follow_as_the_similarity_rises():
    titles = {key_of(title): (title, category) for title, category, _ in rows()}
    table = near_copies.measure(titles, 40, np.random.default_rng(1))
    assert list(table.index) == ["0.5", "0.6", "0.65", "0.7", "0.75", "0.8", "0.9"]
    for condition in ("one misspelling", "two misspellings", "a channel's format", "other titles"):
        percents = [float(cell.rstrip("%")) for cell in table[condition]]
        assert percents == sorted(percents, reverse=True)
    assert float(str(table.loc["0.5", "one misspelling"]).rstrip("%")) > 90
