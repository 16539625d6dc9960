"""The service's defences: limits, refusals in plain sentences, and the checks that every request passes."""

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
from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_TITLES, MAX_CHARACTERS, MAX_TOP = 1000, 1000, 20  # titles per request, characters per title, candidates per title
MAX_DESCRIPTION = 5000  # characters; guides have long ones
MAX_EXPLAINED = 50  # titles per request: an explanation costs as much as forty predictions
UPLOAD_PATHS = ("/api/guides", "/api/fill")

_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
_COUNTED_METHODS = ("GET", "HEAD", "POST", "DELETE")
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0)  # seconds
_HEADERS = {
    # The page loads nothing from other sites, runs no text of a guide as code and can't be framed.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_SENTENCES = {
    400: "the request body must be UTF-8 JSON without deep nesting or huge numbers. Got something else. Fix the body.",
    404: "no such route. Got {got}. See /openapi.json for the routes.",
    405: "the route does not support this method. Got {got}. See /openapi.json for the routes.",
}
_PYDANTIC_PREFIX = re.compile(r"^(\w+ )*?should ")  # e.g. "Input should be a valid string"
_NUMBER_OR_TEXT = "float"  # what pydantic adds to the place of a value that may be either
_SHOWN = 60  # characters of a bad value


@dataclass(frozen=True)
class Limits:
    """How much the service accepts and how long it waits."""

    upload_bytes: int
    timeout_seconds: float  # for a request's head, for each part of its body, and for reading each part of a response
    unpacked_bytes: int = 4 << 30
    json_bytes: int = 4 << 20
    header_bytes: int = 64 << 10
    body_bytes_per_second: int = 16 << 10  # once timeout_seconds have passed
    connections: int = 800  # below the usual limit of 1,024 open files per process
    uploads: int = 4  # at the same time
    guides: int = 32  # kept
    idle_seconds: float = 3600.0  # for which an unused guide is kept
    fill_seconds: float = 1800.0
    fill_niceness: int = 10  # added to the service's own
    poll_seconds: float = 2.0  # between two checks for changed files


class Refused(HTTPException):
    """A request refused with a status and a sentence for its client."""

    def __init__(self, status: int, sentence: str, *, retry_seconds: int | None = None) -> None:
        headers = None if retry_seconds is None else {"Retry-After": str(retry_seconds)}
        super().__init__(status, sentence, headers)


def readable_size(size: int) -> str:
    """Format a number of bytes."""
    units = ["bytes", "KB", "MB", "GB"]
    while size >= 1024 and len(units) > 1:
        size >>= 10
        units.pop(0)
    return f"{size:,} {units[0]}"


def add_error_handlers(app: FastAPI) -> None:
    """Answer every client error with `{"error": sentence}`."""
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(ClientDisconnect, _disconnected)


async def _http_error(request: Request, error: Any) -> Response:
    sentence = error.detail
    if not isinstance(error, Refused) and error.status_code in _SENTENCES:
        sentence = _SENTENCES[error.status_code].format(got=f"{request.method} {request.url.path[:100]}")
    return JSONResponse({"error": sentence}, error.status_code, error.headers)


async def _validation_error(request: Request, error: Any) -> Response:
    """Describe the first mistake: `titles.3 must have at most 1000 characters. Got ... .`."""
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        sentence = f"the request body must be JSON. Got: {first['ctx']['error']}. Fix the body."
        return JSONResponse({"error": sentence}, 400)
    content_type = request.headers.get("content-type", "none")
    field = ".".join(str(part) for part in first["loc"][1:] if part != _NUMBER_OR_TEXT)
    if not field and not content_type.startswith("application/json"):
        sentence = f"Content-Type must be application/json. Got {content_type[:60]}. Send JSON."
        return JSONResponse({"error": sentence}, 415)
    field = field or "the request body"
    if first["type"] == "missing":
        return JSONResponse({"error": f"{field} is required. Got none. See /openapi.json."}, 422)
    rule = _PYDANTIC_PREFIX.sub("", first["msg"])
    return JSONResponse({"error": f"{field} must {rule}. Got {_shortened(first['input'])}. See /openapi.json."}, 422)


def _shortened(value: Any) -> str:
    # Slice first: formatting a list of a million items would block the event loop.
    start = value[:_SHOWN] if isinstance(value, (str, list)) else value
    text = str(start).encode(errors="backslashreplace").decode()
    return text if len(text) <= _SHOWN and start == value else f"{text[:_SHOWN]}…"


async def _disconnected(_: Request, __: Exception) -> Response:
    return Response(status_code=400)  # never delivered


class SecurityMiddleware:
    """The outermost ASGI layer: checks requests, limits their bodies, sets security headers, counts and times."""

    def __init__(self, app: ASGIApp, host_names: Collection[str], limits: Limits, registry: CollectorRegistry) -> None:
        self._app, self._host_names, self._limits = app, host_names, limits
        self._requests = Counter(
            *("titleclf_http_requests", "Requests by route and status.", ("method", "path", "status")),
            registry=registry,
        )
        self._seconds = Histogram(
            *("titleclf_http_request_seconds", "Duration of requests.", ("path",)), buckets=_BUCKETS, registry=registry
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 500

        async def respond(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message).update(_HEADERS)
            if message.get("more_body"):
                # A client that stops reading must not keep a file open forever.
                async with asyncio.timeout(self._limits.timeout_seconds):
                    await send(message)
            else:
                await send(message)

        try:
            self._check(scope)
            await self._app(scope, self._limited(scope, receive), respond)
        except Refused as refused:
            response = JSONResponse({"error": refused.detail}, refused.status_code)
            await response(scope, receive, respond)
        except TimeoutError:
            pass  # uvicorn closes connections with an incomplete response
        finally:
            method = scope["method"] if scope["method"] in _COUNTED_METHODS else "other"
            path = getattr(scope.get("route"), "path", "other")  # never a client's own text: labels are kept forever
            self._requests.labels(method, path, status).inc()
            self._seconds.labels(path).observe(time.perf_counter() - started)

    def _check(self, scope: Scope) -> None:
        """Refuse foreign hosts and origins, and bodies that announce too large a size."""
        headers = Headers(scope=scope)
        host = _without_port(headers.get("host", ""))
        if not (_is_address(host) or host in self._host_names):
            raise Refused(
                400,
                f"Host must be an IP address, localhost or a name given with --name. Got {host[:100] or 'none'}. "
                "Start the service with --name for that host.",
            )
        origin = headers.get("origin")
        if (
            scope["method"] not in _SAFE_METHODS
            and origin is not None
            and urlsplit(origin).netloc != headers.get("host")
        ):
            raise Refused(403, f"Origin must be the service's own page. Got {origin[:100]}. Open the page itself.")
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length) > self._max_bytes(scope):
            raise self._too_large(scope, int(length))

    def _limited(self, scope: Scope, receive: Receive) -> Receive:
        """Wrap `receive`: refuse a body that grows too large or arrives too slowly."""
        limits, started = self._limits, time.monotonic()
        received, is_complete = 0, False

        async def receive_limited() -> Message:
            nonlocal received, is_complete
            if is_complete:
                return await receive()  # waits for the client to disconnect
            deadline = started + limits.timeout_seconds + received / limits.body_bytes_per_second
            try:
                async with asyncio.timeout(deadline - time.monotonic()):
                    message = await receive()
            except TimeoutError as error:
                raise Refused(
                    408,
                    f"the request body must arrive at {readable_size(limits.body_bytes_per_second)} per second. "
                    f"Got {readable_size(received)} in {time.monotonic() - started:.0f} seconds. Send it faster.",
                ) from error
            received += len(message.get("body", b""))
            is_complete = not message.get("more_body", False)
            if received > self._max_bytes(scope):
                raise self._too_large(scope, received)
            return message

        return receive_limited

    def _max_bytes(self, scope: Scope) -> int:
        return self._limits.upload_bytes if scope["path"] in UPLOAD_PATHS else self._limits.json_bytes

    def _too_large(self, scope: Scope, size: int) -> Refused:
        limit = readable_size(self._max_bytes(scope))
        return Refused(413, f"the request body must be at most {limit}. Got {readable_size(size)} or more. Send less.")


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host.partition("]")[0][1:].lower()
    return host.rpartition(":")[0].lower() if ":" in host else host.lower()


def _is_address(host: str) -> bool:
    """Return whether a host is an IP address or localhost.

    DNS rebinding, by which a foreign page reaches this service, requires a name that its author controls.
    """
    if host == "localhost":
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
