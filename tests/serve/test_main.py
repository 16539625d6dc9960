"""`titleclf serve` as a user types it: its messages, arguments and shutdown."""

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

from tests.helpers.commands import command, one_line
from tests.helpers.guides import guide, programme
from tests.test_command_line import HIDE, run_titleclf
from titleclf.serve import __main__ as serve


@pytest.fixture
def error_of(monkeypatch, capsys):
    """Call the command with bad arguments; return its standard error."""

    def call(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["titleclf serve", *arguments])
        with pytest.raises(SystemExit) as caught:
            serve.main()
        assert caught.value.code == 2
        return capsys.readouterr().err

    return call


def started(tmp_path: Path, *arguments: str) -> tuple[subprocess.Popen[str], str]:
    """Start the command as a user does, on a free port; return the process and its URL."""
    process = subprocess.Popen(
        [sys.executable, "-m", "titleclf", "serve", "--port", "0", *arguments],
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr
    assert process.stderr.readline() == "model: shipped\n"
    line = process.stderr.readline()
    serving = re.fullmatch(r"serving: (http://\S+)/ \(press Ctrl-C to stop\)\n", line)
    assert serving, line
    return process, serving[1]


@pytest.mark.parametrize(("signal_number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM)])
def test_it_leaves_only_the_corrections_behind(tmp_path, signal_number, code):
    large = guide(*(programme(title=f"<title>Title {number} {number * 7}</title>") for number in range(30_000)))
    process, url = started(tmp_path)
    with process:
        assert httpx.get(f"{url}/health").json()["status"] == "ok"
        assert "_created" not in httpx.get(f"{url}/metrics").text
        httpx.post(f"{url}/api/corrections", json={"title": "Heat", "category": "Sports"}).raise_for_status()
        httpx.post(f"{url}/api/guides", content=large).raise_for_status()  # still being filled when the signal arrives
        (folder,) = tmp_path.glob("titleclf-*")
        assert folder.stat().st_mode & 0o077 == 0
        process.send_signal(signal_number)
        stderr = process.communicate(timeout=30)[1]
        assert (process.returncode, stderr) == (code, "Interrupted.\n" if signal_number == signal.SIGINT else "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["overrides.csv"]


def test_it_listens_on_the_given_address(tmp_path):
    assert serve._parser().parse_args([]).host == "127.0.0.1"
    process, url = started(tmp_path, "--host", "::1", "--name", "NAS.local")
    with process:
        assert url.startswith("http://[::1]:")
        assert httpx.get(f"{url}/health", headers={"Host": "nas.local"}).status_code == 200
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)


def test_the_console_names_guides_that_cannot_be_filled(tmp_path):
    (tmp_path / "empty.xml").touch()
    process, _ = started(tmp_path, "--watch", "gone.xml", "--watch", "empty.xml")
    with process:
        assert process.stderr
        lines = [process.stderr.readline() for _ in range(2)]
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert lines == [
        "gone.xml must be a readable file. Got: No such file or directory. Check the path.\n",
        "empty.xml:1:1: must be an XMLTV guide. Got an empty file in place of <tv>. Check the program that wrote it.\n",
    ]


@pytest.mark.parametrize(
    ("host", "shown", "is_open"),
    [("127.0.0.1", "127.0.0.1", False), ("::1", "[::1]", False), ("0.0.0.0", "0.0.0.0", True), ("::", "[::]", True)],
)
def test_a_note_warns_of_open_addresses(host, shown, is_open):
    note = "note: anyone who can reach this address can use the service; there is no login\n"
    expected = f"serving: http://{shown}:80/ (press Ctrl-C to stop)\n"
    assert serve._address(host, 80) == expected + (note if is_open else "")


def test_errors_are_one_line(error_of, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert one_line(error_of("--when", "untranslated")) == (
        "--when untranslated must have a --profile. Got none. Name your player."
    )
    with socket.create_server(("127.0.0.1", 0)) as occupied:
        port = occupied.getsockname()[1]
        assert one_line(error_of("--port", str(port))) == (
            f"--host and --port must be an address of this computer and a free port. Got 127.0.0.1 and {port}: "
            "Address already in use. Choose others."
        )
    assert one_line(error_of("--watch", "a/g.xml", "--watch", "b/g.xml")).startswith("--watch guides must have ")
    assert one_line(error_of("--watch", ".")) == "--watch . must be a file. Got a folder. Name a guide in it."
    assert "nothing" in one_line(error_of("--model", "nothing"))
    assert "0.999" in one_line(error_of("--precision", "0.999"))
    assert list(tmp_path.iterdir()) == []


def test_a_bad_list_of_channels_is_named(error_of, tmp_path):
    assert "nowhere.csv" in one_line(error_of("--channels", "nowhere.csv"))
    (tmp_path / "my.csv").write_text("name,categories\n!,movies\n")
    assert one_line(error_of("--channels", str(tmp_path / "my.csv"))).startswith(f"{tmp_path / 'my.csv'}:2: name must ")


def test_a_note_says_that_a_model_does_not_use_the_list_of_channels(tmp_path, run, kinds_run, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.csv").write_text("name,categories\nKino Privat,movies\n")
    monkeypatch.setattr(serve, "server", Mock())
    monkeypatch.setattr("gc.freeze", Mock())

    def notes(model: Path) -> list[str]:
        arguments = ["--port", "0", "--precision", "0.5", "--channels", "my.csv", "--model", str(model)]
        monkeypatch.setattr(sys, "argv", ["titleclf serve", *arguments])
        serve.main()
        return [line for line in capsys.readouterr().err.splitlines() if line.startswith("note: ")]

    assert notes(run) == ["note: --channels changes nothing: the model does not use what kind of channel it is"]
    assert notes(kinds_run) == []


def test_a_profile_requires_a_model_of_the_ten_genres(error_of, run):
    line = one_line(error_of("--model", str(run), "--profile", "plex", "--precision", "0.5"))
    assert "a model for --profile plex" in line
    assert "Got Music; News" in line


@pytest.mark.parametrize(
    "arguments", [["--port", "65536"], ["--port", "x"], ["--timeout", "0"], ["--max-upload", "-1"]]
)
def test_invalid_numbers_are_refused(error_of, arguments):
    line = one_line(error_of(*arguments))
    assert re.match(rf"{arguments[0]}(/--patience)? must be ", line)
    assert f" Got {arguments[1]}. " in line


@pytest.mark.parametrize("option", ["--timeout", "--patience"])
def test_the_timeout_has_an_older_name_too(option):
    assert serve._settings(serve._parser().parse_args([option, "3"])).limits.timeout_seconds == 3


def test_help_has_examples(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["titleclf serve", "--help"])
    with pytest.raises(SystemExit):
        serve.main()
    out = capsys.readouterr().out
    assert "titleclf serve --watch guide.xml.gz --profile kodi" in out
    assert """curl --json '{"titles": ["Match of the Day"]}'""" in out


@pytest.mark.parametrize("missing", ["fastapi", "uvicorn", "httptools", "prometheus_client"])
def test_a_missing_extra_is_named(tmp_path, missing):
    hidden = run_titleclf("serve", cwd=tmp_path, before=HIDE.format(missing))
    (tmp_path / f"{missing}.py").write_text(f"raise ModuleNotFoundError('no', name={missing!r})\n")
    broken = command("serve", cwd=tmp_path)
    for done in (hidden, broken):
        assert done.returncode == 2
        line = one_line(done.stderr)
        assert line.startswith("titleclf serve ")
        assert f"no module named {missing}. " in line
        assert line.endswith("pip install '.[serve]'.")


def test_it_does_not_import_the_packages_of_training(tmp_path):
    done = run_titleclf("serve", "--help", cwd=tmp_path, before=HIDE.format("torch pandas sklearn scipy hydra"))
    assert done.returncode == 0, done.stderr
