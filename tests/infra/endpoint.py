"""Answer HTTP requests by a function, in a thread: the ground of the receivers.

One request a connection. What the function raises is not lost: the client gets 500, and leaving
the context raises it again.
"""

from __future__ import annotations

import threading
from contextlib import ExitStack
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Self

POLL_SECONDS = 0.02  # how soon stop() is seen
READ_SECONDS = 30  # for a client that sends nothing


@dataclass(frozen=True, slots=True)
class Request:
    """One request: *path* without its query; *headers* with lower-case names."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Response:
    """What is answered."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"


class Endpoint:
    """Serve *answer* at `address` on 127.0.0.1. A context manager.

    *answer* is called from several threads at once.
    """

    def __init__(self, answer: Callable[[Request], Response]) -> None:
        self._answer = answer
        self._failures: list[Exception] = []
        self._close = ExitStack()
        self.address = ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Begin to serve, at another port each time."""
        server = _Server(("127.0.0.1", 0), _handler(self._answer, self._failures))
        thread = threading.Thread(target=server.serve_forever, args=[POLL_SECONDS], daemon=True)
        thread.start()
        self.address = f"http://127.0.0.1:{server.server_port}"
        self._close.callback(thread.join)
        self._close.callback(server.server_close)
        self._close.callback(server.shutdown)

    def stop(self) -> None:
        """Finish the requests in hand and close; raise what *answer* raised."""
        self._close.close()
        failures, self._failures[:] = self._failures[:], []
        if failures:
            raise ExceptionGroup("requests that were not answered", failures)


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # so that server_close() waits for requests in hand
    request_queue_size = 128  # of five, a sixth that comes while we stand still waits for seconds


def _handler(
    answer: Callable[[Request], Response], failures: list[Exception]
) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Hand every request to *answer*."""

        timeout = READ_SECONDS

        def do_GET(self) -> None:
            self._serve()

        def do_POST(self) -> None:
            self._serve()

        def _serve(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            length = int(headers.get("content-length", 0))
            body = self.rfile.read(length)
            if len(body) < length:
                return  # the client was gone before it had said everything: it asked nothing
            request = Request(self.command, self.path.partition("?")[0], headers, body)
            try:
                response = answer(request)
            except Exception as error:  # noqa: BLE001 - raised again by stop()
                failures.append(error)
                response = Response(500, str(error).encode(), "text/plain")
            self._send(response)

        def _send(self, response: Response) -> None:
            self.send_response(response.status)
            self.send_header("Content-Type", response.content_type)
            self.send_header("Content-Length", str(len(response.body)))
            self.end_headers()
            self.wfile.write(response.body)

        def log_message(self, *_: object) -> None:
            """Say nothing: a test asks for what arrived."""

    return Handler
