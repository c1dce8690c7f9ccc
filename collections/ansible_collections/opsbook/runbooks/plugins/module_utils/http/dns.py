# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""DNS names: do they resolve, and to what they should.

"There is no such name" is the name server's answer and a fault. A server that fails or does not answer says nothing
about the name: that is a gap, and the verdict is unknown.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..core.coverage import Collected, Coverage, Gap
from ..core.errors import MissingLibrary, OperationError, Refused
from ..core.evidence import Evidence
from ..core.run import Run

try:
    import dns.exception
    import dns.name
    import dns.resolver

    HAS_DNSPYTHON = True
except ImportError:
    HAS_DNSPYTHON = False

ANSWERED, NO_NAME, NO_RECORDS = "answered", "NXDOMAIN", "NoAnswer"
PORT = 53


@dataclass(frozen=True)
class Question:
    """A name to look up.

    :param type: record type ("A")
    :param expect: the records there must be, all and no other, in any order; none: any
    """

    name: str
    type: str = "A"
    expect: tuple[str, ...] = ()

    @property
    def resource(self) -> str:
        """The question as evidence and coverage name it."""
        return f"dns:{self.name}:{self.type}"


@dataclass(frozen=True)
class Resolved:
    """What the name server said.

    :param outcome: "answered", "NXDOMAIN" (no such name) or "NoAnswer" (the name has no records of that type)
    :param records: sorted, as `normal` writes them
    :param ttl: seconds the answer may be kept; None where there is none
    :param canonical_name: what the name is an alias of, itself where it is none; empty without an answer
    """

    question: Question
    outcome: str
    records: tuple[str, ...] = ()
    ttl: int | None = None
    canonical_name: str = ""


def questions_of(given: Sequence[Mapping[str, Any]]) -> tuple[Question, ...]:
    """Questions from a module's options."""
    return tuple(Question(str(one["name"]), one.get("type") or "A", tuple(map(str, one.get("expect") or ())))
                 for one in given)


def collect_names(
    run: Run, questions: Sequence[Question], server: str | None = None, timeout: float = 5.0
) -> Collected[tuple[Resolved, ...]]:
    """Look all names up at once; a name server that fails or stays silent is a gap.

    :param server: "address:port", an IP address; None: those of the machine
    :param timeout: seconds a name may take
    :raises MissingLibrary: when dnspython is not installed
    """
    if not HAS_DNSPYTHON:
        raise MissingLibrary("dnspython", "https://pypi.org/project/dnspython/")
    resolver = _resolver(server)
    done = run.each(lambda question: _resolve(resolver, question, timeout), questions)
    missing = tuple(Gap(one.item.resource, one.error.reason) for one in done if one.error is not None)
    state = tuple(one.answer for one in done if one.answer is not None)
    return Collected(state, run.now(), Coverage(tuple(one.question.resource for one in state), missing))


def evaluate_names(collected: Collected[tuple[Resolved, ...]]) -> list[Evidence]:
    """A name is right when it has records, and those expected where some are."""
    return [_judged(one) for one in collected.state]


def describe_names(collected: Collected[tuple[Resolved, ...]]) -> Mapping[str, Any]:
    """The names as plain data, under `names`."""
    return {"names": [
        {"name": one.question.name, "type": one.question.type, "outcome": one.outcome, "records": list(one.records),
         "ttl": one.ttl, "canonical_name": one.canonical_name}
        for one in collected.state]}


def normal(kind: str, record: str) -> str:
    """The one way to write a record: names in lower case without the last dot, addresses shortest, texts unquoted."""
    if kind in ("A", "AAAA"):
        try:
            return str(ipaddress.ip_address(record.strip()))
        except ValueError:
            return record
    if kind == "TXT":
        return record
    return " ".join(record.split()).lower().rstrip(".")


def server_of(text: str) -> tuple[str, int]:
    """Address and port of a name server: "127.0.0.1", "127.0.0.1:5353", "[::1]:53".

    :raises Refused: for anything else; a name server must be an address, since names are what is in question
    """
    address, _sign, port = text.rpartition(":") if text.count(":") == 1 or text.startswith("[") else (text, "", "")
    if text.endswith("]"):
        address, port = text, ""
    try:
        return str(ipaddress.ip_address(address.strip("[]"))), int(port or PORT)
    except ValueError as error:
        raise Refused("ask a name server", text, "it is not an IP address with an optional port",
                      "Give 127.0.0.1:53 or [::1]:53.") from error


def _resolver(server: str | None) -> dns.resolver.Resolver:
    try:
        resolver = dns.resolver.Resolver(configure=server is None)
    except dns.resolver.NoResolverConfiguration as error:
        raise OperationError("find a name server", "this machine", str(error), "Give `server`.") from error
    if server is not None:
        address, resolver.port = server_of(server)
        resolver.nameservers = [address]
    return resolver


def _resolve(resolver: dns.resolver.Resolver, question: Question, timeout: float) -> Resolved:
    try:
        # Never with a search domain: another name's records are no answer.
        answer = resolver.resolve(question.name, question.type, lifetime=timeout, search=False)
    except dns.resolver.NXDOMAIN:
        return Resolved(question, NO_NAME)
    except dns.resolver.NoAnswer:
        return Resolved(question, NO_RECORDS)
    except (dns.name.LabelTooLong, dns.name.NameTooLong, dns.name.EmptyLabel) as error:
        raise Refused("look up a name", question.name, str(error), "Give a domain name.") from error
    except dns.exception.DNSException as error:
        raise OperationError("look up a name", question.name, _silence(error, timeout),
                             "Try again, or ask another `server`.") from error
    records = sorted({normal(question.type, _text(record)) for record in answer})
    canonical = answer.canonical_name.to_text(omit_final_dot=True).lower()
    return Resolved(question, ANSWERED, tuple(records), answer.rrset.ttl if answer.rrset else None, canonical)


def _text(record: Any) -> str:
    """A record as text; the parts of a TXT record are one text (RFC 7208, section 3.3)."""
    strings = getattr(record, "strings", None)
    return b"".join(strings).decode(errors="replace") if strings is not None else str(record)


def _silence(error: Exception, timeout: float) -> str:
    if isinstance(error, dns.exception.Timeout):
        return f"the name server did not answer within {timeout:g} s"
    if isinstance(error, dns.resolver.NoNameservers):
        return f"the name server failed: {error}"
    return f"{type(error).__name__}: {error}"


def _judged(one: Resolved) -> Evidence:
    question = one.question
    expected: Any = sorted({normal(question.type, record) for record in question.expect}) or "an answer"
    right = one.outcome == ANSWERED and expected in ("an answer", list(one.records))
    return Evidence(f"{question.type} records", question.resource, expected,
                    list(one.records) if one.outcome == ANSWERED else one.outcome, right)
