"""The database of the analytics system (seed 001): accounts, their metrics, and the jobs that collect them.

For those who look after it: `posts` has an index twice, `alerts` one that nobody uses, `job_executions` none on the job
that it belongs to, and carries the dead rows of a clean-up.
"""

from __future__ import annotations

from lab.databases.model import Database, Traffic
from lab.databases.streams import Stream, one_of

_ACCOUNTS = 4000
_JOBS = 240
_ACCOUNT = f"1 + (i * 7919 % {_ACCOUNTS})"
_PLATFORMS = "ARRAY['twitch', 'youtube', 'twitter', 'instagram', 'tiktok', 'reddit']"
_GROWTH = "(1 + extract(epoch FROM at - '2025-01-01')::float8 / 86400 / 2000)"

_TABLES = (
    "CREATE TABLE accounts (id int NOT NULL, platform text NOT NULL, handle text NOT NULL, tracked boolean NOT NULL, "
    "created_at timestamptz NOT NULL)",
    "CREATE TABLE metrics_snapshots (id bigint NOT NULL, account_id int NOT NULL, followers int NOT NULL, "
    "views int NOT NULL, engagement real NOT NULL, captured_at timestamptz NOT NULL)",
    "CREATE TABLE posts (id bigint NOT NULL, account_id int NOT NULL, likes int NOT NULL, comments int NOT NULL, "
    "published_at timestamptz NOT NULL)",
    "CREATE TABLE jobs (id int NOT NULL, platform text NOT NULL, interval_minutes int NOT NULL, status text NOT NULL, "
    "created_at timestamptz NOT NULL)",
    "CREATE TABLE job_executions (id bigint NOT NULL, job_id int NOT NULL, status text NOT NULL, duration_ms int NOT NULL, "
    "error text, started_at timestamptz NOT NULL)",
    "CREATE TABLE alerts (id bigint NOT NULL, account_id int NOT NULL, kind text NOT NULL, acknowledged boolean NOT NULL, "
    "created_at timestamptz NOT NULL)",
    "CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)",
)

_STANDING = (
    f"INSERT INTO accounts SELECT i, ({_PLATFORMS})[1 + i % 6], 'creator_' || i, i % 40 <> 0, "
    f"timestamptz {{until}} - (1 + i % 900) * interval '1 day' FROM generate_series(1, {_ACCOUNTS}) AS i",
    f"INSERT INTO jobs SELECT i, ({_PLATFORMS})[1 + i % 6], (ARRAY[15, 30, 60, 60, 120])[1 + i % 5], 'active', "
    f"timestamptz {{until}} - (30 + i % 300) * interval '1 day' FROM generate_series(1, {_JOBS}) AS i",
    "INSERT INTO alembic_version VALUES ('8c1f0d2ab7e4')",
)

_STREAMS = (
    Stream("metrics_snapshots", 7000, 90, {
        "id": "i", "account_id": _ACCOUNT,
        "followers": f"((500 + 40000 * (({_ACCOUNT}) * 37 % 101) / 101.0) * {_GROWTH} + 40 * {{1}})::int",
        "views": "(100 + 90000 * {2} ^ 3)::int", "engagement": "({3} * 0.09)::real", "captured_at": "at"}),
    Stream("posts", 680, 180, {
        "id": "i", "account_id": _ACCOUNT, "likes": "(9000 * {1} ^ 4)::int", "comments": "(400 * {2} ^ 4)::int",
        "published_at": "at"}, weekend=0.9),
    Stream("job_executions", 4000, 60, {
        "id": "i", "job_id": f"1 + (i % {_JOBS})",
        "status": "CASE WHEN {1} < 0.985 THEN 'success' WHEN {1} < 0.995 THEN 'rate_limited' ELSE 'failed' END",
        "duration_ms": "(300 + 4000 * {2} ^ 3)::int",
        "error": "CASE WHEN {1} < 0.985 THEN NULL WHEN {1} < 0.995 THEN 'HTTP 429' ELSE 'HTTP 503' END",
        "started_at": "at"}),
    Stream("alerts", 200, 90, {
        "id": "i", "account_id": _ACCOUNT, "kind": one_of(1, "follower_drop", "view_spike", "job_failed"),
        "acknowledged": "{2} < 0.97", "created_at": "at"}),
)  # fmt: skip

_INDEXES = (
    *(f"ALTER TABLE {table} ADD PRIMARY KEY (id)" for table in
      ("accounts", "metrics_snapshots", "posts", "jobs", "job_executions", "alerts")),
    "ALTER TABLE posts ADD FOREIGN KEY (account_id) REFERENCES accounts",
    "CREATE UNIQUE INDEX accounts_handle_key ON accounts (platform, handle)",
    "CREATE INDEX metrics_snapshots_account_idx ON metrics_snapshots (account_id, captured_at)",
    "CREATE INDEX posts_account_id_idx ON posts (account_id)",
    "CREATE INDEX posts_by_account ON posts (account_id)",
    "CREATE INDEX job_executions_started_at_idx ON job_executions (started_at)",
    "CREATE INDEX alerts_kind_idx ON alerts (kind)",
)

_WEAR = (
    "DELETE FROM job_executions WHERE id % 15 = 0",
    "UPDATE alerts SET acknowledged = true WHERE id % 8 = 0",
)

_WORKLOAD = (
    ("SELECT id FROM accounts WHERE platform = 'twitch' AND handle = 'creator_6'", 40),
    ("SELECT captured_at, followers FROM metrics_snapshots WHERE account_id = 7 ORDER BY captured_at DESC LIMIT 50", 40),
    ("SELECT status, count(*) FROM job_executions WHERE started_at >= now() - interval '1 hour' GROUP BY status", 10),
    ("SELECT id, likes FROM posts WHERE account_id = 7 ORDER BY published_at DESC LIMIT 20", 20),
    ("SELECT status, duration_ms FROM job_executions WHERE job_id = 7 ORDER BY started_at DESC LIMIT 5", 3),
)

_TRAFFIC = (
    Traffic("read", 7, f"\\set account random(1, {_ACCOUNTS})\n"
            "SELECT captured_at, followers FROM metrics_snapshots WHERE account_id = :account "
            "ORDER BY captured_at DESC LIMIT 50;"),
    Traffic("insert", 2, f"\\set id random(1000000000, 1000000000000)\n\\set job random(1, {_JOBS})\n"
            "INSERT INTO job_executions VALUES (:id, :job, 'success', 300, NULL, now());"),
    Traffic("update", 1, "\\set id random(1, 18000)\nUPDATE alerts SET acknowledged = true WHERE id = :id;"),
)  # fmt: skip

ANALYTICS = Database(
    name="analytics", tables=_TABLES, standing=_STANDING, streams=_STREAMS, derived=(), indexes=_INDEXES, wear=_WEAR,
    workload=_WORKLOAD, applications=(("backend-service", 3), ("job-scheduler", 1)), traffic=_TRAFFIC,
)  # fmt: skip
