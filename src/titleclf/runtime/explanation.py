"""What each character, n-gram, field and known title contributes to a category: exact for a linear head on a sum."""

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from titleclf.runtime.architecture import ConvConfig, ModelConfig
from titleclf.runtime.arrays import Floats
from titleclf.runtime.choices import Task
from titleclf.runtime.errors import InputError
from titleclf.runtime.network import Features, LinearNetwork
from titleclf.runtime.prediction import BEGIN, END, Explanation, Piece, Remembered, strongest_first
from titleclf.runtime.text.characters import Characters, normalise
from titleclf.runtime.text.plain_titles import plain_title
from titleclf.runtime.text.programmes import Programme, Programmes

if TYPE_CHECKING:
    from titleclf.runtime.classifier import Classifier


def explain(
    classifier: "Classifier[LinearNetwork]", programme: Programme, category: int | None = None
) -> Explanation | None:
    """Explain a category of a programme, by default the best one; None for an empty title.

    Raises
    ------
    InputError
        If the model's logits are not a sum over its features.
    """
    check_linear(classifier.network.model)
    if not normalise(programme.title, casefold=False):
        return None
    programmes = Programmes.of([programme])
    if category is None:
        category = int(classifier.logits(programmes)[0].argmax())
    to_lead = _to_lead(category, len(classifier.categories), classifier.contents.outputs, classifier.task)
    characters = classifier.contents.characters
    plain = plain_title(programme.title)
    seen, own, truncated = _seen(characters, plain)
    features = classifier.network.features(plain)
    features = features._replace(
        adds=features.adds @ to_lead,
        starts=features.starts - characters.boundary,  # -1 for the opening boundary token
    )
    spread, pieces = _spread(features, len(own)), _pieces(features, seen)
    if plain != programme.title:
        given = normalise(programme.title, casefold=False)
        places = _places(given, own + truncated)
        spread = np.bincount(places[: len(own)], spread, len(given)).tolist()
        pieces = [piece._replace(place=places[piece.place]) for piece in pieces]
        end = places[len(own)] if truncated else len(given)
        own, truncated, spread = given[:end], given[end:], spread[:end]
    return Explanation(
        classifier.categories[category],
        float(classifier.network.bias @ to_lead),
        _remembered(classifier, plain, to_lead),
        list(zip(own, spread, strict=True)),
        pieces,
        truncated,
        _field_contributions(classifier, programmes, to_lead),
        _words(classifier, programme, to_lead),
    )


def check_linear(model: ModelConfig) -> None:
    """Refuse a model whose logits are not a sum over its features.

    Raises
    ------
    InputError
        If it is one.
    """
    if isinstance(model, ConvConfig) or model.hidden:
        what = f"{model.kind} with a hidden layer" if model.hidden else f"{model.kind}, which takes maxima"
        raise InputError(f"an explanation needs a model whose head is linear, on a sum. Got {what}. Leave it out.")


def _to_lead(category: int, categories: int, outputs: int, task: Task) -> Floats:
    # Turns logits (outputs,) into the explained one: a tag's own, else its distance to the mean of all categories.
    to_lead = np.zeros(outputs)
    if task is Task.single:
        to_lead[:categories] = -1 / categories
    to_lead[category] += 1
    return to_lead


def _field_contributions(
    classifier: "Classifier[LinearNetwork]", programmes: Programmes, to_lead: Floats
) -> dict[str, float]:
    added = classifier.network.field_logits(programmes.only(classifier.columns))
    return {str(name): float(logits[0] @ to_lead) for name, logits in added.items() if logits[0].any()}


def _words(classifier: "Classifier[LinearNetwork]", programme: Programme, to_lead: Floats) -> dict[str, list[Piece]]:
    """Return the word n-grams of each text field, equal ones as one, with what they contribute."""
    network, found = classifier.network, {}
    for name in network.encoder.config.use:
        if words := network.encoder.words(name, programme):
            buckets = np.array([bucket for _, bucket in words])
            adds = network.feature_logits(name, buckets) @ to_lead / np.sqrt(len(words))
            summed: dict[str, float] = defaultdict(float)
            for (text, _), contribution in zip(words, adds.tolist(), strict=True):
                summed[text] += contribution
            found[str(name)] = strongest_first(Piece(text, 0, contribution) for text, contribution in summed.items())
    return found


def _spread(features: Features, length: int) -> list[float]:
    """Return each character's contribution (length,): an even part of each feature that contains it.

    Boundary tokens have no part: the characters beside them get it.
    """
    first = np.clip(features.starts, 0, length - 1)
    last = np.clip(features.starts + features.orders - 1, 0, length - 1)
    parts = features.adds / (last - first + 1)
    steps = np.bincount(first, parts, length + 1) - np.bincount(last + 1, parts, length + 1)
    spread: list[float] = steps[:length].cumsum().tolist()
    return spread


def _pieces(features: Features, seen: str) -> list[Piece]:
    """Return the n-grams of a title, equal ones as one at the first place, strongest for the category first."""
    bounded = f"{BEGIN}{seen}{END}"
    summed: dict[str, Piece] = {}
    for number in np.flatnonzero(features.is_ngram):
        start, order = int(features.starts[number]), int(features.orders[number])
        text = bounded[start + 1 : start + 1 + order]
        piece = summed.get(text, Piece(text, min(max(start, 0), len(seen) - 1), 0.0))
        summed[text] = piece._replace(contribution=piece.contribution + float(features.adds[number]))
    return strongest_first(summed.values())


def _seen(characters: Characters, title: str) -> tuple[str, str, str]:
    """Return what the model sees of a title, the same in the title's own case if that is as long, and the rest."""
    seen, own = (normalise(title, casefold=casefold) for casefold in (characters.casefold, False))
    room = characters.length - 2 * characters.boundary
    shown = own if len(own) == len(seen) else seen
    return seen[:room], shown[:room], shown[room:]


def _places(given: str, plain: str) -> list[int]:
    """Return the place in a title as it is given of each character of its plain form."""
    from difflib import SequenceMatcher  # rarely needed

    places: list[int] = []
    lower = ["".join(char.lower()[:1] for char in text) for text in (given, plain)]
    for _, start, end, first, last in SequenceMatcher(None, lower[0], lower[1], autojunk=False).get_opcodes():
        places += [
            min(start + (place - first) * (end - start) // (last - first), len(given) - 1)
            for place in range(first, last)
        ]
    return places


def _remembered(classifier: "Classifier[LinearNetwork]", title: str, to_lead: Floats) -> Remembered | None:
    memory = classifier.contents.memory
    if memory is None:
        return None
    places, similarity = memory.known.nearest([title])
    place = int(places[0])
    if place < 0:
        return None
    names = memory.categories_of(place, classifier.categories)
    evidence = memory.evidence([title], len(to_lead))[0]
    return Remembered(memory.known.keys[place], names, float(similarity[0]), float(evidence @ to_lead))
