"""Atomic writes, run folders and shipped files."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.helpers.training import compose_train
from titleclf.runtime import files
from titleclf.runtime.files import replacing, shipped, write_text
from titleclf.training.run import Run


def test_a_file_is_replaced_when_the_block_ends(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with replacing(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
        assert temporary.parent == tmp_path
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) & stat.S_IRGRP
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failure_keeps_the_old_file_and_leaves_no_temporary_one(tmp_path, error):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def write() -> None:
        with replacing(path) as temporary:
            temporary.write_text("ne")
            raise error

    with pytest.raises(type(error)):
        write()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_missing_folders_are_created(tmp_path):
    write_text(tmp_path / "a" / "b.txt", "ü")
    assert (tmp_path / "a" / "b.txt").read_bytes() == "ü".encode()


def test_runs_of_the_same_second_do_not_collide(tmp_path):
    config = compose_train(f"output_dir={tmp_path / 'outputs'}")
    with ThreadPoolExecutor(16) as pool:
        runs = list(pool.map(Run.start_or_resume, [config] * 48))
    assert len({run.folder for run in runs}) == 48
    assert all(run.folder.is_dir() for run in runs)


def test_latest_is_replaced_atomically(tmp_path):
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        Run(tmp_path / name, is_new=True).point_latest()
        assert (tmp_path / "latest").resolve() == tmp_path / name
    assert Path(tmp_path / "latest").readlink() == Path("second")
    assert {path.name for path in tmp_path.iterdir()} == {"first", "second", "latest"}


def test_shipped_files_are_found_in_a_checkout_and_in_an_installed_package(tmp_path, monkeypatch):
    assert (shipped("conf") / "train.yaml").is_file()
    monkeypatch.setattr(files, "PACKAGE", tmp_path)
    (tmp_path / "shipped" / "conf").mkdir(parents=True)
    assert shipped("conf") == tmp_path / "shipped" / "conf"
