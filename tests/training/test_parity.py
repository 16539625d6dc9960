"""An export is compared with its model on titles, and refused if it answers otherwise."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from tests.helpers.titles import rows
from titleclf.runtime.classifier import Classifier
from titleclf.runtime.errors import InputError
from titleclf.training.parity import LEAST_SAME, MOST_DIFFERENT, Agreement, check, compare

TITLES = [title for title, _, _ in rows()]


def with_bias(classifier: Classifier, bias: list[float]) -> Classifier:
    """Return the classifier with other numbers for its last weights, and without a memory."""
    weights = {**classifier.network.weights, "head.bias": np.array(bias, dtype=np.float32)}
    return replace(classifier, network=replace(classifier.network, weights=weights), memory=None)


@pytest.mark.parametrize("count", [1, 49, 1023, 1024, 1025, 3000])
@pytest.mark.parametrize("task", ["run", "tags_run"])
def test_a_model_agrees_with_itself_on_any_number_of_titles(request, task, count):
    classifier = Classifier.load(request.getfixturevalue(task))
    assert compare(classifier, classifier, (TITLES * 60)[:count]) == Agreement(count, 1.0, 0.0)


def test_the_share_of_same_answers_and_the_largest_difference_are_told(run):
    trained = replace(Classifier.load(run), memory=None)
    lifted = with_bias(trained, [0, 1, 0])
    titles = (TITLES * 30)[:1300]  # in two parts
    shares, others = trained.probabilities(titles)[0], lifted.probabilities(titles)[0]
    same = np.mean(shares.argmax(axis=1) == others.argmax(axis=1))
    assert 0 < same < 1
    assert compare(trained, lifted, titles) == Agreement(1300, same, np.abs(shares - others).max())
    assert compare(lifted, trained, titles) == compare(trained, lifted, titles)


def test_tags_are_the_same_if_all_of_a_title_are(tags_run):
    trained = replace(Classifier.load(tags_run), memory=None)
    bias = trained.network.weights["head.bias"].tolist()
    titles = TITLES[:7]
    without = trained.thresholds.named | {trained.categories[1]: 1.0}
    other = replace(trained, thresholds=replace(trained.thresholds, named=without))
    changed = np.mean([trained.categories[1] in found.named for found in trained.predict(titles)])
    assert compare(trained, other, titles) == Agreement(7, 1 - changed, 0.0)
    raised = with_bias(trained, [bias[0] + 100, *bias[1:]])
    assert compare(trained, raised, titles).difference > 0.4


def test_what_is_no_number_agrees_with_nothing(run):
    trained = Classifier.load(run)
    broken = with_bias(trained, [0, np.nan, 0])
    for titles in (TITLES[:1], TITLES):
        with pytest.raises(InputError, match=r"Got \S+ and nan on"):
            check(compare(trained, broken, titles))


def test_it_is_told_in_one_sentence():
    told = "On 10,096 titles: 99.93% the same answer, probabilities within 0.0066."
    assert str(Agreement(10_096, 0.99931, 0.0066)) == told


@pytest.mark.parametrize(
    ("same", "difference", "got"),
    [
        (0.9949, 0.0, "99.49% and 0 on 10,000"),
        (1.0, 0.011, "100.00% and 0.011 on 10,000"),
        (0.5, 1.0, "50.00% and 1 on 10,000"),
    ],
)
def test_what_answers_otherwise_is_refused(same, difference, got):
    with pytest.raises(InputError) as caught:
        check(Agreement(10_000, same, difference))
    assert str(caught.value) == (
        "the export must answer 99.5% of titles as its model does, with probabilities within 0.01. "
        f"Got {got} titles. Leave it unfolded (fold=false), or choose another format."
    )


def test_what_is_just_good_enough_is_not_refused():
    check(Agreement(10_000, LEAST_SAME, MOST_DIFFERENT))


def test_comparing_imports_nothing_large():
    asked = "import sys, titleclf.training.parity; print({'torch', 'pandas', 'onnx', 'onnxruntime'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
