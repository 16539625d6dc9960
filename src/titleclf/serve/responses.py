"""Guides as HTTP responses, streamed from an open file, so that a replaced guide is still sent whole."""

import gzip
import os
from collections.abc import Iterator
from email.utils import formatdate, parsedate_to_datetime
from pathlib import Path
from typing import IO
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import Response, StreamingResponse

from titleclf.epg.packings import Packing
from titleclf.serve.security import Refused
from titleclf.serve.watched import WatchedGuide

_CONTENT_TYPES = {
    ".json": "application/json",
    Packing.gz: "application/gzip",
    Packing.bz2: "application/x-bzip2",
    Packing.xz: "application/x-xz",
    Packing.zst: "application/zstd",
    Packing.zip: "application/zip",
}
_CHUNK_BYTES = 1 << 18


def attachment(name: str) -> dict[str, str]:
    """Return the header that makes a browser save the response under this name."""
    ascii_name = name.encode("ascii", "replace").decode().replace("?", "_")
    return {"Content-Disposition": f"attachment; filename=\"{ascii_name}\"; filename*=UTF-8''{quote(name, safe='')}"}


def guide_response(path: Path, headers: dict[str, str]) -> Response:
    """Return a guide, compressed or not, or the list of its filled titles, byte for byte."""
    file = path.open("rb")
    content_type = _CONTENT_TYPES.get(path.suffix, "application/xml")
    return _streamed(file, headers | {"Content-Type": content_type}, file)


def watched_guide_response(request: Request, watched: WatchedGuide, *, is_gzip_file: bool) -> Response:
    """Return the filled copy: as a .gz file, or as XML with whichever content encoding the client accepts."""
    report = watched.guide.report
    if report is None:
        advice = watched.guide.problem or "Try again in a few seconds."
        raise Refused(
            503, f"{watched.name} must be filled before it is served. Got no copy yet. {advice}", retry_seconds=5
        )
    is_gzipped = is_gzip_file or "gzip" in request.headers.get("accept-encoding", "")
    file = watched.guide.output.open("rb")
    modified = os.fstat(file.fileno()).st_mtime
    headers = {
        "ETag": f'"{report["digest"][:32]}{"-gz" if is_gzipped else ""}"',
        "Last-Modified": formatdate(modified, usegmt=True),
        "Cache-Control": "no-cache",  # revalidate each time: an unchanged guide is a 304 without a body
        "Vary": "Accept-Encoding",
        "Content-Type": _CONTENT_TYPES[Packing.gz] if is_gzip_file else "application/xml",
    }
    if is_gzipped and not is_gzip_file:
        headers["Content-Encoding"] = "gzip"
    if _is_unmodified(request, headers["ETag"], modified):
        file.close()
        return Response(status_code=304, headers=headers)
    if request.method == "HEAD":
        file.close()
        return Response(headers=headers)
    return _streamed(file if is_gzipped else gzip.open(file), headers, file)


def _streamed(content: IO[bytes] | gzip.GzipFile, headers: dict[str, str], file: IO[bytes]) -> Response:
    if content is file:
        headers["Content-Length"] = str(os.fstat(file.fileno()).st_size)

    def chunks() -> Iterator[bytes]:
        with file:
            while chunk := content.read(_CHUNK_BYTES):
                yield chunk

    return StreamingResponse(chunks(), headers=headers)


def _is_unmodified(request: Request, etag: str, modified: float) -> bool:
    """Return whether the client already has the current version (RFC 9110, section 13.2.2)."""
    etags = request.headers.get("if-none-match")
    if etags is not None:
        return etags.strip() == "*" or etag in (value.strip().removeprefix("W/") for value in etags.split(","))
    since = request.headers.get("if-modified-since")
    try:
        return since is not None and int(modified) <= parsedate_to_datetime(since).timestamp()
    except ValueError:
        return False
