"""What each character, n-gram and remembered title adds to a category: exact where a linear head follows a sum."""

import numpy as np

from titleclf.runtime.architecture import ConvConfig, ModelConfig
from titleclf.runtime.arrays import Floats, Labels
from titleclf.runtime.choices import Task
from titleclf.runtime.classifier import Classifier
from titleclf.runtime.errors import InputError
from titleclf.runtime.memory.memory import Memory
from titleclf.runtime.network import Features
from titleclf.runtime.prediction import BEGIN, END, Explanation, Piece, Remembered, strongest_first
from titleclf.runtime.text.characters import Characters, normalise
from titleclf.runtime.text.programmes import UNKNOWN, Context


def explain(
    classifier: Classifier, title: str, category: int | None = None, context: Context = UNKNOWN
) -> Explanation | None:
    """Tell what speaks for and against a category of a title, by default its likeliest; nothing for an empty title.

    Raises
    ------
    InputError
        If the model's answers are no sum of what its features say.
    """
    check_linear(classifier.network.model)
    if not normalise(title, casefold=False):
        return None
    ids = classifier.context_ids([context])
    if category is None:
        category = int(classifier.logits([title], ids)[0][0].argmax())
    to_lead = _to_lead(category, len(classifier.categories), classifier.task)
    seen, own, cut = _seen(classifier.characters, title)
    features = classifier.features(title)
    features = features._replace(
        adds=features.adds @ to_lead,
        starts=features.starts - classifier.characters.boundary,  # -1 for the mark of the beginning
    )
    return Explanation(
        classifier.categories[category],
        float(classifier.network.bias @ to_lead),
        _remembered(classifier, title, to_lead),
        list(zip(own, _spread(features, len(own)), strict=True)),
        _pieces(features, seen),
        cut,
        {} if ids is None else _of_context(classifier, ids, to_lead),
    )


def check_linear(model: ModelConfig) -> None:
    """Refuse a model whose answers are no sum of what its features say.

    Raises
    ------
    InputError
        If it is one.
    """
    if isinstance(model, ConvConfig) or model.hidden:
        what = f"{model.kind} with a hidden layer" if model.hidden else f"{model.kind}, which takes maxima"
        raise InputError(
            f"--explain must be used with a model whose head is linear, over a sum. Got {what}. Leave it out."
        )


def _to_lead(category: int, categories: int, task: Task) -> Floats:
    # What turns logits (categories,) into the one that is explained: a tag's own, else the distance to the mean.
    to_lead = np.zeros(categories) if task is Task.multilabel else np.full(categories, -1 / categories)
    to_lead[category] += 1
    return to_lead


def _of_context(classifier: Classifier, ids: Labels, to_lead: Floats) -> dict[str, float]:
    added = zip(("channel", "duration"), ids[0], classifier.network.of_contexts(ids), strict=True)
    return {name: float(logits[0] @ to_lead) for name, known, logits in added if known}


def _spread(said: Features, length: int) -> list[float]:
    """Return what each character adds (length,): an even share of each feature that it is part of.

    A mark of the title's beginning or end has no share: who stands beside it has.
    """
    first = np.clip(said.starts, 0, length - 1)
    last = np.clip(said.starts + said.orders - 1, 0, length - 1)
    shares = said.adds / (last - first + 1)
    steps = np.bincount(first, shares, length + 1) - np.bincount(last + 1, shares, length + 1)
    spread: list[float] = steps[:length].cumsum().tolist()
    return spread


def _pieces(said: Features, seen: str) -> list[Piece]:
    """Return the n-grams of a title, equal ones as one at the first place, strongest for the category first."""
    marked = f"{BEGIN}{seen}{END}"
    summed: dict[str, Piece] = {}
    for number in np.flatnonzero(said.is_ngram):
        start, order = int(said.starts[number]), int(said.orders[number])
        text = marked[start + 1 : start + 1 + order]
        found = summed.get(text, Piece(text, min(max(start, 0), len(seen) - 1), 0.0))
        summed[text] = found._replace(contribution=found.contribution + float(said.adds[number]))
    return strongest_first(summed.values())


def _seen(characters: Characters, title: str) -> tuple[str, str, str]:
    """Return what the model sees of a title, the same in the title's own case if that is as long, and the rest."""
    seen, own = (normalise(title, casefold=casefold) for casefold in (characters.casefold, False))
    room = characters.length - 2 * characters.boundary
    shown = own if len(own) == len(seen) else seen
    return seen[:room], shown[:room], shown[room:]


def _remembered(classifier: Classifier, title: str, to_lead: Floats) -> Remembered | None:
    memory = classifier.memory
    if memory is None:
        return None
    places, likeness = memory.nearest([title])
    place = int(places[0])
    if place < 0:
        return None
    labels = [memory.labels[place]] if isinstance(memory, Memory) else np.flatnonzero(memory.tags[place])
    names = [classifier.categories[label] for label in labels]
    evidence = memory.evidence([title], len(classifier.categories))[0]
    return Remembered(memory.keys[place], names, float(likeness[0]), float(evidence @ to_lead))
