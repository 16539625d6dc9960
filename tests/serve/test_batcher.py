"""Titles of many clients, answered together."""

import asyncio

import numpy as np
import pytest

from tests.helpers.guides import KNOWN, FixedClassifier
from titleclf import Classifier
from titleclf.epg.genres import Genre
from titleclf.runtime import speedups
from titleclf.serve.batcher import Answering
from titleclf.serve.corrections import Corrections


class Counting(FixedClassifier):
    """A model that knows how many titles it was asked for at once, and that some are beyond it."""

    def __init__(self) -> None:
        super().__init__(KNOWN, 0.95)
        self.batches: list[int] = []

    def probabilities(self, titles, _=None):
        self.batches.append(len(titles))
        if "beyond me" in titles:
            raise ZeroDivisionError
        return super().probabilities(titles)


@pytest.fixture
def model(monkeypatch):
    monkeypatch.setattr("titleclf.serve.batcher.is_linear", lambda _: False)
    return Counting()


@pytest.fixture
def answering(model, tmp_path):
    found = Answering(model, np.full(len(Genre), 0.9), Corrections(tmp_path / "my.csv", list(Genre)))
    model.batches.clear()
    return found


def titles_of(answers):
    return [answer["title"] for answer in answers]


def test_who_asks_at_the_same_time_is_answered_together(answering, model):
    async def ask():
        return await asyncio.gather(*(answering.answer([f"Title {number}"], 1) for number in range(30)))

    assert [titles_of(one) for one in asyncio.run(ask())] == [[f"Title {number}"] for number in range(30)]
    assert model.batches == [30]


def test_who_asks_for_one_does_not_wait_for_who_asks_for_many(answering, model):
    done = []

    async def ask(count):
        titles = [f"{count} {number}" for number in range(count)]
        assert titles_of(await answering.answer(titles, 1)) == titles
        done.append(count)

    async def ask_all():
        await asyncio.gather(*map(ask, (500, 300, 1)))

    asyncio.run(ask_all())
    assert done == [1, 300, 500]
    assert max(model.batches) <= 64
    assert sum(model.batches) == 801


def test_a_client_that_has_left_is_not_answered(answering, model):
    async def ask():
        leaving = asyncio.create_task(answering.answer(["Heat"], 1))
        await asyncio.sleep(0)
        leaving.cancel()
        return await answering.answer(["Tagesschau"], 1)

    assert titles_of(asyncio.run(ask())) == ["Tagesschau"]
    assert model.batches == [1]


def test_what_goes_wrong_is_told_to_those_who_asked_and_the_next_are_answered(answering):
    async def ask():
        found = await asyncio.gather(
            answering.answer(["beyond me"], 1), answering.answer(["a"] * 40, 1), return_exceptions=True
        )
        return found, await answering.answer(["Heat"], 1)

    (first, second), answers = asyncio.run(ask())
    assert (type(first), type(second)) == (ZeroDivisionError, ZeroDivisionError)
    assert answers[0]["category"] == Genre.movie


@pytest.mark.parametrize(("is_compiled", "built"), [(True, "_scorer"), (False, "_table")])
def test_nobody_waits_while_what_many_titles_need_is_built(monkeypatch, tmp_path, is_compiled, built):
    if not is_compiled:
        monkeypatch.setattr(speedups, "compiled", None)
    classifier = Classifier.load()
    assert built not in {**vars(classifier), **vars(classifier.network)}
    Answering(classifier, np.full(len(Genre), 0.9), Corrections(tmp_path / "my.csv", list(Genre)))
    made = vars(classifier) if is_compiled else vars(classifier.network)
    assert made[built] is not None
