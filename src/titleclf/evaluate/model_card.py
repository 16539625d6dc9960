"""The model card: what a model was trained on, how good it is, and what it can't do."""

from titleclf import __version__
from titleclf.evaluate import tag_coverage, tag_metrics
from titleclf.evaluate.coverage import answered
from titleclf.evaluate.metrics import by_language
from titleclf.evaluate.robustness import told
from titleclf.runtime.bundle.contents import Facts, Metrics
from titleclf.runtime.bundle.reader import MEMORY
from titleclf.runtime.choices import Task


def model_card(facts: Facts, task: Task, model: str, categories: list[str], remembered: int | None) -> str:
    """Return the card; `model` says what the network is, `remembered` how many titles lie in the bundle."""
    is_single, metrics = task is Task.single, facts.metrics
    told_of = "category" if is_single else "categories, one or several,"
    memory = "none." if remembered is None else _remembered(remembered)
    scores = _scores(metrics) if is_single else _tag_scores(metrics)
    error, temperature = metrics["expected_calibration_error"], metrics["temperature"]["value"]
    asked = answered(metrics) if is_single else tag_coverage.answered(metrics)
    return f"""# A titleclf model

Tells the {told_of} of a TV programme from its title. Made with titleclf {__version__}; predict with
`python -m titleclf.predict --model THIS_FOLDER "A title"`.

- Model: {model}.
- Categories: {"; ".join(categories)}.
- Trained on {facts.training_titles:,} titles ({", ".join(facts.languages)}), seed {facts.seed};
  SHA-256 of all its labelled titles: {facts.fingerprint}.{_about(facts.about)}
- Memory: {memory}
- On {metrics["titles"]:,} held-out titles: {scores},
  expected calibration error {error:.3f} (temperature {temperature:.2f}).
- {asked}{_listed(told(metrics["robustness"]))}

{by_language(metrics) if is_single else tag_metrics.by_language(metrics)}
Limits: it knows no programme, only spellings and what it remembers. Short titles and names say little, and the
probability then says so. A wrong "Movie / Drama" can cost a guide its episode numbers: ask for a precision, and it says
"don't know" in time.
"""


def _scores(metrics: Metrics) -> str:
    return f"accuracy {metrics['accuracy']:.1%}, macro-F1 {metrics['macro_f1']:.1%}"


def _tag_scores(metrics: Metrics) -> str:
    return (
        f"micro-F1 {metrics['micro_f1']:.1%}, macro-F1 {metrics['macro_f1']:.1%},\n"
        f"  mean average precision {metrics['mean_average_precision']:.1%}, "
        f"exactly the right categories for {metrics['subset_accuracy']:.1%}"
    )


def _listed(lines: str) -> str:
    return "".join(f"\n- {line}" for line in lines.splitlines())


def _about(about: str | None) -> str:
    return "" if about is None else f"\n  {about}."


def _remembered(titles: int) -> str:
    return (
        f"{titles:,} known titles, without case, accents and episodes, lie in `{MEMORY}` with their categories, for\n"
        "  whoever has this folder to read. Trained with `memory=none`, it would hold none."
    )
