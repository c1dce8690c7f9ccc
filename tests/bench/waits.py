"""How long others wait while a million rows are deleted or an index is rebuilt: our way, and the naive one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

from lab.databases.load import Load, Place, Waits
from lab.databases.model import Traffic
from tests.bench.database import Database, running_database
from tests.bench.measure import Cost, Failed
from tests.bench.report import Table

ROWS = 2_000_000
CLIENTS = 50
RATE = 300
QUIET_SECONDS = 20.0
LEAD_SECONDS = 3.0
TRAFFIC = (
    Traffic("read", 5, f"\\set account random(1, {ROWS // 100})\n"
            "SELECT id, created_at FROM events WHERE account = :account ORDER BY id DESC LIMIT 20;"),
    Traffic("insert", 3, f"\\set account random(1, {ROWS // 100})\n"
            "INSERT INTO events (account, note) VALUES (:account, 'a new event of the load');"),
    Traffic("update", 2, f"\\set id random(1, {ROWS})\nUPDATE events SET note = 'seen by the load' WHERE id = :id;"),
)
WRITERS = ("insert", "update")
INDEX = "events_account_idx"
NOTE = (
    "A table of {rows:,} rows, half of them past their time, with two indexes beside its key; {clients} clients make {rate} "
    "transactions a second, half of them reads, an update of any row in every five. Waits are counted from the moment that "
    "a transaction was due (pgbench `-R`), so that those who queue up behind another are seen. Each way begins on a fresh "
    "copy, with the disk asked for every commit (`fsync` on). Ours are plays of `postgres_retention`, `postgres_reindex` "
    "and `postgres_vacuum`; the naive ways are those of the runbooks, one `DELETE`, one `REINDEX`, one `VACUUM FULL`, sent "
    "by psql. Work is the seconds of the command."
)


def measure(folder: Path) -> dict[str, tuple[Cost | None, Mapping[str, Waits]]]:
    """Every way once: its cost, and how long the clients waited meanwhile."""
    with running_database(folder, fsync="on", full_page_writes="on", synchronous_commit="on", shared_buffers="256MB",
                          max_connections="120") as database:
        _fill(database)
        return {name: _one(database, way) for name, way in WAYS.items()}


def table(found: Mapping[str, tuple[Cost | None, Mapping[str, Waits]]]) -> Table:
    """A row a way."""
    columns = ("meanwhile", "work s", "transactions", "failed", "a writer's 99 % ms", "longest ms", "a reader's longest ms")
    rows = [_row(name, cost, waits) for name, (cost, waits) in found.items()]
    return Table("Waiting of others", columns, rows, NOTE.format(rows=ROWS, clients=CLIENTS, rate=RATE), once=True)


def longest(waits: Mapping[str, Waits]) -> float:
    """A writer's longest wait in milliseconds."""
    return max(waits[name].longest_ms for name in WRITERS)


def _row(name: str, cost: Cost | None, waits: Mapping[str, Waits]) -> tuple[str, ...]:
    return (
        name, f"{cost.wall:.1f}" if cost else "-", str(sum(of.done for of in waits.values())),
        str(sum(of.failed for of in waits.values())), f"{max(waits[one].high_ms for one in WRITERS):.0f}",
        f"{longest(waits):.0f}", f"{waits['read'].longest_ms:.0f}")


def _one(database: Database, way: Callable[[Database], Cost] | None) -> tuple[Cost | None, Mapping[str, Waits]]:
    """Begin afresh, with every second row dead where the way is about those."""
    database.server.execute("DROP DATABASE IF EXISTS bench WITH (FORCE)", "CREATE DATABASE bench TEMPLATE pristine",
                            "CHECKPOINT")
    if way in (_vacuum, _vacuum_full):
        with closing(database.server.connect(dbname="bench")) as connection, connection.cursor() as cursor:
            cursor.execute("UPDATE events SET note = note WHERE id % 2 = 0")
    with Load(Place(database.server.port, "bench", "postgres"), TRAFFIC, CLIENTS, RATE) as load:
        # Until all clients are there; what they do then is counted too.
        load.ended_within(LEAD_SECONDS)
        cost = way(database) if way else None
        load.ended_within(LEAD_SECONDS if way else QUIET_SECONDS)
    if way in (_retention, _delete) and (old := _old(database)):
        raise Failed(f"{old} old rows are left")
    return cost, load.waits


def _old(database: Database) -> int:
    """Rows past their time, by whole days."""
    with closing(database.server.connect(dbname="bench")) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM events WHERE created_at < now() - interval '91 days'")
        return int(cursor.fetchone()[0])


def _fill(database: Database) -> None:
    server = database.server
    server.execute("CREATE DATABASE pristine")
    statements = (
        "CREATE TABLE events (id bigserial, account int NOT NULL, note text NOT NULL, "
        "created_at timestamptz NOT NULL DEFAULT now())",
        "INSERT INTO events (account, note, created_at) SELECT 1 + g % 20000, md5(g::text), "
        f"now() - interval '180 days' + g * interval '180 days' / {ROWS} FROM generate_series(1, {ROWS}) AS g",
        "ALTER TABLE events ADD PRIMARY KEY (id)", f"CREATE INDEX {INDEX} ON events (account)",
        "CREATE INDEX events_created_at_idx ON events (created_at)", "VACUUM (ANALYZE) events", "CHECKPOINT",
    )
    with closing(server.connect(dbname="pristine")) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def _retention(database: Database) -> Cost:
    rule = {"table": "events", "column": "created_at", "older_than": "90d"}
    return database.play(database.task("postgres_retention", login_db="bench", rules=[rule], maximum_percent=60,
                                       wait_timeout=1200))


def _delete(database: Database) -> Cost:
    return database.script("$PSQL -d bench -c \"DELETE FROM events WHERE created_at < now() - interval '90 days'\"\n")


def _reindex(database: Database) -> Cost:
    return database.play(database.task("postgres_reindex", login_db="bench", indexes=[INDEX], wait_timeout=600))


def _naive_reindex(database: Database) -> Cost:
    return database.script(f'$PSQL -d bench -c "REINDEX INDEX {INDEX}"\n')


def _vacuum(database: Database) -> Cost:
    return database.play(database.task("postgres_vacuum", login_db="bench", tables=["events"], wait_timeout=600))


def _vacuum_full(database: Database) -> Cost:
    return database.script('$PSQL -d bench -c "VACUUM FULL events"\n')


WAYS: dict[str, Callable[[Database], Cost] | None] = {
    "nothing": None, "postgres_retention": _retention, "one DELETE": _delete, "postgres_reindex": _reindex,
    "REINDEX INDEX": _naive_reindex, "postgres_vacuum": _vacuum, "VACUUM FULL": _vacuum_full,
}
