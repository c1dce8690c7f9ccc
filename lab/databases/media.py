"""The database of the media system (seed 003): users, what they do, their media and what finding it again needs.

For those who look after it: `search_history` has an index twice, `user_activity` one that nobody uses, `cost_tracking`
none on what it is joined by, and `media_items` carries the dead rows of its status changes.
"""

from __future__ import annotations

from lab.databases.model import Database, Traffic
from lab.databases.streams import Stream, number_at, one_of

_USERS_A_DAY = 30
# Most is done by few: the square prefers users who came lately. Media reach back a year, and their users 600 days more.
_USER = f"({number_at(_USERS_A_DAY)} - 1 - floor({{1}} * {{1}} * {600 * _USERS_A_DAY} * {{scale}})::bigint)"

_TABLES = (
    "CREATE TABLE users (id bigint NOT NULL, email text NOT NULL, subscription_tier text NOT NULL, "
    "created_at timestamptz NOT NULL)",
    "CREATE TABLE user_activity (id bigint NOT NULL, user_id bigint NOT NULL, action text NOT NULL, "
    "created_at timestamptz NOT NULL)",
    "CREATE TABLE media_items (id bigint NOT NULL, user_id bigint NOT NULL, kind text NOT NULL, file_size int NOT NULL, "
    "processing_status text NOT NULL, created_at timestamptz NOT NULL)",
    "CREATE TABLE embeddings (media_item_id bigint NOT NULL, model text NOT NULL, code bytea NOT NULL, "
    "created_at timestamptz NOT NULL)",
    "CREATE TABLE search_history (id bigint NOT NULL, user_id bigint NOT NULL, query text NOT NULL, results int NOT NULL, "
    "duration_ms int NOT NULL, created_at timestamptz NOT NULL)",
    "CREATE TABLE cost_tracking (id bigint NOT NULL, user_id bigint NOT NULL, service text NOT NULL, "
    "cost numeric(10,6) NOT NULL, created_at timestamptz NOT NULL)",
    "CREATE TABLE payment_events (id bigint NOT NULL, user_id bigint NOT NULL, kind text NOT NULL, "
    "delivered boolean NOT NULL, created_at timestamptz NOT NULL)",
)

_STREAMS = (
    Stream("users", _USERS_A_DAY, 980, {
        "id": "i", "email": "'user' || i || '@example.org'",
        "subscription_tier": one_of(1, "free", "free", "free", "free", "free", "free", "pro", "pro", "team"),
        "created_at": "at"}),
    Stream("user_activity", 5000, 90, {
        "id": "i", "user_id": _USER,
        "action": one_of(2, "view", "view", "view", "search", "search", "login", "upload", "share"), "created_at": "at",
    }, weekend=0.7),
    Stream("media_items", 340, 365, {
        "id": "i", "user_id": _USER, "kind": one_of(2, "image", "image", "image", "video", "audio"),
        "file_size": "(20000 + 80000000 * {3} ^ 4)::int",
        "processing_status": "CASE WHEN {4} < 0.004 THEN 'failed' ELSE 'completed' END",
        "created_at": "at"}, weekend=0.7),
    Stream("search_history", 3400, 60, {
        "id": "i", "user_id": _USER,
        "query": one_of(2, "beach", "birthday", "receipts", "dog in the snow", "whiteboard", "sunset", "concert", "logo"),
        "results": "floor({3} * 60)::int", "duration_ms": "(20 + 400 * {4} ^ 6)::int", "created_at": "at"}, weekend=0.7),
    Stream("cost_tracking", 3000, 60, {
        "id": "i", "user_id": _USER,
        "service": one_of(2, "embedding", "embedding", "embedding", "vision", "storage", "transcription"),
        "cost": "round((0.00002 + 0.004 * {3} ^ 3)::numeric, 6)", "created_at": "at"}, weekend=0.7),
    Stream("payment_events", 60, 90, {
        "id": "i", "user_id": _USER,
        "kind": one_of(2, *["invoice.paid"] * 18, "invoice.payment_failed", "customer.subscription.updated"),
        "delivered": "true", "created_at": "at"}),
)  # fmt: skip

_DERIVED = (
    "INSERT INTO embeddings SELECT id, 'clip-b32', decode(md5(id::text), 'hex'), created_at + interval '40 s' "
    "FROM media_items WHERE created_at >= {since} AND created_at < {until} AND processing_status = 'completed'",
)

_INDEXES = (
    *(f"ALTER TABLE {table} ADD PRIMARY KEY (id)" for table in
      ("users", "user_activity", "media_items", "search_history", "cost_tracking", "payment_events")),
    "ALTER TABLE embeddings ADD PRIMARY KEY (media_item_id)",
    "ALTER TABLE embeddings ADD FOREIGN KEY (media_item_id) REFERENCES media_items",
    "CREATE UNIQUE INDEX users_email_key ON users (email)",
    "CREATE INDEX user_activity_created_at_idx ON user_activity (created_at)",
    "CREATE INDEX user_activity_action_idx ON user_activity (action)",
    "CREATE INDEX media_items_user_id_idx ON media_items (user_id)",
    "CREATE INDEX search_history_user_id_idx ON search_history (user_id)",
    "CREATE INDEX search_history_by_user ON search_history (user_id)",
    "CREATE INDEX search_history_created_at_idx ON search_history (created_at)",
    "CREATE INDEX cost_tracking_created_at_idx ON cost_tracking (created_at)",
)

_WEAR = (
    "UPDATE media_items SET processing_status = 'processing' WHERE id % 20 = 0 AND processing_status = 'completed'",
    "UPDATE media_items SET processing_status = 'completed' WHERE id % 20 = 0 AND processing_status = 'processing'",
    "UPDATE media_items SET processing_status = 'processing' WHERE created_at > timestamptz {until} - interval '3 min'",
    "DELETE FROM search_history WHERE id % 25 = 0",
)

_WORKLOAD = (
    ("SELECT subscription_tier FROM users WHERE email = 'user70000@example.org'", 40),
    ("SELECT id, kind, created_at FROM media_items WHERE user_id = 70000 ORDER BY created_at DESC LIMIT 20", 40),
    ("SELECT count(DISTINCT user_id) FROM user_activity WHERE created_at >= now() - interval '1 hour'", 10),
    ("SELECT query, results FROM search_history WHERE user_id = 70000 ORDER BY created_at DESC LIMIT 10", 20),
    ("SELECT service, sum(cost) FROM cost_tracking WHERE user_id = 70000 GROUP BY service", 3),
)

_TRAFFIC = (
    Traffic("read", 7, "\\set user random(60000, 80000)\n"
            "SELECT id, kind, created_at FROM media_items WHERE user_id = :user ORDER BY created_at DESC LIMIT 20;"),
    Traffic("insert", 2, "\\set id random(1000000000, 1000000000000)\n\\set user random(60000, 80000)\n"
            "INSERT INTO search_history VALUES (:id, :user, 'beach', 3, 40, now());"),
    Traffic("update", 1, "\\set id random(1, 124000)\n"
            "UPDATE media_items SET processing_status = processing_status WHERE id = :id;"),
)  # fmt: skip

MEDIA = Database(
    name="media", tables=_TABLES, standing=(), streams=_STREAMS, derived=_DERIVED, indexes=_INDEXES, wear=_WEAR,
    workload=_WORKLOAD, applications=(("media-api", 3), ("media-worker", 2)), traffic=_TRAFFIC,
)  # fmt: skip
