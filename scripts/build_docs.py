"""MkDocs hook: generates the pages that repeat other files, so that they cannot drift apart.

MkDocs loads this file (see mkdocs.yml). `python -m scripts.build_docs FOLDER` writes the same pages into a folder.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parent.parent
CONF = ROOT / "conf"
COMMANDS = {  # by section; each verb of epg has its own
    "predict": ["predict"],
    "epg": ["epg"],
    **{f"epg {verb}": ["epg", verb] for verb in ("report", "fill", "undo", "lint", "channels", "harvest")},
    "serve": ["serve"],
    "train": ["train"],
    "evaluate": ["evaluate"],
    "export": ["export"],
    "pretrain": ["pretrain"],
    "predict_dataset": ["predict_dataset"],
}
GROUPS = {  # in reading order
    "": ("train", "pretrain", "evaluate", "export"),
    "data": ("titles", "own"),
    "model": ("pretrained", "ngram", "conv", "bag"),
    "noise": ("guide", "misspelt", "formats", "none"),
    "optim": ("adamw", "pretraining"),
    "objective": ("views", "cbow", "skipgram", "masked"),
    "evaluate": ("report",),
    "experiment": (),
    "sweep": (),
}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages and their images to the site, and the results to its navigation."""
    for name, text in pages().items():
        files.append(File.generated(config, name, content=text))
    for image in sorted((ROOT / "results").glob("*.png")):
        files.append(File.generated(config, f"results/{image.name}", abs_src_path=str(image)))
    section = next(entry for entry in config.nav or [] if "Results" in entry)
    section["Results"] = [
        {"Overview": "results/index.md"},
        *({_label(path): f"results/{path.name}"} for path in results()),
    ]
    return files


def pages() -> dict[str, str]:
    """Return the Markdown of each generated page by its path in the site."""
    return {
        "command-line.md": command_line(),
        "configuration.md": configuration(),
        "changelog.md": read("CHANGELOG.md"),
        "data/README.md": read("data/README.md"),
        "data/model/README.md": read("data/model/README.md"),
        "results/index.md": results_index(),
        **{f"results/{path.name}": path.read_text(encoding="utf-8") for path in results()},
    }


def read(name: str) -> str:
    """Return the text of a file of the repository."""
    return (ROOT / name).read_text(encoding="utf-8")


def results() -> list[Path]:
    """Return the pages with results, in alphabetical order."""
    return sorted((ROOT / "results").glob("*.md"))


def results_index() -> str:
    """Return the page that lists the results by their titles."""
    titles = {path: path.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ") for path in results()}
    rows = "".join(f"- [{_label(path)}]({path.name}): {title}\n" for path, title in titles.items())
    return (
        "# Results\n\nEach page names the command that produced it, the machine and the versions. "
        f"Titles of TV guides cannot be redistributed; pages that use them note this.\n\n{rows}"
    )


def _label(path: Path) -> str:
    return path.stem.replace("_", " ").capitalize()


def command_line() -> str:
    """Return the page with the `--help` of each command."""
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        helps = dict(zip(COMMANDS, pool.map(help_of, COMMANDS.values()), strict=True))
    sections = "".join(f"\n## {name}\n\n```text\n{text}\n```\n" for name, text in helps.items())
    return (
        "# Command line\n\n`titleclf VERB` and `python -m titleclf.VERB` are the same command. "
        "`train`, `evaluate`, `export` and `pretrain` take `key=value` overrides of the "
        "[configuration](configuration.md); the others take options. Exit codes: 0 success, 1 `epg lint` found "
        "programmes that the player cannot place, 2 wrong input (one line on standard error), 130 Ctrl-C. "
        f"This page is the commands' own `--help`.\n{sections}"
    )


def help_of(words: list[str]) -> str:
    """Return the help of a command, without the configuration that Hydra appends to it."""
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "titleclf", *words, "--help"],
        env={**os.environ, "COLUMNS": "100", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    return re.split(r"^== Config", done.stdout, maxsplit=1, flags=re.MULTILINE)[0].rstrip()


class Value(NamedTuple):
    """A key of the configuration, its default and the comment beside it."""

    key: str
    default: str
    meaning: str


class Page(NamedTuple):
    """A file of conf/: the examples and sentences in its head, the files it starts from, and its values."""

    examples: list[str]
    about: str
    bases: list[str]
    values: list[Value]


def configuration() -> str:
    """Return the page with every file of conf/: its examples, its values, and their comments."""
    about = (
        "# Configuration\n\nEvery value is defined once, in `conf/`. Override values on the command line, in the "
        "syntax of [Hydra](https://hydra.cc): `key=value`, `group=file`. `python -m titleclf.train --cfg job` prints "
        "the whole configuration of a run. This page is generated from the files and their comments.\n"
    )
    parts = [about]
    for group, order in GROUPS.items():
        paths = sorted((CONF / group).glob("*.yaml"), key=lambda path: (_position(path.stem, order), path.stem))
        if group:
            parts.append(f"\n## {group}\n")
        for path in paths:
            name = f"{group}={path.stem}" if group else path.stem
            prefix = f"{group}." if group not in ("", "experiment", "sweep") else ""
            heading = f"{'###' if group else '##'} {name}"
            parts.append(_section(heading, prefix, parse(path.read_text(encoding="utf-8"))))
    return "".join(parts)


def _position(name: str, order: tuple[str, ...]) -> int:
    return order.index(name) if name in order else len(order)


def _section(heading: str, prefix: str, page: Page) -> str:
    about = f"\n{page.about}\n" if page.about else ""
    examples = "\n```sh\n" + "".join(f"{example}\n" for example in page.examples) + "```\n" if page.examples else ""
    bases = f"\nStarts from {', '.join(f'`{base}`' for base in page.bases)}.\n" if page.bases else ""
    rows = "".join(
        f"| `{prefix}{key}` | {f'`{_cell(default)}`' if default else ''} | {_cell(meaning)} |\n"
        for key, default, meaning in page.values
    )
    table = f"\n| key | default | meaning |\n| --- | --- | --- |\n{rows}" if rows else ""
    return f"\n{heading}\n{about}{examples}{bases}{table}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def parse(text: str) -> Page:
    """Read a file of conf/, whose comments are its documentation; Hydra's own block is left out."""
    lines = text.splitlines()
    head = [line for line in _until_key(lines) if not line.startswith("# @package")]
    examples = [_example(line) for line in head if line.startswith("# python")]
    about = " ".join(line[1:].strip() for line in head if not line.startswith("# python"))
    body = lines[len(list(_until_key(lines))) :]
    return Page(examples, about, list(_bases(body)), list(_values(body)))


def _until_key(lines: list[str]) -> Iterator[str]:
    for line in lines:
        if not line.startswith("#"):
            return
        yield line


def _example(line: str) -> str:
    command, _, comment = line.removeprefix("# ").partition("      ")  # six spaces precede a description
    if comment.startswith("for example: "):  # the command is its synopsis
        return f"{' '.join(command.split()[:3])} {comment.removeprefix('for example: ')}"
    return f"{command}  # {comment.strip()}" if comment else command


def _bases(lines: list[str]) -> Iterator[str]:
    for line in lines:
        match = re.match(r"  - (?!_self_|schema|/schema|override hydra|override /hydra)(.+)", line)
        if match and "null" not in match[1]:
            yield match[1].removeprefix("override /").replace(": ", "=")


def _values(lines: list[str]) -> Iterator[Value]:
    parents: list[str] = []
    before: list[str] = []
    value: Value | None = None
    for line in lines:
        if line.startswith("hydra:"):
            break
        if comment := re.match(r"\s*#(\s{2,})?\s?(.*)", line):
            if comment[1] and value is not None and not before:  # it continues the line above
                value = value._replace(meaning=f"{value.meaning} {comment[2]}")
            else:
                is_command = comment[2].strip().startswith("python ")
                before.append(f"`{comment[2].strip()}`" if is_command else comment[2])
            continue
        match = re.match(r"( *)([\w./]+):(?: +([^#]*?))?(?:\s+# ?(.*))?$", line)
        if match is None:  # a blank line, or a default
            continue
        if value is not None:
            yield value
        indent, key, default, meaning = match.groups()
        parents = [*parents[: len(indent) // 2], key]
        value = None
        if default:
            value = Value(".".join(parents), default, " ".join([*before, meaning or ""]).strip())
        elif meaning and key != "defaults":
            value = Value(".".join(parents), "", meaning)
        before = []
    if value is not None:
        yield value


def main() -> None:
    """Write the generated pages into a folder."""
    from scripts.common.arguments import script_parser  # MkDocs loads the hook from outside the package

    parser = script_parser("build_docs", __doc__)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where to write the pages")
    folder: Path = parser.parse_args().folder
    for name, text in pages().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
