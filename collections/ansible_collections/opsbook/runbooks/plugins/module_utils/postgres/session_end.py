# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ending sessions of a PostgreSQL server: which end, which stay and why (procedures 001-03, 003-10).

The seeds end whatever has been idle for long, by one statement that a superuser's session aborts, and that also ends who
has come back to work meanwhile. Here each session is named beforehand, and is signalled only if it is still the same one
in the same state since the same moment: the server compares that in the statement that sends the signal. Between its
comparison and the signal's arrival lie microseconds, which PostgreSQL offers no way to close.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from ..core.change import Change, Kept, Plan, no_undo, one_step
from ..core.coverage import Collected, Coverage, Gap
from ..core.durations import parse_duration, say_duration
from ..core.errors import Refused
from ..core.evidence import Evidence
from ..core.limits import Limits
from ..core.operation import Operation, Outcome
from ..core.run import Run
from .connection import APPLICATION, Connect, opened, sql
from .sessions import CLIENTS, IDLE_IN_TRANSACTION, name_session

KIND = "postgres-session"
CANCEL_SECONDS = 5.0
"""How long a cancelled statement may take to end before its session is ended."""

MAINTENANCE = ("pg_dump*", "pg_restore", "pg_basebackup", "pg_receivewal", "pg_recvlogical", "pg_rewind", "vacuumdb",
               "reindexdb", "clusterdb", "pg_repack", "pg_amcheck", "pg_cron*")
"""Names that PostgreSQL's own tools, and those beside it, give themselves."""

CHOSEN_BY = ("application", "user", "database", "client")

NO_UNDO = no_undo("An ended session cannot be brought back: its open transaction is rolled back, and its application "
                  "connects again by itself if it is made to.")


@dataclass(frozen=True)
class Rules:
    """Which sessions end.

    :param ages: the longest time in a state, by "idle", "idle in transaction" and "active"; one without is left alone
    :param only: patterns by "application", "user", "database" and "client"; without any, all
    """

    ages: Mapping[str, timedelta]
    only: Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Candidate:
    """A client's session.

    :param started: when it began, which with the pid tells it from any other; None where the role may not see that
    :param since: when it came into its state; None where the role may not see that, or the server does not keep it
    :param seconds: how long ago that was
    :param superuser: whether its role is a superuser
    :param maintains: whether it vacuums, analyzes, builds an index or the like at this moment
    """

    pid: int
    started: str | None
    database: str
    user: str
    application: str
    client: str | None
    state: str | None
    since: str | None
    seconds: float | None
    superuser: bool
    maintains: bool

    @property
    def named(self) -> str:
        """The session as messages and plans name it."""
        return name_session(self.pid, self.user, self.database, self.application, self.client)

    @property
    def hidden(self) -> bool:
        """Whether the role may not see its state."""
        return self.started is None


def rules_of(options: Mapping[str, Any]) -> Rules:
    """Check and read the rules of a module's options.

    :raises Refused: for no age at all, or an age that is no length of time
    """
    given = {"idle": options.get("idle"), "idle in transaction": options.get("idle_in_transaction"),
             "active": options.get("running")}
    ages = {state: parse_duration(age) for state, age in given.items() if age}
    if not ages:
        raise Refused("choose sessions", "idle, idle_in_transaction, running", "none of them is given",
                      "Say how long a session may be idle, idle in a transaction, or at one statement.")
    return Rules(ages, {name: tuple(options.get(f"{name}s") or ()) for name in CHOSEN_BY})


def end_sessions(connect: Connect, run: Run, place: str, rules: Rules) -> Operation[tuple[Candidate, ...]]:
    """The operation: end the sessions that the rules name.

    :param place: host, port and database of the server
    """
    return Operation(
        collect=lambda: collect_candidates(connect, run, place),
        plan=lambda collected: plan_end(collected, place, rules, run.limits),
        apply=lambda change: apply_end(connect, run, change),
        # On one connection at a time: where this is needed, there are none to spare.
        in_turn=_oldest_first,
        verify=lambda collected, plan: verify_end(connect, run, plan),
    )


def collect_candidates(connect: Connect, run: Run, place: str) -> Collected[tuple[Candidate, ...]]:
    """Read the sessions of clients, our own left out.

    :raises OperationError: when the server gives no connection or no answer
    """
    with opened(connect, "read the sessions of PostgreSQL", f"postgres:{place}") as cursor:
        cursor.execute(_statement(_CANDIDATES))
        seen = tuple(Candidate(*row) for row in cursor.fetchall())
    hidden = sum(session.hidden for session in seen)
    gap = Gap(f"postgres:{place} sessions of other roles", f"the state of {hidden} sessions may not be seen: the role lacks "
              "pg_read_all_stats, which is part of pg_monitor")
    return Collected(seen, run.now(), Coverage((f"postgres:{place} sessions",), (gap,) if hidden else ()))


def plan_end(collected: Collected[tuple[Candidate, ...]], place: str, rules: Rules, limits: Limits) -> Plan:
    """Decide which sessions end. One that the rules name and something protects stays, with that as its reason.

    Where more are past their time than may end, those end that have been for longest: where it presses, some help.
    """
    changes, kept = [], []
    for session in collected.state:
        if not _meant(session, rules):
            continue
        resource = f"{KIND}:{place}:{session.pid}"
        reason = why_kept(session, limits)
        if reason:
            kept.append(Kept(resource, f"{session.named}: {reason}"))
        elif _too_long(session, rules):
            changes.append(_ending(session, resource))
    changes.sort(key=_oldest_first)
    most = limits.left(len(collected.state))
    kept += [Kept(change.resource, f"{change.handle['session'].named}: more than max_affected ({limits.max_affected})")
             for change in changes[most:]]
    return one_step(changes[:most], kept, len(collected.state), "sessions")


def _oldest_first(change: Change) -> tuple[str, int]:
    session: Candidate = change.handle["session"]
    return str(session.since), session.pid


def why_kept(session: Candidate, limits: Limits) -> str:
    """Why a session is never ended; empty where nothing speaks for it."""
    if session.hidden:
        return "its state may not be seen"
    if session.since is None:
        return "the server does not keep its state (its track_activities is off)"
    if session.superuser:
        return "its role is a superuser"
    if session.application == APPLICATION:
        return "it is one of ours"
    if session.maintains or any(fnmatch.fnmatchcase(session.application, pattern) for pattern in MAINTENANCE):
        return "it maintains the database"
    if any(limits.protects(name) for name in (session.user, session.database, session.application) if name):
        return "protected"
    return ""


def apply_end(connect: Connect, run: Run, change: Change) -> Outcome:
    """Cancel the statement of one session, or end the session, if it is still as it was planned."""
    session: Candidate = change.handle["session"]
    if session.state == "active":
        if not _signal(connect, session, _CANCEL):
            return Outcome(change.resource, {"found": _now(connect, session)})
        patience = run.poll(longest_delay=0.5)
        patience.deadline = min(patience.deadline, run.clock.monotonic() + CANCEL_SECONDS)
        waited = patience.until(lambda: _now(connect, session), lambda state: state != "there", lambda state: "")
        if waited.done:
            return Outcome(change.resource, {"cancelled": True})
    sent = _signal(connect, session, _TERMINATE)
    return Outcome(change.resource, {} if sent else {"found": _now(connect, session)})


def verify_end(connect: Connect, run: Run, plan: Plan) -> list[Evidence]:
    """Look until each session that was signalled is gone, or was at work again before the signal."""
    sessions = {change.resource: change.handle["session"] for change in plan.changes}

    def look() -> dict[str, str]:
        return {resource: _now(connect, session) for resource, session in sessions.items()}

    seen = run.poll(longest_delay=1.0).until(
        look, lambda states: "there" not in states.values(),
        lambda states: f"{sum(state == 'there' for state in states.values())} sessions still end").seen
    return [Evidence("session", resource, "gone, or at work again", seen[resource], seen[resource] != "there")
            for resource in sessions]


def _meant(session: Candidate, rules: Rules) -> bool:
    seen = {"application": session.application, "user": session.user, "database": session.database,
            "client": session.client or ""}
    return all(not patterns or any(fnmatch.fnmatchcase(seen[name], pattern) for pattern in patterns)
               for name, patterns in rules.only.items()) and (session.since is None or _too_long(session, rules))


def _too_long(session: Candidate, rules: Rules) -> bool:
    state = "idle in transaction" if session.state in IDLE_IN_TRANSACTION else str(session.state)
    return state in rules.ages and (session.seconds or 0.0) > rules.ages[state].total_seconds()


def _ending(session: Candidate, resource: str) -> Change:
    before = {"database": session.database, "user": session.user, "application": session.application,
              "client": session.client, "state": session.state, "since": session.since}
    age = say_duration(timedelta(seconds=int(session.seconds or 0)))
    return Change(resource, "end", before, None, f"end {session.named}: {session.state} for {age}", NO_UNDO,
                  {"session": session})


def _signal(connect: Connect, session: Candidate, text: str) -> bool:
    """Send a signal if the session is as it was planned; whether it was."""
    with opened(connect, "end a session", session.named) as cursor:
        cursor.execute(_statement(text), _identity(session))
        return cursor.fetchone() is not None


def _now(connect: Connect, session: Candidate) -> str:
    """`gone`, `there` as it was planned, or `at work again`."""
    with opened(connect, "look at a session", session.named) as cursor:
        cursor.execute(_statement(_NOW), _identity(session))
        row = cursor.fetchone()
    return "gone" if row is None else "there" if row[0] else "at work again"


def _identity(session: Candidate) -> dict[str, Any]:
    return {"pid": session.pid, "started": session.started, "state": session.state, "since": session.since}


# Moments to the microsecond and in UTC, whatever the session's settings are. Of a statement at work the moment is its
# beginning: a session that goes from one to the next stays active.
_SEEN = """
(SELECT pid, to_char(backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"') AS started,
        coalesce(datname, '')::text AS database, usename::text AS username, application_name, host(client_addr) AS client,
        state, to_char(moment AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"') AS since,
        extract(epoch FROM clock_timestamp() - moment)::float8 AS seconds, coalesce(rolsuper, true) AS superuser
 FROM pg_stat_activity
 CROSS JOIN LATERAL (SELECT CASE WHEN state = 'active' THEN query_start ELSE state_change END AS moment) AS moments
 LEFT JOIN pg_roles ON pg_roles.oid = usesysid
 WHERE {clients}) AS seen
"""
_CANDIDATES = """
SELECT seen.*, pid IN (
    SELECT pid FROM pg_stat_progress_vacuum UNION SELECT pid FROM pg_stat_progress_analyze
    UNION SELECT pid FROM pg_stat_progress_create_index UNION SELECT pid FROM pg_stat_progress_cluster
    UNION SELECT pid FROM pg_stat_progress_basebackup)
FROM {seen} ORDER BY pid
"""
_TERMINATE = """
SELECT pg_terminate_backend(pid) FROM {seen}
WHERE pid = %(pid)s AND started = %(started)s AND state = %(state)s AND since = %(since)s
"""
_CANCEL = """
SELECT pg_cancel_backend(pid) FROM {seen}
WHERE pid = %(pid)s AND started = %(started)s AND state = %(state)s AND since = %(since)s
"""
_NOW = "SELECT state = %(state)s AND since = %(since)s FROM {seen} WHERE pid = %(pid)s AND started = %(started)s"


def _statement(text: str) -> Any:
    return sql.SQL(text).format(seen=sql.SQL(_SEEN).format(clients=sql.SQL(CLIENTS)))
