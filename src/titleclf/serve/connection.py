"""HTTP connections with limits on the time and size of a request's head, which uvicorn does not have."""

import asyncio
import json
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from titleclf.serve.security import Limits, readable_size

# Keep reading a refused body for this long: closing the connection at once would discard the response, too.
_LINGER_SECONDS = 1.0
_REASONS = {408: b"Request Timeout", 431: b"Request Header Fields Too Large", 503: b"Service Unavailable"}


class Connection(HttpToolsProtocol):
    """A client's connection; a timer runs while the head of a request is incomplete."""

    def __init__(
        self,
        limits: Limits,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._limits = limits
        self._timer: asyncio.TimerHandle | None = None
        self._head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the timer, or refuse one client too many."""
        super().connection_made(transport)
        self._start_timer()
        limit = self._limits.connections
        if len(self.connections) > limit:
            self._refuse(503, f"at most {limit:,} clients may be connected. Got one more. Try again later.")

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse data, or refuse a head that is too large."""
        if self._timer is not None and self._head_bytes > self._limits.header_bytes:
            limit = readable_size(self._limits.header_bytes)
            self._refuse(431, f"the request head must be at most {limit}. Got more. Send less.")
            return
        super().data_received(data)
        self._head_bytes += len(data)

    def on_message_begin(self) -> None:
        """Restart the timer for a further request."""
        super().on_message_begin()
        self._start_timer()

    def on_headers_complete(self) -> None:
        """Stop the timer: the head is complete."""
        self._stop_timer()
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """Close the connection soon if the response came before the end of the request's body."""
        super().on_response_complete()
        if self.cycle.more_body:
            self.loop.call_later(_LINGER_SECONDS, self._close_after, self.cycle)

    def _close_after(self, cycle: RequestResponseCycle) -> None:
        if self.cycle is cycle:  # no further request has started
            self.transport.close()

    def _start_timer(self) -> None:
        self._stop_timer()
        self._head_bytes = 0
        self._timer = self.loop.call_later(self._limits.timeout_seconds, self._time_out)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _time_out(self) -> None:
        seconds = self._limits.timeout_seconds
        self._refuse(408, f"the request head must arrive within {seconds:g} seconds. Got only a part. Send it faster.")

    def _refuse(self, status: int, sentence: str) -> None:
        self._stop_timer()
        if self.transport.is_closing():
            return
        body = json.dumps({"error": sentence}).encode()
        self.transport.write(
            b"HTTP/1.1 %d %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b"
            % (status, _REASONS[status], len(body), body)
        )
        self.transport.close()
