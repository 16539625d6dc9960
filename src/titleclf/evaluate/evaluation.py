"""Evaluation of a classifier on labelled titles: metrics, report, plots and robustness."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from titleclf.config.saved import load_config
from titleclf.config.schemas import EvaluateConfig, EvaluationConfig, TrainConfig
from titleclf.data.dataset import LabelledTitles, read_labelled, read_splits
from titleclf.data.targets import precision_by_category
from titleclf.evaluate import metrics as single
from titleclf.evaluate import report, tag_report
from titleclf.evaluate import tag_metrics as tags
from titleclf.evaluate.coverage import coverage, tag_coverage
from titleclf.evaluate.robustness import Scoring, robustness, robustness_summary
from titleclf.runtime.bundle.contents import Metrics
from titleclf.runtime.bundle.reader import model_folder
from titleclf.runtime.choices import Task
from titleclf.runtime.classifier import Classifier
from titleclf.runtime.errors import InputError
from titleclf.runtime.files import SHIPPED
from titleclf.runtime.memory.memory import Memory
from titleclf.runtime.network import Network
from titleclf.runtime.text.title_keys import key_of


class Evaluation(NamedTuple):
    """How one category and several tags are evaluated."""

    measure: Callable[..., Metrics]
    coverage: Callable[..., Metrics]
    scoring: Scoring
    table: Callable[[Metrics], str]
    write_report: Callable[..., None]


EVALUATED = "evaluated"  # the folder of a run with the model from before the refit
REFIT_NOTE = f"These are the figures of {EVALUATED}/, trained without test titles; bundle/ was trained on all titles."

EVALUATIONS = {
    Task.single: Evaluation(
        single.measure, coverage, Scoring(single.summary, single.loss), report.table, report.write_report
    ),
    Task.multilabel: Evaluation(
        tags.measure, tag_coverage, Scoring(tags.summary, tags.loss), tag_report.table, tag_report.write_report
    ),
}


def evaluate(config: EvaluateConfig) -> Metrics:
    """Evaluate a model on a file, or on the test titles of its own run if none is given, and write the report.

    A refitted model knows its run's test titles; on these, the model from before the refit is evaluated.
    """
    model = model_folder(config.run)
    evaluated = model / EVALUATED if config.path is None else model
    classifier = Classifier.load(evaluated if evaluated.is_dir() else model)
    contents = classifier.contents
    if config.evaluate.category_precision:
        wishes = precision_by_category(config.evaluate.category_precision, contents.categories)
        contents.thresholds = replace(contents.thresholds, wishes=wishes)
    contents.thresholds.at(config.evaluate.target_precision)  # rejects too high a target before titles are read
    train = None
    if config.path is not None:
        titles = read_labelled(config.path, config.columns, contents.categories, contents.task, classifier.columns)
    else:
        train, titles = _own_titles(model, classifier)
    folder = _report_folder(config)
    metrics = evaluate_classifier(classifier, titles, train, folder, config.evaluate)
    print(f"{metrics['titles']:,} titles:\n\n{outcome(contents.task, metrics)}Report: {folder / 'report.md'}")
    return metrics


def outcome(task: Task, metrics: Metrics) -> str:
    """Return the scores by category and the robustness, as text for a terminal."""
    return f"{EVALUATIONS[task].table(metrics)}\n{robustness_summary(metrics['robustness'])}"


def evaluate_classifier(
    classifier: Classifier[Network],
    titles: LabelledTitles,
    train: LabelledTitles | None,
    folder: Path | None,
    config: EvaluationConfig,
    note: str | None = None,
) -> Metrics:
    """Measure the classifier on titles and write metrics, report and plots to any `folder`, with a note on the model.

    Robustness is also measured on `train`, the classifier's training titles, if they are available.
    """
    contents, evaluation = classifier.contents, EVALUATIONS[classifier.task]
    logits = classifier.logits(titles.programmes)
    probabilities = contents.temperature.probabilities(logits)
    truncated = contents.characters.count_truncated(titles.titles)
    metrics = {
        **evaluation.measure(logits, titles.targets, titles.languages, contents, config.calibration_bins),
        **evaluation.coverage(probabilities, titles.targets, contents.thresholds, config.target_precision),
        "cut": truncated,
        "note": note,
        "fields": _fields(classifier, titles),
        "robustness": _robustness(classifier, titles, train, config.robustness_titles),
    }
    if truncated:
        print(f"{truncated:,} of {len(titles):,} titles are longer than the longest training title and were truncated.")
    if folder is not None:
        evaluation.write_report(folder, metrics, titles, probabilities)
    return metrics


def _fields(classifier: Classifier[Network], titles: LabelledTitles) -> Metrics:
    """Return the scores for titles alone, with each other column that the model uses, and with all of them."""
    present = sorted(classifier.columns & titles.programmes.columns.keys())
    subsets = [(), *((column,) for column in present), *([tuple(present)] if len(present) > 1 else [])]
    summary = EVALUATIONS[classifier.task].scoring.summary
    return {
        " + ".join(["title", *subset]): summary(classifier.targets(titles.programmes.only(subset)), titles.targets)
        for subset in (subsets if present else [])
    }


def seen_and_unseen(
    titles: LabelledTitles, train: LabelledTitles | None, memory: Memory | None
) -> dict[str, LabelledTitles]:
    """Return the titles that are not in training as `unseen`, and those that are as `known`.

    `known` are all titles of `train`, if given. Without `train` and `memory`, all titles are `all`.
    """
    if memory is not None:
        keys = set(memory.known.keys)
    elif train is not None:
        keys = set(map(key_of, train.titles))
    else:
        return {"all": titles}
    is_known = np.array([key_of(title) in keys for title in titles.titles], dtype=np.bool_)
    known = titles.take(np.flatnonzero(is_known)) if train is None else train
    return {"unseen": titles.take(np.flatnonzero(~is_known)), "known": known}


def _robustness(
    classifier: Classifier[Network], titles: LabelledTitles, train: LabelledTitles | None, count: int
) -> Metrics:
    contents = classifier.contents
    memory = contents.memory if contents.info.remembers_training else None  # other titles are irrelevant here
    groups = seen_and_unseen(titles, train, memory)
    return robustness(classifier.targets, groups, count, EVALUATIONS[contents.task].scoring)


def _report_folder(config: EvaluateConfig) -> Path:
    if config.output_dir is not None:
        return Path(config.output_dir)
    return Path("outputs/shipped" if config.run == SHIPPED else config.run) / "evaluation"


def _own_titles(model: Path, classifier: Classifier[Network]) -> tuple[LabelledTitles, LabelledTitles]:
    """Return the training and test titles of a run, whose files must not have changed since training."""
    config, contents = load_config(model, TrainConfig), classifier.contents
    frames, digest = read_splits(config)
    if digest != contents.info.fingerprint:
        files = " and ".join(filter(None, [config.data.path, config.data.corrections]))
        raise InputError(
            f"{files} must be unchanged since training. Got other titles. Pass path=FILE to evaluate on others."
        )
    train, test = (
        LabelledTitles.from_frame(frame, contents.categories, contents.task) for frame in (frames.train, frames.test)
    )
    return train, test
