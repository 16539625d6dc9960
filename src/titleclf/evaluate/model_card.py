"""The model card: training data, scores and limits of a model."""

from collections.abc import Callable
from typing import NamedTuple

from titleclf import __version__
from titleclf.evaluate.coverage import coverage_sentence, tag_coverage_sentence
from titleclf.evaluate.metrics import by_language
from titleclf.evaluate.robustness import robustness_summary
from titleclf.runtime.bundle.contents import BundleContents, Metrics
from titleclf.runtime.bundle.reader import MEMORY
from titleclf.runtime.choices import Task


class _Wording(NamedTuple):
    predicts: str
    scores: Callable[[Metrics], str]
    coverage: Callable[[Metrics], str]


def model_card(contents: BundleContents, model: str) -> str:
    """Return the card; `model` describes the network."""
    info, metrics, wording = contents.info, contents.info.metrics, _WORDINGS[contents.task]
    memory = "none." if contents.memory is None else _memory(len(contents.memory.known.keys))
    about = "" if info.about is None else f"\n  {info.about}."
    error, temperature = metrics["expected_calibration_error"], metrics["temperature"]["value"]
    refit = "\n  Measured before the model was trained once more on all titles." if info.is_refitted else ""
    robustness = "".join(f"\n- {line}" for line in robustness_summary(metrics["robustness"]).splitlines())
    return f"""# A titleclf model

Predicts the {wording.predicts} of a TV programme from its title. Made with titleclf {__version__}; predict with
`python -m titleclf.predict --model THIS_FOLDER "A title"`.

- Model: {model}.
- Categories: {"; ".join(contents.categories)}.
- Trained on {info.training_titles:,} titles ({", ".join(info.languages)}), seed {info.seed};
  SHA-256 of all its labelled titles: {info.fingerprint}.{about}
- Memory: {memory}
- On {metrics["titles"]:,} held-out titles: {wording.scores(metrics)},
  expected calibration error {error:.3f} (temperature {temperature:.2f}).{refit}
- {wording.coverage(metrics)}{robustness}

{by_language(metrics)}
Limits: the model knows no programmes, only spellings and the titles in its memory. Short titles and names carry little
information, and their probabilities reflect this. A wrong "Movie / Drama" can cost a guide its episode numbers: use
`--precision`, and the model abstains where it is unsure.
"""


def _scores(metrics: Metrics) -> str:
    return f"accuracy {metrics['accuracy']:.1%}, macro-F1 {metrics['macro_f1']:.1%}"


def _tag_scores(metrics: Metrics) -> str:
    return (
        f"micro-F1 {metrics['micro_f1']:.1%}, macro-F1 {metrics['macro_f1']:.1%},\n"
        f"  mean average precision {metrics['mean_average_precision']:.1%}, "
        f"subset accuracy {metrics['subset_accuracy']:.1%}"
    )


def _memory(titles: int) -> str:
    return (
        f"{titles:,} known titles, without case, accents and episodes, are in `{MEMORY}` with their categories:\n"
        "  anyone with this folder can read them. A model trained with `memory=none` holds none."
    )


_WORDINGS = {
    Task.single: _Wording("category", _scores, coverage_sentence),
    Task.multilabel: _Wording("categories, one or several,", _tag_scores, tag_coverage_sentence),
}
