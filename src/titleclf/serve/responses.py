"""Files as answers: whatever takes their place meanwhile, they are sent to their end, and only to who lacks them."""

import gzip
import os
from collections.abc import Iterator
from email.utils import formatdate, parsedate_to_datetime
from pathlib import Path
from typing import IO
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import Response, StreamingResponse

from titleclf.serve.security import Refused
from titleclf.serve.watched import Watched

_GUIDE_KINDS = {".gz": "application/gzip", ".xz": "application/x-xz"}
_CHUNK = 1 << 18  # bytes


def attached(name: str) -> dict[str, str]:
    """Return the header by which a browser stores what it gets, under this name."""
    plain = name.encode("ascii", "replace").decode().replace("?", "_")
    return {"Content-Disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"}


def whole_file(path: Path, headers: dict[str, str]) -> Response:
    """Answer with a guide as it lies on the disk."""
    file = path.open("rb")
    kind = _GUIDE_KINDS.get(path.suffix, "application/xml")
    return _streamed(file, headers | {"Content-Type": kind}, file)


def watched_guide(request: Request, one: Watched, *, is_file: bool) -> Response:
    """Answer with the filled copy: as a .gz file, or as a guide, packed on its way if the reader can unpack it."""
    if one.guide.told is None:
        problem = one.guide.problem or "It is being filled."
        raise Refused(503, f"{one.name} must have been filled once. Got none yet. {problem}", retry_seconds=5)
    packed = is_file or "gzip" in request.headers.get("accept-encoding", "")
    file = one.guide.output.open("rb")
    changed = os.fstat(file.fileno()).st_mtime
    headers = {
        "ETag": f'"{one.guide.told["digest"][:32]}{"-gz" if packed else ""}"',
        "Last-Modified": formatdate(changed, usegmt=True),
        "Cache-Control": "no-cache",  # ask each time: what has not changed costs nothing
        "Vary": "Accept-Encoding",
        "Content-Type": _GUIDE_KINDS[".gz"] if is_file else "application/xml",
    }
    if packed and not is_file:
        headers["Content-Encoding"] = "gzip"
    if _is_known(request, headers["ETag"], changed):
        file.close()
        return Response(status_code=304, headers=headers)
    if request.method == "HEAD":
        file.close()
        return Response(headers=headers)
    return _streamed(file if packed else gzip.open(file), headers, file)


def _streamed(content: IO[bytes] | gzip.GzipFile, headers: dict[str, str], file: IO[bytes]) -> Response:
    # Opened before: whatever takes the file's place meanwhile, it is read to its end.
    if content is file:
        headers["Content-Length"] = str(os.fstat(file.fileno()).st_size)

    def chunks() -> Iterator[bytes]:
        with file:
            while some := content.read(_CHUNK):
                yield some

    return StreamingResponse(chunks(), headers=headers)


def _is_known(request: Request, tag: str, changed: float) -> bool:
    """Tell whether the client has this already (RFC 9110, section 13.2.2)."""
    known = request.headers.get("if-none-match")
    if known is not None:
        return known.strip() == "*" or tag in (one.strip().removeprefix("W/") for one in known.split(","))
    since = request.headers.get("if-modified-since")
    try:
        return since is not None and int(changed) <= parsedate_to_datetime(since).timestamp()
    except ValueError:
        return False
