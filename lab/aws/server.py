"""The HTTP server: threaded, with connections kept open.

werkzeug's development server closes each connection and waits 10 ms for stray input before it does. Procedures make
hundreds of small calls, so its handler is replaced: the application reads a request's body whole (AWS requests say how
long they are), which is all that keep-alive needs.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable
from typing import Any

from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import BaseWSGIServer, make_server

WsgiApplication = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class ConnectionDropped(Exception):
    """Raised by the application to cut the connection without a reply."""


class KeepAliveHandler(MotoRequestHandler):  # type: ignore[misc]  # werkzeug is followed as Any
    """One connection: answers its requests one after another until the client closes it."""

    protocol_version = "HTTP/1.1"
    # A reply leaves in one buffered write; Nagle's algorithm would only hold it back.
    disable_nagle_algorithm = True
    wbufsize = -1

    def handle_expect_100(self) -> bool:
        """Answered in run_wsgi, together with the case of HTTP/1.0; answering twice would confuse the client."""
        return True

    def run_wsgi(self) -> None:
        """Answer one request."""
        if self.headers.get("Expect", "").strip().lower() == "100-continue":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.wfile.flush()
        started: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
            started[:] = [status, headers]

        try:
            body = b"".join(self.server.app(self.make_environ(), start_response))
        except ConnectionDropped:
            self.close_connection = True
            return
        except Exception:
            started[:] = ["500 Internal Server Error", [("Content-Type", "text/plain")]]
            body = traceback.format_exc().encode()
        self._reply(started[0], started[1], body)

    def _reply(self, status: str, headers: list[tuple[str, str]], body: bytes) -> None:
        code, _, reason = status.partition(" ")
        self.send_response(int(code), reason)
        names = {name.lower() for name, _ in headers}
        for name, value in headers:
            if name.lower() not in ("connection", "transfer-encoding"):
                self.send_header(name, value)
        bodiless = self.command == "HEAD" or code in ("204", "304")
        if "content-length" not in names and not bodiless:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if body and not bodiless:
            self.wfile.write(body)
        self.wfile.flush()

    def log(self, type: str, message: str, *args: Any) -> None:
        """Say nothing: the audit log is the record of what was asked."""


def bind(port: int, application: WsgiApplication) -> BaseWSGIServer:
    """Bind to a port of the loopback address (0: a free one); `serve_forever` on the result serves."""
    return make_server("127.0.0.1", port, application, threaded=True, request_handler=KeepAliveHandler)
