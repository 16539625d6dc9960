import numpy as np
import pytest

from titleclf.config.schemas import CategoryPrecision
from titleclf.data.targets import categories_of, precision_by_category, targets_of
from titleclf.runtime.choices import Task
from titleclf.runtime.errors import InputError


def test_categories_become_numbers_in_alphabetical_order():
    cells = ["News", "Film", "News"]
    assert categories_of(cells, Task.single) == ["Film", "News"]
    labels = targets_of(cells, ["Film", "News"], Task.single)
    assert labels.tolist() == [1, 0, 1]
    assert labels.dtype == np.int64
    assert categories_of(["a|b"], Task.single) == ["a|b"]


def test_tags_become_a_matrix_with_a_column_for_each_category():
    cells = ["a|c", "b", "a|b|c"]
    categories = categories_of(cells, Task.multilabel)
    assert categories == ["a", "b", "c"]
    expected = [[True, False, True], [False, True, False], [True, True, True]]
    assert targets_of(cells, categories, Task.multilabel).tolist() == expected
    assert targets_of(cells, categories, Task.multilabel).dtype == np.bool_
    assert targets_of(["a|c", "b"], ["a|c", "b"], Task.single).tolist() == [0, 1]


def test_unknown_tags_are_named():
    with pytest.raises(InputError) as caught:
        targets_of(["a|x", "y|b"], ["a", "b"], Task.multilabel)
    assert str(caught.value) == (
        "the category of a test title must be one of a; b. Got x; y. Rename it, or leave these titles out."
    )


def test_wishes_must_name_categories():
    categories = ["film", "news", "never"]
    assert precision_by_category([CategoryPrecision("news", 0.9)], categories) == {"news": 0.9}
    assert precision_by_category([], categories) == {}
    with pytest.raises(InputError) as caught:
        precision_by_category([CategoryPrecision("News", 0.9)], categories)
    assert str(caught.value) == (
        "evaluate.category_precision must name some of film; news; never. Got News. "
        "Copy its name from there, or leave it out."
    )
