"""The commands as a user types them, each in its own process."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.helpers.commands import command, one_line, training_command

QUICK = ("model=ngram", "device=cpu", "training.epochs=2", "model.dim=5", "model.buckets=97")


def test_train_predict_evaluate_export(tmp_path, titles_csv):
    trained = training_command("train", *QUICK, f"data.path={titles_csv}", cwd=tmp_path)
    assert trained.returncode == 0, trained.stderr
    assert "accuracy / macro-F1" in trained.stdout
    assert trained.stderr == ""
    predicted = command("predict", "Match of the Day", "Tagesschau", cwd=tmp_path)
    assert [line.split("  ")[-1] for line in predicted.stdout.splitlines()] == ["Match of the Day", "Tagesschau"]
    evaluated = training_command("evaluate", cwd=tmp_path)
    assert "Report: outputs/latest/evaluation/report.md" in evaluated.stdout
    folded = training_command("export", "output=folded", cwd=tmp_path)
    assert folded.returncode == 0, folded.stderr
    assert folded.stdout.endswith("Wrote folded\n")
    refused = training_command("export", "output=folded", cwd=tmp_path)
    assert refused.returncode == 2
    assert one_line(refused.stderr).startswith("output must not exist yet. Got folded.")
    exported = training_command("export", "output=mine", "fold=false", cwd=tmp_path)
    assert exported.stdout.startswith("On 10,000 titles: 100.00% the same prediction")
    assert exported.stdout.endswith("Wrote mine\n")
    alone = command("predict", "--model", "mine", "Match of the Day", "Tagesschau", cwd=tmp_path)
    assert alone.stdout == predicted.stdout
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"outputs", "folded", "mine"}  # Hydra leaves no files of its own


def test_several_runs_in_one_command_do_not_collide(tmp_path, titles_csv):
    done = training_command("train", "-m", "seed=1,2", *QUICK, f"data.path={titles_csv}", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    runs = [path for path in (tmp_path / "outputs").iterdir() if path.is_dir() and not path.is_symlink()]
    assert len(runs) == 2
    assert all((run / "bundle").is_dir() for run in runs)


def test_ctrl_c_in_training_leaves_a_run_to_resume(tmp_path, titles_csv):
    arguments = [*QUICK, f"data.path={titles_csv}", "training.epochs=5000", "training.patience_epochs=5000"]
    process = subprocess.Popen(
        [sys.executable, "-m", "titleclf.train", *arguments],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("epoch   2"):
            process.send_signal(signal.SIGINT)
            break
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert re.match(r"Interrupted. Resume with: \S+ -m titleclf.train resume=outputs/", one_line(error))
    (run,) = (tmp_path / "outputs").iterdir()
    assert {path.name for path in run.iterdir()} == {"config.yaml", "checkpoint.pt", "best.safetensors"}


def starting(module: str, cwd: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", f"titleclf.{module}"],
        cwd=cwd,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_ctrl_c_while_starting_shows_no_traceback(tmp_path):
    process = starting("train", tmp_path)
    deadline = time.monotonic() + 60
    while "libtorch" not in Path(f"/proc/{process.pid}/maps").read_text():  # its import takes seconds
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode in (130, -signal.SIGINT)  # a shell calls both 130
    assert one_line(error).startswith("Interrupted.")


def test_ctrl_c_while_waiting_for_titles_shows_no_traceback(tmp_path):
    process = starting("predict", tmp_path)
    assert process.stderr is not None
    assert process.stderr.readline().startswith("model: shipped")
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert one_line(error) == "Interrupted."


def limited(*arguments: str, cwd, kilobytes: int) -> subprocess.CompletedProcess[str]:
    """Run a command that can't write a file larger than `kilobytes`, as on a full disk."""
    script = f'ulimit -f {kilobytes}; exec "$0" "$@"'
    return subprocess.run(
        ["bash", "-c", script, sys.executable, "-m", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def test_a_full_disk_in_training_is_one_line_and_leaves_nothing_half_written(tmp_path, titles_csv):
    done = limited("titleclf.train", "device=cpu", f"data.path={titles_csv}", cwd=tmp_path, kilobytes=64)
    assert done.returncode == 2
    assert one_line(done.stderr) == (
        "the output must be writable. Got: File too large. Check permissions and free space."
    )
    (run,) = (tmp_path / "outputs").iterdir()
    assert [path.name for path in run.iterdir()] == ["config.yaml"]


def test_a_full_disk_in_predicting_is_one_line(run, tmp_path):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "titleclf.predict", "--model", str(run), "Tagesschau"],
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    *_, line = done.stderr.splitlines()
    assert line.startswith("the output must be writable. Got: No space left on device.")
    assert len(done.stderr.splitlines()) == 2


def test_a_closed_pipe_is_not_an_error(run, tmp_path):
    (tmp_path / "t.txt").write_text("Tagesschau\n" * 20_000)
    line = f"{sys.executable} -m titleclf.predict --model {run} --input t.txt | head -n 1"
    done = subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.endswith("Tagesschau\n")
    assert one_line(done.stderr) == f"model: {run}"


def test_prediction_needs_only_the_bundle(run, tmp_path):
    program = "import sys; from titleclf.predict.__main__ import main; main(); sys.exit('hydra' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program, "--model", str(run / "bundle"), "Tagesschau"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("Tagesschau\n")


def test_help_shows_examples(tmp_path):
    done = command("predict", "--help", cwd=tmp_path)
    assert 'python -m titleclf.predict "Match of the Day" Tagesschau' in done.stdout
