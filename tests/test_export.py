import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from tests.runtime.test_classifier import with_network
from titleclf import export as module
from titleclf.config.schemas import ExportConfig
from titleclf.export import export
from titleclf.runtime.calibration import Temperature
from titleclf.runtime.choices import ExportFormat
from titleclf.runtime.classifier import Classifier
from titleclf.runtime.errors import InputError
from titleclf.runtime.folded_network import Folded
from titleclf.runtime.network import Forward
from titleclf.training.embeddings import read_embeddings
from titleclf.training.trained_model import load_bundle


def config(run, kind, output, **how) -> ExportConfig:
    return ExportConfig(
        **{"run": str(run), "format": kind, "output": str(output), "fold": True, "titles": "shipped", **how}
    )


TITLES = ["Match of the Day", "Tagesschau", "Swan Lake"]


def test_an_exported_bundle_is_folded_and_predicts_as_the_trained_model(run, tmp_path, capsys):
    folder = export(config(run, ExportFormat.bundle, tmp_path / "new"))
    folded, trained = Classifier.load(folder), load_bundle(run)
    assert isinstance(folded.network, Folded)
    assert np.abs(folded.probabilities(TITLES)[0] - trained.probabilities(TITLES)[0]).max() < 0.01
    weights = [(one / "weights.safetensors").stat().st_size for one in (folder, run / "bundle")]
    assert weights[0] < weights[1] / 2
    said = capsys.readouterr().out
    assert re.fullmatch(
        rf"On 10,000 titles: [\d.]+% the same answer, probabilities within 0.00\d+.\nWrote {folder}\n", said
    )


def test_it_is_not_folded_if_it_shall_not_be(run, tmp_path):
    folder = export(config(run, ExportFormat.bundle, tmp_path / "new", fold=False))
    assert (folder / "weights.safetensors").read_bytes() == (run / "bundle" / "weights.safetensors").read_bytes()
    difference = load_bundle(folder).probabilities(TITLES)[0] - load_bundle(run).probabilities(TITLES)[0]
    assert np.abs(difference).max() < 1e-5


def test_what_can_not_be_folded_stays_as_it_is_and_that_is_said(run, tmp_path, capsys):
    with_network(run, "conv").save(tmp_path / "conv")
    folder = export(config(tmp_path / "conv", ExportFormat.bundle, tmp_path / "new"))
    assert isinstance(Classifier.load(folder).network, Forward)
    assert "Not folded: conv has no n-grams.\n" in capsys.readouterr().out


def test_tags_are_folded_too(tags_run, tmp_path):
    folder = export(config(tags_run, ExportFormat.bundle, tmp_path / "new"))
    assert isinstance(Classifier.load(folder).network, Folded)


@pytest.mark.parametrize("fold", [True, False])
def test_a_bundle_that_answers_otherwise_is_not_written(run, tmp_path, monkeypatch, fold):
    def spoilt(saved):
        return Classifier.of(replace(saved, temperature=Temperature(9.0, 0.0)))

    monkeypatch.setattr(module, "Classifier", SimpleNamespace(of=spoilt))
    with pytest.raises(InputError) as caught:
        export(config(run, ExportFormat.bundle, tmp_path / "new", fold=fold))
    assert str(caught.value).startswith("the export must answer 99.5% of titles as its model does, with probabilities")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("shipped_model")
@pytest.mark.parametrize("kind", list(ExportFormat))
def test_the_shipped_model_is_exported(run, tmp_path, kind):
    made = [export(config(one, kind, tmp_path / f"new {one[-3:]}")) for one in ("shipped", str(run))]
    files = [path / "weights.safetensors" if path.is_dir() else path for path in made]
    assert files[0].read_bytes() == files[1].read_bytes()


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
