"""`python -m titleclf.evaluate`: judge a trained model on labelled titles."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from titleclf import runs
from titleclf.bundle import Bundle, load_bundle
from titleclf.command import command
from titleclf.config import EvaluateConfig, EvaluationConfig
from titleclf.errors import InputError
from titleclf.metrics import Labels, Metrics, measure, probabilities
from titleclf.report import table, write_report
from titleclf.thresholds import abstention, named_wishes
from titleclf.titles import fingerprint, read_titles, split, titles_path


def evaluate(config: EvaluateConfig) -> Metrics:
    """Judge a model on a file, or without one on the test titles of its own run, and write the report."""
    model = Path(config.model)
    bundle = load_bundle(model)
    if config.evaluate.category_precision:
        wishes = named_wishes(config.evaluate.category_precision, bundle.categories)
        bundle.thresholds = replace(bundle.thresholds, wishes=wishes)
    bundle.thresholds.at(config.evaluate.target_precision)  # refuse too high a target before the titles are read
    if config.path is not None:
        titles = read_titles(titles_path(config.path), config.columns)
    else:
        titles = _own_test_titles(model, bundle)
    folder = Path(config.output_dir) if config.output_dir is not None else model / "evaluation"
    metrics = evaluate_bundle(bundle, titles, folder, config.evaluate)
    print(f"{metrics['titles']:,} titles:\n\n{table(metrics)}\nReport: {folder / 'report.md'}")
    return metrics


def evaluate_bundle(bundle: Bundle, titles: pd.DataFrame, folder: Path, config: EvaluationConfig) -> Metrics:
    """Measure the bundle on a frame of `title, category, lang` and write metrics, report and pictures to `folder`."""
    labels = labels_of(titles, bundle.categories)
    logits, cut = bundle.logits(list(titles["title"]))
    languages = titles["lang"].to_numpy(dtype=str)
    shares = probabilities(logits, bundle.temperature)
    metrics = {
        **measure(logits, labels, languages, bundle.categories, bundle.temperature, config.calibration_bins),
        **abstention(shares, labels, bundle.thresholds, config.target_precision),
        "cut": cut,
    }
    if cut:
        print(f"{cut:,} of {len(titles):,} titles are longer than the longest of training, and were cut.")
    write_report(folder, metrics, titles, shares)
    return metrics


def labels_of(titles: pd.DataFrame, categories: list[str]) -> Labels:
    """Return the category numbers (titles,) of a frame.

    Raises
    ------
    InputError
        If a title has a category that the model doesn't know.
    """
    unknown = sorted(set(titles["category"]) - set(categories))
    if unknown:
        raise InputError(
            f"the category of a judged title must be one of {'; '.join(categories)}. Got {'; '.join(unknown)[:200]}. "
            "Rename it, or leave these titles out."
        )
    numbers = {category: number for number, category in enumerate(categories)}
    return np.array([numbers[category] for category in titles["category"]], dtype=np.int64)


def _own_test_titles(model: Path, bundle: Bundle) -> pd.DataFrame:
    config = runs.load_config(model)
    titles = read_titles(titles_path(config.data.path), config.data.columns)
    if fingerprint(titles) != bundle.facts.fingerprint:
        raise InputError(
            f"{config.data.path} must be as it was in training. Got other titles. Give path=FILE to judge."
        )
    return split(titles, config.data, config.seed).test


main = command("evaluate", evaluate)

if __name__ == "__main__":
    main()
