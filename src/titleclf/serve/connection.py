"""HTTP that does not wait for ever: a client has to say what it wants in time, and in few bytes."""

import asyncio
import json

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from titleclf.serve.security import Limits, size

# In which the rest of a refused body is thrown away: a connection that ends at once takes its answer with it.
_LINGER_SECONDS = 1.0
_REASONS = {408: b"Request Timeout", 431: b"Request Header Fields Too Large", 503: b"Service Unavailable"}


def patient(limits: Limits) -> type[HttpToolsProtocol]:
    """Return the protocol with these limits: uvicorn itself has none for what comes before a request's body."""

    class Patient(HttpToolsProtocol):
        """A connection; while it owes us the head of a request, it has a timer."""

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._timer: asyncio.TimerHandle | None = None
            self._heard = 0  # bytes of the head
            self._expect_head()
            if len(self.connections) > limits.connections:
                self._refuse(503, f"clients must be at most {limits.connections:,}. Got one more. Try again later.")

        def connection_lost(self, exc: Exception | None) -> None:
            self._have_head()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            if self._timer is not None and self._heard > limits.header_bytes:
                most = size(limits.header_bytes)
                self._refuse(431, f"the head of a request must be at most {most}. Got more. Send less.")
                return
            super().data_received(data)
            self._heard += len(data)

        def on_message_begin(self) -> None:
            super().on_message_begin()
            self._expect_head()

        def on_headers_complete(self) -> None:
            self._have_head()
            super().on_headers_complete()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            if self.cycle.more_body:  # it was refused before it had come
                self.loop.call_later(_LINGER_SECONDS, self._part, self.cycle)

        def _part(self, cycle: RequestResponseCycle) -> None:
            if self.cycle is cycle:  # and no other request has followed
                self.transport.close()

        def _expect_head(self) -> None:
            self._have_head()
            self._heard = 0
            self._timer = self.loop.call_later(limits.patience_seconds, self._give_up)

        def _have_head(self) -> None:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

        def _give_up(self) -> None:
            seconds = limits.patience_seconds
            self._refuse(
                408, f"the head of a request must come within {seconds:g} seconds. Got a part. Send it at once."
            )

        def _refuse(self, status: int, sentence: str) -> None:
            self._have_head()
            if self.transport.is_closing():
                return
            body = json.dumps({"error": sentence}).encode()
            self.transport.write(
                b"HTTP/1.1 %d %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b"
                % (status, _REASONS[status], len(body), body)
            )
            self.transport.close()

    return Patient
