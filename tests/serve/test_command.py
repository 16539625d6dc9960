"""`titleclf serve` as a user types it, what its processes say, and how it ends."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from unittest.mock import Mock

import httpx
import pytest

from tests.conftest import command, one_line
from tests.helpers.guides import guide, programme
from tests.test_command_line import HIDE, door
from titleclf.runtime.errors import InputError
from titleclf.runtime.files import CHECKOUT
from titleclf.serve import __main__ as module
from titleclf.serve import fill_worker as filling
from titleclf.serve.security import size
from titleclf.serve.uploads import filled_name


@pytest.fixture
def called(monkeypatch, capsys):
    """Call the command with arguments that are refused; return what it says."""

    def call(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["titleclf serve", *arguments])
        with pytest.raises(SystemExit) as left:
            module.main()
        assert left.value.code == 2
        return capsys.readouterr().err

    return call


def started(tmp_path: Path, *arguments: str) -> tuple[subprocess.Popen[str], str]:
    """Start it as a user does, on a free port; return the process and its URL."""
    process = subprocess.Popen(
        [sys.executable, "-m", "titleclf", "serve", "--port", "0", *arguments],
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr.readline() == "model: shipped\n"
    said = process.stderr.readline()
    return process, re.fullmatch(r"serving: (http://\S+)/ \(Ctrl-C ends it\)\n", said)[1]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM)])
def test_it_serves_until_it_is_ended_and_leaves_nothing_but_corrections(tmp_path, number, code):
    many = guide(*(programme(title=f"<title>Title {number} {number * 7}</title>") for number in range(30_000)))
    process, url = started(tmp_path)
    with process:
        assert httpx.get(f"{url}/health").json()["status"] == "ok"
        httpx.post(f"{url}/api/corrections", json={"title": "Heat", "category": "Sports"}).raise_for_status()
        httpx.post(f"{url}/api/guides", content=many).raise_for_status()  # is being filled when the end comes
        (folder,) = tmp_path.glob("titleclf-*")
        assert folder.stat().st_mode & 0o077 == 0
        process.send_signal(number)
        said = process.communicate(timeout=30)[1]
        assert (process.returncode, said) == (code, "Interrupted.\n" if number == signal.SIGINT else "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["overrides.csv"]


def test_it_listens_to_this_computer_alone_unless_told_otherwise(tmp_path):
    assert module._parser().parse_args([]).host == "127.0.0.1"
    process, url = started(tmp_path, "--host", "::1", "--name", "NAS.local")
    with process:
        assert url.startswith("http://[::1]:")
        assert httpx.get(f"{url}/health", headers={"Host": "nas.local"}).status_code == 200
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)


@pytest.mark.parametrize(
    ("host", "shown", "is_open"),
    [("127.0.0.1", "127.0.0.1", False), ("::1", "[::1]", False), ("0.0.0.0", "0.0.0.0", True), ("::", "[::]", True)],
)
def test_who_can_use_it_is_said_where_it_is_more_than_this_computer(host, shown, is_open):
    note = "note: whoever reaches this address can use it; there is no log-in\n"
    expected = f"serving: http://{shown}:80/ (Ctrl-C ends it)\n"
    assert module._place(host, 80) == expected + (note if is_open else "")


def test_mistakes_are_one_line(called, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert one_line(called("--when", "unknown-to-profile")) == (
        "--when unknown-to-profile must have a --profile. Got none. Name the reader of the guide."
    )
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert one_line(called("--port", str(port))) == (
            f"--host and --port must be an address of this computer and a free port. Got 127.0.0.1 and {port}: "
            "Address already in use. Name others."
        )
    assert one_line(called("--watch", "a/g.xml", "--watch", "b/g.xml")).startswith("--watch must be given guides of")
    assert one_line(called("--model", "nothing")).startswith("nothing must be a folder with a model.")
    assert one_line(called("--precision", "0.999")).startswith("a wanted precision must be at most ")
    assert list(tmp_path.iterdir()) == []


def test_a_profile_needs_a_model_of_the_ten_genres(called, run):
    said = called("--model", str(run), "--profile", "plex", "--precision", "0.5")
    assert one_line(said).startswith(
        "a model for --profile plex must have categories of the ten genres. Got Music; News"
    )


@pytest.mark.parametrize(
    "arguments", [["--port", "65536"], ["--port", "x"], ["--patience", "0"], ["--max-upload", "-1"]]
)
def test_other_numbers_are_refused(called, arguments):
    assert f"argument {arguments[0]}: must be " in called(*arguments)


def test_help_has_examples(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["titleclf serve", "--help"])
    with pytest.raises(SystemExit):
        module.main()
    out = capsys.readouterr().out
    assert "titleclf serve --watch guide.xml.gz --profile kodi" in out
    assert """curl --json '{"titles": ["Match of the Day"]}'""" in out


@pytest.mark.parametrize("missing", ["fastapi", "uvicorn", "httptools"])
def test_without_its_extra_it_says_so(tmp_path, missing):
    said = (
        f"titleclf serve needs the extra serve. Got no module named {missing}. "
        "Install it: pip install 'titleclf[serve]'."
    )
    done = door("serve", cwd=tmp_path, before=HIDE.format(missing))
    assert (done.returncode, one_line(done.stderr)) == (2, said)
    (tmp_path / f"{missing}.py").write_text(f"raise ModuleNotFoundError('no', name={missing!r})\n")
    done = command("serve", cwd=tmp_path)
    assert (done.returncode, one_line(done.stderr)) == (2, said)


def test_it_needs_nothing_that_only_training_needs(tmp_path):
    done = door("serve", "--help", cwd=tmp_path, before=HIDE.format("torch pandas sklearn scipy hydra"))
    assert done.returncode == 0, done.stderr


# The process that fills a guide


def order(tmp_path, **changes):
    values = {
        "guide": str(tmp_path / "g.xml"),
        "output": str(tmp_path / "f.xml"),
        "model": str(CHECKOUT / "data" / "model"),
        "precision": 0.9,
        "overrides": str(tmp_path / "my.csv"),
        "profile": "plex",
        "when": "missing",
        "is_marked": False,
        "most_bytes": 1 << 20,
    }
    return filling.Order(**(values | changes))


def test_a_filling_process_tells_how_far_it_is_and_what_it_found(tmp_path, monkeypatch, capsys):
    (tmp_path / "g.xml").write_text(guide(programme(), programme(title="<title>Qwertz</title>")))
    (tmp_path / "my.csv").write_text("title,category\nQwertz,\n")
    monkeypatch.setattr(sys, "argv", ["filling", json.dumps(vars(order(tmp_path)))])
    filling.main()
    *counts, told = map(json.loads, capsys.readouterr().out.splitlines())
    assert counts[-1] == 2
    assert (told["whole"]["filled"], told["whole"]["overridden"], told["doubts"]) == (1, 1, [])
    assert len(told["digest"]) == 64
    monkeypatch.setattr(sys, "argv", ["filling", json.dumps(vars(order(tmp_path, most_bytes=10)))])
    with pytest.raises(SystemExit) as left:
        filling.main()
    assert left.value.code == 2
    assert "must unpack to at most 0 MB." in one_line(capsys.readouterr().err)


def test_a_filling_process_takes_only_the_time_that_is_left_over(tmp_path, monkeypatch):
    (tmp_path / "g.xml").write_text(guide(programme()))
    told = Mock(side_effect=ProcessLookupError)  # it may have ended before it is told
    monkeypatch.setattr(os, "sched_setscheduler", told)
    asyncio.run(filling.fill(order(tmp_path), 30, print))
    assert told.call_args.args[1] == os.SCHED_IDLE
    monkeypatch.delattr(os, "SCHED_IDLE")  # as elsewhere than on Linux
    monkeypatch.setattr(os, "setpriority", told)
    asyncio.run(filling.fill(order(tmp_path), 30, print))
    assert told.call_args.args[::2] == (os.PRIO_PROCESS, 19)


def test_a_filling_process_that_breaks_down_is_no_end_of_the_service(tmp_path, capfd):
    (tmp_path / "g.xml").write_text(guide(programme()))
    with pytest.raises(InputError) as caught:
        asyncio.run(filling.fill(order(tmp_path, when="never"), 30, print))
    assert str(caught.value) == (
        f"{tmp_path / 'g.xml'} must be filled by a process that ends well. Got exit code 1. Look at what was said."
    )
    assert "Traceback" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 bytes"), (1023, "1,023 bytes"), (1024, "1 KB"), (5 << 20, "5 MB"), (4096 << 30, "4,096 GB")],
)
def test_sizes_are_for_people(count, text):
    assert size(count) == text


@pytest.mark.parametrize(
    ("name", "filled"),
    [
        *(
            ("guide.xml", "guide.filled.xml"),
            ("guide.xml.gz", "guide.filled.xml.gz"),
            ("a.b.xmltv.XZ", "a.b.filled.xmltv.XZ"),
        ),
        *(("guide", "guide.filled"), (".xml", "guide.filled.xml")),
    ],
)
def test_a_filled_guide_is_called_so(name, filled):
    assert filled_name(name) == filled
