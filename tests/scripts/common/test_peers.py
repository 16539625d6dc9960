import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest

from scripts.common import peers
from tests.helpers.titles import rows
from titleclf.data.dataset import Dataset, LabelledTitles, read_dataset
from titleclf.runtime.choices import Task
from titleclf.runtime.errors import InputError

# Fewer than ten threads leave a part of so small a table uninitialized, possibly with NaN.
FASTTEXT = {**peers.FASTTEXT_SETTINGS, "bucket": 997, "epoch": 200, "thread": 10}


def test_the_svc_has_two_scores_for_two_categories(small, tmp_path):
    frame = pd.DataFrame(rows()[:40], columns=["title", "category", "lang"])
    titles, nothing = (LabelledTitles.from_frame(part, ["News", "Sports"], Task.single) for part in (frame, frame[:0]))
    data = Dataset(titles, nothing, nothing, titles, ["News", "Sports"], fingerprint="")
    scores = peers.train_svc(small(), data, tmp_path).scores(list(titles.titles))
    assert scores.shape == (40, 2)
    assert list(scores.argmax(axis=1)) == [1] * 20 + [0] * 20


def test_fasttext_gives_each_category_its_own_probability(small, tmp_path):
    pytest.importorskip("fasttext")
    config = small()
    data = read_dataset(config)
    model = peers.train_fasttext(config, data, tmp_path, FASTTEXT)
    titles = [*data.train.titles, "MATCH of\nthe Day", "", "\x85\u3000"]
    scores = model.scores(titles)
    assert scores.sum(axis=1) == pytest.approx(np.ones(len(titles)), abs=1e-3)
    predictions: Any = model.predict(titles)
    best, _ = predictions
    assert [[f"__label__{column}"] for column in scores.argmax(axis=1)] == best


def test_without_fasttext_the_message_has_the_command_to_install_it(small, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "fasttext", None)
    config = small()
    data = read_dataset(config)
    with pytest.raises(InputError, match=r"Got no module named fasttext. Install it: pip install fasttext-numpy2"):
        peers.train_fasttext(config, data, tmp_path, FASTTEXT)
