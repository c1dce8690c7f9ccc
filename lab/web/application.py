"""The web application: the systems' endpoints, the receivers, and the control requests that change how both behave."""

from __future__ import annotations

import socketserver
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from lab.web.dns import NameBook
from lab.web.health import HealthBook
from lab.web.pages import Site
from lab.web.receivers import Receivers, Request
from lab.web.reply import BadRequest, Reply, json_object, json_reply
from lab.web.systems import SYSTEMS
from lab.web.tls import CertificateBook, encrypted

_LARGEST_BODY = 1 << 20


class WebApplication:
    """Answers requests; what can be changed lives in the books it is given."""

    def __init__(
        self, health: HealthBook, receivers: Receivers, names: NameBook, certificates: CertificateBook | None = None
    ) -> None:
        self._health = health
        self._certificates = certificates
        self._site = Site(SYSTEMS, health)
        self._receivers = receivers
        self._names = names
        self._control: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
            "health": health.change,
            "receivers": receivers.change,
            "dns": names.change,
            "reset": self._reset,
            **({"tls": certificates.change} if certificates else {}),
        }

    def answer(self, method: str, path: str, authorization: str, body: bytes) -> Reply:
        """The reply to one request."""
        path = path.strip("/")
        first, _, rest = path.partition("/")
        if first == "lab":
            return self._answer_control(method, rest, body)
        if first == "receivers":
            receiver, _, path_of_receiver = rest.partition("/")
            return self._receivers.answer(receiver, Request(method, path_of_receiver, authorization, body))
        return self._site.answer(method, path if rest else f"{first}/")

    def _answer_control(self, method: str, route: str, body: bytes) -> Reply:
        try:
            if route not in self._control or method != "POST":
                raise BadRequest(f"known control requests: POST /lab/{{{','.join(sorted(self._control))}}}")
            return json_reply(200, self._control[route](json_object(body)))
        except BadRequest as error:
            return json_reply(400, {"error": str(error)})

    def _reset(self, body: Mapping[str, Any]) -> dict[str, Any]:
        for book in (self._health, self._receivers, self._names):
            book.reset()
        if self._certificates:
            self._certificates.reset()
        return {"reset": True}


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def server_bind(self) -> None:
        """Bind without asking for the name of this machine, which takes seconds where names do not resolve."""
        socketserver.TCPServer.server_bind(self)


def make_server(
    application: WebApplication, activity: Path, certificates: CertificateBook | None = None
) -> ThreadingHTTPServer:
    """An HTTP server on a free port of the loopback address; each request touches the file `activity`.

    :param certificates: it speaks TLS with these
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def _answer(self) -> None:
            activity.touch(mode=0o600)
            length = int(self.headers.get("Content-Length") or 0)
            if "Transfer-Encoding" in self.headers or not 0 <= length <= _LARGEST_BODY:
                self.close_connection = True
                self._send(json_reply(413, {"error": f"a body needs a length of at most {_LARGEST_BODY} bytes"}))
                return
            path = unquote(urlsplit(self.path).path)
            authorization = self.headers.get("Authorization", "")
            self._send(application.answer(self.command, path, authorization, self.rfile.read(length)))

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _answer

        def _send(self, reply: Reply) -> None:
            self.send_response(reply.status)
            self.send_header("Content-Type", reply.content_type)
            self.send_header("Content-Length", str(len(reply.body)))
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(reply.body)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing: paths hold tokens."""

    server = encrypted(_Server, certificates) if certificates else _Server
    return server(("127.0.0.1", 0), Handler)
