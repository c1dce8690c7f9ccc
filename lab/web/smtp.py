"""A mail server that delivers to received.jsonl."""

from __future__ import annotations

import asyncio
import email
import email.policy
import socket
import threading
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

from lab.web.inbox import Inbox
from lab.web.receivers import Receivers

_HOST_NAME = "mail.lab"


class MailHandler:
    """Takes each message as aiosmtpd hands it over."""

    def __init__(self, inbox: Inbox, receivers: Receivers) -> None:
        self._inbox = inbox
        self._receivers = receivers

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Note a message and answer its sender."""
        failure = self._receivers.failure("smtp")
        self._inbox.add("smtp", ",".join(envelope.rcpt_tos), _noted(envelope), failure or 250)
        return f"{failure} the lab was told to fail" if failure else "250 OK"


def _noted(envelope: Envelope) -> dict[str, Any]:
    content = envelope.content if isinstance(envelope.content, bytes) else (envelope.content or "").encode()
    message = email.message_from_bytes(content, policy=email.policy.default)
    body = message.get_body(("plain", "html"))
    return {
        "from": envelope.mail_from,
        "to": list(envelope.rcpt_tos),
        "subject": str(message["subject"] or ""),
        "text": body.get_content() if body else "",
    }


def start_mail_server(inbox: Inbox, receivers: Receivers) -> int:
    """Serve SMTP from a thread; returns the port on the loopback address."""
    listener = socket.create_server(("127.0.0.1", 0))
    handler = MailHandler(inbox, receivers)

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: SMTP(handler, hostname=_HOST_NAME), sock=listener)
        await server.serve_forever()

    threading.Thread(target=lambda: asyncio.run(serve()), name="smtp", daemon=True).start()
    return int(listener.getsockname()[1])
