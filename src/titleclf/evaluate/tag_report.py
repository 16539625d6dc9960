"""What a person reads of an evaluation of tags: metrics.json, report.md, and pictures."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from titleclf.data.targets import tags_of
from titleclf.evaluate.plots import draw_robustness
from titleclf.evaluate.report import noise_section, share
from titleclf.evaluate.tag_metrics import by_language
from titleclf.evaluate.tag_plots import draw_calibration, draw_coverage, draw_tags
from titleclf.runtime.arrays import Bools, Floats
from titleclf.runtime.bundle.contents import Metrics
from titleclf.runtime.files import write_text
from titleclf.runtime.text.tags import BAR

_SUREST_MISTAKES = 15


def write_report(folder: Path, metrics: Metrics, titles: pd.DataFrame, probabilities: Floats) -> None:
    """Write metrics.json, report.md and pictures for `titles` with their probabilities (titles, categories)."""
    tags = tags_of(titles, list(metrics["categories"]))
    write_text(folder / "metrics.json", json.dumps(metrics, indent=2, ensure_ascii=False) + "\n")
    sections = [
        _overview(metrics),
        table(metrics),
        _coverage(metrics),
        _thresholds(metrics),
        f"## Languages\n\n{by_language(metrics)}",
        *([noise_section(metrics["robustness"])] if metrics["robustness"] else []),
        _mistakes(metrics, titles, probabilities, tags),
    ]
    write_text(folder / "report.md", "\n".join(sections))
    draw_tags(folder / "tags.png", metrics, probabilities, tags)
    draw_coverage(folder / "coverage.png", metrics, probabilities, tags)
    draw_calibration(folder / "calibration.png", metrics)
    draw_robustness(folder / "robustness.png", metrics["robustness"])


def table(metrics: Metrics) -> str:
    """Return the scores of each tag as a Markdown table that lines up in a terminal; AP is average precision."""
    width = max(len(category) for category in [*metrics["categories"], "micro-F1 / macro-F1"])
    lines = [
        f"| {'category':<{width}} | precision | recall |   F1 |   AP | threshold | titles |",
        f"| {'-' * width} | --------: | -----: | ---: | ---: | --------: | -----: |",
    ]
    for category, row in metrics["categories"].items():
        average = "-" if row["average_precision"] is None else f"{row['average_precision']:.0%}"
        scores = f"{row['precision']:>9.0%} | {row['recall']:>6.0%} | {row['f1']:>4.0%} | {average:>4}"
        lines.append(f"| {category:<{width}} | {scores} | {row['threshold']:>9.0%} | {row['support']:>6} |")
    both = f"{metrics['micro_f1']:.1%} / {metrics['macro_f1']:.1%}"
    average = f"{metrics['mean_average_precision']:.0%}"
    lines.append(f"| {'micro-F1 / macro-F1':<{width}} | {both:>25} | {average:>4} | {'':>9} | {metrics['titles']:>6} |")
    return "\n".join(lines) + "\n"


def _overview(metrics: Metrics) -> str:
    temperature = metrics["temperature"]
    return (
        f"# Evaluation on {metrics['titles']:,} titles with {metrics['tags_a_title']:.2f} tags each\n\n"
        f"- Micro-F1 {metrics['micro_f1']:.1%}, macro-F1 {metrics['macro_f1']:.1%}, mean average precision "
        f"{metrics['mean_average_precision']:.1%}.\n"
        f"- Of the named tags {metrics['micro_precision']:.1%} are right, {metrics['micro_recall']:.1%} of the true "
        f"ones are named. {metrics['subset_accuracy']:.1%} of the titles got exactly their tags.\n"
        f"- Expected calibration error {metrics['expected_calibration_error']:.3f} with temperature "
        f"{temperature['value']:.2f} and shift {temperature['shift']:.2f} (fitted on validation), "
        f"{metrics['uncalibrated_error']:.3f} without.\n"
        f"- {metrics['cut']:,} titles were longer than the longest training title and were cut.\n\n"
        "## Categories\n"
    )


def _coverage(metrics: Metrics) -> str:
    lines = [
        "## Precision and recall",
        "",
        "A tag is named where its probability passes a threshold of its own, fitted on validation: the one with the",
        "best F1, or with `--precision` a higher one, from which on its answers were right so often.",
        "",
        "| wanted | right | true tags that are named |",
        "| ---: | ---: | ---: |",
        f"| the best F1 | {share(metrics['unasked']['precision'])} | {metrics['unasked']['recall']:.1%} |",
    ]
    for wanted, row in metrics["coverage"].items():
        mark = " (the target)" if float(wanted) == metrics["target_precision"] else ""
        lines.append(f"| {float(wanted):.1%}{mark} | {share(row['precision'])} | {row['recall']:.1%} |")
    return "\n".join(lines) + "\n"


def _thresholds(metrics: Metrics) -> str:
    lines = [
        f"### At the target of {metrics['target_precision']:.1%}",
        "",
        "No threshold: on validation the tag was never right so often, and so it is never named.",
        "",
        "| category | wanted | threshold | right | true tags that are named | titles that get it |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for category, row in metrics["thresholds"].items():
        shares = f"{row['wanted']:.1%} | {share(row['threshold'])} | {share(row['precision'])} | {row['recall']:.1%}"
        lines.append(f"| {category} | {shares} | {row['named']} |")
    return "\n".join(lines) + "\n"


def _mistakes(metrics: Metrics, titles: pd.DataFrame, probabilities: Floats, tags: Bools) -> str:
    categories = list(metrics["categories"])
    lines = ["## Surest mistakes", "", "| title | was | also named | probability |", "| --- | --- | --- | ---: |"]
    rows, columns = np.nonzero(~tags)
    surest = np.argsort(-probabilities[rows, columns], kind="stable")[:_SUREST_MISTAKES]
    for row, column in zip(rows[surest], columns[surest], strict=True):
        title = titles["title"].iloc[row].replace(BAR, f"\\{BAR}")
        was = titles["category"].iloc[row].replace(BAR, "; ")
        lines.append(f"| {title} | {was} | {categories[column]} | {probabilities[row, column]:.0%} |")
    return "\n".join(lines) + "\n"
