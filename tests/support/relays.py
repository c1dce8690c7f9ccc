"""What may stand between us and a PostgreSQL server: a pooler that is particular, encryption, a server that falls silent."""

from __future__ import annotations

import select
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

# Requests for encryption that come before the startup packet (protocol 3, message formats): TLS, GSSAPI.
_TLS, _GSSAPI = 80877103, 80877104
_QUERY = b"Q"


def let_through(startup: bytes) -> str:
    """Nobody is refused."""
    return ""


def no_options(startup: bytes) -> str:
    """RDS Proxy and PgBouncer take no command-line options."""
    return "unsupported startup parameter: options" if b"\0options\0" in startup else ""


@dataclass(frozen=True)
class Manners:
    """How a relay behaves.

    :param refusal: why a login is refused, from its startup packet, told as a server would; empty where it is let through
    :param mute: logins are let through, queries never arrive
    :param encryption: with which TLS is offered; None: none is
    """

    refusal: Callable[[bytes], str] = let_through
    mute: bool = False
    encryption: ssl.SSLContext | None = None


@contextmanager
def relay(port: int, manners: Manners) -> Iterator[int]:
    """A port before a server's own, for the length of the block."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_serve, args=(listener, port, manners), daemon=True).start()
        try:
            yield listener.getsockname()[1]
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)


def _serve(listener: socket.socket, port: int, manners: Manners) -> None:
    with suppress(OSError):  # the end of the block
        while True:
            caller = listener.accept()[0]
            threading.Thread(target=_converse, args=(caller, port, manners), daemon=True).start()


def _converse(plain: socket.socket, port: int, manners: Manners) -> None:
    with suppress(OSError), plain:  # whoever hangs up
        caller, startup = _startup(plain, manners.encryption)
        with caller:
            words = manners.refusal(startup)
            if words:
                caller.sendall(_fatal(words))
                return
            with socket.create_connection(("127.0.0.1", port)) as server:
                server.sendall(startup)
                _exchange(caller, server, manners.mute)


def _startup(caller: socket.socket, encryption: ssl.SSLContext | None) -> tuple[socket.socket, bytes]:
    while True:
        head = _exactly(caller, 8)
        length, code = struct.unpack("!ii", head)
        rest = _exactly(caller, length - 8)
        if code == _TLS and encryption is not None:
            caller.sendall(b"S")
            caller = encryption.wrap_socket(caller, server_side=True)
        elif code in (_TLS, _GSSAPI):
            caller.sendall(b"N")
        else:
            return caller, head + rest


def _fatal(words: str) -> bytes:
    told = ((b"S", "FATAL"), (b"V", "FATAL"), (b"C", "08P01"), (b"M", words))
    fields = b"".join(kind + text.encode() + b"\0" for kind, text in told) + b"\0"
    return b"E" + struct.pack("!i", len(fields) + 4) + fields


def _exchange(caller: socket.socket, server: socket.socket, mute: bool) -> None:
    said = b""
    while True:
        held_back = isinstance(caller, ssl.SSLSocket) and caller.pending() > 0
        for source in [caller] if held_back else select.select([caller, server], [], [])[0]:
            data = source.recv(65536)
            if not data:
                return
            if source is server:
                caller.sendall(data)
                continue
            said += data
            while len(said) >= 5 and len(said) > (length := struct.unpack("!i", said[1:5])[0]):
                message, said = said[: length + 1], said[length + 1 :]
                if not (mute and message.startswith(_QUERY)):
                    server.sendall(message)


def _exactly(caller: socket.socket, length: int) -> bytes:
    data = b""
    while len(data) < length:
        part = caller.recv(length - len(data))
        if not part:
            raise ConnectionResetError("hung up")
        data += part
    return data
