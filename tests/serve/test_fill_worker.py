"""The process that fills a guide."""

import asyncio
import json
import os
import signal
import sys
from typing import Any
from unittest.mock import Mock

import pytest

from tests.helpers.commands import one_line
from tests.helpers.guides import guide, programme
from titleclf.runtime.classifier import Classifier
from titleclf.runtime.errors import InputError
from titleclf.runtime.files import CHECKOUT
from titleclf.serve import fill_worker, filled_titles


@pytest.fixture
def make_job(tmp_path):
    """Make a job for a guide of one programme."""
    (tmp_path / "g.xml").write_text(guide(programme()))

    def make(**changes):
        values: dict[str, Any] = {
            "guide": str(tmp_path / "g.xml"),
            "output": str(tmp_path / "f.xml"),
            "filled_titles": str(tmp_path / "f.json"),
            "model": str(CHECKOUT / "data" / "model"),
            "channels": None,
            "precision": 0.9,
            "overrides": str(tmp_path / "my.csv"),
            "profile": "plex",
            "when": "missing",
            "is_marked": False,
            "max_bytes": 1 << 20,
        }
        return fill_worker.FillJob(**(values | changes))

    return make


def run(job, niceness=0, timeout_seconds=60.0):
    """Run a job in a process; return its report and the progress that it made."""
    progress: list[int] = []
    return asyncio.run(fill_worker.run_job(job, timeout_seconds, niceness, progress.append)), progress


def test_it_prints_its_progress_and_a_report(make_job, tmp_path, monkeypatch, capsys):
    (tmp_path / "g.xml").write_text(guide(programme(), programme(title="<title>Qwertz</title>")))
    (tmp_path / "my.csv").write_text("title,category\nQwertz,\n")
    monkeypatch.setattr(sys, "argv", ["fill_worker", json.dumps(vars(make_job()))])
    fill_worker.main()
    *progress, report = map(json.loads, capsys.readouterr().out.splitlines())
    assert progress[-1] == 2
    assert (report["whole"]["filled"], report["whole"]["bases"]["override"], report["doubts"]) == (1, 1, [])
    assert len(report["digest"]) == 64


def test_it_lists_the_filled_titles_by_channel(make_job, tmp_path, monkeypatch):
    later = programme().replace('"one"', '"two"').replace("133000", "123000")
    named = programme("<category>Fußball</category>", title="<title>Qwertz</title>")
    long = programme("<category>Fußball</category>", title=f"<title>{'x' * 1001}</title>")
    (tmp_path / "g.xml").write_text(guide(later, programme(), named, programme(), long))
    (tmp_path / "my.csv").write_text("title,category\nQwertz,Leisure hobbies\n")
    job = make_job(when="untranslated")

    def titles() -> tuple[list[dict[str, Any]], int]:
        fill_worker.fill_guide(job, lambda _: None)
        content = json.loads((tmp_path / "f.json").read_text(encoding="utf-8"))
        return content["titles"], content["left_out"]

    (own, one, two), left_out = titles()
    if one["channel"] == "two":
        one, two = two, one
    probabilities = one.pop("probability"), two.pop("probability")
    assert max(probabilities) < 1
    sports = {"title": "Match of the Day", "category": "Sports", "basis": "model"}
    assert one == sports | {"channel": "Channel One", "showings": 2, "minutes": 180}
    assert two == sports | {"channel": "two", "showings": 1, "minutes": 30}
    corrected = {"title": "Qwertz", "category": "Leisure hobbies", "basis": "override", "probability": 1}
    assert own == corrected | {"channel": "Channel One", "showings": 1, "minutes": 90}
    assert left_out == 1  # its title is too long to be corrected
    monkeypatch.setattr(filled_titles, "_MAX_TITLES", 2)
    listed, left_out = titles()
    assert [title["probability"] for title in listed] == [1, min(probabilities)]
    assert (listed[0]["title"], left_out) == ("Qwertz", 2)


def test_it_reads_the_users_own_channels(make_job, tmp_path, monkeypatch, capsys):
    (tmp_path / "channels.csv").write_text("name,categories\nQwertz Kanal,movies;series\n")
    load = Mock(side_effect=Classifier.load)
    monkeypatch.setattr(Classifier, "load", load)
    job = make_job(channels=str(tmp_path / "channels.csv"))
    assert fill_worker.fill_guide(job, lambda _: None)["whole"]["filled"] == 1
    model, channels = load.call_args.args
    assert model == job.model
    assert channels.categories_of("Qwertz Kanal HD") == ("movies", "series")

    (tmp_path / "channels.csv").write_text("name\nQwertz Kanal\n")
    monkeypatch.setattr(sys, "argv", ["fill_worker", json.dumps(vars(job))])
    with pytest.raises(SystemExit) as caught:
        fill_worker.main()
    assert caught.value.code == 2
    assert "channels.csv" in one_line(capsys.readouterr().err)


def test_a_guide_that_is_too_large_is_an_input_error(make_job, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["fill_worker", json.dumps(vars(make_job(max_bytes=10)))])
    with pytest.raises(SystemExit) as caught:
        fill_worker.main()
    assert caught.value.code == 2
    assert "must unpack to at most 0 MB." in one_line(capsys.readouterr().err)


def test_it_has_a_lower_priority_that_does_not_starve(make_job, monkeypatch):
    policies: list[int] = []
    niceness: list[int] = []

    def set_priority(which, pid, value):
        os_setpriority(which, pid, value)
        niceness.append(os.getpriority(which, pid))
        policies.append(os.sched_getscheduler(pid))

    os_setpriority = os.setpriority
    monkeypatch.setattr(os, "setpriority", set_priority)
    report, progress = run(make_job(), niceness=5)
    assert niceness == [min(os.getpriority(os.PRIO_PROCESS, 0) + 5, 19)]
    assert policies == [os.sched_getscheduler(0)]  # never SCHED_IDLE
    assert (report["whole"]["filled"], progress[-1]) == (1, 1)


def test_the_lowest_priority_is_the_limit(monkeypatch):
    requested = []
    monkeypatch.setattr(os, "getpriority", lambda *_: 15)
    monkeypatch.setattr(os, "setpriority", lambda *arguments: requested.append(arguments))
    fill_worker._raise_niceness(7, 10)
    assert requested == [(os.PRIO_PROCESS, 7, 19)]


def test_a_process_that_has_exited_keeps_its_priority(make_job, monkeypatch):
    def fail(*_: object) -> None:
        raise ProcessLookupError

    monkeypatch.setattr(os, "setpriority", fail)
    report, _ = run(make_job())
    assert report["whole"]["filled"] == 1


def test_a_process_that_takes_too_long_is_killed(make_job, tmp_path, monkeypatch):
    processes = []

    async def create(*arguments, **options):
        processes.append(await create_process(*arguments, **options))
        return processes[-1]

    create_process = asyncio.create_subprocess_exec
    monkeypatch.setattr(asyncio, "create_subprocess_exec", create)
    os.mkfifo(tmp_path / "pipe.xml")  # reading it blocks forever
    with pytest.raises(InputError) as caught:
        run(make_job(guide=str(tmp_path / "pipe.xml")), timeout_seconds=0.2)
    assert str(caught.value) == (
        f"{tmp_path / 'pipe.xml'}: filling must take at most 0.2 seconds. Got no result. Run titleclf epg fill instead."
    )
    assert [process.returncode for process in processes] == [-signal.SIGKILL]


def test_a_crash_is_reported_and_its_traceback_logged(make_job, tmp_path, capfd):
    with pytest.raises(InputError) as caught:
        run(make_job(when="never"))
    assert str(caught.value) == (
        f"{tmp_path / 'g.xml'}: the filling process must succeed. Got exit code 1. See the service's standard error."
    )
    assert "Traceback" in capfd.readouterr().err
