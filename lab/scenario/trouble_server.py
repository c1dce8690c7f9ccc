"""Control requests to the process that keeps the databases' sessions: `POST /lab/incident` and `/lab/incident/clear`."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from lab.scenario.trouble import Trouble, TroubleError
from lab.web.reply import BadRequest, json_object


def serve_trouble(trouble: Trouble) -> int:
    """Answer control requests from a thread; returns the port on the loopback address."""
    routes: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
        "/lab/incident": trouble.begin,
        "/lab/incident/clear": trouble.clear,
    }

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            try:
                if self.path not in routes:
                    raise BadRequest(f"known control requests: {', '.join(routes)}")
                self._send(200, routes[self.path](json_object(body)))
            except (BadRequest, TroubleError) as error:
                self._send(400, {"error": str(error)})

        def _send(self, status: int, value: Any) -> None:
            text = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing: the log is for what goes wrong."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="trouble", daemon=True).start()
    return int(server.server_address[1])
