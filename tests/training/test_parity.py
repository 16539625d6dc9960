"""An export is compared with its model on titles, and refused if it predicts differently."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from tests.helpers.titles import rows
from titleclf.runtime.classifier import Classifier
from titleclf.runtime.errors import InputError
from titleclf.runtime.network import NumpyNetwork
from titleclf.runtime.text.programmes import Programmes
from titleclf.runtime.thresholds import TagThresholds
from titleclf.training.parity import MAX_DIFFERENCE, MIN_SAME, Parity, check, compare

TITLES = [title for title, _, _ in rows()]


def numpy_classifier(run) -> Classifier[NumpyNetwork]:
    """Return the classifier of a run without a memory."""
    classifier = Classifier.load(run)
    assert isinstance(classifier.network, NumpyNetwork)
    return Classifier(replace(classifier.contents, memory=None), classifier.network)


def with_bias(classifier: Classifier[NumpyNetwork], bias: list[float]) -> Classifier[NumpyNetwork]:
    """Return the classifier with other values for its last weights."""
    network = classifier.network
    weights = {**network.weights, "head.bias": np.array(bias, dtype=np.float32)}
    return replace(classifier, network=replace(network, weights=weights))


@pytest.mark.parametrize("count", [1, 49, 1023, 1024, 1025, 3000])
@pytest.mark.parametrize("task", ["run", "tags_run"])
def test_a_model_has_full_parity_with_itself_on_any_number_of_titles(request, task, count):
    classifier = Classifier.load(request.getfixturevalue(task))
    assert compare(classifier, classifier, (TITLES * 60)[:count]) == Parity(count, 1.0, 0.0)


def test_parity_is_the_fraction_of_same_predictions_and_the_largest_difference(run):
    trained = numpy_classifier(run)
    lifted = with_bias(trained, [0, 1, 0])
    titles = (TITLES * 30)[:1300]  # in two chunks
    programmes = Programmes(titles)
    expected, got = trained.probabilities(programmes), lifted.probabilities(programmes)
    same = float(np.mean(expected.argmax(axis=1) == got.argmax(axis=1)))
    assert 0 < same < 1
    assert compare(trained, lifted, titles) == Parity(1300, same, np.abs(expected - got).max())
    assert compare(lifted, trained, titles) == compare(trained, lifted, titles)


def test_a_title_with_tags_has_the_same_prediction_if_all_tags_are_the_same(tags_run):
    trained = numpy_classifier(tags_run)
    bias = trained.network.weights["head.bias"].tolist()
    titles = TITLES[:7]
    thresholds = trained.thresholds
    assert isinstance(thresholds, TagThresholds)
    without = replace(thresholds, named=thresholds.named | {trained.categories[1]: 1.0})
    exported = replace(trained, contents=replace(trained.contents, thresholds=without))
    changed = float(np.mean([trained.categories[1] in prediction.named for prediction in trained.predict(titles)]))
    assert compare(trained, exported, titles) == Parity(7, 1 - changed, 0.0)
    raised = with_bias(trained, [bias[0] + 100, *bias[1:]])
    assert compare(trained, raised, titles).difference > 0.4


def test_nan_is_refused(run):
    trained = Classifier.load(run)
    broken = with_bias(numpy_classifier(run), [0, np.nan, 0])
    for titles in (TITLES[:1], TITLES):
        with pytest.raises(InputError, match=r"Got \S+ and nan on"):
            check(compare(trained, broken, titles))


def test_parity_is_printed_in_one_sentence():
    sentence = "On 10,096 titles: 99.93% the same prediction, probabilities within 0.0066."
    assert str(Parity(10_096, 0.99931, 0.0066)) == sentence


@pytest.mark.parametrize(
    ("same", "difference", "got"),
    [
        (0.9949, 0.0, "99.49% and 0 on 10,000"),
        (1.0, 0.011, "100.00% and 0.011 on 10,000"),
        (0.5, 1.0, "50.00% and 1 on 10,000"),
    ],
)
def test_an_export_that_predicts_differently_is_refused(same, difference, got):
    with pytest.raises(InputError) as caught:
        check(Parity(10_000, same, difference))
    assert str(caught.value) == (
        "the export must predict 99.5% of titles as its model does, with probabilities within 0.01. "
        f"Got {got} titles. Leave it unfolded (fold=false), or choose another format."
    )


def test_an_export_at_the_limits_is_accepted():
    assert (MIN_SAME, MAX_DIFFERENCE) == (0.995, 0.01)
    check(Parity(10_000, MIN_SAME, MAX_DIFFERENCE))


def test_comparing_imports_nothing_large():
    program = "import sys, titleclf.training.parity; print({'torch', 'pandas', 'onnx', 'onnxruntime'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
