"""Cross-validate TitleClassifier and TF-IDF + linear SVC with scikit-learn, on the same folds of the same titles."""

import tempfile
from pathlib import Path

import pandas as pd
from sklearn.base import ClassifierMixin
from sklearn.model_selection import StratifiedKFold, cross_validate
from tqdm import tqdm

from scripts.common import peers
from scripts.common.arguments import parse_with_overrides, report_parser
from scripts.common.report import as_table, data_files, made_by, write_report
from scripts.common.training import train_quietly
from titleclf import TitleClassifier
from titleclf.config.hydra import compose
from titleclf.data.titles import read_all_titles
from titleclf.runtime.errors import exit_codes

SCORES = {"accuracy": "accuracy", "macro-F1": "f1_macro"}
NO_ROBUSTNESS = "evaluate.robustness_titles=0"  # which costs time, and is no score here


def cross_validated(models: dict[str, ClassifierMixin], titles: pd.DataFrame, folds: int, seed: int) -> pd.DataFrame:
    """Return a row for each model: the mean of each score, its lowest and highest fold, and the seconds of a fit."""
    splits = StratifiedKFold(folds, shuffle=True, random_state=seed)
    rows = {}
    for name, model in tqdm(models.items(), "models", disable=None):
        results = cross_validate(
            model, titles["title"], titles["category"], cv=splits, scoring=SCORES, error_score="raise"
        )
        scores = {score: results[f"test_{score}"] for score in SCORES}
        cells = {
            score: f"{values.mean():.1%} ({values.min():.1%} to {values.max():.1%})" for score, values in scores.items()
        }
        rows[name] = {**cells, "seconds to fit": f"{results['fit_time'].mean():.0f}"}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("model")


def is_bundle_of_train(titles: pd.DataFrame, overrides: list[str]) -> bool:
    """Return whether fit and save write what the command writes for the same titles, byte by byte."""
    shared = [NO_ROBUSTNESS, "training.refit=false", *overrides]
    with tempfile.TemporaryDirectory() as folder:
        trained = train_quietly(shared, folder) / "bundle"
        saved = Path(folder) / "saved"
        without_path = [override for override in shared if not override.startswith("data.path=")]
        TitleClassifier.from_config(without_path).fit(titles, titles["category"]).save(saved)
        names = sorted(path.name for path in trained.iterdir())
        return all((saved / name).read_bytes() == (trained / name).read_bytes() for name in names)


@exit_codes
def main() -> None:
    """Measure, print and write."""
    parser = report_parser("estimator", __doc__)
    parser.add_argument("--folds", type=int, default=5, metavar="N", help="folds of the cross-validation (%(default)s)")
    arguments = parse_with_overrides(parser)
    provenance = made_by("estimator")
    config = compose("train", arguments.overrides)
    titles = read_all_titles(config.data.path, config.data.columns).rename(columns={"lang": "language"})
    overrides = [override for override in arguments.overrides if not override.startswith("data.path=")]
    models = {
        "TitleClassifier": TitleClassifier.from_config([NO_ROBUSTNESS, *overrides]),
        peers.SVC: peers.svc(config.seed),
    }
    table = as_table(cross_validated(models, titles, arguments.folds, config.seed))
    equal = "is, byte by byte," if is_bundle_of_train(titles, arguments.overrides) else "is NOT"
    write_report(
        arguments.output,
        f"""\
# The estimator in scikit-learn's cross-validation

{provenance}.
{arguments.folds} stratified folds of the {len(titles):,} titles in {data_files(config)}: means over folds, with the
lowest and the highest. Both learn all titles of the other folds, TitleClassifier in its last training.

{table}
The bundle that `fit` and `save` write {equal} the one of `titleclf train` with the same titles and seed.
""",
    )


if __name__ == "__main__":
    main()
