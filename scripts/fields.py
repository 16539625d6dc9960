"""Measure what each field adds to a title, on guides whose sources were left out of training whole."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import f1_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.svm import LinearSVC

from scripts.common.arguments import add_sources, parse_with_overrides, report_parser
from scripts.common.report import as_percent, as_table, made_by
from scripts.common.training import train_quietly
from titleclf.epg.evidence import Evidence
from titleclf.epg.guide_labels import GuideLabels
from titleclf.evaluate.coverage import coverage_curve
from titleclf.runtime.arrays import Floats, Labels
from titleclf.runtime.classifier import Classifier
from titleclf.runtime.errors import InputError, exit_codes
from titleclf.runtime.files import write_text
from titleclf.runtime.text.channels import ChannelList
from titleclf.runtime.text.fields import EDGES
from titleclf.runtime.text.programmes import Programmes
from titleclf.runtime.text.title_keys import base_title

PRECISION = 0.9
ALL = ["description", "channel", "channel_kind", "minutes", "language"]
SUBSETS: dict[str, tuple[str, ...]] = {
    "title": (),
    "title, minutes": ("minutes",),
    "title, channel": ("channel",),
    "title, description": ("description",),
    "title, description, minutes": ("description", "minutes"),
    "title, description, minutes, channel": ("channel", "description", "minutes"),
    "all": ("channel", "description", "minutes", "language"),
}
MODEL, TITLE_MODEL, PEER = "titleclf", "titleclf, trained on titles alone", "TF-IDF + LinearSVC"
_TITLE, _ALL, _GUIDE = "title", "all", "all, as in epg fill"


def split_sources(programmes: pd.DataFrame, left_out: Sequence[str], unused: Sequence[str]) -> pd.DataFrame:
    """Return programmes with a column `part`: `train`, the left-out source, or nothing for rows that are not used.

    Titles of left-out and of unused sources are not trained on in any source.

    Raises
    ------
    InputError
        If there are no programmes of one of the sources.
    """
    missing = sorted({*left_out, *unused} - set(programmes["source"]))
    if missing:
        raise InputError(f"the programmes must have each source that is named. Got none of {', '.join(missing)}.")
    is_out = programmes["source"].isin([*left_out, *unused])
    bases = programmes["title"].map(base_title)
    is_shared = bases.isin(set(bases[is_out]))
    part = programmes["source"].where(programmes["source"].isin(left_out), "")
    programmes = programmes.assign(language=programmes["lang"].where(programmes["lang"] != "und"))
    return programmes.assign(part=part.mask(~is_shared, "train"))


def write_training(
    programmes: pd.DataFrame, titles: Sequence[str], folder: Path, left_out_languages: Sequence[str] = ()
) -> None:
    """Write the programmes to train on, and titles alone without those of left-out sources, to `folder`."""
    columns = ["title", "category", "lang", "source", "channel", "minutes", "description"]
    columns += ["kind"] if "kind" in programmes else []
    programmes.loc[programmes["part"] == "train", columns].to_parquet(folder / "0_programmes.parquet")
    left_out = set(programmes.loc[programmes["part"] != "train", "title"].map(base_title))
    for number, path in enumerate(titles, start=1):
        rows = pd.read_csv(path, keep_default_na=False)
        kept = rows[~rows["title"].map(base_title).isin(left_out)]
        kept = kept.assign(lang=rows.get("lang", "en"), source=rows.get("source", ""))
        kept = kept[~kept["lang"].isin(left_out_languages)]
        kept[["title", "category", "lang", "source"]].to_csv(folder / f"{number}_titles.csv", index=False)


def programmes_of(frame: pd.DataFrame, fields: Sequence[str]) -> Programmes:
    """Return the programmes of rows with these of their fields."""
    return Programmes.checked(frame[["title", *fields]])


def scores(probabilities: Floats, labels: Labels) -> dict[str, float]:
    """Return accuracy, macro-F1 and coverage at the precision, of (titles, categories) and (titles,)."""
    best = probabilities.argmax(axis=1)
    coverages, precisions = coverage_curve(probabilities.max(axis=1), best == labels)
    return {
        "accuracy": float((best == labels).mean()),
        "macro-F1": float(f1_score(labels, best, average="macro", zero_division=0)),
        "coverage": float(coverages[precisions >= PRECISION].max(initial=0.0)),
    }


def evaluate(classifier: Classifier[Any], tests: dict[str, pd.DataFrame], subsets: Sequence[str]) -> pd.DataFrame:
    """Return the scores of a model on each source with each subset of fields."""
    return pd.DataFrame(
        {
            "source": source,
            "fields": subset,
            **scores(probabilities_of(classifier, frame, subset), labels_of(frame, classifier.categories)),
        }
        for source, frame in tests.items()
        for subset in subsets
    )


def probabilities_of(classifier: Classifier[Any], frame: pd.DataFrame, subset: str) -> Floats:
    """Return the probabilities (programmes, categories) of a source with a subset of fields.

    `_GUIDE` takes the source for a guide without categories: what its channels show counts as well.
    """
    if subset != _GUIDE:
        return classifier.probabilities(programmes_of(frame, SUBSETS[subset]))
    programmes, evidence = programmes_of(frame, SUBSETS[_ALL]), Evidence(classifier, GuideLabels())
    showings = [(programme.title, programme.channel) for programme in programmes]
    evidence.add(programmes, showings)
    logits, _ = classifier.split(evidence.outputs(showings).logits)
    return classifier.contents.temperature.probabilities(logits)


def labels_of(frame: pd.DataFrame, categories: Sequence[str]) -> Labels:
    """Return the numbers (programmes,) of the categories of rows."""
    numbers = {category: number for number, category in enumerate(categories)}
    return np.array([numbers[category] for category in frame["category"]], dtype=np.int64)


def train(overrides: Sequence[str], folder: Path, fields: Sequence[str], test: Path) -> Classifier[Any]:
    """Train on the files of `folder` with these fields; `test` is a small file that nothing is chosen by."""
    data = [f"data.path={folder}/*_*.*", f"data.test_path={test}", f"model.fields.use=[{','.join(fields)}]"]
    run = train_quietly([*overrides, *data, "evaluate.robustness_titles=0"], folder.parent / "runs")
    return Classifier.load(run)


def peer(fields: bool) -> Pipeline:
    """Return an untrained SVC on the TF-IDF of titles, and on all fields if `fields`."""
    parts = [("title", _tfidf("char_wb", (1, 5)), "title")]
    if fields:
        parts += [
            ("description", _tfidf("word", (1, 2)), "description"),
            ("channel", _tfidf("char_wb", (2, 5)), "channel"),
            ("kinds", TfidfVectorizer(tokenizer=str.split, token_pattern=None), "kinds"),
        ]
    return make_pipeline(ColumnTransformer(parts), LinearSVC(random_state=1))


def peer_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with a column `kinds`: the span of minutes and the categories of the channel, as words."""
    frame = frame.fillna({"channel": "", "description": ""})
    channels = ChannelList.shipped()
    categories = {name: channels.categories_of(name) if name else () for name in set(frame["channel"])}
    spans = np.searchsorted(EDGES, frame["minutes"].fillna(-1))
    kinds = [
        " ".join([f"span{span}", *categories[name]])
        for span, name in zip(spans.tolist(), frame["channel"], strict=True)
    ]
    return frame.assign(kinds=kinds)


def evaluate_peer(
    rows: pd.DataFrame, tests: dict[str, pd.DataFrame], categories: Sequence[str], *, fields: bool
) -> pd.DataFrame:
    """Train the peer and return its scores on each source; distances take the place of probabilities."""
    model = peer(fields).fit(rows, labels_of(rows, categories))
    found = []
    for source, frame in tests.items():
        distances = model.decision_function(peer_frame(frame))
        measured = scores(distances, labels_of(frame, categories))
        found.append({"source": source, "fields": _ALL if fields else _TITLE, **measured})
    return pd.DataFrame(found)


def report(results: pd.DataFrame, tests: dict[str, pd.DataFrame], command: str) -> str:
    """Return the report: means over the sources, then each source."""
    order = {name: number for number, name in enumerate([*SUBSETS, _GUIDE])}
    results = results.sort_values("fields", key=lambda column: column.map(order), kind="stable")
    results = results.sort_values("model", kind="stable")
    means = results.groupby(["model", "fields"], sort=False)[["accuracy", "macro-F1", "coverage"]].mean().reset_index()
    sizes = ", ".join(f"{source} {len(frame):,}" for source, frame in tests.items())
    return (
        "# What the fields of a programme add to its title\n\n"
        "Guide titles, not redistributed. New titles of sources that training has nothing of, means over the sources.\n"
        "Coverage: the largest fraction of programmes, most confident first, that is answered with a precision of\n"
        f"{PRECISION:.0%}. In the last row each source is one guide without categories, and what a channel's other\n"
        f"titles are predicted to be counts as well. Programmes: {sizes}.\n\n"
        f"Made by {command}.\n\n{_table(means)}\n## Each source\n\n{_table(results)}"
    )


def _table(rows: pd.DataFrame) -> str:
    shown = rows.assign(**{name: rows[name].map(as_percent) for name in ("accuracy", "macro-F1", "coverage")})
    texts = [name for name in ("model", "source", "fields") if name in shown]
    return as_table(shown[[*texts, "accuracy", "macro-F1", "coverage"]].set_index(texts[0]), len(texts))


def _tfidf(analyzer: str, ngrams: tuple[int, int]) -> TfidfVectorizer:
    return TfidfVectorizer(analyzer=analyzer, ngram_range=ngrams, sublinear_tf=True, min_df=2, dtype=np.float32)


@exit_codes
def main() -> None:
    """Run the command line."""
    parser = report_parser("fields", __doc__)
    add_sources(parser)
    parser.add_argument("--unused", nargs="*", default=[], metavar="SOURCE", help="sources to leave out as well")
    parser.add_argument("--peer", action="store_true", help="also train TF-IDF + LinearSVC on the same fields")
    parser.add_argument(
        "--title-model", action="store_true", help="also train a model of the same size on titles alone"
    )
    arguments = parse_with_overrides(parser)
    command = made_by("fields", [arguments.programmes, *arguments.titles])
    programmes = split_sources(pd.read_parquet(arguments.programmes), arguments.left_out, arguments.unused)
    tests = {source: programmes[programmes["part"] == source] for source in arguments.left_out}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, "data")
        folder.mkdir()
        write_training(programmes, arguments.titles, folder)
        rows = pd.concat(
            pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path, keep_default_na=False)
            for path in sorted(folder.iterdir())
        )
        test = Path(temporary, "test.csv")
        rows.groupby("category").head(2)[["title", "category", "lang"]].to_csv(test, index=False)
        overrides = [*arguments.overrides, *([] if "kind" in programmes else ["loss.kind=0"])]
        model = train(overrides, folder, ALL, test)
        results = [evaluate(model, tests, [*SUBSETS, _GUIDE]).assign(model=MODEL)]
        if arguments.title_model:
            title_model = train([*overrides, "loss.kind=0"], folder, [], test)
            results.append(evaluate(title_model, tests, [_TITLE]).assign(model=TITLE_MODEL))
        if arguments.peer:
            rows = peer_frame(rows)
            results += [
                evaluate_peer(rows, tests, model.categories, fields=fields).assign(model=PEER)
                for fields in (False, True)
            ]
    write_text(Path(arguments.output), report(pd.concat(results), tests, command))


if __name__ == "__main__":
    main()
