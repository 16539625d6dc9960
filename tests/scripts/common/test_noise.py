import pandas as pd
from scripts.common.noise import CONDITIONS, clean_and_noisy

from tests.helpers.titles import rows


def test_noise_is_reproducible_and_depends_on_the_seed():
    titles = pd.DataFrame(rows(), columns=["title", "category", "lang"])
    categories = ["Music", "News", "Sports"]
    first, second, reseeded = (clean_and_noisy(titles, categories, seed) for seed in (1, 1, 2))
    assert first.conditions == second.conditions
    assert tuple(first.conditions) == CONDITIONS
    assert [name for name in CONDITIONS if first.conditions[name] == reseeded.conditions[name]] == ["clean"]
    assert first.conditions["clean"] == list(titles["title"])
    assert [categories[label] for label in first.labels] == list(titles["category"])
