"""Guides on the web, fetched over http or https, and not again while the server says that they are unchanged."""

import base64
import hashlib
import http.client
import json
import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from http import HTTPStatus
from pathlib import Path
from typing import IO, Any, NamedTuple
from urllib import error, request
from urllib.parse import SplitResult, quote, unquote, urlsplit, urlunsplit

from tqdm import tqdm

from titleclf import __version__
from titleclf.epg.urls import display_url
from titleclf.runtime.errors import InputError
from titleclf.runtime.files import replacing
from titleclf.runtime.text.characters import printable

_TIMEOUT_SECONDS = 60  # without a byte
_MAX_SECONDS = 1800
_MAX_BYTES = 1 << 30  # as they are sent, mostly packed
_BLOCK = 1 << 16  # bytes
_CACHED_SECONDS = 30 * 86_400  # since a guide was last asked for
_SCHEMES = ("http", "https")
_VALIDATORS = {"ETag": "If-None-Match", "Last-Modified": "If-Modified-Since"}  # in an answer, and in the next request
_UNQUOTED = "%/:=&?~#+!$,;'@()*[]"  # of what a URL may have; the rest, such as blanks and umlauts, is quoted


def fetch(url: str) -> IO[bytes]:
    """Return a guide as a file, from the user's cache if the server says that it is unchanged.

    Raises
    ------
    InputError
        If it is not there, has more than 1 GB, or does not come whole within half an hour.
    """
    parts, name, cache = _parts(url), display_url(url), _cache_path(url)
    with ExitStack() as opened:
        body = opened.enter_context(tempfile.TemporaryFile())
        cached = None if cache is None else _read_cache(cache)
        if cached is not None:
            opened.enter_context(cached.body)
        try:
            with _opener().open(_request(parts, cached), timeout=_TIMEOUT_SECONDS) as response:
                _receive(response, body, name)
        except error.HTTPError as failure:
            failure.close()
            if failure.code == HTTPStatus.NOT_MODIFIED and cached is not None:
                body.close()
                opened.pop_all()
                return cached.body
            advice = "Check the address." if failure.code < HTTPStatus.INTERNAL_SERVER_ERROR else "Try again later."
            got = printable(f"{failure.code} {failure.reason}")
            raise InputError(f"{name} must be there. Got: {got}. {advice}") from failure
        except (OSError, http.client.HTTPException, UnicodeError) as failure:
            reason = failure.reason if isinstance(failure, error.URLError) else failure
            got = printable(str(reason) or type(reason).__name__)
            raise InputError(f"{name} must be reachable. Got: {got}. Check the address and the network.") from failure
        validators = {header: response.headers[header] for header in _VALIDATORS if response.headers[header]}
        if validators and cache is not None:
            with suppress(OSError):  # a service may have no folder of its own, and a disk may be full
                _write_cache(cache, validators, body)
        if cached is not None:
            cached.body.close()
        opened.pop_all()
    body.seek(0)
    return body


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        is_possible = parts.scheme.lower() in _SCHEMES and bool(parts.hostname)
    except ValueError:
        is_possible = False
    if not is_possible:
        got = display_url(url)
        raise InputError(
            f"a guide must be a file, or an http or https URL. Got {got}. Check it, or download the guide."
        )
    return parts


class _Cached(NamedTuple):
    """A guide as it was fetched before: what the server called its version, and an open file."""

    validators: Mapping[str, str]
    body: IO[bytes]


class _Redirects(request.HTTPRedirectHandler):
    """Follows redirects to http and https only, where urllib also follows those to FTP."""

    def redirect_request(self, *arguments: Any) -> request.Request | None:
        _, file, code, reason, headers, new = arguments
        if urlsplit(new).scheme not in _SCHEMES:
            raise error.HTTPError(new, code, f"{reason} - Redirection to url '{new}' is not allowed", headers, file)
        return super().redirect_request(*arguments)


def _opener() -> request.OpenerDirector:
    """Return an opener without urllib's handlers of files, FTP and data URLs."""
    opener = request.OpenerDirector()
    for handler in (
        request.ProxyHandler,
        request.HTTPHandler,
        request.HTTPSHandler,
        request.HTTPDefaultErrorHandler,
        request.HTTPErrorProcessor,
        _Redirects,
    ):
        opener.add_handler(handler())
    return opener


def _request(parts: SplitResult, cached: _Cached | None) -> request.Request:
    address = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path or "/", parts.query, ""))
    # A server may gzip the answer: guides are unpacked anyway, also twice.
    headers = {"User-Agent": f"titleclf/{__version__}", "Accept-Encoding": "gzip"}
    asked = request.Request(quote(address, safe=_UNQUOTED), headers=headers)  # noqa: S310 - the scheme is checked
    if parts.username is not None:
        login = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        # Not for the host of a redirect.
        asked.add_unredirected_header("Authorization", f"Basic {base64.b64encode(login).decode()}")
    for header, condition in _VALIDATORS.items():
        if cached is not None and header in cached.validators:
            asked.add_header(condition, cached.validators[header])
    return asked


def _receive(response: http.client.HTTPResponse, file: IO[bytes], name: str) -> None:
    """Write to a file what a server sends."""
    length = response.headers["Content-Length"]
    expected = int(length) if length and length.isdecimal() and length.isascii() else None
    deadline = time.monotonic() + _MAX_SECONDS
    with tqdm(total=expected, unit="B", unit_scale=True, disable=None, leave=False, desc=name) as bar:
        while block := response.read1(_BLOCK):
            file.write(block)
            bar.update(len(block))
            if file.tell() > _MAX_BYTES:
                raise InputError(f"{name} must have at most {_MAX_BYTES >> 30} GB. Got more. Download it yourself.")
            if time.monotonic() > deadline:
                limit = f"{_MAX_SECONDS // 60} minutes"
                raise InputError(f"{name} must come within {limit}. Got a part of it. Try again later.")
    if expected is not None and file.tell() != expected:
        got = f"{file.tell():,} of {expected:,} bytes"
        raise InputError(f"{name} must come whole. Got {got}. Check the network, and try again.")


def _cache_path(url: str) -> Path | None:
    """Return the file of a guide in the user's cache folder (XDG), if there can be one; the URL may be secret."""
    folder = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if not folder.is_absolute():  # as XDG has it
        try:
            folder = Path.home() / ".cache"
        except RuntimeError:
            return None
    return folder / "titleclf" / "guides" / hashlib.sha256(url.encode()).hexdigest()


def _read_cache(path: Path) -> _Cached | None:
    with suppress(OSError, ValueError), ExitStack() as opened:  # there is none yet, or it is another user's
        file = opened.enter_context(path.open("rb"))
        path.touch()
        cached = _Cached(json.loads(file.readline()), file)
        opened.pop_all()
        return cached
    return None


def _write_cache(path: Path, validators: Mapping[str, str], body: IO[bytes]) -> None:
    """Keep a guide in one file with its validators, so that they can't be another's; remove those no longer used."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    body.seek(0)
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.write(json.dumps(validators).encode() + b"\n")
        shutil.copyfileobj(body, file, _BLOCK)
    oldest = time.time() - _CACHED_SECONDS
    for old in path.parent.iterdir():
        if old.stat().st_mtime < oldest:
            old.unlink()
