"""`python -m titleclf.evaluate`: judge a trained model on labelled titles."""

from dataclasses import replace
from pathlib import Path

import pandas as pd

from titleclf.config import saved
from titleclf.config.schemas import EvaluateConfig, EvaluationConfig, TrainConfig
from titleclf.data.dataset import read_sides
from titleclf.data.splits import Split
from titleclf.data.targets import context_ids_of, labels_of, named_wishes, tags_of, targets_of
from titleclf.data.titles import read_all_titles
from titleclf.evaluate import tag_metrics, tag_report
from titleclf.evaluate.coverage import abstention
from titleclf.evaluate.metrics import measure
from titleclf.evaluate.report import table, write_report
from titleclf.evaluate.robustness import ONE_CATEGORY, SEVERAL_TAGS, Labelled, robustness, told
from titleclf.evaluate.tag_coverage import coverage
from titleclf.runtime.arrays import Floats
from titleclf.runtime.bundle.contents import Metrics
from titleclf.runtime.bundle.reader import model_folder
from titleclf.runtime.calibration import Temperature
from titleclf.runtime.choices import Task
from titleclf.runtime.classifier import Classifier
from titleclf.runtime.classifiers import BaseClassifier
from titleclf.runtime.errors import InputError
from titleclf.runtime.files import SHIPPED
from titleclf.runtime.memory.known_titles import Known
from titleclf.runtime.text.title_keys import key_of


def evaluate(config: EvaluateConfig) -> Metrics:
    """Judge a model on a file, or without one on the test titles of its own run, and write the report."""
    model = model_folder(config.run)
    bundle = Classifier.load(model)
    if config.evaluate.category_precision:
        wishes = named_wishes(config.evaluate.category_precision, bundle.categories)
        bundle.thresholds = replace(bundle.thresholds, wishes=wishes)
    bundle.thresholds.at(config.evaluate.target_precision)  # refuse too high a target before the titles are read
    known = None
    if config.path is not None:
        titles = read_all_titles(config.path, config.columns, bundle.task)
    else:
        known, _, titles = _own_titles(model, bundle)
    folder = _report_folder(config)
    metrics = evaluate_bundle(bundle, titles, known, folder, config.evaluate)
    print(f"{metrics['titles']:,} titles:\n\n{outcome(bundle.task, metrics)}Report: {folder / 'report.md'}")
    return metrics


def outcome(task: Task, metrics: Metrics) -> str:
    """Return what a person wants to know at once: the scores by category, and what noise costs."""
    scores = table(metrics) if task is Task.single else tag_report.table(metrics)
    return f"{scores}\n{told(metrics['robustness'])}"


def evaluate_bundle(
    bundle: BaseClassifier, titles: pd.DataFrame, known: pd.DataFrame | None, folder: Path, config: EvaluationConfig
) -> Metrics:
    """Measure the bundle on a frame of `title, category, lang` and write metrics, report and pictures to `folder`.

    `known` are the titles of its training, where they are at hand: noise spoils them too, and differently.
    """
    targets_of(titles, bundle.categories, bundle.task)  # refuse other categories first
    logits, cut = bundle.logits(list(titles["title"]), context_ids_of(titles, bundle.contexts))
    metrics = {
        **_scores(bundle, titles, logits, config),
        "cut": cut,
        "robustness": _robustness(bundle, titles, known, config.robustness_titles),
    }
    if cut:
        print(f"{cut:,} of {len(titles):,} titles are longer than the longest of training, and were cut.")
    write = write_report if bundle.task is Task.single else tag_report.write_report
    write(folder, metrics, titles, bundle.calibrated(logits))
    return metrics


def _scores(bundle: BaseClassifier, titles: pd.DataFrame, logits: Floats, config: EvaluationConfig) -> Metrics:
    languages, categories = titles["lang"].to_numpy(dtype=str), bundle.categories
    shares, thresholds, target = bundle.calibrated(logits), bundle.thresholds, config.target_precision
    if isinstance(bundle.temperature, Temperature):
        labels = labels_of(titles, categories)
        measured = measure(logits, labels, languages, categories, bundle.temperature, config.calibration_bins)
        return {**measured, **abstention(shares, labels, thresholds, target)}
    tags = tags_of(titles, categories)
    least = dict(zip(categories, thresholds.unasked().tolist(), strict=True))
    measured = tag_metrics.measure(logits, tags, languages, least, bundle.temperature, config.calibration_bins)
    return {**measured, **coverage(shares, tags, thresholds, target)}


def _report_folder(config: EvaluateConfig) -> Path:
    if config.output_dir is not None:
        return Path(config.output_dir)
    return Path("outputs/shipped" if config.run == SHIPPED else config.run) / "evaluation"


def part(titles: pd.DataFrame, known: pd.DataFrame | None, memory: Known | None) -> dict[str, pd.DataFrame]:
    """Return the titles that training did not see, and those that it did: all of them where they are at hand."""
    if memory is not None:
        keys = set(memory.keys)
    elif known is not None:
        keys = set(map(key_of, known["title"]))
    else:
        return {"judged": titles}
    seen = titles["title"].map(key_of).isin(keys)
    return {"unseen": titles[~seen], "known": titles[seen] if known is None else known}


def _robustness(bundle: BaseClassifier, titles: pd.DataFrame, known: pd.DataFrame | None, count: int) -> Metrics:
    memory = bundle.memory if bundle.facts.remembers_training else None  # only that one tells what training saw
    groups = {
        name: Labelled(
            list(frame["title"]),
            targets_of(frame, bundle.categories, bundle.task),
            context_ids_of(frame, bundle.contexts),
        )
        for name, frame in part(titles, known, memory).items()
    }
    return robustness(bundle.answers, groups, count, ONE_CATEGORY if bundle.task is Task.single else SEVERAL_TAGS)


def _own_titles(model: Path, bundle: BaseClassifier) -> Split:
    config = saved.load_config(model, TrainConfig)
    sides, seen = read_sides(config)
    if seen != bundle.facts.fingerprint:
        files = " and ".join(filter(None, [config.data.path, config.data.corrections]))
        raise InputError(f"{files} must be as it was in training. Got other titles. Give path=FILE to judge.")
    return sides
