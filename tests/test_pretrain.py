import math
import shlex
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from matplotlib.image import imread
from safetensors.torch import load_file
from torch import nn

from tests.helpers.commands import one_line, training_command
from tests.helpers.titles import rows
from tests.helpers.training import FEW_BUCKETS, compose_train, composed, interrupted
from titleclf import pretrain as module
from titleclf.config.saved import load_config
from titleclf.config.schemas import PretrainConfig, PretrainingConfig
from titleclf.data.dataset import read_dataset
from titleclf.data.unlabelled import Survey, Unlabelled
from titleclf.pretrain import EMBEDDINGS, new_encoder, pretrain, scale_to_unit_size, steps_per_epoch
from titleclf.runtime.architecture import EmbeddingsConfig
from titleclf.runtime.errors import InputError
from titleclf.runtime.text.characters import Characters
from titleclf.training.embeddings import embeddings_of, load_embeddings, read_embeddings
from titleclf.training.network import Encoder, Ngram, to_inputs
from titleclf.training.objectives import objective_of
from titleclf.training.optimizer import Optimizer
from titleclf.training.run import load_checkpoint
from titleclf.training.trained_model import new_model

CPU = torch.device("cpu")
TITLES = [title for title, _, _ in rows()]
SMALL = ("device=cpu", "model.dim=9", "pretraining.epochs=2", "pretraining.batch_size=7", "pretraining.part_titles=20")
MODELS = {"bag": [], "ngram": [FEW_BUCKETS], "conv": ["model.channels=11"]}
FITTING = [(model, kind) for kind in ("views", "skipgram", "cbow") for model in ("bag", "ngram")]
FITTING = [*FITTING, ("conv", "views"), ("conv", "masked")]

Make = Callable[..., PretrainConfig]


@pytest.fixture(autouse=True)
def no_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw nothing in this process: it takes longer than training does."""
    monkeypatch.setattr(Figure, "savefig", lambda *_, **__: None)


@pytest.fixture
def titles_txt(tmp_path: Path) -> Path:
    path = tmp_path / "titles.txt"
    path.write_text("".join(f"{title}\n" for title in TITLES))
    return path


@pytest.fixture
def small(titles_txt: Path, tmp_path: Path) -> Make:
    """Compose a run on the fifty titles that takes a second."""

    def make(*overrides: str, model: str = "ngram", kind: str = "views") -> PretrainConfig:
        config: PretrainConfig = composed(
            "pretrain", *SMALL, f"model={model}", f"objective={kind}", *MODELS[model], *overrides
        )
        return replace(config, titles=str(titles_txt), output_dir=str(tmp_path / "outputs"))

    return make


def written(folder: Path) -> bytes:
    return (folder / EMBEDDINGS).read_bytes()


def runs_in(outputs: Path) -> list[Path]:
    return [path for path in outputs.iterdir() if not path.is_symlink()]


def interrupted_while_writing(config: PretrainConfig) -> Path:
    """Return the folder of a run that was interrupted after its last step."""
    before = runs_in(Path(config.output_dir))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "write_embeddings", interrupted)
        with pytest.raises(KeyboardInterrupt, match="Resume with"):
            pretrain(config)
    (folder,) = set(runs_in(Path(config.output_dir))) - set(before)
    return folder


def printed_overrides(text: str) -> list[str]:
    """Return the overrides for training that the last line of a run prints."""
    return shlex.split(text.splitlines()[-1].partition("Train with: ")[2])


def test_pretrain_then_train_with_the_printed_overrides(tmp_path, titles_txt, titles_csv):
    done = training_command("pretrain", *SMALL, FEW_BUCKETS, f"titles={titles_txt}", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    first, *parts, last = done.stdout.splitlines()
    (folder,) = runs_in(tmp_path / "outputs" / "pretraining")
    where = folder.relative_to(tmp_path)
    assert first == f"50 unlabelled titles, 27 characters; ngram for views. Run: {where} on cpu."
    assert [part.partition(":")[0] for part in parts] == [
        f"epoch {epoch}, part {part} of 3" for epoch in (1, 2) for part in (1, 2, 3)
    ]
    file = where / EMBEDDINGS  # of this run: `latest` will point to another one
    assert last.startswith(f"Embeddings: {file} (0.0 MB). Train with: model.embeddings.path={file} model=pretrained ")
    assert "latest" not in done.stdout
    names = {path.name for path in folder.iterdir()}
    assert names == {"config.yaml", "checkpoint.pt", EMBEDDINGS, "pretraining.png"}
    assert imread(folder / "pretraining.png").ndim == 3
    assert {path.name for path in tmp_path.iterdir()} == {"outputs", "titles.txt"}  # Hydra leaves no files of its own
    own = ["device=cpu", f"data.path={titles_csv}", "training.epochs=1", "evaluate.robustness_titles=0"]
    trained = training_command("train", *own, *printed_overrides(done.stdout), cwd=tmp_path)
    assert trained.returncode == 0, trained.stderr
    sentence = "loaded ngrams (997 x 9) (tuned); ignored characters; initialized characters."
    assert f"Embeddings from {file}: {sentence}" in trained.stdout


@pytest.mark.parametrize(
    ("model", "overrides", "output_dir"),
    [
        ("bag", ["model.boundary=true", "characters.casefold=false"], None),
        ("ngram", ["model.orders=[4,2]", "model.across_words=false", "model.boundary=false"], None),
        ("conv", ["model.widths=[3,1]"], None),
        ("bag", [], "a = b, (c) \N{LATIN SMALL LETTER E WITH ACUTE}"),
    ],
)
def test_the_printed_overrides_give_a_model_that_fits(
    small, titles_csv, monkeypatch, tmp_path, capsys, model, overrides, output_dir
):
    monkeypatch.chdir(tmp_path)
    config = small("pretraining.epochs=1", *overrides, model=model)
    pretrain(config if output_dir is None else replace(config, output_dir=output_dir))
    config = compose_train("device=cpu", f"data.path={titles_csv}", *printed_overrides(capsys.readouterr().out))
    new_model(config, read_dataset(config), CPU)
    sentence = one_line(capsys.readouterr().out)
    rest = (
        "characters" if model == "ngram" else "nothing"
    )  # characters beside n-grams would depend too much on their positions
    assert f"ignored {rest}; initialized {rest}." in sentence


@pytest.mark.parametrize(("model", "kind"), FITTING)
def test_every_objective_leaves_embeddings_of_every_model_that_fits(small, model, kind):
    config = small("pretraining.epochs=1", model=model, kind=kind)
    folder = pretrain(config)
    embeddings = read_embeddings(folder / EMBEDDINGS)
    survey = Unlabelled(config.titles, config.column).survey(config.characters, boundary=config.model.boundary)
    torch.manual_seed(config.seed)
    untrained = embeddings_of(new_encoder(config, survey), config.model, survey.characters, "")
    assert embeddings.known == survey.characters.known
    assert embeddings.meaning == untrained.meaning
    assert embeddings.tables.keys() == untrained.tables.keys()
    for name, table in embeddings.tables.items():
        assert table.isfinite().all()
        assert not torch.equal(table, untrained.tables[name])
    for name, tensor in load_file(folder / EMBEDDINGS).items():  # four bits per weight in tables
        is_table = name in ("characters", "ngrams")
        assert tensor.dtype == (torch.uint8 if is_table else torch.float32), name
    history = load_checkpoint(folder)["history"]
    assert [row["titles"] for row in history] == [20, 40, 50]
    assert all(math.isfinite(row["loss"]) for row in history)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(small):
    first, second = pretrain(small()), pretrain(small())
    assert first != second
    assert written(first) == written(second)
    assert written(pretrain(small("seed=2"))) != written(first)


@pytest.mark.parametrize(("model", "kind"), [("ngram", "views"), ("ngram", "skipgram"), ("conv", "masked")])
def test_the_loss_falls(small, model, kind):
    longer = ["pretraining.epochs=25", "pretraining.part_titles=50", "optim.table_lr=0.05"]
    folder = pretrain(small(*longer, model=model, kind=kind))
    losses = [row["loss"] for row in load_checkpoint(folder)["history"]]
    assert len(losses) == 25
    assert np.mean(losses[-3:]) < 0.9 * losses[0]


def test_ngrams_in_no_title_keep_small_vectors(small):
    many = ["model.buckets=9973", "model.dim=32", "pretraining.epochs=25", "optim.table_lr=0.1"]
    config = small(*many, kind="skipgram")
    folder = pretrain(config)
    embeddings = read_embeddings(folder / EMBEDDINGS)
    characters = Characters(embeddings.known, casefold=True, boundary=True, length=99)
    used = to_inputs(characters.batch(TITLES), config.model, CPU).grams.unique()
    table = embeddings.tables["ngrams"]
    lengths = table.norm(dim=1)
    unused = torch.ones(len(table), dtype=torch.bool).index_fill(0, used, value=False)
    assert len(used) > 1000
    assert lengths[unused].max() < 0.02 * 32**0.5  # of the length of a title's vector, whose values are about 1
    assert lengths[used].median() > 5 * lengths[unused].median()


class Interrupting:
    """Counts the batches of an objective, and interrupts the run at one of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, batch: int) -> None:
        self.left = batch
        monkeypatch.setattr(module, "objective_of", lambda *arguments: self.watched(objective_of(*arguments)))

    def watched(self, objective: Any) -> Any:
        objective.register_forward_pre_hook(self.count)
        return objective

    def count(self, *_: Any) -> None:
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("model", "kind", "overrides"),
    [
        ("ngram", "views", ["model.ngram_dropout=0.2"]),
        ("ngram", "skipgram", ["optim.table_decay=3"]),
        ("bag", "cbow", []),
        ("conv", "masked", []),
    ],
)
@pytest.mark.parametrize("batch", [8, 10])  # in the third part; in the first part of the second epoch
def test_a_run_interrupted_and_resumed_gives_the_embeddings_of_an_uninterrupted_one(
    small, monkeypatch, tmp_path, model, kind, overrides, batch
):
    config = small(*overrides, model=model, kind=kind)
    uninterrupted = pretrain(config)
    with monkeypatch.context() as patch:
        Interrupting(patch, batch)
        with pytest.raises(
            KeyboardInterrupt, match=r"Resume with: \S*python\S* -m titleclf.pretrain resume=.*outputs/"
        ):
            pretrain(config)
    (broken,) = [folder for folder in runs_in(tmp_path / "outputs") if folder != uninterrupted]
    assert {path.name for path in broken.iterdir()} == {"config.yaml", "checkpoint.pt"}
    assert len(load_checkpoint(broken)["history"]) == (2 if batch == 8 else 3)
    assert (tmp_path / "outputs" / "latest").resolve() == uninterrupted.resolve()
    assert pretrain(replace(config, resume=str(broken))) == broken
    assert written(broken) == written(uninterrupted)
    assert (tmp_path / "outputs" / "latest").resolve() == broken.resolve()
    histories = [load_checkpoint(folder)["history"] for folder in (broken, uninterrupted)]
    assert histories[0] == histories[1]


def test_a_run_interrupted_while_writing_does_not_train_again(small, monkeypatch):
    config = small()
    uninterrupted, broken = pretrain(config), interrupted_while_writing(config)
    Interrupting(monkeypatch, 1)
    assert written(pretrain(replace(config, resume=str(broken)))) == written(uninterrupted)


def test_ctrl_c_before_the_first_checkpoint_leaves_nothing(small, monkeypatch, tmp_path):
    Interrupting(monkeypatch, 3)
    with pytest.raises(KeyboardInterrupt, match=r"There was no checkpoint yet: the run was removed."):
        pretrain(small())
    assert list((tmp_path / "outputs").iterdir()) == []


def test_ctrl_c_while_titles_are_read_leaves_nothing_new(small, monkeypatch, tmp_path):
    monkeypatch.setattr(Unlabelled, "survey", interrupted)
    with pytest.raises(KeyboardInterrupt):
        pretrain(small())
    assert not (tmp_path / "outputs").exists()


def test_missing_titles_are_refused_before_the_run_has_a_folder(small, tmp_path):
    with pytest.raises(InputError, match=r"none.txt: no such file. Check the path."):
        pretrain(replace(small(), titles="none.txt"))
    assert not (tmp_path / "outputs").exists()


def unfinished(folder: Path) -> Path:
    (folder / EMBEDDINGS).unlink()
    return folder


@pytest.mark.parametrize("titles", [TITLES[:-1], [*TITLES, "Another"], TITLES[::-1]])
def test_resume_refuses_other_titles(small, titles_txt, titles):
    config = small("pretraining.epochs=1")
    folder = unfinished(pretrain(config))
    titles_txt.write_text("\n".join(titles))
    with pytest.raises(InputError) as caught:
        pretrain(replace(config, resume=str(folder)))
    assert str(caught.value) == (
        f"resume must be given the same titles. Got {folder}, started with others. Train again."
    )


def test_only_an_unfinished_pretraining_is_resumed(small, run, tmp_path):
    config = small("pretraining.epochs=1")
    folder = pretrain(config)
    with pytest.raises(InputError) as caught:
        pretrain(replace(config, resume=str(folder)))
    assert str(caught.value) == (
        f"resume must be a run that has not finished. Got {folder}, which has its {EMBEDDINGS}. Use that."
    )
    (unfinished(folder) / "checkpoint.pt").unlink()
    for folder_to_resume, sentence in (
        (run, r"config.yaml must have the keys .*Missing or unknown: .*data"),
        (tmp_path / "none", r"none must be the folder of a run. Got no config.yaml there. Check the path."),
        (folder, r"has no checkpoint.pt. Its first epoch was not finished: train again."),
    ):
        with pytest.raises(InputError, match=sentence):
            pretrain(replace(config, resume=str(folder_to_resume)))


def test_training_does_not_resume_a_pretraining(small, tmp_path):
    folder = unfinished(pretrain(small("pretraining.epochs=1")))
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    with pytest.raises(InputError, match=r"config.yaml must have the keys .*Missing or unknown: .*pretraining"):
        load_config(copy, type(compose_train()))


def test_steps_are_the_batches_of_all_parts():
    for titles in (1, 19, 20, 21, 50, 60, 61):
        for part, batch in ((20, 7), (20, 20), (7, 7), (100, 3)):
            sizes = PretrainingConfig(epochs=1, batch_size=batch, part_titles=part)
            parts = [min(part, titles - first) for first in range(0, titles, part)]
            assert steps_per_epoch(titles, sizes) == sum(math.ceil(size / batch) for size in parts)


def test_the_learning_rate_falls_to_nearly_zero_at_the_last_step(small, monkeypatch):
    rates = []

    class Watched(Optimizer):
        def step(self, loss: torch.Tensor) -> None:
            rates.append(self._optimizers[0].param_groups[0]["lr"])
            super().step(loss)

    monkeypatch.setattr(module, "Optimizer", Watched)
    config = small("optim.warmup_fraction=0")
    pretrain(config)
    assert len(rates) == 2 * steps_per_epoch(50, config.pretraining)
    assert rates[0] == config.optim.lr
    assert rates == sorted(rates, reverse=True)
    assert 0 < rates[-1] < 0.02 * rates[0]


def test_a_last_part_of_one_title_as_long_as_a_page_trains_to_finite_vectors(small, titles_txt):
    titles_txt.write_text("\n".join([*TITLES[:20], "x " * 5000]))
    folder = pretrain(small())
    assert [row["loss"] for row in load_checkpoint(folder)["history"]][1::2] == [0, 0]
    assert all(table.isfinite().all() for table in read_embeddings(folder / EMBEDDINGS).tables.values())


def test_ngrams_start_small_but_none_at_zero(small):
    torch.manual_seed(1)
    characters = Characters("abc", casefold=True, boundary=True, length=9)
    encoder = new_encoder(small("model.buckets=9973"), Survey(characters, 1, ""))
    assert isinstance(encoder, Ngram)
    table = encoder.ngrams.weight
    assert table.all(dim=1).all()
    assert table.std().item() == pytest.approx(0.01, rel=0.05)


CHARACTERS = Characters.from_titles(TITLES, casefold=True, min_count=1, boundary=True)
BATCH = CHARACTERS.batch(TITLES)


def random_encoder(config: PretrainConfig, size: float) -> Encoder:
    """Return an encoder with weights of this size."""
    torch.manual_seed(1)
    encoder = new_encoder(config, Survey(CHARACTERS, len(TITLES), ""))
    for parameter in encoder.parameters():
        nn.init.normal_(parameter, std=size)
    return encoder


@torch.no_grad()
def mean_square(encoder: Encoder, config: PretrainConfig) -> float:
    vectors: torch.Tensor = encoder.eval()(to_inputs(BATCH, config.model, CPU))
    return vectors.square().mean().item()


@pytest.mark.parametrize("size", [1e-3, 1.0, 99.0])
@pytest.mark.parametrize(
    ("model", "overrides"),
    [
        ("bag", []),
        ("ngram", []),
        ("ngram", ["model.ngram_dropout=0.9"]),
        ("bag", ["model.combine=add", "model.positions=none"]),
    ],
)
def test_vectors_of_titles_have_a_mean_square_of_one(small, model, overrides, size):
    config = small(*overrides, model=model)
    encoder = random_encoder(config, size).train()
    before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    scale_to_unit_size(encoder, config.model, BATCH)
    assert mean_square(encoder, config) == pytest.approx(1.0, rel=1e-4)
    factors = {name: (tensor / before[name]).nanmean().item() for name, tensor in encoder.state_dict().items()}
    assert factors.keys() == before.keys()
    assert all(factor == pytest.approx(next(iter(factors.values())), rel=1e-4) for factor in factors.values())
    once = [parameter.clone() for parameter in encoder.parameters()]
    scale_to_unit_size(encoder, config.model, BATCH)
    assert all(torch.allclose(first, now, rtol=1e-4) for first, now in zip(once, encoder.parameters(), strict=True))


@pytest.mark.parametrize(
    ("model", "overrides"), [("conv", []), ("bag", ["model.combine=add"]), ("ngram", ["model.combine=add"])]
)
def test_convolved_characters_and_those_with_added_codes_keep_their_size(small, model, overrides):
    config = small(*overrides, model=model)
    encoder = random_encoder(config, 9.0)
    before = [parameter.clone() for parameter in encoder.parameters()]
    scale_to_unit_size(encoder, config.model, BATCH)
    assert all(torch.equal(first, now) for first, now in zip(before, encoder.parameters(), strict=True))


@pytest.mark.parametrize("size", [0.0, 1e-30])
@pytest.mark.parametrize("model", MODELS)
def test_vectors_that_are_still_zero_stay_finite(small, model, size):
    config = small(model=model)
    encoder = random_encoder(config, size)
    scale_to_unit_size(encoder, config.model, BATCH)
    assert all(parameter.isfinite().all() for parameter in encoder.parameters())
    assert size or not any(parameter.any() for parameter in encoder.parameters())


@pytest.mark.parametrize(("model", "kind"), [pair for pair in FITTING if pair[0] != "conv"])
def test_a_file_has_vectors_of_unit_size(small, model, kind):
    config = small("characters.min_count=1", "model.boundary=true", model=model, kind=kind)
    embeddings = read_embeddings(pretrain(config) / EMBEDDINGS)
    encoder = random_encoder(config, 1.0)
    load_embeddings(embeddings, encoder, config.model, CHARACTERS, EmbeddingsConfig("", tables=None, freeze=False))
    assert mean_square(encoder, config) == pytest.approx(1.0, rel=0.2)  # after quantization and clipping


def test_a_run_with_dropout_interrupted_while_writing_gives_the_same_bytes(small):
    config = small("model.ngram_dropout=0.5", "pretraining.epochs=1")
    uninterrupted, broken = pretrain(config), interrupted_while_writing(config)
    torch.rand(99)
    assert written(pretrain(replace(config, resume=str(broken)))) == written(uninterrupted)


def test_the_loss_of_a_part_is_its_mean_per_title(small, monkeypatch):
    class BatchSize(nn.Module):
        def forward(self, encoder: Encoder, titles: list[str], _: np.random.Generator) -> torch.Tensor:
            return 0 * encoder.embedding.characters.weight.sum() + len(titles)

    monkeypatch.setattr(module, "objective_of", lambda *_: BatchSize())
    history = load_checkpoint(pretrain(small("pretraining.epochs=1")))["history"]
    whole, last = (7 * 7 + 7 * 7 + 6 * 6) / 20, (7 * 7 + 3 * 3) / 10  # 50 titles, 20 in a part, 7 in a batch
    assert [row["loss"] for row in history] == pytest.approx([whole, whole, last])


def test_special_ids_do_not_count_as_characters_of_the_titles(small, titles_txt, capsys):
    titles_txt.write_text("ab ba\nabc\nab\n")
    pretrain(small("pretraining.epochs=1"))  # c occurs once only
    assert capsys.readouterr().out.startswith("3 unlabelled titles, 2 characters; ngram for views. Run: ")
