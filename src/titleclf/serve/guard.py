"""What every request has to pass, and every answer carries: hosts, origins, sizes, times and headers."""

import asyncio
import ipaddress
import time
from collections.abc import Collection
from urllib.parse import urlsplit

from fastapi.responses import JSONResponse
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from titleclf.serve.limits import Limits, Refused, size
from titleclf.serve.metrics import Metrics

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
