"""The log of unattended runs: a line for each, with its time and what came of it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path


@contextmanager
def logged(path: Path, output: str) -> Iterator[Callable[[str], None]]:
    """Append a line about the run that the block is; the yielded function takes what to say if it succeeds."""
    said = "done"

    def say(text: str) -> None:
        nonlocal said
        said = text

    try:
        yield say
    except BaseException as error:
        _append(path, "failed", output, _reason(error))
        raise
    _append(path, "ok", output, said)


def _reason(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt | SystemExit):
        return "stopped"
    return str(error) or type(error).__name__


def _append(path: Path, result: str, output: str, text: str) -> None:
    now = datetime.now().astimezone().isoformat(timespec="seconds")
    with path.open("a", encoding="utf-8", errors="backslashreplace") as file:
        file.write(f"{now} {result} {output}: {'; '.join(text.splitlines())}\n")
