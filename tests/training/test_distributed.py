import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.helpers.commands import one_line
from tests.helpers.titles import rows
from tests.helpers.training import FEW_BUCKETS, SMALL
from titleclf.config.hydra import compose
from titleclf.pretrain import pretrain
from titleclf.runtime.choices import Device
from titleclf.runtime.errors import InputError
from titleclf.train import train
from titleclf.training import run as runs
from titleclf.training.distributed import (
    check_same,
    from_first,
    gathered,
    is_first,
    joined,
    pick_device,
    processes,
    rank,
    seeded,
    share,
)

VERBS = {"train": train, "pretrain": pretrain}
# 35 titles in batches of 17, parts of 22 in batches of 7: the last has one title, and a process has none of it.
SPLIT = ("training.batch_size=17", "data.validation_fraction=0.1", "data.test_fraction=0.18")
TRAIN = (*SMALL, "training.epochs=2", *SPLIT)
PARTS = ("pretraining.batch_size=7", "pretraining.part_titles=22")
PRETRAIN = ("device=cpu", "model.dim=9", "pretraining.epochs=1", *PARTS)
RUNS = {
    "ngram": ("train", "model=ngram", FEW_BUCKETS, "training.class_balance=1", "loss.unsupervised=0.1"),
    "conv": ("train", "model=conv", "model.dropout=0", "model.hidden=5", "model.positions=learned"),
    "tags": ("train", "model=ngram", FEW_BUCKETS, "task=multilabel"),
    "views": ("pretrain", "model=ngram", FEW_BUCKETS, "objective=views"),
    "skipgram": ("pretrain", "model=ngram", FEW_BUCKETS, "objective=skipgram"),
    "cbow": ("pretrain", "model=bag", "objective=cbow"),
    "masked": ("pretrain", "model=conv", "model.channels=11", "objective=masked"),
}
PROGRAM = """
    import json, sys
    from pathlib import Path
    from titleclf.config.hydra import compose
    from titleclf.training.distributed import one_voice
    from titleclf.pretrain import pretrain
    from titleclf.train import train

    with one_voice():
        for verb, *overrides in json.loads(Path(sys.argv[1]).read_text()):
            {"train": train, "pretrain": pretrain}[verb](compose(verb, overrides))
"""


def together(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a module or a script in two processes, as a user does."""
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = {**os.environ, "MPLBACKEND": "agg", "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [*torchrun, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def state(outputs: Path) -> dict[str, torch.Tensor]:
    tensors: dict[str, torch.Tensor] = runs.load_checkpoint(outputs / "latest")["modules"]
    return tensors


class KilledError(Exception):
    pass


def killed_after_one_epoch(overrides: list[str], monkeypatch: pytest.MonkeyPatch) -> Path:
    save = runs.save_checkpoint

    def die(folder: Path, state: runs.State) -> None:
        save(folder, state)
        raise KilledError

    config = compose("train", overrides)
    with monkeypatch.context() as patch:
        patch.setattr(runs, "save_checkpoint", die)
        with pytest.raises(KilledError):
            train(config)
    (folder,) = Path(config.output_dir).iterdir()
    return folder


@pytest.fixture
def overrides_of(titles_csv: Path, tags_csv: Path, tmp_path: Path) -> Callable[[str, str], list[str]]:
    titles = tmp_path / "titles.txt"
    titles.write_text("".join(f"{title}\n" for title, _, _ in rows()))

    def make(name: str, where: str) -> list[str]:
        verb, *overrides = RUNS[name]
        data = tags_csv if name == "tags" else titles_csv
        given = [*TRAIN, f"data.path={data}"] if verb == "train" else [*PRETRAIN, f"titles={titles}"]
        return [*given, *overrides, f"output_dir={tmp_path / where / name}"]

    return make


def test_two_processes_leave_what_one_leaves(overrides_of, tmp_path, monkeypatch):
    broken = killed_after_one_epoch(overrides_of("conv", "resumed"), monkeypatch)
    jobs = [[RUNS[name][0], *overrides_of(name, "two")] for name in RUNS]
    (tmp_path / "jobs.json").write_text(json.dumps([*jobs, ["train", f"resume={broken}"]]))
    (tmp_path / "program.py").write_text(textwrap.dedent(PROGRAM))
    done = together("program.py", "jobs.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Kept epoch") == 4  # once, not once a process
    for name, (verb, *_) in RUNS.items():
        VERBS[verb](compose(verb, overrides_of(name, "one")))
        one, two = (state(tmp_path / where / name) for where in ("one", "two"))
        assert one.keys() == two.keys()
        for key in one:
            torch.testing.assert_close(two[key], one[key], atol=1e-4, rtol=0, msg=f"{name}: {key}")
    unbroken = state(tmp_path / "one" / "conv")
    for key, tensor in state(tmp_path / "resumed" / "conv").items():
        torch.testing.assert_close(tensor, unbroken[key], atol=1e-4, rtol=0)


def test_a_mistake_is_told_once_and_ends_all(tmp_path):
    done = together("-m", "titleclf.train", "data.path=none.csv", cwd=tmp_path)
    sentence = "none.csv: no such file. Check the path."
    first, _, rest = done.stderr.partition("\n")
    assert (done.returncode, done.stdout, first) == (1, "", sentence)  # torchrun exits with 1, whatever it saw
    assert sentence not in rest
    assert "exitcode  : 2 " in rest  # then it tells how its processes ended
    assert "site-packages/titleclf" not in rest
    assert list(tmp_path.iterdir()) == []


def test_a_mistake_of_another_process_than_the_first_is_told_too(tmp_path):
    program = """
        import os
        import torch
        from titleclf.training.distributed import check_same, gathered, joined, one_voice
        from titleclf.runtime.errors import exit_codes

        @exit_codes
        @one_voice()
        def main():
            joined(torch.device("cpu"))
            check_same({"titles": os.environ["RANK"], "embeddings": "alike"})
            gathered(torch.ones(1))

        main()
    """
    (tmp_path / "program.py").write_text(textwrap.dedent(program))
    done = together("program.py", cwd=tmp_path)
    sentence = (
        "all processes must be given the same titles. Got others in process 2. Copy the files of one machine to all."
    )
    assert done.stderr.splitlines().count(sentence) == 1
    assert "must go on" not in done.stderr
    assert "InputError" not in done.stderr


def test_alone_nothing_is_shared():
    own = torch.ones(3, 2)
    assert (processes(), rank(), is_first()) == (1, 0, True)
    assert joined(torch.device("meta")) == torch.device("meta")
    assert share([1, 2, 3]) == [1, 2, 3]
    assert gathered(own) is own
    assert from_first(lambda: "made") == "made"
    check_same({"titles": "a"})


def test_shares_are_all_items_in_their_order(monkeypatch):
    monkeypatch.setattr("titleclf.training.distributed.processes", lambda: 3)
    for items in ([], [1], [1, 2], [1, 2, 3, 4, 5, 6, 7]):
        parts = []
        for number in range(3):
            monkeypatch.setattr("titleclf.training.distributed.rank", lambda number=number: number)
            parts.append(share(items))
        assert [item for part in parts for item in part] == items
        assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_processes_hide_different_numbers(monkeypatch):
    drawn = []
    for number in (0, 1):
        monkeypatch.setattr("titleclf.training.distributed.rank", lambda number=number: number)
        drawn.append((seeded(1, 2).random(), torch.rand(3).tolist()))
    (first, hidden), (second, others) = drawn
    assert first == second
    assert hidden != others


def test_more_processes_than_gpus_are_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    for name, value in {"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "3", "LOCAL_RANK": "2"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch, "use_deterministic_algorithms", lambda **_: None)
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "")
    with pytest.raises(InputError) as caught:
        joined(pick_device(Device.cuda))
    sentence = (
        "torchrun must start a process a GPU at most. Got process 3 for 2. Pass --nproc-per-node 2, or device=cpu."
    )
    assert one_line(str(caught.value)) == sentence


def test_a_process_that_has_ended_is_told_in_a_sentence(monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("[../gloo/transport/tcp/pair.cc:534] Connection closed by peer [127.0.1.1]:29518")

    monkeypatch.setattr("titleclf.training.distributed.processes", lambda: 2)
    monkeypatch.setattr("torch.distributed.broadcast_object_list", broken)
    with pytest.raises(InputError) as caught:
        from_first(lambda: 1)
    sentence = "all processes must go on to the end. Got one that has ended. See what it says, and start all again."
    assert one_line(str(caught.value)) == sentence
