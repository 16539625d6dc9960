import numpy as np
import pytest

from titleclf.bundle import load_bundle
from titleclf.config import ExportConfig
from titleclf.embeddings import read_embeddings
from titleclf.errors import InputError
from titleclf.export import export
from titleclf.kinds import ExportFormat


def config(run, kind, output) -> ExportConfig:
    return ExportConfig(str(run), kind, str(output), "shipped")


def test_an_exported_bundle_predicts_as_the_trained_model(run, tmp_path, capsys):
    folder = export(config(run, ExportFormat.bundle, tmp_path / "new"))
    titles = ["Match of the Day", "Tagesschau", "Swan Lake"]
    difference = load_bundle(folder).probabilities(titles)[0] - load_bundle(run).probabilities(titles)[0]
    assert np.abs(difference).max() < 1e-5
    assert f"Wrote {folder}" in capsys.readouterr().out


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
