"""`tv_grab_titleclf`, driven the way players drive grabbers, and the days that it prints."""

import importlib
import io
import os
import random
import re
import subprocess
import sys
import tomllib
import xml.etree.ElementTree as ET
from collections import Counter
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from tests.helpers.commands import one_line
from tests.helpers.guides import GUIDES, guide, programme
from titleclf import __version__
from titleclf.epg import tv_grab
from titleclf.epg.days import Days, within
from titleclf.runtime.errors import InputError
from titleclf.runtime.files import CHECKOUT

GUIDE = guide(programme(), programme("<category>News</category>", title="<title>Tagesschau</title>"))


def executable(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    path.chmod(0o755)
    return path


class Player:
    """tvheadend, as far as grabbers are concerned: it looks through the PATH, and reads what a grabber prints."""

    def __init__(self, home: Path) -> None:
        self.home, self.bin = home, home / "bin"
        executable(self.bin / "tv_grab_titleclf", f'exec "{sys.executable}" -m titleclf.epg.tv_grab "$@"')
        (self.bin / "tv_grab_data").mkdir()  # no grabber
        self.environment = {**os.environ, "HOME": str(home), "PATH": f"{self.bin}:/usr/bin:/bin"}

    def run(self, grabber: str | Path, *arguments: str, said: str | None = None) -> subprocess.CompletedProcess[str]:
        options = {"stdin": subprocess.DEVNULL} if said is None else {"input": said}
        return subprocess.run(
            [str(grabber), *arguments],
            **options,
            cwd="/",
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def grabbers(self) -> dict[str, str]:
        """Return the path of each grabber by its description."""
        found = (path for path in self.bin.glob("tv_grab_*") if path.is_file() and os.access(path, os.X_OK))
        return {self.run(path, "--description").stdout.strip(): str(path) for path in found}

    def configured(self, *lines: str) -> Path:
        path = self.home / ".xmltv" / "tv_grab_titleclf.conf"
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(["# for tests", "", *lines, ""]))
        return path


@pytest.fixture
def player(tmp_path):
    return Player(tmp_path)


@pytest.fixture
def grabber(player):
    """Return a grabber that records its arguments and prints a guide."""
    (player.home / "g.xml").write_text(GUIDE)
    return executable(
        player.bin / "tv_grab_zz", f'echo "$@" > {player.home}/arguments', f"cat {player.home}/g.xml", "exit $STATUS"
    )


def test_a_player_finds_the_grabber_and_reads_its_guide(player, grabber):
    grabber.unlink()
    executable(player.home / "elsewhere" / "zz", f"cat {player.home}/g.xml")
    assert list(player.grabbers()) == ["titleclf (fills the genres of another grabber, or of a guide on the web)"]
    (path,) = player.grabbers().values()
    assert player.run(path, "--capabilities").stdout == "baseline\nmanualconfig\n"
    assert player.run(path, "--version").stdout == f"This is tv_grab_titleclf version {__version__}\n"
    player.configured("from=~/elsewhere/zz", "profile=tvheadend")
    done = player.run(path)
    assert done.returncode == 0, done.stderr
    assert ET.fromstring(done.stdout).findtext(".//category") == "Sports"
    assert done.stdout.count("<category>") == 3  # tvheadend doesn't know "News", so it gets another
    assert player.run(path, "--quiet").stderr == ""


@pytest.mark.parametrize("option", ["--description", "--capabilities", "--version"])
def test_what_players_ask_at_their_start_needs_no_configuration(player, option):
    done = player.run(player.bin / "tv_grab_titleclf", option)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


@pytest.mark.usefixtures("grabber")
def test_a_grabber_that_fails_gives_a_player_nothing(player):
    player.configured("from=tv_grab_zz")
    player.environment["STATUS"] = "1"
    done = player.run("tv_grab_titleclf", "--quiet")
    assert (done.returncode, done.stdout) == (2, "")
    assert one_line(done.stderr).startswith("tv_grab_zz must end with exit code 0. Got exit code 1.")


def test_an_option_that_does_not_exist_is_refused(player):
    done = player.run("tv_grab_titleclf", "--ahdmegkeja")
    assert (done.returncode, done.stdout) == (2, "")
    assert one_line(done.stderr).startswith("--ahdmegkeja must be an option of tv_grab_titleclf.")


@pytest.mark.usefixtures("grabber")
def test_days_are_left_to_the_other_grabber(player):
    player.configured("from = tv_grab_zz --fast", "mark=yes", f"log={player.home}/log.txt")
    output = player.home / "out.xml"
    done = player.run("tv_grab_titleclf", "--days", "2", "--offset", "1", "--output", str(output), "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (player.home / "arguments").read_text() == "--fast --days 2 --offset 1\n"
    assert "<keyword>titleclf: Sports</keyword>" in output.read_text()
    assert f" ok {output}: 2 programmes" in one_line((player.home / "log.txt").read_text())


def test_days_of_a_guide_are_cut_out_of_it(player):
    days = [date.today() + timedelta(days=number) for number in range(-1, 4)]
    programmes = [programme(title=f"<title>Match of the Day {day:%d}</title>") for day in days]
    dated = [
        element.replace("20260101120000 +0100", f"{day:%Y%m%d}120000 {datetime.now().astimezone():%z}")
        for element, day in zip(programmes, days, strict=True)
    ]
    (player.home / "g.xml").write_text(guide(*dated))
    config = player.home / "my.conf"
    config.write_text("guide=~/g.xml\n")
    run = ("tv_grab_titleclf", "--quiet", "--config-file", str(config))

    def titles(*options: str) -> list[str]:
        done = player.run(*run, *options)
        assert (done.returncode, done.stderr) == (0, "")
        return re.findall(r"Day (\d+)</title>", done.stdout)

    numbers = [f"{day:%d}" for day in days]
    assert titles() == numbers
    assert titles("--days", "1") == numbers[1:2]
    assert titles("--days", "2", "--offset", "1") == numbers[2:4]
    assert titles("--offset", "2") == numbers[3:]
    assert titles("--offset", "9") == []


def test_a_player_configures_it_in_a_terminal(player, grabber):
    done = player.run("tv_grab_titleclf", "--configure", said="tv_grab_zz\n\n")
    assert done.returncode == 0, done.stderr
    path = player.home / ".xmltv" / "tv_grab_titleclf.conf"
    assert path.stat().st_mode & 0o777 == 0o600
    assert tv_grab.read_configuration(path) == [("from", "tv_grab_zz"), ("profile", "tvheadend")]
    assert player.run("tv_grab_titleclf").returncode == 0
    assert player.run("tv_grab_titleclf", "--configure", said="https://a.de/g.xml?k=1\nkodi\n").returncode == 0
    assert tv_grab.read_configuration(path) == [("guide", "https://a.de/g.xml?k=1"), ("profile", "kodi")]
    player.run("tv_grab_titleclf", "--configure", said=f"{player.home}/g.xml\nplex\n")
    before = path.read_text()
    assert f"\nguide={player.home}/g.xml\nprofile=plex\n" in before
    for said, sentence in [
        ("", "tv_grab_titleclf --configure must be answered. Got nothing. Run it in a terminal."),
        ("x\nvlc\n", "the player must be one of tvheadend, "),
        ("tv_grab_titleclf\n\n", "tv_grab_titleclf: from must be another grabber. Got tv_grab_titleclf itself."),
    ]:
        done = player.run("tv_grab_titleclf", "--configure", said=said)
        assert done.returncode == 2
        assert one_line(done.stderr).startswith(sentence)
        assert path.read_text() == before
    assert grabber.exists()


NAMES = "from, guide, profile, precision, when, overrides, labels, channels, model, changes, log, mark"


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (["profil=x"], f"{{}}:1: must be NAME=VALUE with a name of {NAMES}. Got profil=x. Did you mean profile?"),
        (["#", "from="], f"{{}}:2: must be NAME=VALUE with a name of {NAMES}. Got from=. Give it a value."),
        (["x"], f"{{}}:1: must be NAME=VALUE with a name of {NAMES}. Got x. Correct the line."),
        (["mark=1"], "{}:1: mark must be yes or no. Got 1. Choose one of these."),
        (["profile=kodi"], "{} must have one line from=COMMAND or guide=URL. Got neither. Correct it."),
        (["guide=a", "from=b"], "{} must have one line from=COMMAND or guide=URL. Got guide and from. Correct it."),
        (
            ["from=/usr/bin/tv_grab_titleclf --quiet"],
            "{}:1: from must be another grabber. Got tv_grab_titleclf itself. Name yours.",
        ),
        (None, "{}: no such file. Run tv_grab_titleclf --configure."),
    ],
)
def test_a_wrong_configuration_is_refused(tmp_path, lines, sentence):
    path = tmp_path / "my.conf"
    if lines is not None:
        path.write_text("\n".join(lines))
    with pytest.raises(InputError) as caught:
        tv_grab.read_configuration(path)
    assert str(caught.value) == sentence.format(path)


def test_the_options_of_a_configuration_are_those_of_fill(player, grabber):
    player.configured("from=tv_grab_zz", "profile=vlc")
    done = player.run("tv_grab_titleclf")
    assert (done.returncode, done.stdout) == (2, "")
    assert one_line(done.stderr).startswith("--profile must be one of tvheadend, ")
    assert grabber.exists()
    options = player.run(sys.executable, "-m", "titleclf", "epg", "fill", "--help").stdout
    assert [name for name in tv_grab._KEYS if f"--{name}" not in options] == ["guide"]


def test_the_package_installs_the_program():
    scripts = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["scripts"]
    module, _, function = scripts["tv_grab_titleclf"].partition(":")
    assert getattr(importlib.import_module(module), function) is tv_grab.main


# Cutting days out of a guide


def cut(content: bytes, days: Days, chunk_bytes: int = 1000) -> bytes:
    file = io.BytesIO(content)
    return b"".join(part for part, is_in in within(iter(lambda: file.read(chunk_bytes), b""), days) if is_in)


ALWAYS, NEVER = Days.of(-20_000, None), Days.of(40_000, 1)


@pytest.mark.parametrize("name", [name for name in GUIDES if not name.startswith(("UTF-16", "Latin", "Win", "Shift"))])
@pytest.mark.parametrize("chunk_bytes", [1, 7, 10_000])
def test_all_but_programmes_stay(name, chunk_bytes):
    content = GUIDES[name]
    assert cut(content, ALWAYS, chunk_bytes) == content
    expected = re.sub(
        rb"<programme start.*?</programme>", b"", re.sub(rb"<!\[CDATA\[.*?\]\]>", b"", content), flags=re.DOTALL
    )
    assert cut(content, NEVER, chunk_bytes) == expected


@pytest.mark.parametrize(
    ("start", "is_in"),
    [
        ("20260329000000 +0000", True),
        ("20260328235959 +0000", False),
        ("20260329010000 +0100", True),
        ("20260329003000 +0100", False),
        ("20260329120000", True),
        ("202603291200 +00:00", True),
        ("20260330", False),
        ("20260329", True),
        ("today", True),
        ("", True),
        ("99999999999999", True),
    ],
)
def test_a_programme_is_of_the_day_on_which_it_starts(start, is_in):
    midnight = datetime.fromisoformat("2026-03-29T00:00+00:00").timestamp()
    days = Days(midnight, midnight + 24 * 3600)
    assert days.has(start) is is_in


def is_well_formed(content: bytes) -> bool:
    try:
        ET.fromstring(content)
    except ET.ParseError:
        return False
    return True


def test_a_broken_guide_stays_broken_for_its_reader():
    content, dice = GUIDES["many"], random.Random(1)
    outcomes = Counter[bool]()
    for _ in range(200):
        at = dice.randrange(len(content))
        damaged = content[:at] + dice.choice([b"<", b"&", b"\0", b"]]>", b"</tv>"]) + content[at + 1 :]
        after = cut(damaged, dice.choice([ALWAYS, NEVER]), dice.choice([1, 100, 100_000]))
        assert is_well_formed(after) is is_well_formed(damaged)
        outcomes[is_well_formed(damaged)] += 1
    assert outcomes[False] > 100


def test_an_endless_programme_and_entities_are_left_to_the_reader():
    endless = guide(programme(f"<desc>{'x' * (40 << 20)}</desc>")).encode()
    assert cut(endless, NEVER, 1 << 20) == endless
    laughing = guide(programme(), head='<!DOCTYPE tv [<!ENTITY a "ha">]>').encode()
    assert cut(laughing, NEVER) == laughing
