# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the sessions of a PostgreSQL server mean, and how they are told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from ..core.coverage import Collected
from ..core.durations import parse_duration, say_duration
from ..core.evidence import Evidence
from .sessions import IDLE_IN_TRANSACTION, Activity, Server, Session

# Sessions wait for each other all the time; a wait that is over within this time is nobody's trouble.
MOMENT = 1.0


@dataclass(frozen=True)
class Limits:
    """What the sessions of a server must keep to.

    :param connections_percent: of the connections that any role may take
    :param idle_in_transaction: the longest a session may leave its transaction alone
    :param oldest_transaction: the longest a transaction may last, or stay prepared
    :param blocked: how many sessions may wait for others' locks, shorter waits than a moment not counted
    """

    connections_percent: float = 80.0
    idle_in_transaction: timedelta = timedelta(minutes=5)
    oldest_transaction: timedelta = timedelta(hours=1)
    blocked: int = 0


def limits_of(given: Mapping[str, Any]) -> Limits:
    """Limits as a module gives them.

    :raises Refused: for a length of time that is none
    """
    return Limits(given["maximum_connections_percent"], parse_duration(given["idle_in_transaction"]),
                  parse_duration(given["oldest_transaction"]), given["maximum_blocked"])


def evaluate_sessions(collected: Collected[Activity], limits: Limits) -> list[Evidence]:
    """Connections are left, no transaction is forgotten or endless, and nobody waits for a lock.

    What could not be seen of other roles' sessions counts for nothing here; it is in the coverage.
    """
    seen = collected.state
    if seen.server is None:
        check, expected = ("connections", "one that is free") if seen.exhausted else ("connection", "accepted")
        return [Evidence(check, seen.resource, expected, seen.trouble, False)]
    idle = [(session.state_seconds, f"{session.named}: {session.state}") for session in seen.sessions
            if session.state in IDLE_IN_TRANSACTION]
    open_ = [(session.transaction_seconds, f"{session.named}: {session.state}") for session in seen.sessions]
    prepared = [(one.prepared_seconds, f"{one.named}: prepared") for one in seen.prepared]
    return [
        _connections(seen, seen.server, limits),
        _none_longer("idle in transaction", seen, idle, limits.idle_in_transaction),
        _none_longer("oldest transaction", seen, [*open_, *prepared], limits.oldest_transaction),
        _blocked(seen, limits),
    ]


def describe_sessions(collected: Collected[Activity]) -> Mapping[str, Any]:
    """Server, connections, sessions, who holds them and who blocks whom as plain data."""
    seen = collected.state
    return {
        "server": _told_server(seen.server),
        "connections": _told_connections(seen),
        "states": dict(sorted(Counter(session.state or "hidden" for session in seen.sessions).items())),
        "holders": holders_of(seen.sessions),
        "blockers": blockers_of(seen.sessions),
        "sessions": [{**asdict(session), "blocked_by": list(session.blocked_by)} for session in seen.sessions],
        "prepared_transactions": [asdict(prepared) for prepared in seen.prepared],
    }


def holders_of(sessions: Sequence[Session]) -> list[dict[str, Any]]:
    """Who holds connections, by user, database, application and client; who holds most comes first."""
    groups: dict[tuple[Any, ...], list[Session]] = {}
    for session in sessions:
        groups.setdefault((session.user, session.database, session.application, session.client), []).append(session)
    told = [
        {"user": user, "database": database, "application": application, "client": client, "sessions": len(members),
         "states": dict(sorted(Counter(member.state or "hidden" for member in members).items()))}
        for (user, database, application, client), members in groups.items()
    ]
    return sorted(told, key=lambda group: (-group["sessions"], str(group["user"]), str(group["application"]),
                                           str(group["database"]), str(group["client"])))


def blockers_of(sessions: Sequence[Session]) -> list[dict[str, Any]]:
    """Who is waited for, with all who wait directly; those who wait for nobody themselves come first."""
    waiting: dict[int, list[int]] = {}
    for session in sessions:
        for pid in session.blocked_by:
            waiting.setdefault(pid, []).append(session.pid)
    known = {session.pid: session for session in sessions}
    told = []
    for pid, blocked in waiting.items():
        blocker = known.get(pid)
        told.append({
            "pid": pid, "user": blocker.user if blocker else None, "application": blocker.application if blocker else None,
            "state": blocker.state if blocker else None, "blocks": sorted(blocked),
            "waits_itself": bool(blocker and blocker.blocked_by)})
    return sorted(told, key=lambda entry: (entry["waits_itself"], entry["pid"]))


def _connections(seen: Activity, server: Server, limits: Limits) -> Evidence:
    percent = _percent(seen.used, server)
    return Evidence("connections", seen.resource, f"at most {limits.connections_percent:g} % of {server.usable}",
                    {"used": seen.used, "percent": percent}, percent <= limits.connections_percent)


def _none_longer(check: str, seen: Activity, ages: Sequence[tuple[float | None, str]], limit: timedelta) -> Evidence:
    known = sorted(((age, what) for age, what in ages if age is not None), reverse=True)
    longer = [f"{what} for {say_duration(timedelta(seconds=age))}" for age, what in known if age > limit.total_seconds()]
    return Evidence(check, seen.resource, f"none longer than {say_duration(limit)}", longer, not longer)


def _blocked(seen: Activity, limits: Limits) -> Evidence:
    waiting = [session for session in seen.sessions
               if session.blocked_by and (session.waiting_seconds is None or session.waiting_seconds >= MOMENT)]
    told = [f"{session.named} waits for {', '.join(f'pid {pid}' if pid else 'a prepared transaction' for pid in pids)}"
            for session in waiting for pids in [session.blocked_by]]
    return Evidence("blocked sessions", seen.resource, f"at most {limits.blocked}", told, len(waiting) <= limits.blocked)


def _told_server(server: Server | None) -> dict[str, Any] | None:
    if server is None:
        return None
    return {name: getattr(server, name) for name in ("version", "in_recovery", "started_at", "role", "sees_all")}


def _told_connections(seen: Activity) -> dict[str, Any] | None:
    if seen.server is None:
        return None
    return {"used": seen.used, "percent": _percent(seen.used, seen.server), "usable": seen.server.usable,
            "maximum": seen.server.maximum, "superuser_reserved": seen.server.superuser_reserved,
            "reserved": seen.server.reserved}


def _percent(used: int, server: Server) -> float:
    return round(used * 100 / server.usable, 1)
