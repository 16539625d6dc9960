"""The report of an evaluation: metrics.json, report.md and plots."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from titleclf.data.dataset import LabelledTitles
from titleclf.evaluate.metrics import SCORES, by_language, main_score
from titleclf.evaluate.plots import draw_calibration, draw_confusion, draw_coverage, draw_robustness
from titleclf.evaluate.robustness import GROUPS, PARTS, rows
from titleclf.runtime.arrays import Floats, Labels
from titleclf.runtime.bundle.contents import Metrics
from titleclf.runtime.files import write_text

MISTAKES = 15  # titles in a report


def write_report(folder: Path, metrics: Metrics, titles: LabelledTitles, probabilities: Floats) -> None:
    """Write metrics.json, report.md and plots, for titles with their probabilities (titles, categories)."""
    categories = list(metrics["categories"])
    confidence = probabilities.max(axis=1)
    predicted = probabilities.argmax(axis=1)
    is_right = predicted == titles.targets
    scores = [table(metrics), _coverage(metrics), _thresholds(metrics)]
    write_sections(folder, metrics, _overview(metrics), scores, _mistakes(titles, confidence, predicted, categories))
    draw_confusion(folder / "confusion.png", metrics["confusion"], categories)
    draw_coverage(folder / "coverage.png", metrics, confidence, is_right)
    draw_calibration(folder / "calibration.png", metrics)


def write_sections(folder: Path, metrics: Metrics, overview: str, scores: Sequence[str], mistakes: str) -> None:
    """Write the files that all tasks share: metrics.json, report.md with the task's own sections, and robustness.png.

    `overview` is the heading and the first lines of a list; `scores` begin with the table of categories.
    """
    write_text(folder / "metrics.json", json.dumps(metrics, indent=2, ensure_ascii=False) + "\n")
    truncated = f"- {metrics['cut']:,} titles were longer than the longest training title and were truncated.\n"
    note = f"- {metrics['note']}\n" if metrics["note"] else ""
    sections = [
        f"{overview}{truncated}{note}\n## Categories\n",
        *scores,
        f"## Languages\n\n{by_language(metrics)}",
        *([_fields_section(metrics["fields"])] if metrics["fields"] else []),
        *([_noise_section(metrics["robustness"])] if metrics["robustness"] else []),
        mistakes,
    ]
    write_text(folder / "report.md", "\n".join(sections))
    draw_robustness(folder / "robustness.png", metrics["robustness"])


def table(metrics: Metrics) -> str:
    """Return precision, recall and F1 of each category as a Markdown table that is aligned in a terminal."""
    width = max(len(category) for category in [*metrics["categories"], "accuracy / macro-F1"])
    lines = [
        f"| {'category':<{width}} | precision | recall |   F1 | titles |",
        f"| {'-' * width} | --------: | -----: | ---: | -----: |",
    ]
    for category, row in metrics["categories"].items():
        scores = f"{row['precision']:>9.0%} | {row['recall']:>6.0%} | {row['f1']:>4.0%} | {row['support']:>6}"
        if not row["support"]:
            scores = f"{'-':>9} | {'-':>6} | {'-':>4} | {0:>6}"
        lines.append(f"| {category:<{width}} | {scores} |")
    both = f"{metrics['accuracy']:.1%} / {metrics['macro_f1']:.1%}"
    lines.append(f"| {'accuracy / macro-F1':<{width}} | {both:>25} | {metrics['titles']:>6} |")
    return "\n".join(lines) + "\n"


def _overview(metrics: Metrics) -> str:
    return (
        f"# Evaluation on {metrics['titles']:,} titles\n\n"
        f"- Accuracy {metrics['accuracy']:.1%}, macro-F1 {metrics['macro_f1']:.1%}.\n"
        f"- Expected calibration error {metrics['expected_calibration_error']:.3f} with temperature "
        f"{metrics['temperature']['value']:.2f} (fitted on validation), {metrics['uncalibrated_error']:.3f} without.\n"
    )


def _coverage(metrics: Metrics) -> str:
    lines = [
        "## Precision and coverage",
        "",
        "With `--precision`, a category is predicted only if its probability reaches the category's threshold, fitted",
        "on validation. The last column is the coverage of the best single threshold, chosen on these very titles: use",
        "it to compare models, not as a promise.",
        "",
        "| requested precision | precision | coverage | coverage, one threshold |",
        "| ---: | ---: | ---: | ---: |",
    ]
    for wanted, row in metrics["coverage"].items():
        note = " (the target)" if float(wanted) == metrics["target_precision"] else ""
        best = metrics["coverage_at_precision"][wanted]
        lines.append(
            f"| {float(wanted):.1%}{note} | {as_percent(row['precision'])} | {row['coverage']:.1%} | {best:.1%} |"
        )
    return "\n".join(lines) + "\n"


def _thresholds(metrics: Metrics) -> str:
    lines = [
        f"### At the target of {metrics['target_precision']:.1%}",
        "",
        "Coverage: of the titles whose most probable category is this one, right or wrong, the fraction that reaches",
        "its threshold. A category without a threshold never reached this precision on validation and is never",
        "predicted.",
        "",
        "| category | requested precision | threshold | precision | coverage | titles |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for category, row in metrics["thresholds"].items():
        cells = f"{row['wanted']:.1%} | {as_percent(row['threshold'])} | {as_percent(row['precision'])}"
        lines.append(f"| {category} | {cells} | {row['coverage']:.1%} | {row['answered']} of {row['taken']} |")
    return "\n".join(lines) + "\n"


def as_percent(value: float | None) -> str:
    """Return a fraction as a percentage, and None as "none"."""
    return "none" if value is None else f"{value:.1%}"


def _fields_section(fields: Metrics) -> str:
    """Return the section on what the model answers with some of the fields only."""
    score = SCORES[main_score(next(iter(fields.values())))]
    lines = [
        "## Fields",
        "",
        "The same programmes with some of their fields; a programme may lack one.",
        "",
        f"| known | {score} | macro-F1 |",
        "| --- | ---: | ---: |",
        *(f"| {known} | {_scores(row)} |" for known, row in fields.items()),
    ]
    return "\n".join(lines) + "\n"


def _noise_section(groups: Metrics) -> str:
    """Return the section on robustness: a table of the scores of each group in each condition."""
    score = SCORES[main_score(next(iter(groups.values()))["clean"])]
    sizes = [f"{group['clean']['titles']:,} titles {GROUPS[name]}" for name, group in groups.items()]
    lines = [
        "## Misspelt and reformatted titles",
        "",
        f"The same titles, clean and noisy: {' and '.join(sizes)}.",
        "`changed` is the fraction of titles that the noise changes: few have diacritics to lose. All titles are",
        f"scored; `lost` is the loss on the changed ones alone, in points of {score}.",
        "",
        "| titles | changed |" + "".join(f" {name}: {score} | macro-F1 | lost |" for name in groups),
        "| --- | ---: |" + " ---: | ---: | ---: |" * len(groups),
        "| clean | |" + "".join(f" {_scores(group['clean'])} | |" for group in groups.values()),
    ]
    for row in (row for part in PARTS for row in rows(groups, part)):
        cells = [f" {_scores(scores)} | {_points(scores['loss'])} |" for scores in row.scores.values()]
        lines.append(f"| {row.label} | {row.changed:.0%} |" + "".join(cells))
    return "\n".join(lines) + "\n"


def _scores(scores: Metrics) -> str:
    return f"{scores[main_score(scores)]:.1%} | {scores['macro_f1']:.1%}"


def _points(fraction: float | None) -> str:
    return "none" if fraction is None else f"{100 * fraction:.1f}"


def _mistakes(titles: LabelledTitles, confidence: Floats, predicted: Labels, categories: list[str]) -> str:
    lines = [
        "## Most confident mistakes",
        "",
        "| title | label | predicted | probability |",
        "| --- | --- | --- | ---: |",
    ]
    wrong = np.flatnonzero(predicted != titles.targets)
    for row in wrong[np.argsort(-confidence[wrong], kind="stable")][:MISTAKES]:
        title, label = titles.titles[row].replace("|", "\\|"), categories[titles.targets[row]]
        lines.append(f"| {title} | {label} | {categories[predicted[row]]} | {confidence[row]:.0%} |")
    return "\n".join(lines) + "\n"
