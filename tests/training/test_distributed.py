import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from tests.helpers.commands import one_line
from tests.helpers.titles import rows
from tests.helpers.training import FEW_BUCKETS, FIELDS, SMALL, composed, killed
from titleclf.pretrain import pretrain
from titleclf.runtime.choices import Device
from titleclf.runtime.errors import InputError
from titleclf.runtime.text.characters import Characters
from titleclf.runtime.text.programmes import Programme, Programmes
from titleclf.train import train
from titleclf.training.distributed import (
    Sharded,
    all_gather_rows,
    broadcast_from_rank0,
    check_same,
    init_process_group,
    is_rank0,
    pick_device,
    processes,
    rank,
    seed_everything,
    shard,
)
from titleclf.training.network import TorchNetwork
from titleclf.training.run import load_checkpoint

VERBS: dict[str, Callable[..., Path]] = {"train": train, "pretrain": pretrain}
# 35 titles in batches of 17, and parts of 22 in batches of 7: the last batch has one title, so one process has none.
SPLIT = ("training.batch_size=17", "data.validation_fraction=0.1", "data.test_fraction=0.18")
TRAIN = (*SMALL, "training.epochs=2", *SPLIT)
PARTS = ("pretraining.batch_size=7", "pretraining.part_titles=22")
PRETRAIN = ("device=cpu", "model.dim=9", "pretraining.epochs=1", *PARTS)
RUNS = {
    "ngram": ("train", "model=ngram", FEW_BUCKETS, "training.class_balance=1", "loss.unsupervised=0.1"),
    "conv": ("train", "model=conv", "model.dropout=0", "model.hidden=5", "model.positions=learned"),
    "tags": ("train", "model=ngram", FEW_BUCKETS, "task=multilabel"),
    "fields": ("train", "model=ngram", FEW_BUCKETS, *FIELDS),
    "views": ("pretrain", "model=ngram", FEW_BUCKETS, "objective=views"),
    "skipgram": ("pretrain", "model=ngram", FEW_BUCKETS, "objective=skipgram"),
    "cbow": ("pretrain", "model=bag", "objective=cbow"),
    "masked": ("pretrain", "model=conv", "model.channels=11", "objective=masked"),
}
PROGRAM = """
    import json, sys
    from pathlib import Path
    from matplotlib.figure import Figure
    from titleclf.config.hydra import compose
    from titleclf.training.distributed import rank0_output
    from titleclf.pretrain import pretrain
    from titleclf.train import train

    Figure.savefig = lambda *_, **__: None
    with rank0_output():
        for verb, *overrides in json.loads(Path(sys.argv[1]).read_text()):
            {"train": train, "pretrain": pretrain}[verb](compose(verb, overrides))
"""


def in_two_processes(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a module or a script in two processes, like a user."""
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = {**os.environ, "MPLBACKEND": "agg", "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [*torchrun, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def state(outputs: Path) -> dict[str, torch.Tensor]:
    tensors: dict[str, torch.Tensor] = load_checkpoint(outputs / "latest")["modules"]
    return tensors


@pytest.fixture
def overrides_of(titles_csv: Path, tags_csv: Path, fields_csv: Path, tmp_path: Path) -> Callable[..., list[str]]:
    titles = tmp_path / "titles.txt"
    titles.write_text("".join(f"{title}\n" for title, _, _ in rows()))
    tables = {"tags": tags_csv, "fields": fields_csv}

    def make(name: str, folder: str) -> list[str]:
        verb, *overrides = RUNS[name]
        table = tables.get(name, titles_csv)
        shared = [*TRAIN, f"data.path={table}"] if verb == "train" else [*PRETRAIN, f"titles={titles}"]
        return [*shared, *overrides, f"output_dir={tmp_path / folder / name}"]

    return make


def test_two_processes_give_the_weights_of_one(overrides_of, monkeypatch, tmp_path):
    monkeypatch.setattr(Figure, "savefig", lambda *_, **__: None)
    broken = killed(composed("train", *overrides_of("conv", "resumed")), 1)
    jobs = [[RUNS[name][0], *overrides_of(name, "two")] for name in RUNS]
    (tmp_path / "jobs.json").write_text(json.dumps([*jobs, ["train", f"resume={broken}"]]))
    (tmp_path / "program.py").write_text(textwrap.dedent(PROGRAM))
    done = in_two_processes("program.py", "jobs.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Kept epoch") == 5  # once per run, not once per process
    for name, (verb, *_) in RUNS.items():
        VERBS[verb](composed(verb, *overrides_of(name, "one")))
        expected, got = (state(tmp_path / folder / name) for folder in ("one", "two"))
        assert expected.keys() == got.keys()
        for key in expected:
            torch.testing.assert_close(got[key], expected[key], atol=1e-4, rtol=0, msg=f"{name}: {key}")
    uninterrupted = state(tmp_path / "one" / "conv")
    for key, tensor in state(tmp_path / "resumed" / "conv").items():
        torch.testing.assert_close(tensor, uninterrupted[key], atol=1e-4, rtol=0)


def test_an_error_is_printed_once_and_ends_all_processes(tmp_path):
    done = in_two_processes("-m", "titleclf.train", "data.path=none.csv", cwd=tmp_path)
    sentence = "none.csv: no such file. Check the path."
    first, _, rest = done.stderr.partition("\n")
    assert (done.returncode, done.stdout, first) == (1, "", sentence)  # torchrun always exits with 1
    assert sentence not in rest
    assert "exitcode  : 2 " in rest  # torchrun's own report on its processes
    assert "site-packages/titleclf" not in rest
    assert list(tmp_path.iterdir()) == []


def test_an_error_of_another_process_than_the_first_is_printed_too(tmp_path):
    program = """
        import os
        import torch
        from titleclf.training.distributed import all_gather_rows, check_same, init_process_group, rank0_output
        from titleclf.runtime.errors import exit_codes

        @exit_codes
        @rank0_output()
        def main():
            init_process_group(torch.device("cpu"))
            check_same({"titles": os.environ["RANK"], "embeddings": "equal"})
            all_gather_rows(torch.ones(1))

        main()
    """
    (tmp_path / "program.py").write_text(textwrap.dedent(program))
    done = in_two_processes("program.py", cwd=tmp_path)
    sentence = (
        "all processes must be given the same titles. Got different ones in process 2. "
        "Copy the files of one machine to all."
    )
    assert done.stderr.splitlines().count(sentence) == 1
    assert "must run to the end" not in done.stderr
    assert "InputError" not in done.stderr


def test_a_single_process_computes_everything_itself():
    own = torch.ones(3, 2)
    assert (processes(), rank(), is_rank0()) == (1, 0, True)
    assert init_process_group(torch.device("meta")) == torch.device("meta")
    assert shard([1, 2, 3]) == [1, 2, 3]
    assert all_gather_rows(own) is own
    assert broadcast_from_rank0(lambda: "value") == "value"
    check_same({"titles": "a"})


def test_shards_are_all_items_in_their_order(monkeypatch):
    monkeypatch.setattr("titleclf.training.distributed.processes", lambda: 3)
    for items in ([], [1], [1, 2], [1, 2, 3, 4, 5, 6, 7]):
        shards = []
        for number in range(3):
            monkeypatch.setattr("titleclf.training.distributed.rank", lambda number=number: number)
            shards.append(shard(items))
        assert [item for part in shards for item in part] == items
        assert max(map(len, shards)) - min(map(len, shards)) <= 1


def test_a_sharded_network_computes_its_shard_and_returns_the_logits_of_all(monkeypatch):
    torch.manual_seed(1)
    characters = Characters("abc", casefold=True, boundary=True, length=13)
    network = TorchNetwork(composed("train", "model=bag", "model.dim=5").model, characters, outputs=3).eval()
    programmes = Programmes.of([Programme(title) for title in ("a", "bb", "abc", "", "cab", "b c", "ba")])
    whole = network(network.inputs(programmes))[:, None]
    assert torch.equal(Sharded(network)(programmes), whole)
    gathered = []

    def gather(own: torch.Tensor) -> torch.Tensor:
        gathered.append(own)
        return whole

    monkeypatch.setattr("titleclf.training.distributed.processes", lambda: 3)
    monkeypatch.setattr("titleclf.training.distributed.all_gather_rows", gather)
    for number in range(3):
        monkeypatch.setattr("titleclf.training.distributed.rank", lambda number=number: number)
        assert Sharded(network)(programmes) is whole
    assert list(map(len, gathered)) == [2, 2, 3]
    assert torch.allclose(torch.cat(gathered), whole, atol=1e-6)


def test_processes_share_their_draws_but_not_their_dropout(monkeypatch):
    draws = []
    for number in (0, 1):
        monkeypatch.setattr("titleclf.training.distributed.rank", lambda number=number: number)
        draws.append((seed_everything(1, 2).random(), torch.rand(3).tolist()))
    (first, dropout), (second, another_dropout) = draws
    assert first == second
    assert dropout != another_dropout


def test_each_part_of_a_run_has_its_own_seed():
    first, again, another = (seed_everything(1, part).random(3) for part in (2, 2, 3))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, another)


def test_more_processes_than_gpus_are_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    for name, value in {"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "3", "LOCAL_RANK": "2"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch, "use_deterministic_algorithms", lambda **_: None)
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "")
    with pytest.raises(InputError) as caught:
        init_process_group(pick_device(Device.cuda))
    sentence = (
        "torchrun must start at most one process per GPU. Got process 3 for 2 GPUs. Pass --nproc-per-node 2, or "
        "device=cpu."
    )
    assert one_line(str(caught.value)) == sentence


def test_a_process_that_has_ended_is_reported_in_a_sentence(monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("[../gloo/transport/tcp/pair.cc:534] Connection closed by peer [127.0.1.1]:29518")

    monkeypatch.setattr("titleclf.training.distributed.processes", lambda: 2)
    monkeypatch.setattr("torch.distributed.broadcast_object_list", broken)
    with pytest.raises(InputError) as caught:
        broadcast_from_rank0(lambda: 1)
    sentence = "all processes must run to the end. Got one that has ended. Read its message, and start all again."
    assert one_line(str(caught.value)) == sentence
