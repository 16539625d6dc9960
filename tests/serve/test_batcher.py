"""Titles of concurrent requests, predicted together."""

import asyncio
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest

from tests.helpers.guides import KNOWN, FixedNetwork, model_of
from titleclf import Classifier
from titleclf.epg.genres import Genre
from titleclf.runtime import speedups
from titleclf.runtime.text.channels import ChannelList
from titleclf.runtime.text.programmes import Programme, Programmes
from titleclf.serve.batcher import Batcher
from titleclf.serve.corrections import Corrections

FAILING = "fails"


class CountingNetwork(FixedNetwork):
    """A network that records its batch sizes and fails for one title."""

    def __init__(self) -> None:
        super().__init__(KNOWN, 0.95)
        self.batch_sizes: list[int] = []

    def logits(self, programmes):
        self.batch_sizes.append(len(programmes))
        if FAILING in programmes.titles:
            raise ZeroDivisionError
        return super().logits(programmes)


@pytest.fixture
def network():
    return CountingNetwork()


@pytest.fixture
def model(monkeypatch, network):
    monkeypatch.setattr("titleclf.serve.batcher.is_linear", lambda _: False)
    return Classifier(model_of(KNOWN).contents, network)


@pytest.fixture
def batcher(model, network, tmp_path):
    batcher = Batcher(model, np.full(len(Genre), 0.9), Corrections(tmp_path / "my.csv", list(Genre)))
    network.batch_sizes.clear()
    return batcher


def titles_of(predictions):
    return [prediction["title"] for prediction in predictions]


def test_concurrent_requests_share_a_batch(batcher, network):
    async def request_all():
        return await asyncio.gather(*(batcher.predict(Programmes([f"Title {number}"]), 1) for number in range(30)))

    responses = asyncio.run(request_all())
    assert [titles_of(response) for response in responses] == [[f"Title {number}"] for number in range(30)]
    assert network.batch_sizes == [30]


def test_small_requests_do_not_wait_for_large_ones(batcher, network):
    finished = []

    async def request(count):
        titles = [f"{count} {number}" for number in range(count)]
        assert titles_of(await batcher.predict(Programmes(titles), 1)) == titles
        finished.append(count)

    async def request_all():
        await asyncio.gather(*map(request, (500, 300, 1)))

    asyncio.run(request_all())
    assert finished == [1, 300, 500]
    assert max(network.batch_sizes) <= 64
    assert sum(network.batch_sizes) == 801


def test_only_the_requests_that_ask_for_kinds_get_them(kinds_run, tmp_path):
    classifier = Classifier.load(kinds_run / "bundle")
    batcher = Batcher(classifier, classifier.thresholds_at(0.5), Corrections(tmp_path / "my.csv", list(Genre)))

    async def request_both():
        programmes = Programmes(["Match of the Day"])
        return await asyncio.gather(batcher.predict(programmes, 1), batcher.predict(programmes, 2, kinds=True))

    (plain,), (complete,) = asyncio.run(request_both())
    assert "kind" not in plain
    assert complete["kind"]["name"] in ("film", "episode", "other")
    assert (len(plain["top"]), len(complete["top"])) == (1, 2)


def test_cancelled_requests_are_not_predicted(batcher, network):
    async def request():
        cancelled = asyncio.create_task(batcher.predict(Programmes(["Heat"]), 1))
        await asyncio.sleep(0)
        cancelled.cancel()
        return await batcher.predict(Programmes(["Tagesschau"]), 1)

    assert titles_of(asyncio.run(request())) == ["Tagesschau"]
    assert network.batch_sizes == [1]


def test_an_error_reaches_the_requests_of_its_batch_only(batcher):
    async def request():
        requests = batcher.predict(Programmes([FAILING]), 1), batcher.predict(Programmes(["a"] * 40), 1)
        results = await asyncio.gather(*requests, return_exceptions=True)
        return results, await batcher.predict(Programmes(["Heat"]), 1)

    results, predictions = asyncio.run(request())
    assert [type(result) for result in results] == [ZeroDivisionError, ZeroDivisionError]
    assert predictions[0]["category"] == Genre.movie


@pytest.mark.parametrize("is_compiled", [True, False])
def test_caches_are_built_before_the_first_request(monkeypatch, tmp_path, is_compiled):
    if not is_compiled:
        monkeypatch.setattr(speedups, "compiled", None)
    classifier = Classifier.load()
    network: Any = classifier.network

    def is_warm() -> bool:
        return "_scorer" in vars(network) if is_compiled else network.ngrams.is_warm

    assert not is_warm()
    Batcher(classifier, np.full(len(Genre), 0.9), Corrections(tmp_path / "my.csv", list(Genre)))
    assert is_warm()


def test_the_list_of_channels_is_read_before_the_first_request(kinds_run, tmp_path, monkeypatch):
    classifier = Classifier.load(kinds_run / "bundle")
    Batcher(classifier, classifier.thresholds_at(0.5), Corrections(tmp_path / "my.csv", list(Genre)))
    monkeypatch.setattr(ChannelList, "shipped", Mock(side_effect=AssertionError))
    assert classifier.predict([Programme("Heat", "Sky News")])
