"""How accuracy, or of tags micro-F1, holds when titles are misspelt, and when channels dress them up."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from titleclf.data.augmentation.noise import misspell, reformat
from titleclf.evaluate import tag_metrics
from titleclf.evaluate.metrics import lost, main_score, summary
from titleclf.runtime.arrays import Bools, Labels
from titleclf.runtime.bundle.contents import Metrics
from titleclf.runtime.choices import Format, Misspelling

GROUPS = {"unseen": "not in training", "known": "from training", "judged": "from the judged file"}
PARTS = {"misspellings": "Misspellings", "kinds": "One misspelling, by kind", "formats": "Formats of channels"}
ANY = "any"  # all formats mixed
EDITS = (1, 2, 3)
_ABOUT = {"accuracy": "Right of", "micro_f1": "Micro-F1 of"}
_SEED = int.from_bytes(b"robustness")  # longer than any seed of training: what it drew is never what is judged

Targets = Labels | Bools  # category numbers (titles,), or tags (titles, categories)
Classify = Callable[..., Targets]  # of titles, and of their context where a group has one


class Labelled(NamedTuple):
    """Titles and what shall be answered; and the ids of their channels and durations (titles, 2), if any."""

    titles: list[str]
    labels: Targets
    context_ids: Labels | None = None

    def rows(self, rows: Labels) -> "Labelled":
        """Return some of them."""
        context_ids = None if self.context_ids is None else self.context_ids[rows]
        return Labelled([self.titles[row] for row in rows], self.labels[rows], context_ids)

    def answers(self, classify: Classify) -> Targets:
        """Return what is answered."""
        return classify(self.titles) if self.context_ids is None else classify(self.titles, self.context_ids)


class Judge(NamedTuple):
    """How answers are judged: `summary(answers, labels)`, and what they have `lost(clean, spoilt, labels)`."""

    summary: Callable[[Any, Any], Metrics]
    lost: Callable[[Any, Any, Any], float]


ONE_CATEGORY = Judge(summary, lost)
SEVERAL_TAGS = Judge(tag_metrics.summary, tag_metrics.lost)


class Condition(NamedTuple):
    """A way to spoil titles: `noise(titles, generator=...)` returns as many."""

    part: str
    name: str
    noise: Callable[..., list[str]]


def conditions() -> list[Condition]:
    """Return all misspellings mixed, one to three of them a title, then each kind and format alone, and any format."""
    kinds, formats = list(Misspelling), list(Format)
    return [
        *(Condition("misspellings", str(edits), partial(misspell, kinds=kinds, edits=edits)) for edits in EDITS),
        *(Condition("kinds", kind.value, partial(misspell, kinds=[kind], edits=1)) for kind in kinds),
        *(Condition("formats", one.value, partial(reformat, formats=[one])) for one in formats),
        Condition("formats", ANY, partial(reformat, formats=formats)),
    ]


def robustness(classify: Classify, groups: Mapping[str, Labelled], titles: int, judge: Judge = ONE_CATEGORY) -> Metrics:
    """Return for each group how many of at most so many titles are right, clean and in each condition.

    Plain values: `group: {clean: scores, misspellings: {1: scores, ...}, kinds: {...}, formats: {...}}`. All titles of
    a group are judged in each condition, and `changed` is the share that it could change: few have diacritics to lose.
    `loss` is of these alone: how much less of them is right than when clean, or how much less their micro-F1 is (None
    where there are none).
    """
    samples = {name: _sample(group, titles) for name, group in groups.items() if titles and group.titles}
    clean = {name: group.answers(classify) for name, group in samples.items()}
    found: Metrics = {
        name: {"clean": judge.summary(clean[name], group.labels), **{part: {} for part in PARTS}}
        for name, group in samples.items()
    }
    for number, condition in enumerate(tqdm(conditions(), "robustness", leave=False, disable=None), start=1):
        for name, group in samples.items():
            spoilt = condition.noise(group.titles, generator=np.random.default_rng(_SEED + number))
            found[name][condition.part][condition.name] = _scores(classify, group, clean[name], spoilt, judge)
    return found


class Row(NamedTuple):
    """A condition as a reader sees it: the share of all groups' titles that it changed, and the scores by group."""

    label: str
    changed: float
    scores: dict[str, Metrics]


def rows(groups: Metrics, part: str) -> list[Row]:
    """Return the conditions of a part in their order."""
    sizes = [group["clean"]["titles"] for group in groups.values()]
    found = []
    for name in next(iter(groups.values()))[part]:
        scores = {group: conditions[part][name] for group, conditions in groups.items()}
        changed = float(np.average([one["changed"] for one in scores.values()], weights=sizes))
        found.append(Row(_label(part, name), changed, scores))
    return found


def held(group: Metrics) -> str:
    """Say in a few words how many of a group's titles are right, clean and spoilt, or what their micro-F1 is."""
    score = main_score(group["clean"])
    one, two = (group["misspellings"][edits][score] for edits in ("1", "2"))
    dressed = group["formats"][ANY][score]
    clean = group["clean"][score]
    return f"{clean:.1%} clean, {one:.1%} with a misspelling, {two:.1%} with two, {dressed:.1%} in a channel's format"


def told(groups: Metrics) -> str:
    """Say what holds in each group, a line each."""
    return "".join(
        f"{_ABOUT[main_score(group['clean'])]} {name} titles: {held(group)}.\n" for name, group in groups.items()
    )


def _sample(group: Labelled, titles: int) -> Labelled:
    count = len(group.titles)
    return group.rows(np.sort(np.random.default_rng(_SEED).permutation(count)[:titles]))


def _scores(classify: Classify, group: Labelled, clean: Targets, spoilt: list[str], judge: Judge) -> Metrics:
    changed = np.array([after != before for after, before in zip(spoilt, group.titles, strict=True)])
    predicted = clean.copy()  # a title that stays as it is keeps its answer
    predicted[changed] = group._replace(titles=spoilt).rows(np.flatnonzero(changed)).answers(classify)
    loss = judge.lost(clean[changed], predicted[changed], group.labels[changed]) if changed.any() else None
    return {**judge.summary(predicted, group.labels), "changed": float(changed.mean()), "loss": loss}


def _label(part: str, name: str) -> str:
    if part == "misspellings":
        return "1 misspelling" if name == "1" else f"{name} misspellings"
    return "any format" if name == ANY else name.replace("_", " ")
