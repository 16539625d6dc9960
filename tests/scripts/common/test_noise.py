import pandas as pd
from scripts.common.noise import CONDITIONS, clean_and_noisy

from tests.helpers.titles import rows
from titleclf.data.dataset import LabelledTitles
from titleclf.runtime.choices import Task


def test_noise_is_reproducible_and_depends_on_the_seed():
    frame = pd.DataFrame(rows(), columns=["title", "category", "lang"])
    categories = ["Music", "News", "Sports"]
    titles = LabelledTitles.from_frame(frame, categories, Task.single)
    first, second, reseeded = (clean_and_noisy(titles, seed) for seed in (1, 1, 2))
    assert first.conditions == second.conditions
    assert tuple(first.conditions) == CONDITIONS
    assert [name for name in CONDITIONS if first.conditions[name] == reseeded.conditions[name]] == ["clean"]
    assert first.conditions["clean"] == list(frame["title"])
    assert [categories[label] for label in first.labels] == list(frame["category"])
