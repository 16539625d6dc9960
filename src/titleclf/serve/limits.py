"""What a client may ask of the service, and the sentence that it gets for more."""

from dataclasses import dataclass

from fastapi import HTTPException

TITLES, CHARACTERS, TOP = 1000, 1000, 20  # titles at once, characters of one, candidates of one
EXPLAINED = 50  # titles at once: each takes as long as forty others


@dataclass(frozen=True)
class Limits:
    """How much the service takes on, and how long it waits."""

    upload_bytes: int
    patience_seconds: float  # for what a client owes: the head of a request, a part of its body, reading an answer
    unpacked_bytes: int = 4 << 30
    json_bytes: int = 4 << 20
    header_bytes: int = 64 << 10
    bytes_a_second: int = 16 << 10  # of a body, after the first `patience_seconds`
    connections: int = 800  # a process may have 1,024 files open
    uploads: int = 4  # at once
    guides: int = 32  # that are kept
    kept_seconds: float = 3600.0  # since a guide was last asked for
    filling_seconds: float = 1800.0
    look_seconds: float = 2.0  # between two looks at what may have changed on the disk


class Refused(HTTPException):
    """A request that is refused with a status and a sentence."""

    def __init__(self, status: int, sentence: str, *, retry_seconds: int | None = None) -> None:
        headers = None if retry_seconds is None else {"Retry-After": str(retry_seconds)}
        super().__init__(status, sentence, headers)


def size(count: int) -> str:
    """Return a number of bytes for people."""
    units = ["bytes", "KB", "MB", "GB"]
    while count >= 1024 and len(units) > 1:
        count >>= 10
        units.pop(0)
    return f"{count:,} {units[0]}"
