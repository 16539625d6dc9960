"""Explanations of titles, and the check that their terms add up."""

import pytest

from tests.helpers.networks import centred
from titleclf.runtime.classifier import Classifier
from titleclf.runtime.explanation import explain
from titleclf.runtime.network import LinearNetwork
from titleclf.runtime.prediction import Explanation
from titleclf.runtime.text.programmes import Programme, Programmes

TITLES = [
    "Match of the Day",
    "a",
    "Tagesschau",
    "Tagesschua",
    "日本沈没 🎉",
    "Straße, Straße",
    "the the the",
    "x" * 300,
]


def explained(classifier: Classifier[LinearNetwork], title: str, category: int | None = None) -> Explanation:
    """Explain a category of a title that is not empty."""
    explanation = explain(classifier, Programme(title), category)
    assert explanation is not None
    return explanation


def assert_adds_up(classifier: Classifier[LinearNetwork], titles: list[str] = TITLES) -> None:
    """Assert that the terms are those of the centred logits, for every category of every title."""
    for title, leads in zip(titles, centred(classifier.logits(Programmes(titles))), strict=True):
        explanations = [explained(classifier, title, category) for category in range(len(leads))]
        assert sum(explanation.lead for explanation in explanations) == pytest.approx(0, abs=1e-4)
        for explanation, lead in zip(explanations, leads, strict=True):
            memory = explanation.memory.contribution if explanation.memory else 0
            terms = explanation.bias + memory + sum(contribution for _, contribution in explanation.characters)
            assert terms == pytest.approx(lead, abs=1e-4)
            assert explanation.lead == pytest.approx(lead, abs=1e-4)
