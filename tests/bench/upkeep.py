"""What vacuum and analyze of many tables cost: ours, vacuumdb with as many workers, and one psql a table."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.engine import carry_out
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.run import Run
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.connection import connector
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.table_upkeep import Need, keep_up
from tests.bench.database import Database, running_database
from tests.bench.measure import Cost, Failed
from tests.bench.report import Table, quotients, ratio, seconds
from tests.support.databases import Postgres
from tests.support.waiting import eventually

TABLES = 200
ROWS = 60_000
WORKERS = 8
SOME = 4
PEERS = ("vacuumdb", "psql, table by table")
NOTE = (
    "{tables} tables, the largest of {rows:,} rows and the smallest of a hundredth, half of their rows dead and their "
    "statistics out of date, on a server that nobody else uses, {workers} workers where there are workers. `the operation` "
    "is collect, plan, apply and verify of `postgres_vacuum` with `analyze`, called as a library as a notebook does; `the "
    "play` is the same as one task of ansible-playbook with record and journal, and the floor that play with a task that "
    "does nothing. Every fourth: only so many tables need it, which ours finds out, and vacuumdb does not. All do `VACUUM "
    "(ANALYZE)`, and a run counts only when every table is clean and analyzed afterwards."
)


def measure(folder: Path, rounds: int) -> list[dict[str, Cost]]:
    """All ways in turns, on one server."""
    with running_database(folder) as database:
        _one(database, _play)
        return [{name: _one(database, way, needy) for name, (way, needy) in WAYS.items()} for _round in range(rounds)]


def table(rounds: list[dict[str, Cost]]) -> Table:
    """The medians of all rounds."""
    rows: list[tuple[str, ...]] = [
        (name, seconds(one[name].wall for one in rounds), seconds(one[name].cpu for one in rounds)) for name in WAYS]
    compared = [(peer, "the operation") for peer in PEERS] + [("vacuumdb, every fourth", "the play, every fourth")]
    rows += [(f"{peer} / {ours}", f"{ratio(times(rounds, peer, ours))} times", "") for peer, ours in compared]
    return Table("Upkeep of many tables", ("way", "wall s", "CPU s of the client"), rows,
                 NOTE.format(tables=TABLES, rows=ROWS, workers=WORKERS))


def times(rounds: list[dict[str, Cost]], peer: str, ours: str = "the operation") -> list[float]:
    """How many times longer a peer takes than ours, round by round."""
    return quotients([one[peer].wall for one in rounds], [one[ours].wall for one in rounds])


def _one(database: Database, way: Callable[[Database], Cost], every: int = 1) -> Cost:
    if way is _floor:
        return way(database)
    _make(database.server, every)
    cost = way(database)
    eventually(lambda: _needy(database.server) == 0, 20)
    return cost


def _make(server: Postgres, every: int) -> None:
    """Tables of all sizes between a hundredth and the whole; of as many one is in need, the others are clean."""
    server.execute("DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
    for number in range(TABLES):
        rows = ROWS // 100 + (ROWS - ROWS // 100) * number // TABLES
        server.execute(
            f"CREATE TABLE t{number} AS SELECT g AS id, md5(g::text) AS text FROM generate_series(1, {rows}) AS g",
            f"CREATE INDEX ON t{number} (id)",
            f"VACUUM (ANALYZE) t{number}" if number % every else f"DELETE FROM t{number} WHERE id % 2 = 0")
    server.execute("CHECKPOINT")
    eventually(lambda: _needy(server) == TABLES // every, 60)


def _needy(server: Postgres) -> int:
    return int(server.execute("SELECT count(*) FROM pg_stat_user_tables WHERE n_dead_tup > 0 OR last_analyze IS NULL "
                              "OR last_vacuum IS NULL")[0][0])


def _operation(database: Database) -> Cost:
    run = Run(workers=WORKERS)
    wall, cpu = time.monotonic(), time.process_time()
    connect = connector(database.server.options())
    report = carry_out(keep_up(connect, run, "measured", ["*"], Need("vacuum", 1, 0.0, analyze=True)), run)
    cost = Cost(time.monotonic() - wall, time.process_time() - cpu)
    if report.failed:
        raise Failed(f"the operation failed: {report.failures[:3]} {report.error}")
    return cost


def _play(database: Database) -> Cost:
    return database.play(database.task("postgres_vacuum", tables=["*"], minimum_rows=1, minimum_percent=0, analyze=True,
                                       parallel=WORKERS))


def _floor(database: Database) -> Cost:
    return database.play({"name": "Nothing", "ansible.builtin.meta": "noop"})


def _vacuumdb(database: Database) -> Cost:
    return database.program("vacuumdb", "--analyze", "-j", str(WORKERS), "postgres")


def _psql(database: Database) -> Cost:
    return database.script(f'set -e\nfor n in $(seq 0 {TABLES - 1}); do $PSQL -c "VACUUM (ANALYZE) t$n"; done\n')


WAYS: dict[str, tuple[Callable[[Database], Cost], int]] = {
    "the operation": (_operation, 1), "the play": (_play, 1), "vacuumdb": (_vacuumdb, 1), "psql, table by table": (_psql, 1),
    "the floor": (_floor, 1), "the play, every fourth": (_play, SOME), "vacuumdb, every fourth": (_vacuumdb, SOME),
}
"""What is measured, and of how many tables one is in need."""
