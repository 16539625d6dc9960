"""How accuracy, or micro-F1 of tags, holds when titles are misspelt or written in a channel's format."""

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

GROUPS = {"unseen": "not in training", "known": "from training", "judged": "from the evaluated file"}
PARTS = {"misspellings": "Misspellings", "kinds": "One misspelling, by kind", "formats": "Channel formats"}
ANY = "any"  # all formats mixed
EDITS = (1, 2, 3)
_ABOUT = {"accuracy": "Accuracy on", "micro_f1": "Micro-F1 on"}
_SEED = int.from_bytes(b"robustness")  # longer than any seed of training: evaluation never repeats training's draws

Predict = Callable[[Programmes], Targets]


class Scoring(NamedTuple):
    """How targets are scored: `summary(predicted, true)`, and the `loss(clean, noisy, true)` between two predictions."""

    summary: Callable[[Any, Any], Metrics]
    loss: Callable[[Any, Any, Any], float]


class Condition(NamedTuple):
    """A kind of noise: `noise(titles, generator=...)` returns as many titles."""

    part: str
    name: str
    noise: Callable[..., list[str]]


class Row(NamedTuple):
    """A condition in a table: the fraction of all groups' titles that it changed, and the scores by group."""

    label: str
    changed: float
    scores: dict[str, Metrics]


def conditions() -> list[Condition]:
    """Return one to three misspellings of any kind, then each kind and each format alone, and any format."""
    kinds, formats = list(Misspelling), list(Format)
    return [
        *(Condition("misspellings", str(edits), partial(misspell, kinds=kinds, edits=edits)) for edits in EDITS),
        *(Condition("kinds", kind.value, partial(misspell, kinds=[kind], edits=1)) for kind in kinds),
        *(Condition("formats", name.value, partial(reformat, formats=[name])) for name in formats),
        Condition("formats", ANY, partial(reformat, formats=formats)),
    ]


def robustness(predict: Predict, groups: Mapping[str, LabelledTitles], titles: int, scoring: Scoring) -> Metrics:
    """Return the scores of at most `titles` titles of each group, clean and in each condition.

    Plain values: `group: {clean: scores, misspellings: {1: scores, ...}, kinds: {...}, formats: {...}}`. A condition is
    scored on all titles of a group. `changed` is the fraction that it could change (few titles have diacritics to
    lose), and `loss` what the score of these alone lost, None where there are none.
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
    """Return the conditions of a part in their order."""
    sizes = [group["clean"]["titles"] for group in groups.values()]
    table = []
    for name in next(iter(groups.values()))[part]:
        scores = {group: conditions[part][name] for group, conditions in groups.items()}
        changed = float(np.average([row["changed"] for row in scores.values()], weights=sizes))
        table.append(Row(_label(part, name), changed, scores))
    return table


def robustness_line(group: Metrics) -> str:
    """Return a group's main score, clean and noisy, in a few words."""
    score = main_score(group["clean"])
    one, two = (group["misspellings"][edits][score] for edits in ("1", "2"))
    formatted, clean = group["formats"][ANY][score], group["clean"][score]
    return (
        f"{clean:.1%} clean, {one:.1%} with one misspelling, {two:.1%} with two, {formatted:.1%} in a channel's format"
    )


def robustness_summary(groups: Metrics) -> str:
    """Return a line per group."""
    return "".join(
        f"{_ABOUT[main_score(group['clean'])]} {name} titles: {robustness_line(group)}.\n"
        for name, group in groups.items()
    )


def _sample(group: LabelledTitles, titles: int) -> LabelledTitles:
    return group.take(np.sort(np.random.default_rng(_SEED).permutation(len(group))[:titles]))


def _scores(predict: Predict, group: LabelledTitles, clean: Targets, noisy: list[str], scoring: Scoring) -> Metrics:
    changed = np.array([after != before for after, before in zip(noisy, group.titles, strict=True)])
    predicted = clean.copy()  # an unchanged title keeps its prediction
    predicted[changed] = predict(group.with_titles(noisy).take(np.flatnonzero(changed)).programmes)
    loss = scoring.loss(clean[changed], predicted[changed], group.targets[changed]) if changed.any() else None
    return {**scoring.summary(predicted, group.targets), "changed": float(changed.mean()), "loss": loss}


def _label(part: str, name: str) -> str:
    if part == "misspellings":
        return "1 misspelling" if name == "1" else f"{name} misspellings"
    return "any format" if name == ANY else name.replace("_", " ")
