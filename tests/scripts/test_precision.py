"""Whether a precision holds elsewhere: the strings, the shares, and a whole run."""

import sys

import numpy as np
import pandas as pd
import pytest

from scripts import precision
from tests.helpers.guides import KNOWN, model_of
from tests.helpers.training import FEW_BUCKETS, FEW_FEATURES, SMALL
from titleclf.epg.genres import Genre
from titleclf.runtime.text.programmes import Programmes


def test_random_strings_are_letters_and_words_and_the_same_each_time():
    letters, words = (
        precision.random_strings(kind, 200, np.random.default_rng(1)) for kind in (precision.LETTERS, precision.WORDS)
    )
    assert len(set(letters)) == len(set(words)) == 200
    assert {4, 16} <= {len(text) for text in letters} <= set(range(4, 17))
    assert all(text.islower() for text in letters)
    assert {len(text.split()) for text in words} == {1, 2, 3, 4}
    assert letters == precision.random_strings(precision.LETTERS, 200, np.random.default_rng(1))


def test_answers_are_counted_and_compared(monkeypatch):
    model = model_of(KNOWN, 0.9)
    monkeypatch.setattr(type(model), "thresholds_at", lambda *_: np.full(len(Genre), 0.8))
    programmes = Programmes(["Heat", "Match of the Day", "Qwertz", "Zzz"])
    found = precision.measured(model, programmes, [Genre.movie, Genre.news, Genre.news, Genre.news])
    assert found == {
        "programmes": 4,
        "answered": 0.5,
        "precision": 0.5,
        "least probability": pytest.approx(0.9, abs=1e-3),
    }
    nothing = precision.measured(model, Programmes(["Zzz"]), None)
    assert (nothing["answered"], nothing["programmes"], "precision" in nothing) == (0, 1, False)
    assert np.isnan(nothing["least probability"])


def test_a_report_of_sources_languages_and_strings(tmp_path, monkeypatch):
    draw = np.random.default_rng(1)
    rows = [
        {
            "title": f"{word} {number} {source}",
            "category": category,
            "lang": "qq" if source == "foreign" else "en",
            "source": source,
            "channel": f"{word} one",
            "minutes": float(draw.integers(10, 90)),
            "description": f"All about {word}.",
        }
        for source in ("known", "left", "fitted", "foreign")
        for number in range(12)
        for word, category in (("goals", "Sports"), ("headlines", "News"))
    ]
    pd.DataFrame(rows).to_parquet(tmp_path / "p.parquet")
    options = ["--programmes", str(tmp_path / "p.parquet"), "--left-out", "left", "--fitted-to", "fitted"]
    options += ["--languages", "qq", "--output", str(tmp_path / "r.md")]
    overrides = ["data=own", "model=ngram", *SMALL, FEW_BUCKETS, *FEW_FEATURES, "memory=none", "training.epochs=2"]
    monkeypatch.setattr(sys, "argv", ["precision", *overrides, *options])
    monkeypatch.setattr(precision, "STRINGS", 20)
    precision.main()
    text = (tmp_path / "r.md").read_text(encoding="utf-8")
    for fields in ("titles alone", "all fields"):
        for name in ("left", "mean", "language qq"):
            assert text.count(f"| {name} | {fields} | 24 |") == 1
    assert text.count("| random letters | titles alone | 10 |") == 1
    assert text.index("| mean |") < text.index("## Languages") < text.index("| language qq |")
