"""What a user reads when something is wrong, and the exit code that goes with it."""

import functools
import os
import sys
from collections.abc import Callable
from typing import Never

BAD_INPUT = 2
INTERRUPTED = 130


class InputError(ValueError):
    """A mistake that the user can mend: `<where> must <rule>. Got <value>. <what to do>.` is all they see of it."""


def exit_codes(command: Callable[[], None]) -> Callable[[], None]:
    """Turn what a user can cause into one line on standard error and an exit code: 2, or 130 for Ctrl-C."""

    @functools.wraps(command)
    def guarded() -> None:
        try:
            command()
            sys.stdout.flush()
        except InputError as error:
            _leave(str(error), BAD_INPUT)
        except BrokenPipeError:
            _drop_output()  # the reader (`| head`) has what it wanted
            sys.exit(0)
        except OSError as error:
            if error.errno is None:
                raise
            _leave(
                f"{error.filename or 'the output'} must be readable and writable. Got: {os.strerror(error.errno)}. "
                "Check permissions and free space.",
                BAD_INPUT,
            )
        except KeyboardInterrupt as interrupt:
            _leave(f"Interrupted. {interrupt}".strip(), INTERRUPTED)

    return guarded


def _leave(line: str, code: int) -> Never:
    print(line, file=sys.stderr)
    try:
        sys.stdout.flush()
    except OSError:
        _drop_output()
    sys.exit(code)


def _drop_output() -> None:
    # Python flushes once more at exit: give it somewhere to do so.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
