"""Signs in how a database and a cache are. The library's own evaluations judge; what they find wrong becomes a sign."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.coverage import Collected
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.evidence import Evidence, in_words
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.session_health import (
    Limits as SessionLimits,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.session_health import (
    evaluate_sessions,
    holders_of,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.sessions import Activity
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.statements import Statement
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.statistics_state import Statistics
from ansible_collections.opsbook.runbooks.plugins.module_utils.redis.server_health import memory_of
from ansible_collections.opsbook.runbooks.plugins.module_utils.redis.server_state import Observed
from ansible_collections.opsbook.runbooks.plugins.module_utils.redis.slow_log import Slowness
from opsbook.diagnosis.scene import Scene
from opsbook.diagnosis.signs import Sign

SESSION_SIGNS = {
    "connections": "connections-high", "connection": "not-answering", "idle in transaction": "idle-in-transaction",
    "blocked sessions": "sessions-blocked",
}
"""The sign of each check of the sessions' evaluation."""

MOST_TOLD = 3
"""Of a list of sessions, how many are named; the table has them all."""

DEAD_PERCENT = 20.0
"""Dead rows of a table from which on autovacuum should have come: its own default scale factor (PostgreSQL, autovacuum)."""

LEAST_CALLS = 5
"""A statement that ran a few times in the look may be anybody's report."""

EVICTING_PER_SECOND = 1.0
"""Keys a second: a cache that is full throws out now and then; 001-07 gives no number."""

SLOW_COMMAND_MS = 100.0
"""All others wait while a command runs: a tenth of a second is a tenth of a second for everybody."""


def session_signs(scene: Scene, activities: Iterable[Activity], evidence: str) -> Iterator[Sign]:
    """The signs in a server's sessions."""
    limits = SessionLimits(scene.limits.connections_percent, scene.limits.idle_in_transaction, timedelta(days=3650))
    for activity in activities:
        for item in evaluate_sessions(Collected(activity, scene.now), limits):
            if item.ok is False and item.check in SESSION_SIGNS and scene.database:
                yield _sign(scene.database, SESSION_SIGNS[item.check], item, evidence, _holders(activity, item.check))


def _holders(activity: Activity, check: str) -> str:
    """Who holds most of the connections, where that is the trouble."""
    if check != "connections":
        return ""
    held = [f"{holder['sessions']} by {holder['application'] or holder['user'] or 'unknown'} ({in_words(holder['states'])})"
            for holder in holders_of(activity.sessions)[:3]]
    return f" Held: {', '.join(held)}." if held else ""


def statement_signs(scene: Scene, statements: Iterable[Statement], evidence: str) -> Iterator[Sign]:
    """The sign of statements that take longer on average than they may; the one that took most time is named."""
    slow = [one for one in statements if one.mean_ms > scene.limits.slow_query_ms and one.calls >= LEAST_CALLS]
    if slow and scene.database:
        worst = max(slow, key=lambda one: one.total_ms)
        text = " ".join((worst.text or "hidden").split())[:160]
        told = f"{worst.mean_ms:,.0f} ms, {worst.calls} calls, by {worst.user}"
        most = scene.limits.slow_query_ms
        yield Sign(scene.database, "slow-statements", f"{len(slow)} statements take over {most:g} ms on average; most time "
                   f"took ({told}): {text}", (evidence,), None, {"mean_ms": scene.limits.slow_query_ms},
                   {"mean_ms": round(worst.mean_ms, 1), "calls": worst.calls})


def table_signs(scene: Scene, statistics: Iterable[Statistics], evidence: str) -> Iterator[Sign]:
    """The sign of tables that are full of dead rows."""
    for one in statistics:
        worn = [table for table in (one.tables.tables if one.tables else ())
                if (table.dead or 0) > scene.limits.dead_rows and _dead_percent(table) > DEAD_PERCENT]
        if worn and scene.database:
            named = ", ".join(f"{table.name} ({table.dead:,} dead, {_dead_percent(table):.0f} %)" for table in worn[:3])
            yield Sign(scene.database, "tables-bloated", f"{len(worn)} tables are full of dead rows: {named}.",
                       (evidence,), None, {"dead_percent": DEAD_PERCENT}, {table.name: table.dead for table in worn[:5]})


def _dead_percent(table: object) -> float:
    dead, live = float(getattr(table, "dead", 0) or 0), float(getattr(table, "live", 0) or 0)
    return 100 * dead / (dead + live) if dead + live else 0.0


def cache_signs(scene: Scene, observed: Iterable[Observed], evidence: str) -> Iterator[Sign]:
    """The signs in a cache's own figures."""
    for seen in observed:
        name = scene.cache
        if not name:
            continue
        if seen.trouble:
            yield Sign(name, "not-answering", f"It takes no connection: {seen.trouble}.", (evidence,), None, "accepted",
                       seen.trouble)
            continue
        memory = memory_of(seen.info)
        full = memory["limit"] == "maxmemory" and (memory["percent"] or 0) >= scene.limits.memory_percent
        rate = (seen.lately or seen.since_start)
        evicted = rate.evictions_per_second if rate else None
        if full:
            yield Sign(name, "memory-high", f"{memory['percent']} % of maxmemory are used; policy {memory['policy']}.",
                       (evidence,), None, {"at_most_percent": scene.limits.memory_percent}, {"percent": memory["percent"]})
        if full and memory["policy"] == "noeviction" and memory["percent"] >= 99:
            yield Sign(name, "refuses-writes", "Its memory is full and its policy is noeviction: it refuses writes.",
                       (evidence,), None, "room or a policy that evicts", memory["policy"])
        if evicted and evicted >= EVICTING_PER_SECOND:
            yield Sign(name, "evicting", f"It throws out {evicted:.1f} keys a second; memory {memory['percent']} %.",
                       (evidence,), None, {"per_second": EVICTING_PER_SECOND}, {"per_second": round(evicted, 1)})


def slowness_signs(scene: Scene, slowness: Iterable[Slowness], evidence: str) -> Iterator[Sign]:
    """The sign of commands that held up all others in the window."""
    for one in slowness:
        slow = [entry for entry in one.entries
                if entry.milliseconds >= SLOW_COMMAND_MS and scene.window.start <= entry.at < scene.now]
        if slow and scene.cache:
            worst = max(slow, key=lambda entry: entry.milliseconds)
            yield Sign(scene.cache, "slow-commands", f"{len(slow)} commands took over {SLOW_COMMAND_MS:g} ms, the longest "
                       f"{worst.command} with {worst.arguments} arguments {worst.milliseconds:,.0f} ms.", (evidence,),
                       min(entry.at for entry in slow), {"at_most_ms": SLOW_COMMAND_MS},
                       {worst.command: round(worst.milliseconds, 1)})


def _sign(component: str, kind: str, item: Evidence, evidence: str, more: str = "") -> Sign:
    actual = item.actual if not isinstance(item.actual, list) else [
        *item.actual[:MOST_TOLD], *([f"{len(item.actual) - MOST_TOLD} more"] if len(item.actual) > MOST_TOLD else [])]
    told = f"{item.check}: {in_words(actual)}; expected {in_words(item.expected)}.{more}"
    return Sign(component, kind, told, (evidence,), None, item.expected, actual)
