from dataclasses import asdict

import pytest

from tests.helpers.training import compose_train
from titleclf.config.schemas import TrainConfig
from titleclf.runtime.architecture import ModelConfig, NgramConfig, from_mapping
from titleclf.runtime.choices import Combine
from titleclf.runtime.errors import InputError


def test_a_mapping_becomes_the_same_configuration():
    config = compose_train(
        "model=conv", "optim.skip=[]", 'evaluate.category_precision=[{category:"It\'s",precision:0.9}]'
    )
    assert from_mapping(TrainConfig, asdict(config)) == config


def test_integers_are_accepted_as_floats_and_names_as_enums():
    values = {**asdict(compose_train().model), "dropout": 0, "combine": "add"}
    model = from_mapping(ModelConfig, values)
    assert isinstance(model, NgramConfig)
    assert (model.dropout, model.combine) == (0.0, Combine.add)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"dim": 2.5}, "here.dim must be of type int. Got 2.5."),
        ({"dim": True}, "here.dim must be of type int. Got True."),
        ({"combine": "divide"}, "here.combine must be of type Combine. Got 'divide'."),
        ({"orders": "2"}, "here.orders must be of type list. Got '2'."),
        ({"kind": "tree"}, "here.kind must be of type ModelKind. Got 'tree'."),
        ({"embeddings": 1}, "here.embeddings must be a mapping. Got 1."),
        ({"depth": 1}, "Missing or unknown: depth."),
    ],
)
def test_a_mapping_that_does_not_fit_is_refused(change, sentence):
    with pytest.raises(InputError) as caught:
        from_mapping(ModelConfig, {**asdict(compose_train().model), **change}, "here")
    assert sentence in str(caught.value)
