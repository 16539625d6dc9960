"""Unattended fills: whatever becomes of a grabber, the last filled guide stays, and a log says what happened."""

import os
import re
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import pytest

from tests.helpers.commands import one_line
from tests.helpers.guides import guide, programme
from titleclf.epg import __main__ as epg_module
from titleclf.epg.grabbers import grabbed
from titleclf.epg.streams import reading

GUIDE = guide(programme())
OLD = "the guide of yesterday"
MORE_THAN_ONE = (
    "--from must be one command, as the exit codes of others would be lost. Got {}. "
    "Quote it, or put the commands into a script that fails if one of them does."
)


def script(path: Path, *lines: str) -> str:
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def fill(monkeypatch, capfd, tmp_path):
    """Run `epg fill --from COMMAND -o out.xml` in a folder with a guide; return the exit code and standard error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    (tmp_path / "g.xml").write_text(GUIDE)
    (tmp_path / "out.xml").write_text(OLD)

    def run(command: str, *options: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["epg", "fill", "--from", command, "-o", "out.xml", *options])
        with pytest.raises(SystemExit) as caught:
            epg_module.main()
        return int(caught.value.code or 0), capfd.readouterr().err

    return run


def test_the_output_of_a_grabber_is_filled(fill, tmp_path):
    script(tmp_path / "tv_grab_de", 'echo "$2" >&2', "cat g.xml")
    code, err = fill("tv_grab_de --days '7 days'")
    assert code == 0
    assert (tmp_path / "out.xml").read_text() == GUIDE.replace("</title>", "</title><category>Sports</category>")
    assert "7 days\n" in err
    assert "1 programmes: 0 kept, 1 filled" in err


@pytest.mark.parametrize(
    ("lines", "got"),
    [
        (["head -c 200 g.xml"], "must end with </tv>"),
        (["cat g.xml", "exit 3"], "grab must end with exit code 0. Got exit code 3. Run it alone to see why."),
        (["cat g.xml", "kill -9 $$"], "grab must end with exit code 0. Got signal 9. Run it alone to see why."),
        (["head -c 200 g.xml", "exit 1"], "grab must end with exit code 0. Got exit code 1."),
        ([], "Got an empty file"),
        (["echo '<tv></tv>'"], "the output of grab must have programmes. Got none. Try again later."),
        (["echo 'Login failed'"], "Got 'Login failed' in place of <tv>"),
    ],
    ids=["half a guide", "fails at the end", "killed", "half and fails", "nothing", "no programmes", "a message"],
)
def test_a_grabber_that_fails_leaves_the_last_guide(fill, tmp_path, lines, got):
    script(tmp_path / "grab", *lines)
    code, err = fill("grab", "--changes", "changes.csv", "--log", "log.txt")
    assert code == 2
    assert got in err.splitlines()[-1]
    assert (tmp_path / "out.xml").read_text() == OLD
    assert not (tmp_path / "changes.csv").exists()
    assert one_line((tmp_path / "log.txt").read_text()).partition(" failed out.xml: ")[2] == err.splitlines()[-1]


def test_quiet_prints_errors_only(fill, tmp_path):
    script(tmp_path / "grab", "echo fetching >&2", "cat g.xml")
    assert fill("grab", "--quiet") == (0, "")
    script(tmp_path / "grab", "echo fetching >&2", "echo >&2", "echo 'no such \033[1mregion' >&2", "exit 1")
    code, err = fill("grab", "--quiet")
    assert code == 2
    assert one_line(err) == (
        r"grab must end with exit code 0. Got exit code 1 and: no such \x1b[1mregion. Run it alone to see why."
    )


def test_the_log_has_a_line_with_the_time_for_each_run(fill, tmp_path):
    started = datetime.now().astimezone().replace(microsecond=0)
    (tmp_path / "log.txt").write_text("older\n")
    assert fill("cat g.xml", "--quiet", "--log", "log.txt")[0] == 0
    assert fill("cat none.xml", "--quiet", "--log", "log.txt")[0] == 2
    older, good, bad = (tmp_path / "log.txt").read_text().splitlines()
    assert older == "older"
    at, _, rest = good.partition(" ")
    assert started <= datetime.fromisoformat(at) <= datetime.now().astimezone()
    assert rest == "ok out.xml: 1 programmes: 0 kept, 1 filled, 0 unsure, 0 untitled; decided by: model 1"
    assert re.fullmatch(r"\S+ failed out\.xml: cat must end with exit code 0\. Got exit code 1 and: cat: .*", bad)


def test_a_guide_of_a_file_is_logged_too(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "g.xml").write_text(GUIDE[:100])
    monkeypatch.setattr(sys, "argv", ["epg", "fill", "g.xml", "--in-place", "--log", "log.txt"])
    with pytest.raises(SystemExit):
        epg_module.main()
    assert " failed g.xml: g.xml:" in one_line((tmp_path / "log.txt").read_text())


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("", "--from must be a command. Got nothing. Name a grabber."),
        ("grab 'x", "--from must be a command. Got grab 'x: No closing quotation. Quote it as in a shell."),
        ("none", "--from must be a command that can be run. Got none: No such file or directory. Check its path."),
        ("./g.xml", "--from must be a command that can be run. Got ./g.xml: Permission denied. Check its path."),
        ("a|b", MORE_THAN_ONE.format("|")),
        ("a; b", MORE_THAN_ONE.format(";")),
        ("a && b", MORE_THAN_ONE.format("&&")),
        ("a 2>b", MORE_THAN_ONE.format(">")),
        ("a x?y=1&z=2", MORE_THAN_ONE.format("&")),
    ],
)
def test_what_is_no_command_is_refused(fill, tmp_path, command, sentence):
    code, err = fill(command)
    assert (code, err.splitlines()[-1]) == (2, sentence)
    assert (tmp_path / "out.xml").read_text() == OLD


def test_quoted_operators_and_home_folders_are_words(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    script(tmp_path / "grab", 'printf "%s|" "$@"')
    with grabbed("~/grab 'a|b' x\\;y #z ''") as name, reading(name) as source:
        assert b"".join(source.chunks) == b"a|b|x;y|#z||"
        assert name == f"the output of {tmp_path}/grab"


def test_a_grabber_is_not_filled_in_place(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["epg", "fill", "--from", "true", "--in-place"])
    with pytest.raises(SystemExit):
        epg_module.main()
    assert one_line(capsys.readouterr().err) == "--in-place must be used with a file. Got --from. Pass -o OUT."


def test_a_grabber_ends_with_the_fill(tmp_path):
    (tmp_path / "out.xml").write_text(OLD)
    script(tmp_path / "grab", "sleep 1000 &", 'echo "$$ $!" > started', "wait")
    filling = subprocess.Popen(
        [sys.executable, "-m", "titleclf.epg", "fill", "--from", "./grab", "-o", "out.xml", "--log", "log.txt"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / "started").exists() or not (tmp_path / "started").read_text().endswith("\n"):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    filling.send_signal(signal.SIGTERM)
    assert b"Traceback" not in filling.communicate()[1]
    assert filling.returncode == 128 + signal.SIGTERM
    assert (tmp_path / "out.xml").read_text() == OLD
    assert one_line((tmp_path / "log.txt").read_text()).endswith(" failed out.xml: stopped")
    for process in map(int, (tmp_path / "started").read_text().split()):
        while is_running(process):
            assert time.monotonic() < deadline
            time.sleep(0.02)


def is_running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_missing_folder_of_the_log_is_named(fill, tmp_path):
    code, err = fill("cat g.xml", "--log", "gone/log.txt")
    assert (code, one_line(err)) == (2, "gone: no such folder. Create it, or check the path.")
    assert (tmp_path / "out.xml").read_text() == OLD
