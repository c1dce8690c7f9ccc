#!/usr/bin/python
# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: postgres_analyze
version_added: 0.1.0
short_description: Analyze the tables of a PostgreSQL database that need it
description:
  - Renews the planner's statistics of tables that have changed much since, and of tables and partitioned tables that were
    never analyzed. Readers and writers go on meanwhile.
  - So are those of tables whose counts the server has lost, as after a crash, a failover or a reset of the statistics, since
    how much of them has changed is not known. That gives the counts back.
  - Tables are worked on side by side, on as many connections as O(parallel) says, the biggest first.
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
      - A table is worked on when at least as many of its rows are changed since it was last analyzed.
    type: int
    default: 1000
  minimum_percent:
    description:
      - And when these are at least as much of all its rows.
    type: float
    default: 10.0
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
  - A partitioned table is analyzed only when it never was, its partitions by their own need.
  - Not through a pooler in transaction mode, since the time-outs are the session's.
seealso:
  - module: opsbook.runbooks.postgres_vacuum
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
- name: Renew the planner's statistics where they are out of date
  opsbook.runbooks.postgres_analyze:
    login_host: db.media.example
    login_user: opsbook_operator
    login_password: "{{ media_operator_password }}"
    login_db: media
    ssl_mode: verify-full
    tables: ["*"]

- name: See what a schema needs, without doing it
  opsbook.runbooks.postgres_analyze:
    login_host: db.media.example
    login_user: opsbook_operator
    login_password: "{{ media_operator_password }}"
    login_db: media
    tables: [billing.*]
  check_mode: true
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
      description: What is done to it.
      type: str
      sample: analyze
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
  description: When each table was last worked on, and what it still needs. Empty in check mode.
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
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.table_upkeep import keep_up, need_of


def main():
    run_operation(
        options=[POSTGRES, LIMITS, WAIT, max_affected("100%"), {
            "tables": {"type": "list", "elements": "str", "required": True},
            "minimum_rows": {"type": "int", "default": 1000},
            "minimum_percent": {"type": "float", "default": 10.0},
        }],
        operation=lambda options, run: keep_up(
            connector(options), run, place_of(options), options["tables"], need_of("analyze", options)),
    )


if __name__ == "__main__":
    main()
