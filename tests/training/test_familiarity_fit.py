"""What many training texts have is familiar, whatever else there is."""

import numpy as np
import pytest

from tests.helpers.networks import with_network
from titleclf.runtime.bundle.folding import NGRAMS
from titleclf.runtime.text.programmes import Programmes
from titleclf.training.familiarity_fit import few_texts, fit_familiarity

COUNTS = np.array([9, 0, 1, 2, 0, 0, 5, 0, 0, 0] * 10)


def test_at_most_one_bucket_in_twenty_is_familiar():
    assert not (few_texts(COUNTS) < COUNTS).any()  # ten tie for the first five of a hundred
    distinct = COUNTS.copy()
    distinct[[10, 20, 30]] = 12
    assert np.flatnonzero(distinct > few_texts(distinct)).tolist() == [10, 20, 30]


@pytest.mark.parametrize("counts", [[1] + [0] * 99, [0], [1], [0] * 30])
def test_a_bucket_of_one_text_is_not_familiar(counts):
    assert few_texts(np.array(counts)) == 1
    assert few_texts(np.array([2, *counts])) == 1


@pytest.fixture
def network(run):
    return with_network(run, "ngram", "model.buckets=65536", fields=("description",)).network


def test_training_titles_and_texts_are_familiar_and_others_are_not(network):
    shows = ["cooking", "garden", "football", "weather"]
    titles = [f"{day} {show} show" for show in shows for day in ("Monday", "Tuesday", "Friday")]
    fit_familiarity(network, Programmes(titles, {"description": [f"All about {title}." for title in titles]}))
    assert set(network.familiarities) == {NGRAMS, "fields.description."}
    new = Programmes(["Sunday cooking show", "Xqzw vkjp"], {"description": ["About the garden.", "Zzyx qqwv."]})
    inputs = network.inputs(new)
    for factors in (inputs.factors, inputs.fields["description"].factors):
        assert factors is not None
        assert factors[0] > 0.5
        assert factors[1] < 0.1


def test_without_texts_there_is_nothing_to_be_familiar_with(network, run):
    fit_familiarity(network, Programmes(["Heat", "Jaws"]))
    assert set(network.familiarities) == {NGRAMS}
    assert network.familiarities[NGRAMS].least == 0
    bag = with_network(run, "bag").network
    fit_familiarity(bag, Programmes(["Heat", "Jaws"]))
    assert bag.familiarities == {}
