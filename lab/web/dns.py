"""A small name server for the estate's domain names: UDP, authoritative, with failures on demand."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Mapping
from typing import Any

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

from lab.web.reply import BadRequest, refuse_unknown

_TTL_SECONDS = 60
_FAILURES = ("SERVFAIL", "NXDOMAIN", "REFUSED")


class NameBook:
    """The names that the server knows, and those that were told to fail."""

    def __init__(self, addresses: Mapping[str, str], aliases: Mapping[str, str]) -> None:
        self._addresses = addresses
        self._aliases = aliases
        self._failures: dict[str, str] = {}
        self._lock = threading.Lock()

    def answer(self, query: dns.message.Message) -> dns.message.Message:
        """The response to a query."""
        response = dns.message.make_response(query)
        response.flags |= dns.flags.AA
        if not query.question:
            response.set_rcode(dns.rcode.FORMERR)
            return response
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        with self._lock:
            failure = self._failures.get(name)
        if failure or name not in {*self._addresses, *self._aliases}:
            response.set_rcode(dns.rcode.from_text(failure or "NXDOMAIN"))
            return response
        for owner, kind, value in self._records(name, question.rdtype):
            response.answer.append(dns.rrset.from_text(f"{owner}.", _TTL_SECONDS, "IN", kind, value))
        return response

    def _records(self, name: str, asked: dns.rdatatype.RdataType) -> list[tuple[str, str, str]]:
        """Owner, type and value of each record of an answer; an alias brings its target along."""
        records = []
        target = self._aliases.get(name)
        if target:
            records.append((name, "CNAME", f"{target}."))
        address = self._addresses.get(target or name)
        if address and asked == dns.rdatatype.A:
            records.append((target or name, "A", address))
        return records

    def change(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Carry out `POST /lab/dns`: `{"name", "rcode"}`; rcode null heals. Raises BadRequest."""
        refuse_unknown(body, {"name", "rcode"})
        name, rcode = body.get("name"), body.get("rcode")
        if not isinstance(name, str) or not name:
            raise BadRequest("name must be a text")
        if rcode is not None and rcode not in _FAILURES:
            raise BadRequest(f"rcode must be null or one of {', '.join(_FAILURES)}")
        key = name.rstrip(".").lower()
        with self._lock:
            if rcode is None:
                self._failures.pop(key, None)
            else:
                self._failures[key] = rcode
        return {"name": name, "rcode": rcode}

    def reset(self) -> None:
        """Let every name resolve."""
        with self._lock:
            self._failures.clear()


def start_name_server(book: NameBook) -> int:
    """Serve the book's names from a thread; returns the UDP port on the loopback address."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            packet, connection = self.request
            try:
                query = dns.message.from_wire(packet)
            except dns.exception.DNSException:
                return  # Not a DNS message: like other servers, give no answer at all.
            connection.sendto(book.answer(query).to_wire(), self.client_address)

    server = socketserver.ThreadingUDPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, name="dns", daemon=True).start()
    return int(server.server_address[1])
