"""Robustness: accuracy, or for tags micro-F1, on titles that are misspelt or in a channel's format."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from titleclf.data.augmentation.noise import misspell, reformat
from titleclf.data.dataset import LabelledTitles
from titleclf.data.targets import Targets
from titleclf.evaluate.metrics import main_score
from titleclf.runtime.bundle.contents import Metrics
from titleclf.runtime.choices import Format, Misspelling
from titleclf.runtime.text.programmes import Programmes

GROUPS = {"unseen": "not in training", "known": "from training", "all": "of the evaluated file"}
PARTS = {"misspellings": "Misspellings", "kinds": "One misspelling, by kind", "formats": "Channel formats"}
ANY = "any"  # all formats mixed
EDITS = (1, 2, 3)
_PREFIXES = {"accuracy": "Accuracy on", "micro_f1": "Micro-F1 on"}
_SEED = int.from_bytes(b"robustness")  # longer than any training seed: evaluation never repeats training's noise

Predict = Callable[[Programmes], Targets]


class Scoring(NamedTuple):
    """How predictions are scored: `summary(predicted, true)`, and `loss(clean, noisy, true)` between two of them."""

    summary: Callable[[Any, Any], Metrics]
    loss: Callable[[Any, Any, Any], float]


class Condition(NamedTuple):
    """A kind of noise: `noise(titles, generator=...)` returns the noisy titles."""

    part: str
    name: str
    noise: Callable[..., list[str]]


class Row(NamedTuple):
    """A condition in a table: the fraction of all groups' titles that it changes, and the scores by group."""

    label: str
    changed: float
    scores: dict[str, Metrics]


def conditions() -> list[Condition]:
    """Return one to three misspellings of any kind, each kind alone, each format alone, and any format."""
    kinds, formats = list(Misspelling), list(Format)
    return [
        *(Condition("misspellings", str(edits), partial(misspell, kinds=kinds, edits=edits)) for edits in EDITS),
        *(Condition("kinds", kind.value, partial(misspell, kinds=[kind], edits=1)) for kind in kinds),
        *(Condition("formats", name.value, partial(reformat, formats=[name])) for name in formats),
        Condition("formats", ANY, partial(reformat, formats=formats)),
    ]


def robustness(predict: Predict, groups: Mapping[str, LabelledTitles], titles: int, scoring: Scoring) -> Metrics:
    """Return the scores of at most `titles` titles of each group, clean and in each condition.

    The result is `{group: {clean: scores, misspellings: {1: scores, ...}, kinds: {...}, formats: {...}}}`. A condition
    is scored on all titles of a group. `changed` is the fraction of titles that it changes (few have diacritics to
    lose), and `loss` the score lost on only these, None if it changes none.
    """
    samples = {name: _sample(group, titles) for name, group in groups.items() if titles and len(group)}
    clean = {name: predict(group.programmes) for name, group in samples.items()}
    results: Metrics = {
        name: {"clean": scoring.summary(clean[name], group.targets), **{part: {} for part in PARTS}}
        for name, group in samples.items()
    }
    for number, condition in enumerate(tqdm(conditions(), "robustness", leave=False, disable=None), start=1):
        for name, group in samples.items():
            noisy = condition.noise(group.titles, generator=np.random.default_rng(_SEED + number))
            scores = _scores(predict, group, clean[name], noisy, scoring)
            results[name][condition.part][condition.name] = scores
    return results


def rows(groups: Metrics, part: str) -> list[Row]:
    """Return the conditions of a part as table rows."""
    sizes = [group["clean"]["titles"] for group in groups.values()]
    table = []
    for name in next(iter(groups.values()))[part]:
        scores = {group: conditions[part][name] for group, conditions in groups.items()}
        changed = float(np.average([row["changed"] for row in scores.values()], weights=sizes))
        table.append(Row(_label(part, name), changed, scores))
    return table


def robustness_line(group: Metrics) -> str:
    """Return a group's main score on clean and noisy titles, in a few words."""
    score = main_score(group["clean"])
    clean, reformatted = group["clean"][score], group["formats"][ANY][score]
    once, twice = (group["misspellings"][edits][score] for edits in ("1", "2"))
    return (
        f"{clean:.1%} clean, {once:.1%} with one misspelling, {twice:.1%} with two, "
        f"{reformatted:.1%} in a channel's format"
    )


def robustness_summary(groups: Metrics) -> str:
    """Return a line of text per group."""
    return "".join(
        f"{_PREFIXES[main_score(group['clean'])]} {name} titles: {robustness_line(group)}.\n"
        for name, group in groups.items()
    )


def _sample(group: LabelledTitles, titles: int) -> LabelledTitles:
    return group.take(np.sort(np.random.default_rng(_SEED).permutation(len(group))[:titles]))


def _scores(predict: Predict, group: LabelledTitles, clean: Targets, noisy: list[str], scoring: Scoring) -> Metrics:
    is_changed = np.array([after != before for after, before in zip(noisy, group.titles, strict=True)])
    changed = np.flatnonzero(is_changed)
    predicted = clean.copy()  # an unchanged title keeps its prediction
    predicted[changed] = predict(group.with_titles(noisy).take(changed).programmes)
    loss = scoring.loss(clean[changed], predicted[changed], group.targets[changed]) if len(changed) else None
    return {**scoring.summary(predicted, group.targets), "changed": float(is_changed.mean()), "loss": loss}


def _label(part: str, name: str) -> str:
    if part == "misspellings":
        return "1 misspelling" if name == "1" else f"{name} misspellings"
    return "any format" if name == ANY else name.replace("_", " ")
