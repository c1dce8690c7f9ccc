#!/usr/bin/python
# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: postgres_stat_info
version_added: 0.1.0
short_description: Read the statistics of a PostgreSQL database, and what needs care
description:
  - Reads how well the cache serves, what takes how much room, dead rows, bloat, how far transaction ids are used up, which
    indexes nobody uses, are there twice or are invalid, foreign keys without an index, old transactions, and replication.
  - Each section is read by itself. One that cannot be read is null and named in RV(coverage), and the others still come.
  - Counts go back to the last reset of the statistics or the last crash of the server, as RV(server.counted_since) says.
options:
  gather:
    description:
      - The sections to read.
    type: list
    elements: str
    choices: [cache, sizes, tables, bloat, wraparound, indexes, foreign_keys, transactions, replication]
    default: [cache, sizes, tables, bloat, wraparound, indexes, foreign_keys, transactions, replication]
  limit:
    description:
      - How many entries a list of a section has at most. Evidence names all, of the bloat that of as many of the largest
        tables and indexes.
    type: int
    default: 20
  limits:
    description:
      - What is right.
    type: dict
    suboptions:
      minimum_cache_hit_percent:
        description:
          - How many of the blocks asked for have to be found in shared buffers. Of fewer than 10000 blocks nothing is said.
        type: float
        default: 90.0
      maximum_dead_rows:
        description:
          - A table has too many dead rows when it has more than so many.
        type: int
        default: 1000
      maximum_dead_percent:
        description:
          - And when these are as much of all its rows.
        type: float
        default: 10.0
      minimum_bloat_size:
        description:
          - Bytes from which on a table or an index is looked at for bloat.
        type: int
        default: 10485760
      maximum_bloat_percent:
        description:
          - How much of a table or an index may be bloat.
        type: float
        default: 30.0
      maximum_wraparound_percent:
        description:
          - How much of all transaction ids may be in use before old rows are frozen.
        type: float
        default: 50.0
      minimum_statistics_age:
        description:
          - How long uses have to be counted before an index without any is called unused, as V(7d).
        type: str
        default: 7d
      idle_in_transaction:
        description:
          - How long a session may leave a transaction alone.
        type: str
        default: 5m
      oldest_transaction:
        description:
          - How long a transaction may last, and how long one may stay prepared, in any database of the server.
        type: str
        default: 1h
      maximum_slot_transactions:
        description:
          - For how many transactions a replication slot may keep dead rows.
        type: int
        default: 10000000
      maximum_replication_lag:
        description:
          - How far a standby may be behind.
        type: str
        default: 30s
      maximum_replication_lag_bytes:
        description:
          - How many bytes of WAL a standby may be behind. The server's measure of the time does not grow while a standby
            stands still.
        type: int
        default: 134217728
      maximum_retained_bytes:
        description:
          - How many bytes of WAL a replication slot may keep. One that nobody is connected to is never right.
        type: int
        default: 1073741824
notes:
  - The role needs C(pg_monitor), or C(pg_read_all_stats), to see the sessions and standbys of other roles.
  - Bloat is measured where the extension C(pgstattuple) is installed and the role may run it, and estimated otherwise, which
    needs C(SELECT) on the table. An index that is measured is read whole. O(statement_timeout) bounds each.
  - An index is unused by this server. Standbys have uses of their own, and one that was made lately has had no time for any.
    On a standby nothing is called unused, and dead rows are not counted.
  - Of a table whose counts are lost, as after a crash, it is unknown how many of its rows are dead, until it is vacuumed or
    analyzed.
  - Of a table that somebody locks against all, sizes are as they were last counted, which RV(coverage) names as left out,
    bloat is estimated, and the definitions of its indexes are missing.
  - A standby that restores from an archive is as late as the last transaction, also where the primary is idle.
seealso:
  - module: opsbook.runbooks.postgres_session_info
  - module: opsbook.runbooks.postgres_query_info
extends_documentation_fragment:
  - opsbook.runbooks.postgres
  - opsbook.runbooks.result
  - opsbook.runbooks.result.reading
author:
  - opsbook contributors (@opsbook)
"""

EXAMPLES = r"""
- name: Read all statistics of the media database
  opsbook.runbooks.postgres_stat_info:
    login_host: db.media.example
    login_user: opsbook_monitor
    login_password: "{{ media_monitor_password }}"
    login_db: media
    ssl_mode: verify-full
  register: statistics

- name: See what the monthly maintenance has to do
  opsbook.runbooks.postgres_stat_info:
    login_host: db.media.example
    login_user: opsbook_monitor
    login_password: "{{ media_monitor_password }}"
    login_db: media
    gather: [tables, bloat, indexes]
    limits:
      maximum_dead_percent: 5
"""

RETURN = r"""
server:
  description: The server.
  returned: always
  type: dict
  contains:
    version:
      description: Its version.
      type: str
    in_recovery:
      description: Whether it is a standby, or recovers.
      type: bool
    role:
      description: The role that looked.
      type: str
    counted_since:
      description: When the counting began, ISO 8601.
      type: str
cache:
  description: Blocks of the database that were asked for; null where not read.
  returned: always
  type: dict
  contains:
    hits:
      description: Blocks found in shared buffers.
      type: int
    reads:
      description: Blocks not found there. The operating system may have had them.
      type: int
    percent:
      description: Hits as a part of both, null where none was asked for.
      type: float
sizes:
  description: What takes how much room; null where not read.
  returned: always
  type: dict
  contains:
    database_bytes:
      description: The database.
      type: int
    tables:
      description: Its tables, the largest first.
      type: list
      elements: dict
      contains:
        schema:
          description: The table's schema.
          type: str
        table:
          description: The table.
          type: str
        total_bytes:
          description: All of it.
          type: int
        table_bytes:
          description: Its rows.
          type: int
        index_bytes:
          description: Its indexes.
          type: int
        toast_bytes:
          description: Values that are too long for a row, with their index.
          type: int
tables:
  description: Tables, those with the most dead rows first; null where not read. Rows are the server's counts.
  returned: always
  type: list
  elements: dict
  contains:
    schema:
      description: The table's schema.
      type: str
    table:
      description: The table.
      type: str
    bytes:
      description: Its size without indexes.
      type: int
    live_rows:
      description: Its rows.
      type: int
    dead_rows:
      description: Rows that are deleted or outdated and still take room.
      type: int
    dead_percent:
      description: These as a part of both.
      type: float
    last_vacuum:
      description: When it was last vacuumed, by hand or automatically, ISO 8601, null for never.
      type: str
    last_analyze:
      description: When it was last analyzed, likewise.
      type: str
    frozen_age:
      description: Transactions since its oldest row that is not frozen.
      type: int
bloat:
  description: Tables and B-tree indexes of O(limits.minimum_bloat_size) or more, the most wasteful first; null where not
    read.
  returned: always
  type: list
  elements: dict
  contains:
    kind:
      description: V(table) or V(index).
      type: str
    name:
      description: Its name with its schema.
      type: str
    bytes:
      description: Its size, of a table without indexes.
      type: int
    method:
      description: V(pgstattuple) where it was measured, V(estimate), or null where it could not be told.
      type: str
    wasted_bytes:
      description: What a rebuild would give back, at the least.
      type: int
    wasted_percent:
      description: The same as a part of its size.
      type: float
    reason:
      description: Why it could not be told, or not be measured.
      type: str
wraparound:
  description: How far the databases of the server have used up transaction ids, the oldest first; null where not read.
  returned: always
  type: list
  elements: dict
  contains:
    database:
      description: The database.
      type: str
    transactions:
      description: Age of its oldest transaction id that is not frozen.
      type: int
    percent:
      description: The same as a part of the 2147483648 there are.
      type: float
    forced_percent:
      description: The same as a part of C(autovacuum_freeze_max_age), at which a vacuum is forced.
      type: float
    multixacts:
      description: Age of its oldest row lock shared by several transactions.
      type: int
    multixact_percent:
      description: The same as a part of all.
      type: float
    multixact_forced_percent:
      description: The same as a part of C(autovacuum_multixact_freeze_max_age).
      type: float
indexes:
  description: Indexes that need care; null where not read.
  returned: always
  type: dict
  contains:
    unused:
      description: Those no query has used since RV(server.counted_since), without unique ones, the largest first, each with
        C(name), C(table), C(bytes) and C(definition).
      type: list
      elements: dict
    duplicates:
      description: Groups that do the same, each with the one to C(keep), the C(others), their C(table), and
        C(wasted_bytes).
      type: list
      elements: dict
    invalid:
      description: Those that no query can use, each with C(name), C(table), C(bytes), C(definition), and whether it is
        C(being_built) now.
      type: list
      elements: dict
foreign_keys:
  description: Foreign keys without an index on the side that refers, those of large tables first; null where not read.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: The key.
      type: str
    table:
      description: The table that refers, with its schema.
      type: str
    columns:
      description: Its columns that refer.
      type: list
      elements: str
    referred:
      description: The other table, with its schema.
      type: str
    rows:
      description: Rows of the table, by the server's estimate, null where there is none.
      type: int
transactions:
  description: Who keeps dead rows from being cleaned up; null where not read.
  returned: always
  type: dict
  contains:
    sessions:
      description: Sessions in a transaction, the oldest first, with C(pid), C(database), C(user), C(application), C(client),
        C(state), C(state_seconds) and C(transaction_seconds).
      type: list
      elements: dict
    prepared:
      description: Prepared transactions, the oldest first, with C(gid), C(database), C(user) and C(prepared_seconds).
      type: list
      elements: dict
    slots:
      description: Replication slots that keep dead rows, with C(name), C(active) and C(held_transactions).
      type: list
      elements: dict
replication:
  description: Who follows the server, and whom it follows; null where not read.
  returned: always
  type: dict
  contains:
    standbys:
      description: Standbys, logical subscribers and tools that receive WAL.
      type: list
      elements: dict
      contains:
        pid:
          description: Process id of the session that sends.
          type: int
        user:
          description: Its role.
          type: str
        application:
          description: The name that the other side gave.
          type: str
        client:
          description: Its address, null for a Unix socket or where it may not be seen.
          type: str
        state:
          description: As V(streaming), null where it may not be seen.
          type: str
        sync:
          description: As V(async) or V(sync), null where it may not be seen.
          type: str
        lag_bytes:
          description: WAL that it has not applied yet, null where it may not be seen.
          type: int
        lag_seconds:
          description: The same as time, when it last got further. Null where there was nothing to measure.
          type: float
    slots:
      description: Replication slots.
      type: list
      elements: dict
      contains:
        name:
          description: The slot.
          type: str
        kind:
          description: V(physical) or V(logical).
          type: str
        database:
          description: Of a logical one.
          type: str
        active:
          description: Whether somebody is connected to it.
          type: bool
        wal_status:
          description: V(reserved), V(extended), V(unreserved) or V(lost).
          type: str
        retained_bytes:
          description: WAL that is kept for it.
          type: int
        held_transactions:
          description: Age of the oldest transaction whose dead rows are kept for it, null where it keeps none.
          type: int
    following:
      description: How a standby follows; null on a server that is none.
      type: dict
      contains:
        receiving:
          description: Whether it is connected to who sends WAL.
          type: bool
        paused:
          description: Whether applying is paused.
          type: bool
        delay_seconds:
          description: Age of the newest transaction applied, 0 where all that came is. Null before the first.
          type: float
verdict:
  description: V(healthy), V(unhealthy), or V(unknown) where something could not be read or told.
  returned: always
  type: str
evidence:
  description: Expected and actual state, section by section.
  returned: always
  type: list
  elements: dict
coverage:
  description: What was read and what could not be.
  returned: always
  type: dict
"""

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.adapter import run_reading
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.operation import Reading
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.connection import POSTGRES, connector, place_of
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.statistics import collect_statistics, wishes_of
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.statistics_checks import (
    evaluate_statistics,
    limits_of,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.statistics_result import describe_statistics

SECTIONS = ["cache", "sizes", "tables", "bloat", "wraparound", "indexes", "foreign_keys", "transactions", "replication"]
LIMITS = {
    "minimum_cache_hit_percent": {"type": "float", "default": 90.0},
    "maximum_dead_rows": {"type": "int", "default": 1000},
    "maximum_dead_percent": {"type": "float", "default": 10.0},
    "minimum_bloat_size": {"type": "int", "default": 10_485_760},
    "maximum_bloat_percent": {"type": "float", "default": 30.0},
    "maximum_wraparound_percent": {"type": "float", "default": 50.0},
    "minimum_statistics_age": {"type": "str", "default": "7d"},
    "idle_in_transaction": {"type": "str", "default": "5m"},
    "oldest_transaction": {"type": "str", "default": "1h"},
    "maximum_slot_transactions": {"type": "int", "default": 10_000_000},
    "maximum_replication_lag": {"type": "str", "default": "30s"},
    "maximum_replication_lag_bytes": {"type": "int", "default": 134_217_728},
    "maximum_retained_bytes": {"type": "int", "default": 1_073_741_824},
}


def reading(options, run):
    wishes, limits = wishes_of(options), limits_of(options["limits"])
    return Reading(
        collect=lambda: collect_statistics(connector(options), run, place_of(options), wishes),
        evaluate=lambda collected: evaluate_statistics(collected, limits),
        describe=describe_statistics,
    )


def main():
    run_reading(
        options=[POSTGRES, {
            "gather": {"type": "list", "elements": "str", "choices": SECTIONS, "default": SECTIONS},
            "limit": {"type": "int", "default": 20},
            "limits": {"type": "dict", "options": LIMITS, "apply_defaults": True},
        }],
        reading=reading,
    )


if __name__ == "__main__":
    main()
