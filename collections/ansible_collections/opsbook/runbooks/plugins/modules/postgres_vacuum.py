#!/usr/bin/python
# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: postgres_vacuum
version_added: 0.1.0
short_description: Vacuum the tables of a PostgreSQL database that need it
description:
  - Cleans up dead rows in tables that have many, and freezes tables whose oldest row is many transactions old. Readers and
    writers go on meanwhile.
  - The space of dead rows is free for new rows of the same table. None is given back to the file system, but for empty
    pages at the end of a table.
  - A vacuum after which dead rows are left, since an old transaction can still see them, is a failure that says so.
  - Tables are worked on side by side, on as many connections as O(parallel) says, the biggest first.
  - With O(full=true) tables are written anew instead, which gives space back, and locks out all who use them meanwhile.
  - A table whose counts the server has lost, as after a crash, a failover or a reset of the statistics, is vacuumed, since
    how many of its rows are dead is not known. That gives its counts back.
  - A table that needs work and that the role has no right to is kept, and RV(coverage) names it; PostgreSQL itself would
    skip it with a warning and report success.
options:
  tables:
    description:
      - The tables, by name or shell-style pattern, with the schema or without, as V(media_items), V(sales.*) or V(*). An
        empty list means none. Temporary tables and the system's own are left out.
    type: list
    elements: str
    required: true
  minimum_rows:
    description:
      - A table is worked on when at least as many of its rows are dead.
    type: int
    default: 1000
  minimum_percent:
    description:
      - And when these are at least as much of all its rows. With O(full=true), the part of a table, without its indexes,
        that is wasted, and O(minimum_rows) does not count.
    type: float
    default: 10.0
  maximum_frozen_age:
    description:
      - A table whose oldest row that is not frozen is at least as many transactions old is vacuumed too. V(0) leaves that
        out.
    type: int
    default: 150000000
  analyze:
    description:
      - Renew the statistics of the tables that are vacuumed in the same go, which reads them once instead of twice. Not with
        O(full=true).
    type: bool
    default: false
  full:
    description:
      - Write the tables and their indexes anew (C(VACUUM FULL)), the smallest first and one after the other. Each table has
        to be named, no patterns.
      - The lock (C(ACCESS EXCLUSIVE)) keeps out readers and writers until a table is done, and whoever comes while it is
        waited for, at most O(lock_timeout).
      - A table needs room for what is left of it, with its indexes, beside what it takes until then. As much goes into WAL,
        but for an unlogged table and with C(wal_level=minimal); that stays until it is archived and no slot or standby wants
        it. Sorting an index may take as much again as the index for a moment. RV(changes) says how much files and WAL take.
      - How much is wasted is measured by the extension C(pgstattuple), and estimated from statistics where there is none. An
        estimate decides whether a table is worth it, and is not counted on for the room that is needed.
    type: bool
    default: false
  free_space:
    description:
      - How much is free where the server keeps its data, as V(20GB), which PostgreSQL does not tell. With O(full=true), a
        table that needs more, with the WAL of the tables before it, is refused before anything is changed. Where WAL has a
        disk of its own, this asks for more than is needed.
    type: bytes
  max_affected:
    description:
      - How many tables one run may work on, as a count or as a percentage of the chosen tables. Counted over the whole run,
        so that a loop does not defeat it.
    type: str
    default: 100%
notes:
  - There is nothing to undo.
  - A standby is refused.
  - The role has to own the table or the database, or needs C(MAINTAIN) on the table or C(pg_maintain) (PostgreSQL 17 and
    later).
  - O(lock_timeout) bounds how long the lock of a table is waited for, O(wait_timeout) how long all takes.
    O(statement_timeout) holds for what is read only.
  - Not through a pooler in transaction mode, since the time-outs are the session's.
seealso:
  - module: opsbook.runbooks.postgres_analyze
extends_documentation_fragment:
  - opsbook.runbooks.postgres
  - opsbook.runbooks.limits
  - opsbook.runbooks.wait
  - opsbook.runbooks.result
  - opsbook.runbooks.result.changing
author:
  - opsbook contributors (@opsbook)
"""

EXAMPLES = r"""
- name: Clean up what needs it
  opsbook.runbooks.postgres_vacuum:
    login_host: db.media.example
    login_user: opsbook_operator
    login_password: "{{ media_operator_password }}"
    login_db: media
    ssl_mode: verify-full
    tables: ["*"]

- name: See what a schema needs, without doing it
  opsbook.runbooks.postgres_vacuum:
    login_host: db.media.example
    login_user: opsbook_operator
    login_password: "{{ media_operator_password }}"
    login_db: media
    tables: [billing.*]
  check_mode: true

- name: Give back what a clean-up has left, with readers and writers locked out
  opsbook.runbooks.postgres_vacuum:
    login_host: db.media.example
    login_user: opsbook_operator
    login_password: "{{ media_operator_password }}"
    login_db: media
    tables: [search_history]
    full: true
    minimum_percent: 30
    free_space: 20GB
"""

RETURN = r"""
changes:
  description: The tables worked on, or that would be in check mode.
  returned: always
  type: list
  elements: dict
  contains:
    resource:
      description: The table, as C(postgres-table:host:port/database:schema.table).
      type: str
      sample: postgres-table:db.media.example:5432/media:public.media_items
    action:
      description: V(vacuum), V(vacuum_analyze) or V(rewrite).
      type: str
      sample: vacuum
    before:
      description: What it needs.
      type: dict
    after:
      description: Nothing more.
      type: dict
    summary:
      description: The change in one line, with its reason.
      type: str
    undo:
      description: Why there is nothing to undo.
      type: dict
    applied:
      description: Whether it has been done.
      type: bool
kept:
  description: The tables that are left alone, each with its reason.
  returned: always
  type: list
  elements: dict
  sample: [{"resource": "postgres-table:db:5432/media:public.users", "reason": "no need"}]
plan_digest:
  description: SHA-256 of the canonical plan.
  returned: always
  type: str
evidence:
  description: When each table was last worked on, and what it still needs; of one that was written anew, what it wastes now,
    and its size before and after. Empty in check mode.
  returned: always
  type: list
  elements: dict
coverage:
  description: What was read and what could not be.
  returned: always
  type: dict
failed_resources:
  description: The tables that could not be worked on, each with its reason.
  returned: always
  type: list
  elements: dict
"""

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.adapter import run_operation
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.options import LIMITS, WAIT, max_affected
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.connection import POSTGRES, connector, place_of
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.table_rewrite import rewrite_tables, worth_of
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.table_upkeep import keep_up, need_of


def operation(options, run):
    connect, place, tables = connector(options), place_of(options), options["tables"]
    if options["full"]:
        return rewrite_tables(connect, run, place, tables, worth_of(options))
    return keep_up(connect, run, place, tables, need_of("vacuum", options))


def main():
    run_operation(
        options=[POSTGRES, LIMITS, WAIT, max_affected("100%"), {
            "tables": {"type": "list", "elements": "str", "required": True},
            "minimum_rows": {"type": "int", "default": 1000},
            "minimum_percent": {"type": "float", "default": 10.0},
            "maximum_frozen_age": {"type": "int", "default": 150_000_000},
            "analyze": {"type": "bool", "default": False},
            "full": {"type": "bool", "default": False},
            "free_space": {"type": "bytes"},
        }],
        operation=operation,
    )


if __name__ == "__main__":
    main()
