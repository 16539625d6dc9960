"""Grabbers: commands that print a guide, which counts only if they end well."""

import os
import shlex
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from titleclf.epg.streams import copied
from titleclf.runtime.errors import InputError
from titleclf.runtime.text.characters import printable

_OPERATORS = "|&;<>"  # of shells
_GRACE_SECONDS = 5  # between asking a command to end and killing it
_MAX_REASON = 200  # characters of what a grabber said


@contextmanager
def grabbed(command: str, *, quiet: bool = False) -> Iterator[str]:
    """Run a command, and yield the name of the guide that it has printed; if `quiet`, its messages are kept back.

    It runs without a shell and without input. Until the block ends, its output is in a temporary file: nothing that
    it prints gets further before it has ended with 0.

    Raises
    ------
    InputError
        If it can't be started, or ends with another exit code; its last message is then named.
    """
    words = _words(command)
    guide = f"the output of {words[0]}"
    with tempfile.NamedTemporaryFile(prefix="titleclf.") as output, tempfile.TemporaryFile() as messages:
        code = _run(words, output, messages if quiet else None)
        if code:
            got = f"signal {-code}" if code < 0 else f"exit code {code}"
            messages.seek(0)
            said = [line for line in messages.read().decode(errors="replace").splitlines() if line.strip()]
            reason = f" and: {printable(said[-1])[:_MAX_REASON]}" if said else ""
            raise InputError(f"{words[0]} must end with exit code 0. Got {got}{reason}. Run it alone to see why.")
        with copied(guide, Path(output.name)):
            yield guide


def _words(command: str) -> list[str]:
    lexer = shlex.shlex(command, posix=True, punctuation_chars=_OPERATORS)
    lexer.whitespace_split, lexer.commenters = True, ""
    try:
        words = list(lexer)
    except ValueError as error:
        raise InputError(f"--from must be a command. Got {command}: {error}. Quote it as in a shell.") from error
    if not words:
        raise InputError("--from must be a command. Got nothing. Name a grabber.")
    if operator := next((word for word in words if word and set(word) <= set(_OPERATORS)), None):
        raise InputError(
            f"--from must be one command, as the exit codes of others would be lost. Got {operator}. "
            "Quote it, or put the commands into a script that fails if one of them does."
        )
    return [os.path.expanduser(word) for word in words]  # noqa: PTH111 (words need not be paths)


def _run(words: list[str], output: IO[bytes], messages: IO[bytes] | None) -> int:
    """Run a command to its end; whatever ends this process first, ends the command and what it has started, too."""
    try:
        process = subprocess.Popen(  # noqa: S603 (the user's own command)
            words, stdin=subprocess.DEVNULL, stdout=output, stderr=messages, start_new_session=True
        )
    except OSError as error:
        got = f"{words[0]}: {error.strerror}"
        raise InputError(f"--from must be a command that can be run. Got {got}. Check its path.") from error
    try:
        return process.wait()
    finally:
        if process.returncode is None:
            _end(process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_SECONDS)
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
