"""What every request has to pass, and every answer carries: hosts, origins, sizes, times and headers."""

import asyncio
import ipaddress
import re
import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from titleclf.serve.metrics import Metrics

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


_SHOWN = 60  # characters of what was got
_SHOULD = re.compile(r"^(\w+ )*?should ")  # what a sentence of pydantic begins with


def add_refusals(app: FastAPI) -> None:
    """Let all that goes wrong by a client's fault be answered by a sentence."""
    app.add_exception_handler(HTTPException, _refusal)
    app.add_exception_handler(RequestValidationError, _misfit)
    app.add_exception_handler(ClientDisconnect, _farewell)


async def _refusal(_: Request, error: Any) -> Response:
    sentences = {
        400: "a body must be JSON in UTF-8, neither nested deeply nor with endless numbers. Got another. Mend it.",
        404: "a route must be one that there is. Got another. /openapi.json lists them.",
        405: "a route must be asked with one of its methods. Got another. /openapi.json lists them.",
    }
    sentence = error.detail if isinstance(error, Refused) else sentences.get(error.status_code, error.detail)
    return JSONResponse({"error": sentence}, error.status_code, error.headers)


async def _misfit(request: Request, error: Any) -> Response:
    """Answer with what is wrong first: `titles.3 must have at most 1000 characters. Got ... .`."""
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        return JSONResponse({"error": f"a body must be JSON. Got: {first['ctx']['error']}. Mend it."}, 400)
    kind = request.headers.get("content-type", "none")
    where = ".".join(map(str, first["loc"][1:])) or "a body"
    if where == "a body" and not kind.startswith("application/json"):
        return JSONResponse({"error": f"Content-Type must be application/json. Got {kind[:60]}. Send JSON."}, 415)
    if first["type"] == "missing":
        return JSONResponse({"error": f"{where} must be given. Got none. /openapi.json shows how."}, 422)
    rule = _SHOULD.sub("", first["msg"])
    return JSONResponse({"error": f"{where} must {rule}. Got {_shown(first['input'])}. /openapi.json shows how."}, 422)


def _shown(value: Any) -> str:
    # Not all of what may be a million items: others are waiting.
    beginning = value[:_SHOWN] if isinstance(value, (str, list)) else value
    shown = str(beginning).encode(errors="backslashreplace").decode()
    return shown if len(shown) <= _SHOWN and beginning == value else f"{shown[:_SHOWN]}…"


async def _farewell(_: Request, __: Exception) -> Response:
    return Response(status_code=400)  # which nobody hears


UPLOADS = ("/api/guides", "/api/fill")
_SAFE = ("GET", "HEAD", "OPTIONS")
_HEADERS = {
    # Nothing is loaded from elsewhere, no text of a guide can become code, and no other site can frame the page.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Guard:
    """The outermost layer: it refuses before anything is read, counts, and wears out who dawdles."""

    def __init__(self, app: ASGIApp, hosts: Collection[str], limits: Limits, metrics: Metrics) -> None:
        self._app, self._hosts, self._limits, self._metrics = app, hosts, limits, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 500

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message).update(_HEADERS)
            if message.get("more_body"):
                # A reader that takes nothing any more must not keep its file open for ever.
                async with asyncio.timeout(self._limits.patience_seconds):
                    await send(message)
            else:
                await send(message)

        try:
            self._check(scope)
            await self._app(scope, self._patiently(scope, receive), answer)
        except Refused as refused:
            response = JSONResponse({"error": refused.detail}, refused.status_code)
            await response(scope, receive, answer)
        except TimeoutError:
            pass  # of `answer`: uvicorn closes what has no end
        finally:
            route = scope.get("route")
            path = getattr(route, "path", "other")
            self._metrics.add_request(scope["method"], path, status, time.perf_counter() - started)

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        host = _name(headers.get("host", ""))
        if not (_is_ours(host) or host in self._hosts):
            raise Refused(
                400,
                f"Host must be an address, localhost, or a name that the service knows. Got {host[:100] or 'none'}. "
                "Start it with --name for that name.",
            )
        origin = headers.get("origin")
        if scope["method"] not in _SAFE and origin is not None and urlsplit(origin).netloc != headers.get("host"):
            raise Refused(403, f"Origin must be the service's own page. Got {origin[:100]}. Open the page itself.")
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length) > self._most(scope):
            raise self._too_large(scope, int(length))

    def _patiently(self, scope: Scope, receive: Receive) -> Receive:
        """Return what receives a body as long as it is small enough and comes fast enough."""
        limits, started = self._limits, time.monotonic()
        got, is_whole = 0, False

        async def patient() -> Message:
            nonlocal got, is_whole
            if is_whole:
                return await receive()  # tells when the client has left
            due = started + limits.patience_seconds + got / limits.bytes_a_second
            try:
                async with asyncio.timeout(due - time.monotonic()):
                    message = await receive()
            except TimeoutError as error:
                raise Refused(
                    408,
                    f"a body must come with {size(limits.bytes_a_second)} a second. Got {size(got)} in "
                    f"{time.monotonic() - started:.0f} seconds. Send it faster.",
                ) from error
            got += len(message.get("body", b""))
            is_whole = not message.get("more_body", False)
            if got > self._most(scope):
                raise self._too_large(scope, got)
            return message

        return patient

    def _most(self, scope: Scope) -> int:
        return self._limits.upload_bytes if scope["path"] in UPLOADS else self._limits.json_bytes

    def _too_large(self, scope: Scope, got: int) -> Refused:
        return Refused(413, f"a body must be at most {size(self._most(scope))}. Got {size(got)} or more. Send less.")


def _name(host: str) -> str:
    """Return a Host header without its port."""
    if host.startswith("["):
        return host.partition("]")[0][1:].lower()
    return host.rpartition(":")[0].lower() if ":" in host else host.lower()


def _is_ours(host: str) -> bool:
    # A foreign page can reach us only under a name of its own that it lets point to us (DNS rebinding): an address is
    # what the user has typed.
    if host == "localhost":
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
