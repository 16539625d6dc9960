"""The refit: the bundle is trained once more on all titles, and the figures stay those of the model before."""

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

import numpy as np
import pytest
import torch

from tests.helpers.titles import COLUMNS
from tests.helpers.training import composed, interrupted, only_run, same, train_without_plots, weights
from titleclf import train as train_module
from titleclf.data.dataset import read_dataset
from titleclf.evaluate.evaluation import EVALUATED, REFIT_NOTE, evaluate
from titleclf.runtime.bundle.contents import BundleContents
from titleclf.runtime.classifier import Classifier
from titleclf.runtime.memory.memory import Memory
from titleclf.runtime.text.title_keys import key_of
from titleclf.train import train
from titleclf.training.trained_model import new_model

if TYPE_CHECKING:
    from titleclf.training.network import TorchNetwork


@pytest.fixture(scope="session")
def refitted(trained) -> Path:
    return trained("training.refit=true")


def test_the_evaluated_model_is_that_of_a_run_without_refit(trained, refitted):
    plain = weights(trained())
    evaluated = {name: torch.from_numpy(array) for name, array in _weights(refitted / EVALUATED).items()}
    assert same(evaluated, plain)
    assert not same(weights(refitted), plain)


def test_a_refitted_model_remembers_and_counts_all_titles(small, refitted):
    data = read_dataset(small())
    titles = [*data.train.titles, *data.validation.titles, *data.test.titles]
    kept, evaluated = Classifier.load(refitted).contents, Classifier.load(refitted / EVALUATED).contents
    assert _memory(kept).known.keys == sorted(set(map(key_of, titles)))
    assert kept.info.training_titles == len(titles)
    assert evaluated.info.training_titles == len(data.train)
    assert (kept.info.is_refitted, evaluated.info.is_refitted) == (True, False)


def test_calibration_and_figures_stay_those_of_the_evaluated_model(refitted):
    kept, evaluated = Classifier.load(refitted).contents, Classifier.load(refitted / EVALUATED).contents
    assert kept.temperature == evaluated.temperature
    assert kept.thresholds == evaluated.thresholds
    assert kept.info.metrics == evaluated.info.metrics
    assert np.array_equal(_memory(kept).weights, _memory(evaluated).weights)


def test_the_report_and_the_card_say_whose_figures_they_are(refitted, run):
    assert REFIT_NOTE in (refitted / "report.md").read_text()
    assert "before the model was trained once more on all titles" in (refitted / "bundle" / "README.md").read_text()
    assert REFIT_NOTE not in (run / "report.md").read_text()


def test_evaluating_a_run_on_its_own_test_titles_takes_the_model_that_does_not_know_them(refitted, tmp_path):
    config = replace(composed("evaluate"), run=str(refitted), output_dir=str(tmp_path), columns=COLUMNS)
    metrics = evaluate(replace(config, evaluate=replace(config.evaluate, robustness_titles=0)))
    assert metrics["accuracy"] == json.loads((refitted / "metrics.json").read_text())["accuracy"]


def test_an_interrupted_refit_is_resumed_to_the_same_weights(small, refitted, monkeypatch):
    config = small("training.refit=true")
    with monkeypatch.context() as patch:
        patch.setattr(train_module, "keep_calibration", interrupted)
        with pytest.raises(KeyboardInterrupt, match="Resume with"):
            train_without_plots(config)
    folder = only_run(Path(config.output_dir))
    assert not (folder / "bundle").exists()
    with mock.patch("matplotlib.figure.Figure.savefig"):
        train(replace(config, resume=str(folder)))
    assert same(weights(folder), weights(refitted))


def test_test_titles_of_a_file_of_their_own_stay_unknown(small, tmp_path):
    path = tmp_path / "test.csv"
    path.write_text("title,category\nThe Only Test Title,Music\n")
    data = read_dataset(small(f"data.test_path={path}"))
    assert "The Only Test Title" in data.test.titles
    assert "The Only Test Title" not in data.whole().train.titles
    assert len(data.whole().train) == len(data.train) + len(data.validation)


def test_a_memory_of_other_titles_gets_those_that_were_held_out(small, titles_csv):
    data = read_dataset(small(f"memory_path={titles_csv}"))
    assert len(data.whole().remembered) == len(data.train) + len(data.validation) + len(data.test)
    assert len(data.remembered) == len(data.train)


def test_tempering_subtracts_the_prior_from_the_biases_alone(small):
    config = small()
    network: TorchNetwork = new_model(config, read_dataset(config), torch.device("cpu")).network
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    network.temper_prior(np.array([10, 20, 70]), 0.5)
    changed = {name: tensor - before[name] for name, tensor in network.state_dict().items()}
    expected = -0.5 * np.log([0.1, 0.2, 0.7])
    assert changed.pop("head.bias").numpy() == pytest.approx(expected, abs=1e-6)
    assert all(not difference.any() for difference in changed.values())


def _memory(contents: BundleContents) -> Memory:
    assert contents.memory is not None
    return contents.memory


def _weights(folder: Path) -> dict[str, np.ndarray]:
    from safetensors.numpy import load_file

    return load_file(folder / "weights.safetensors")
