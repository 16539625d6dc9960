"""Each command in the README and docs/ is run on small files, or its syntax is checked if a test can't run it."""

import contextlib
import csv
import gzip
import io
import itertools
import os
import re
import runpy
import shlex
import shutil
import signal
import subprocess
import sys
import tomllib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from matplotlib.figure import Figure
from scripts.build_docs import configuration

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))
}
UNITS = {path.relative_to(ROOT).as_posix(): path.read_text() for path in sorted((ROOT / "systemd").glob("*.service"))}
CONFIGURATION = "configuration"  # its page is generated from conf/, whose comments contain commands, too

# Commands that a test can't run, and what is checked instead. All other commands in documents are run.
NOT_RUN = {
    r"python3 -m venv ~/titleclf$": "makes an environment",
    r"(\S*/)?pip install '?\.": "installs; its extras must exist",
    r"sudo apt-get install [\w -]+$": "changes the system",
    r"systemctl --user enable --now [\w.-]+$": "changes the system",
    r"loginctl enable-linger$": "changes the system",
    r"sudo (ln -s|-u hts) ": "changes the system",
    r"mythfilldatabase --file --sourceid 1 --xmlfile filled.xml$": "is MythTV's",
    r"cat filled.xml \| socat - UNIX-CONNECT:\S+xmltv\.sock$": "is tvheadend's",
    r"make (test|check|format|docs|wheel|help|load|curve)\b": "takes minutes, or runs this; its options must exist",
    r"torchrun ": "starts processes that wait for one another; its overrides must compose",
    r"(titleclf|python -m titleclf\.)\s?predict_dataset ": "starts Ray; its options must parse",
}
SMALL = ("device=cpu", "training.epochs=1", "evaluate.robustness_titles=0")
TINY_MODEL = ("model=ngram", "model.dim=9", "model.buckets=997", "characters.min_count=1")
TINY_PRETRAINING = (
    "device=cpu",
    "pretraining.epochs=1",
    "pretraining.batch_size=16",
    "characters.min_count=1",
    "model.buckets=997",
)

SPORTS = """Match of the Day, Monday Night Football, Snooker World Championship, Tour de France, Ryder Cup Golf,
Grand Slam Tennis, Super Bowl, Champions League Final, Formula 1 Monaco, Ski Sunday, Six Nations Rugby, Test Cricket"""
NEWS = """Tagesschau, BBC News at Ten, Newsnight, Euronews Now, World News Tonight, Morning News, Le journal,
Telediario 1, Heute Journal, Channel 4 News, Breakfast News, Evening Report"""
MUSIC = """Top of the Pops, Eurovision Song Contest, Later... with Jools Holland, MTV Unplugged, Jazz Club,
The Old Grey Whistle Test, Opera Gala, Swan Lake Ballet, Country Songs, Proms Concert"""
CHILDREN = (
    """Teletubbies, Peppa Pig, Blue Peter, Sesamstrasse, Bob the Builder, Postman Pat, Paw Patrol, Thomas and Friends"""
)
KINDS = {
    "Sports": SPORTS,
    "News / Current affairs": NEWS,
    "Music / Ballet / Dance": MUSIC,
    "Children's / Youth programmes": CHILDREN,
}


class Block(NamedTuple):
    """A fenced block of a document."""

    language: str
    text: str


def blocks(text: str) -> Iterator[Block]:
    for match in re.finditer(r"^( *)```(\w+)\n(.*?)^\1```$", text, re.MULTILINE | re.DOTALL):
        indent, language, inner = match.groups()
        yield Block(language, re.sub(f"^{indent}", "", inner, flags=re.MULTILINE))


def commands(text: str) -> list[str]:
    """Return the commands of a document, without comments: from sh blocks and crontabs."""
    listed = []
    for block in blocks(text):
        lines = block.text.replace("\\\n", " ").splitlines()
        if block.language == "sh":
            listed += [re.sub(r"\s+# .*$", "", line) for line in lines if line and not line.startswith("#")]
        elif block.language == "cron":
            listed += [line.split(maxsplit=5)[5] for line in lines]
    return listed


def started(unit: str) -> list[str]:
    """Return the commands of a systemd unit."""
    return [start.replace("%h", "~") for start in re.findall("^ExecStart=(.*)", unit, re.MULTILINE)]


def write_titles(path: Path, *columns: str, more: tuple[str, ...] = ()) -> None:
    """Write a table of the titles with the column names `columns`, and with the same additional cells `more`."""
    rows = [(" ".join(title.split()), kind) for kind, titles in KINDS.items() for title in titles.split(",")]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([columns, *((*row, *more) for row in rows)])
    content = text.getvalue().encode()
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def write_guide(path: Path) -> None:
    """Write a guide of two channels, with all fields, each with programmes with and without a category."""
    titles = [(" ".join(title.split()), kind) for kind, all_of in KINDS.items() for title in all_of.split(",")]
    programmes = "".join(
        f'<programme start="20260101{number % 24:02}0000 +0000" stop="20260101{number % 24:02}4500 +0000" '
        f'channel="{"ab"[number % 2]}"><title lang="en">{title}</title>'
        f"{'<sub-title>Pilot</sub-title>' if number % 3 else ''}<desc>All about {title}.</desc><date>2026</date>"
        f"{f'<category>{kind}</category>' if number % 4 else ''}</programme>\n"
        for number, (title, kind) in enumerate(titles)
    )
    channels = '<channel id="a"><display-name>ESPN HD</display-name></channel>\n<channel id="b"/>\n'
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<tv>\n{channels}{programmes}</tv>\n'
    path.write_text(text, encoding="utf-8")
    path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(text.encode()))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the files that the documents name, and a model trained on them."""
    folder = tmp_path_factory.mktemp("files")
    for name in ("my.csv", "my_test.csv", "labelled.csv", *(f"guides/train_{number}.csv.gz" for number in range(2))):
        write_titles(folder / name, "title", "category")
    write_titles(folder / "titles.csv", "title", "category", "lang", more=("en",))
    write_titles(folder / "guides" / "unlabelled.csv.gz", "title", "category")
    write_titles(folder / "titles.txt.gz", "title", "category")
    write_titles(folder / "genres.csv", "Name", "Genre")
    write_titles(folder / "airings.csv", "title", "category", "station", "length", more=("one", "45"))
    fields = ("channel", "minutes", "description", "sub_title", "year", "language", "kind")
    values = ("ESPN", "45", "Highlights of the week", "Pilot", "2026", "en", "episode")
    write_titles(folder / "programmes.csv", "title", "category", *fields, more=values)
    tags = (folder / "my.csv").read_text().replace("Sports", "Sports | Live")
    (folder / "tags.csv").write_text(tags)
    header, *rows = (folder / "my.csv").read_text().splitlines()
    sources = itertools.cycle(("guide_a", "guide_b", "guide_c", "guide_d"))
    with_sources = [f"{header},source", *(f"{row},{source}" for row, source in zip(rows, sources, strict=False))]
    (folder / "my.csv").write_text("\n".join(with_sources))
    (folder / "titles.txt").write_text("Match of the Day\nTagesschau\n")
    (folder / "corrections.csv").write_text("title,category\nNewsnight,Sports\n")
    (folder / "overrides.csv").write_text("title,pattern,category\nPawn Stars,,Sports\n,Bundesliga*,Sports\nLive,,\n")
    (folder / "my_channels.csv").write_text("name,categories\nKino Privat,movies;series\nESPN,\n")
    for name in ("guide.xml", "grabbed.xml"):
        write_guide(folder / name)
    for name in ("data", "systemd"):
        (folder / name).symlink_to(ROOT / name)
    _add_programs(folder)
    with contextlib.chdir(folder):
        run_verb("train", ["data.path=my.csv", *SMALL, *TINY_MODEL])
        run_verb("export", ["output=my-model", "titles=my.csv", "fold=false"])
        run_verb("pretrain", ["titles=my.csv", *TINY_PRETRAINING])
    return folder


def _add_programs(folder: Path) -> None:
    """Put `python`, `titleclf` and a grabber where docs/install.md puts titleclf."""
    programs = folder / "titleclf" / "bin"
    programs.mkdir(parents=True)
    scripts = {
        "python": f'exec {shlex.quote(sys.executable)} "$@"',
        "titleclf": f'exec {shlex.quote(sys.executable)} -m titleclf "$@"',
        "tv_grab_de": f"cat {shlex.quote(str(folder / 'guide.xml'))}",
    }
    for name, script in scripts.items():
        (programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (programs / name).chmod(0o755)


@pytest.fixture
def workspace(files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of the folder, as the current folder and home, with its programs on the path."""
    folder = tmp_path / "home"
    shutil.copytree(files, folder, symlinks=True)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("PATH", f"{folder / 'titleclf' / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setattr(Figure, "savefig", lambda *_, **__: None)  # other tests check plots
    for name in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS"):
        monkeypatch.delenv(name, raising=False)
    return folder


def run_verb(verb: str, arguments: list[str]) -> None:
    """Run `titleclf VERB` in this process, where torch is already imported."""
    run_module("titleclf", [verb, *arguments])


def run_module(module: str, arguments: list[str]) -> None:
    code, _, errors = outcome(module, arguments)
    if code not in (0, 1 if arguments[:2] == ["epg", "lint"] else 0):
        pytest.fail(f"{module} {shlex.join(arguments)} exited with {code}: {errors}")


class Captured(io.TextIOWrapper):
    """The output of a command; commands that print titles set its encoding."""

    def __init__(self) -> None:
        self.bytes = io.BytesIO()
        super().__init__(self.bytes, encoding="utf-8", write_through=True)

    def getvalue(self) -> str:
        return self.bytes.getvalue().decode(self.encoding)


def outcome(module: str, arguments: list[str]) -> tuple[object, str, str]:
    """Run `python -m MODULE` in this process, and return its exit code, its output and its errors."""
    before, output, errors = sys.argv, Captured(), Captured()
    code: object = 0
    sys.argv = [module, *arguments]
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
            warnings.simplefilter("ignore")  # other tests check warnings
            runpy.run_module(module, run_name="__main__")
    except SystemExit as end:
        code = end.code or 0
    finally:
        sys.argv = before
    return code, output.getvalue(), errors.getvalue()


def run(line: str) -> None:
    """Run a command of a document, or only check it if NOT_RUN lists it."""
    if any(re.match(pattern, line) for pattern in NOT_RUN):
        check(line)
        return
    if re.search(r"[|<>;]|&&|\bcd ", re.sub(r"'[^']*'|\"[^\"]*\"", "", line)) or line.startswith("/bin/sh"):
        done = subprocess.run(["bash", "-c", f"set -eo pipefail; {line}"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{line}\n{done.stderr}"
        return
    if line.startswith("make "):
        line = made(line)
    words = list(map(os.path.expanduser, shlex.split(line)))
    match words:
        case [python, "-m", module, *arguments] if Path(python).name == "python":
            verb = module.removeprefix("titleclf.")
        case [program, verb, *arguments] if Path(program).name == "titleclf":
            module = f"titleclf.{verb}"
        case [python, script, *arguments] if Path(python).name == "python":
            module, verb = script.removesuffix(".py").replace("/", "."), ""
        case _:
            pytest.fail(f"{line}: neither a command of titleclf nor named in NOT_RUN")
    if verb == "serve":
        assert_serves(arguments)
    elif module.startswith("titleclf"):
        run_verb(verb, [*arguments, *smaller(verb, arguments)])
    else:
        run_module(module, arguments)


def made(line: str) -> str:
    """Return the command that `make` would run for a line, which checks its target and quotes."""
    environment, words = [], shlex.split(line)
    while words[0] != "make":
        environment.append(words.pop(0))
    dry = ["make", "--no-print-directory", "--dry-run", "--old-file=.venv/.ready", "--old-file=.venv/.develop"]
    dry += ["-C", str(ROOT), *words[1:]]
    done = subprocess.run(dry, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{line}\n{done.stderr}"
    return done.stdout.strip().splitlines()[-1]


def smaller(verb: str, arguments: list[str]) -> list[str]:
    """Return the overrides with which a command takes less than a second on the files of a test."""
    given = {argument.partition("=")[0] for argument in arguments}
    if "resume" in given or "--cfg" in arguments:
        return []
    added: list[str] = []
    if verb in ("train", "sweep"):
        added = [*SMALL, *([] if "data.path" in given else ["data.path=my.csv"])]
        if {"model=ngram", "experiment=guides", "experiment=release", "sweep=search_ngram"} & {*arguments}:
            added.append("model.buckets=997")
        elif not any(key.partition(".")[0] == "model" for key in given):
            added += TINY_MODEL
        if verb == "sweep":
            added.append("sweep.trials=1")
    elif verb == "pretrain":
        added = [*TINY_PRETRAINING, *([] if "titles" in given else ["titles=my.csv"])]
    elif verb == "export":
        # After one epoch the model only guesses, and the rounding of folding changes guesses.
        added = ["fold=false", *([] if "titles" in given else ["titles=my.csv"])]
    return added


def assert_serves(arguments: list[str]) -> None:
    """Start the service, wait for its address, and stop it."""
    with serving(arguments) as url:
        assert url.startswith("http://")


@contextlib.contextmanager
def serving(arguments: list[str]) -> Iterator[str]:
    command = [sys.executable, "-m", "titleclf.serve", *map(os.path.expanduser, arguments), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as service:
        assert service.stderr is not None
        said = []
        for line in service.stderr:
            said.append(line)
            if url := re.search(r"http://\S+", line):
                break
        else:
            pytest.fail("".join(said))
        try:
            yield url[0].rstrip("/")
        finally:
            service.send_signal(signal.SIGINT)
            service.communicate()


def check(line: str) -> None:
    """Check what can be checked without running a command: that everything it names exists."""
    if line.startswith("make "):
        made(line)
        if options := re.findall(r"--[a-z-]+", line):
            words = shlex.split(made(line))
            program = words[: 3 if words[1] == "-m" else 2]
            _, shown, _ = outcome(program[-1].removesuffix(".py").replace("/", "."), ["--help"])
            assert [option for option in options if option not in shown] == []
    elif match := re.search(r"pip install '?\.(?:\[([\w,]+)\])?", line):
        extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
        assert set((match[1] or "train").split(",")) <= set(extras)
    elif line.startswith("torchrun "):
        _, _, overrides = line.partition("-m titleclf.train ")
        run_verb("train", [*shlex.split(overrides), "--cfg", "job"])
    elif "predict_dataset" in line:
        *options, _, _ = shlex.split(line.partition("predict_dataset ")[2])
        _, _, errors = outcome("titleclf", ["predict_dataset", *options, "nowhere.parquet", "predicted"])
        assert errors.splitlines()[-1].startswith("nowhere.parquet"), (
            errors
        )  # the options are valid, only the file is missing


def documents_with(*languages: str) -> list[str]:
    return [name for name, text in DOCUMENTS.items() if any(block.language in languages for block in blocks(text))]


@pytest.mark.usefixtures("workspace")
@pytest.mark.parametrize("name", [*documents_with("sh", "cron"), *UNITS, CONFIGURATION])
def test_every_command_of_a_document_runs(name, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "agg")
    if name in UNITS:
        lines = started(UNITS[name])
    else:
        lines = commands(configuration() if name == CONFIGURATION else DOCUMENTS[name])
    assert lines
    requests = [line for line in lines if line.startswith("curl ")]
    for line in (line for line in lines if line not in requests):
        variables = "".join(re.findall(r"^((?:[A-Z_]+=\S+ )*)", line))
        for variable in variables.split():
            monkeypatch.setenv(*variable.split("=", 1))
        run_on_fresh_outputs(line.removeprefix(variables), composed_only=name == CONFIGURATION)
    if requests:
        with serving([]) as url:
            for line in requests:
                request = line.replace("http://127.0.0.1:8000", url).replace("curl ", "curl --fail --silent ", 1)
                done = subprocess.run(["bash", "-c", request], capture_output=True, text=True, check=False)
                assert done.returncode == 0, f"{line}\n{done.stderr}"


def run_on_fresh_outputs(line: str, *, composed_only: bool) -> None:
    """Run a command after removing the outputs of others, which it would refuse to overwrite."""
    for output in [
        *re.findall(r"output=([\w.-]+)", line),
        *(f"outputs/{name}" for name in ("grid", "search", "search_ngram")),
    ]:
        shutil.rmtree(output, ignore_errors=True)
        Path(output).unlink(missing_ok=True)
    if resumed := re.search(r"resume=([\w./-]+)", line):
        interrupt(Path(resumed[1]))
    if composed_only:
        _, _, module, *overrides = shlex.split(line)
        run_verb(module.removeprefix("titleclf."), [*map(first_value, overrides), "--cfg", "job"])
    else:
        run(line)


def interrupt(run: Path) -> None:
    """Make the folder of an interrupted run from a finished one, by removing its last outputs."""
    shutil.copytree((run.parent / "latest").resolve(), run)
    shutil.rmtree(run / "bundle", ignore_errors=True)
    (run / "embeddings.safetensors").unlink(missing_ok=True)


def first_value(override: str) -> str:
    """Return an override that sweeps over values with only the first of them, which can be composed."""
    return re.sub(r"=(?:int\(interval\()?([\w.-]+)(?:,[\w.-]+)+\)*$", r"=\1", override)


@pytest.mark.usefixtures("workspace")
@pytest.mark.parametrize("name", documents_with("python"))
def test_every_program_of_a_document_prints_its_documented_output(name, capsys):
    if name.endswith("onnx.md"):
        run_verb("train", ["data.path=my.csv", "device=cpu", "model=ngram", "evaluate.robustness_titles=0"])
        run_verb("export", ["format=onnx", "output=model.onnx", "titles=my.csv"])
    capsys.readouterr()
    program = "".join(block.text for block in blocks(DOCUMENTS[name]) if block.language == "python")
    exec(compile(program, name, "exec"), {"__name__": "__main__"})
    assert capsys.readouterr().out.splitlines() == re.findall(r"^# -> (.*)", program, re.MULTILINE)


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("docs/predict.md", ["predict", "--model", "shipped", "--explain", "Match of teh Day"]),
        ("docs/predict.md", ["predict", "--model", "shipped", "--format", "jsonl", "Match of the Day"]),
    ],
)
def test_the_documented_output_is_that_of_the_shipped_model(name, command):
    _, output, _ = outcome("titleclf", command)
    assert output in [block.text for block in blocks(DOCUMENTS[name]) if block.language == "text"]


@pytest.mark.usefixtures("workspace")
@pytest.mark.parametrize(
    ("name", "command"),
    [("docs/deploy.md", ["output=exported", "fold=false"]), ("docs/onnx.md", ["format=onnx", "output=model.onnx"])],
)
def test_the_documented_sentence_of_an_export_is_up_to_date(name, command):
    _, output, _ = outcome("titleclf", ["export", *command, "titles=my.csv"])
    (shown,) = [block.text for block in blocks(DOCUMENTS[name]) if block.text.startswith("On 10,000 titles: ")]
    shown, printed = (re.sub(r"\d[\d,.e-]*", "N", text.splitlines()[0]) for text in (shown, output))
    assert printed.rstrip(".") == shown.rstrip(".")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_of_the_repository_are_valid(name):
    text = re.sub(r"^ *```.*?^ *```$", "", DOCUMENTS[name], flags=re.MULTILINE | re.DOTALL)
    links = re.findall(r"\]\(([^)#\s]+)", text)
    generated = ("configuration.md", "command-line.md", "changelog.md", "data/", "results/")
    for link in links:
        if not link.startswith("http") and not (name.startswith("docs/") and link.startswith(generated)):
            assert (ROOT / name).parent.joinpath(link).exists(), link


def test_a_command_that_does_not_exist_fails(workspace):
    wrong = (
        "titleclf predict --presision 0.9 Tagesschau",
        "titleclf tell Tagesschau",
        "titleclf train data.pth=my.csv",
        "make trian",
        'make train ARGS="modl=conv"',
        "titleclf predict_dataset --wokers 8 titles.parquet predicted",
        "pip install '.[trane]'",
        'make curve ARGS="--trian my.csv"',
        "titleclf serve --wach guide.xml",
        "rm -r outputs",
    )
    for line in wrong:
        with pytest.raises((pytest.fail.Exception, AssertionError)):
            run(line)
    assert (workspace / "outputs" / "latest").exists()
