"""`python -m titleclf.evaluate`: judge a trained model on labelled titles."""

from dataclasses import replace
from pathlib import Path

import pandas as pd

from titleclf import runs
from titleclf.bundle import Bundle, load_bundle, model_folder
from titleclf.command import command
from titleclf.config import EvaluateConfig, EvaluationConfig, TrainConfig
from titleclf.errors import InputError
from titleclf.files import SHIPPED
from titleclf.memory import Memory
from titleclf.metrics import Metrics, measure, probabilities
from titleclf.neighbours import key_of
from titleclf.report import table, write_report
from titleclf.robustness import Labelled, robustness, told
from titleclf.thresholds import abstention, named_wishes
from titleclf.titles import Split, fingerprint, labels_of, read_all_titles, split


def evaluate(config: EvaluateConfig) -> Metrics:
    """Judge a model on a file, or without one on the test titles of its own run, and write the report."""
    model = model_folder(config.run)
    bundle = load_bundle(model)
    if config.evaluate.category_precision:
        wishes = named_wishes(config.evaluate.category_precision, bundle.categories)
        bundle.thresholds = replace(bundle.thresholds, wishes=wishes)
    bundle.thresholds.at(config.evaluate.target_precision)  # refuse too high a target before the titles are read
    known = None
    if config.path is not None:
        titles = read_all_titles(config.path, config.columns)
    else:
        known, _, titles = _own_titles(model, bundle)
    folder = _report_folder(config)
    metrics = evaluate_bundle(bundle, titles, known, folder, config.evaluate)
    print(f"{metrics['titles']:,} titles:\n\n{table(metrics)}")
    print(f"{told(metrics['robustness'])}Report: {folder / 'report.md'}")
    return metrics


def evaluate_bundle(
    bundle: Bundle, titles: pd.DataFrame, known: pd.DataFrame | None, folder: Path, config: EvaluationConfig
) -> Metrics:
    """Measure the bundle on a frame of `title, category, lang` and write metrics, report and pictures to `folder`.

    `known` are the titles of its training, where they are at hand: noise spoils them too, and differently.
    """
    labels = labels_of(titles, bundle.categories)
    logits, cut = bundle.logits(list(titles["title"]))
    languages = titles["lang"].to_numpy(dtype=str)
    shares = probabilities(logits, bundle.temperature)
    metrics = {
        **measure(logits, labels, languages, bundle.categories, bundle.temperature, config.calibration_bins),
        **abstention(shares, labels, bundle.thresholds, config.target_precision),
        "cut": cut,
        "robustness": _robustness(bundle, titles, known, config.robustness_titles),
    }
    if cut:
        print(f"{cut:,} of {len(titles):,} titles are longer than the longest of training, and were cut.")
    write_report(folder, metrics, titles, shares)
    return metrics


def _report_folder(config: EvaluateConfig) -> Path:
    if config.output_dir is not None:
        return Path(config.output_dir)
    return Path("outputs/shipped" if config.run == SHIPPED else config.run) / "evaluation"


def part(titles: pd.DataFrame, known: pd.DataFrame | None, memory: Memory | None) -> dict[str, pd.DataFrame]:
    """Return the titles that training did not see, and those that it did: all of them where they are at hand."""
    if memory is not None:
        keys = set(memory.keys)
    elif known is not None:
        keys = set(map(key_of, known["title"]))
    else:
        return {"judged": titles}
    seen = titles["title"].map(key_of).isin(keys)
    return {"unseen": titles[~seen], "known": titles[seen] if known is None else known}


def _robustness(bundle: Bundle, titles: pd.DataFrame, known: pd.DataFrame | None, count: int) -> Metrics:
    memory = bundle.memory if bundle.facts.remembers_training else None  # only that one tells what training saw
    groups = {
        name: Labelled(list(frame["title"]), labels_of(frame, bundle.categories))
        for name, frame in part(titles, known, memory).items()
    }
    return robustness(lambda some: bundle.logits(some)[0].argmax(axis=1), groups, count)


def _own_titles(model: Path, bundle: Bundle) -> Split:
    config = runs.load_config(model, TrainConfig)
    titles = read_all_titles(config.data.path, config.data.columns)
    if fingerprint(titles) != bundle.facts.fingerprint:
        raise InputError(
            f"{config.data.path} must be as it was in training. Got other titles. Give path=FILE to judge."
        )
    return split(titles, config.data, config.seed)


main = command("evaluate", evaluate)

if __name__ == "__main__":
    main()
