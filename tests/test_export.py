import re
from dataclasses import replace

import numpy as np
import pytest

from tests.helpers.training import train_without_plots
from titleclf import export as module
from titleclf.config.schemas import ExportConfig
from titleclf.export import export
from titleclf.runtime.calibration import Temperature
from titleclf.runtime.choices import ExportFormat
from titleclf.runtime.classifier import Classifier, classifier_of
from titleclf.runtime.errors import InputError
from titleclf.runtime.folded_network import FoldedNetwork
from titleclf.runtime.network import NumpyNetwork
from titleclf.runtime.text.programmes import Programmes
from titleclf.training.embeddings import read_embeddings
from titleclf.training.trained_model import load_trained

PROGRAMMES = Programmes(["Match of the Day", "Tagesschau", "Swan Lake"])


def config(run, kind, output, *, fold=True) -> ExportConfig:
    return ExportConfig(run=str(run), format=kind, output=str(output), fold=fold, titles="shipped")


def test_an_exported_bundle_is_folded_and_predicts_as_the_trained_model(run, tmp_path, capsys):
    folder = export(config(run, ExportFormat.bundle, tmp_path / "new"))
    folded, trained = Classifier.load(folder), load_trained(run)
    assert isinstance(folded.network, FoldedNetwork)
    assert np.abs(folded.probabilities(PROGRAMMES) - trained.probabilities(PROGRAMMES)).max() < 0.01
    exported_size, trained_size = ((path / "weights.safetensors").stat().st_size for path in (folder, run / "bundle"))
    assert exported_size < trained_size / 2
    assert re.fullmatch(
        rf"On 10,000 titles: [\d.]+% the same prediction, probabilities within 0.00\d+.\nWrote {folder}\n",
        capsys.readouterr().out,
    )


def test_fold_false_exports_the_weights_unchanged(run, tmp_path):
    folder = export(config(run, ExportFormat.bundle, tmp_path / "new", fold=False))
    assert (folder / "weights.safetensors").read_bytes() == (run / "bundle" / "weights.safetensors").read_bytes()
    difference = load_trained(folder).probabilities(PROGRAMMES) - load_trained(run).probabilities(PROGRAMMES)
    assert np.abs(difference).max() < 1e-5


def test_a_model_that_can_not_be_folded_is_exported_unchanged_and_the_reason_printed(small, tmp_path, capsys):
    run = train_without_plots(small("model=conv", "model.channels=11", "training.epochs=1"))
    capsys.readouterr()
    folder = export(config(run, ExportFormat.bundle, tmp_path / "new"))
    assert isinstance(Classifier.load(folder).network, NumpyNetwork)
    assert "Not folded: conv has no n-grams.\n" in capsys.readouterr().out


def test_models_of_tags_are_folded_too(tags_run, tmp_path):
    folder = export(config(tags_run, ExportFormat.bundle, tmp_path / "new"))
    assert isinstance(Classifier.load(folder).network, FoldedNetwork)


@pytest.mark.parametrize("fold", [True, False])
def test_a_bundle_that_predicts_differently_is_not_written(run, tmp_path, monkeypatch, fold):
    def hotter(bundle):
        return classifier_of(replace(bundle, contents=replace(bundle.contents, temperature=Temperature(9.0, 0.0))))

    monkeypatch.setattr(module, "classifier_of", hotter)
    with pytest.raises(InputError) as caught:
        export(config(run, ExportFormat.bundle, tmp_path / "new", fold=fold))
    assert str(caught.value).startswith("the export must predict 99.5% of titles as its model does, with probabilities")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("shipped_model")
@pytest.mark.parametrize("kind", list(ExportFormat))
def test_the_shipped_model_is_exported(run, tmp_path, kind):
    exports = [export(config(model, kind, tmp_path / f"new {model[-3:]}")) for model in ("shipped", str(run))]
    shipped, trained = (path / "weights.safetensors" if path.is_dir() else path for path in exports)
    assert shipped.read_bytes() == trained.read_bytes()


def test_embeddings_are_exported_for_another_training(run, tmp_path):
    path = export(config(run, ExportFormat.embeddings, tmp_path / "e.safetensors"))
    assert set(read_embeddings(path).tables) == {"characters", "ngrams"}


@pytest.mark.parametrize("kind", list(ExportFormat))
def test_nothing_is_overwritten(run, tmp_path, kind):
    (tmp_path / "old").write_text("precious")
    with pytest.raises(InputError) as caught:
        export(config(run, kind, tmp_path / "old"))
    assert str(caught.value) == f"output must not exist yet. Got {tmp_path / 'old'}. Name another one or remove it."
    assert (tmp_path / "old").read_text() == "precious"
