"""The report of an evaluation of tags: metrics.json, report.md and plots."""

from pathlib import Path

import numpy as np

from titleclf.data.dataset import LabelledTitles
from titleclf.evaluate.report import MISTAKES, as_percent, write_sections
from titleclf.evaluate.tag_plots import draw_calibration, draw_coverage, draw_tags
from titleclf.runtime.arrays import Floats
from titleclf.runtime.bundle.contents import Metrics
from titleclf.runtime.text.tags import BAR


def write_report(folder: Path, metrics: Metrics, titles: LabelledTitles, probabilities: Floats) -> None:
    """Write metrics.json, report.md and plots, for titles with their probabilities (titles, categories)."""
    tags = titles.targets.astype(np.bool_)
    scores = [table(metrics), _coverage(metrics), _thresholds(metrics)]
    write_sections(folder, metrics, _overview(metrics), scores, _mistakes(metrics, titles, probabilities))
    draw_tags(folder / "tags.png", metrics, probabilities, tags)
    draw_coverage(folder / "coverage.png", metrics, probabilities, tags)
    draw_calibration(folder / "calibration.png", metrics)


def table(metrics: Metrics) -> str:
    """Return the scores of each tag as a Markdown table that is aligned in a terminal; AP is average precision."""
    width = max(len(category) for category in [*metrics["categories"], "micro-F1 / macro-F1"])
    lines = [
        f"| {'category':<{width}} | precision | recall |   F1 |   AP | threshold | titles |",
        f"| {'-' * width} | --------: | -----: | ---: | ---: | --------: | -----: |",
    ]
    for category, row in metrics["categories"].items():
        average = "-" if row["average_precision"] is None else f"{row['average_precision']:.0%}"
        scores = f"{row['precision']:>9.0%} | {row['recall']:>6.0%} | {row['f1']:>4.0%} | {average:>4}"
        if not row["support"]:
            scores = f"{'-':>9} | {'-':>6} | {'-':>4} | {'-':>4}"
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
        f"- Micro precision {metrics['micro_precision']:.1%}, micro recall {metrics['micro_recall']:.1%}, subset "
        f"accuracy {metrics['subset_accuracy']:.1%}.\n"
        f"- Expected calibration error {metrics['expected_calibration_error']:.3f} with temperature "
        f"{temperature['value']:.2f} and shift {temperature['shift']:.2f} (fitted on validation), "
        f"{metrics['uncalibrated_error']:.3f} without.\n"
    )


def _coverage(metrics: Metrics) -> str:
    lines = [
        "## Precision and recall",
        "",
        "A tag is predicted if its probability reaches the tag's threshold, fitted on validation: the one with the",
        "best F1, or with `--precision` a higher one that reached this precision.",
        "",
        "| requested precision | precision | recall |",
        "| ---: | ---: | ---: |",
        f"| the best F1 | {as_percent(metrics['unasked']['precision'])} | {metrics['unasked']['recall']:.1%} |",
    ]
    for wanted, row in metrics["coverage"].items():
        note = " (the target)" if float(wanted) == metrics["target_precision"] else ""
        lines.append(f"| {float(wanted):.1%}{note} | {as_percent(row['precision'])} | {row['recall']:.1%} |")
    return "\n".join(lines) + "\n"


def _thresholds(metrics: Metrics) -> str:
    lines = [
        f"### At the target of {metrics['target_precision']:.1%}",
        "",
        "A tag without a threshold never reached this precision on validation and is never predicted.",
        "",
        "| category | requested precision | threshold | precision | recall | titles |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for category, row in metrics["thresholds"].items():
        precision = f"{as_percent(row['precision'])} | {row['recall']:.1%}"
        cells = f"{row['wanted']:.1%} | {as_percent(row['threshold'])} | {precision}"
        lines.append(f"| {category} | {cells} | {row['named']} |")
    return "\n".join(lines) + "\n"


def _mistakes(metrics: Metrics, titles: LabelledTitles, probabilities: Floats) -> str:
    categories = list(metrics["categories"])
    lines = ["## Most confident mistakes", "", "| title | tags | also predicted | probability |"]
    lines.append("| --- | --- | --- | ---: |")
    rows, columns = np.nonzero(titles.targets == 0)
    most_confident = np.argsort(-probabilities[rows, columns], kind="stable")[:MISTAKES]
    for row, column in zip(rows[most_confident], columns[most_confident], strict=True):
        title = titles.titles[row].replace(BAR, f"\\{BAR}")
        tags = "; ".join(categories[number] for number in np.flatnonzero(titles.targets[row]))
        lines.append(f"| {title} | {tags} | {categories[column]} | {probabilities[row, column]:.0%} |")
    return "\n".join(lines) + "\n"
