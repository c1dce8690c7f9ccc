#!/usr/bin/python
# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: postgres_retention
version_added: 0.1.0
short_description: Delete old rows of PostgreSQL tables by rules, while others work with them
description:
  - Deletes the rows of tables that are older than a rule says, in batches that are transactions of their own, one table
    after another in the order of the rules.
  - What is old is decided by the server's clock once, when the run begins, in whole days of UTC. Rows of the day on which
    O(rules[].older_than) ends stay, so that a run which is repeated the same day finds no more.
  - A run that was stopped or killed goes on where it was when it is started again. What was deleted stays deleted.
  - Between two batches it waits while a standby is too far behind or too many sessions are at work. A batch that takes
    longer than a second, or that somebody waited for, makes the next one half as large.
  - Rows that others hold are left out and tried again at the end, for as long as O(lock_timeout) says. What is held even
    then stays, which is a failure that says so.
  - Of a table that is partitioned by ranges of the rule's column, partitions that end before what is kept begins are
    dropped as a whole. Old rows of the others, and of the default partition, are deleted.
  - Of a table that refers to itself, as answers to what they answer, a batch leaves out the rows that others outside of it
    refer to, and the table is gone through again as long as more can go. Rows that refer to each other in a circle go only
    within one batch. A row that is not old and refers to an old one keeps the table from being worked on.
  - A deletion gives no space back to the file system, and that of its rows is free for new ones only after a vacuum. A
    dropped partition's space is given back.
options:
  rules:
    description:
      - What is old in which table. An empty list means nothing.
    type: list
    elements: dict
    required: true
    suboptions:
      table:
        description:
          - The table's exact name, with its schema or without, as V(events) or V(audit.events).
          - Where that may mean several, as SQL writes it, with quotes where it takes them, as V("a.b".events).
          - Rows of tables that inherit from it are left, and RV(kept) names those that have old ones. They have rules of
            their own.
        type: str
        required: true
      column:
        description:
          - The column with the moment of a row, of type C(timestamptz), C(timestamp) or C(date).
          - A C(timestamp) is taken as of the time zone that the server gives the session, a C(date) as a whole day. A row
            without a value is never old.
        type: str
        required: true
      older_than:
        description:
          - Rows older than this go, as V(90d), at least V(1d).
        type: str
        required: true
      key:
        description:
          - The columns that tell rows apart, those of a unique index over all rows, none of them nullable. By default
            those of the primary key. Where an index leads with O(rules[].column) none is needed.
        type: list
        elements: str
  batch_size:
    description:
      - The most rows that a batch looks at. The first one looks at 500 of them.
    type: int
    default: 5000
  maximum_replication_lag:
    description:
      - No batch begins while a standby, or a subscriber, is further behind, as V(30s), or has not confirmed what it was sent
        and has, by its own clock, said nothing for longer. V(0) leaves both out.
    type: str
    default: 30s
  maximum_replication_lag_bytes:
    description:
      - No batch begins while a standby, or a subscriber, is more bytes of WAL behind. The server's measure of the time does
        not grow while one stands still. V(0) leaves that out.
    type: int
    default: 134217728
  maximum_retained_bytes:
    description:
      - No batch begins while a replication slot that nobody is connected to keeps more bytes of WAL, on the very disk that
        is to be emptied. V(0) leaves that out.
    type: int
    default: 1073741824
  maximum_waiting:
    description:
      - How many sessions may wait for a lock of ours at the end of a batch. When it was more, the next batch is half as
        large.
    type: int
    default: 0
  maximum_active:
    description:
      - No batch begins while more sessions of others are at work. By default that does not matter.
    type: int
  maximum_percent:
    description:
      - When a rule would delete more of a table, nothing is deleted at all.
    type: float
    default: 50.0
  cascade:
    description:
      - Whether rows may be deleted to which foreign keys refer that delete or change rows of other tables then
        (C(ON DELETE CASCADE), C(SET NULL), C(SET DEFAULT)). Those rows are counted by no limit. Of a table with such
        foreign keys no partition is dropped, its old rows are deleted.
    type: bool
    default: false
  max_affected:
    description:
      - How many tables and partitions one run may work on, as a count or as a percentage of those that the rules mean.
        Counted over the whole run, so that a loop does not defeat it.
    type: str
    default: 100%
notes:
  - There is no undo. Only a dump or a snapshot made before has what was deleted.
  - The role needs C(SELECT), C(DELETE), and C(UPDATE) on one column (PostgreSQL asks for it to lock a row), for partitions
    on each of them. To drop a partition it has to own it and the table. A table that it has no right to, or that hides rows
    from it by row-level security, is kept, and RV(coverage) names it.
  - Where there are standbys the role needs C(pg_monitor) to see how far they are behind, and for O(maximum_active) too.
  - All rows are counted before, and the old ones afterwards, each time for as long as is left of O(wait_timeout), and at
    least for O(statement_timeout). A table whose count takes longer is kept and named.
  - Transactions are C(READ COMMITTED) whatever the role's default. A role that is read-only by default stays so, and
    deletes nothing.
  - Foreign keys that forbid to delete what they refer to need a rule for their own table before this one, and an index on
    their columns, without which each row deleted reads that table once.
  - Tables are worked on one after another, whatever O(parallel) says.
  - A partition is detached beside the work of others (C(CONCURRENTLY)) and dropped then, which waits for every
    transaction that uses the table, each for O(lock_timeout). One that was not waited for leaves the partition half
    detached, its rows out of sight, and the next run finishes it. The last line of its comment marks it until then.
    Not through a pooler in transaction mode, since its time-outs are the session's.
  - What such a line marks is dropped only as it was left. A partition that was renamed, moved or altered in any other way
    after it was detached is kept and named, and so is one that somebody else began to detach.
  - Of a table with a default partition, and before PostgreSQL 14, dropping a partition locks the whole table against all
    (C(ACCESS EXCLUSIVE)) for a moment, and while it waits for that lock, at most for O(lock_timeout), others wait behind
    it.
  - A dropped partition fires no triggers, and rows of its time that come in later have no place any more.
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
- name: Delete what is older than 90 days
  opsbook.runbooks.postgres_retention:
    login_host: db.analytics.example
    login_user: opsbook_operator
    login_password: "{{ analytics_operator_password }}"
    login_db: analytics
    ssl_mode: verify-full
    rules:
      - table: metrics_snapshots
        column: captured_at
        older_than: 90d
      - table: audit.events
        column: happened_on
        older_than: 365d
    wait_timeout: 3600

- name: See what would go, without deleting anything
  opsbook.runbooks.postgres_retention:
    login_host: db.analytics.example
    login_user: opsbook_operator
    login_password: "{{ analytics_operator_password }}"
    login_db: analytics
    rules:
      - table: job_executions
        column: started_at
        older_than: 30d
    maximum_percent: 80
  check_mode: true
"""

RETURN = r"""
changes:
  description: The tables whose old rows are deleted and the partitions that are dropped, or that would be in check mode.
  returned: always
  type: list
  elements: dict
  contains:
    resource:
      description: The table or partition, as C(postgres-table:host:port/database:schema.table).
      type: str
      sample: postgres-table:db.analytics.example:5432/analytics:public.post_metrics
    action:
      description: What is done to it, C(delete) its old rows or C(drop_partition).
      type: str
      sample: delete
    before:
      description: Which rows are old, and of what it is a partition.
      type: dict
    after:
      description: None of them; of a partition nothing.
      type: dict
    summary:
      description: The change in one line, with the number of rows, the triggers it fires and the locks it takes.
      type: str
    undo:
      description: Why there is no way back.
      type: dict
    applied:
      description: Whether it has been done.
      type: bool
kept:
  description: The tables and partitions that are left alone, each with its reason.
  returned: always
  type: list
  elements: dict
  sample: [{"resource": "postgres-table:db:5432/analytics:public.jobs", "reason": "no row is older than 30d"}]
plan_digest:
  description: SHA-256 of the canonical plan.
  returned: always
  type: str
evidence:
  description: How many old rows are left, how many were deleted, and what became of the space. Empty in check mode.
  returned: always
  type: list
  elements: dict
coverage:
  description: What was read and what could not be.
  returned: always
  type: dict
failed_resources:
  description: The tables that could not be worked on, each with its reason and the rows that were deleted before.
  returned: always
  type: list
  elements: dict
"""

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.adapter import run_operation
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.options import LIMITS, WAIT, max_affected
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.connection import POSTGRES, connector, place_of
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.retention import retain
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.retention_rules import retention_of


def main():
    run_operation(
        options=[POSTGRES, LIMITS, WAIT, max_affected("100%"), {
            "rules": {"type": "list", "elements": "dict", "required": True, "options": {
                "table": {"type": "str", "required": True}, "column": {"type": "str", "required": True},
                "older_than": {"type": "str", "required": True},
                "key": {"type": "list", "elements": "str", "no_log": False},
            }},
            "batch_size": {"type": "int", "default": 5000},
            "maximum_replication_lag": {"type": "str", "default": "30s"},
            "maximum_replication_lag_bytes": {"type": "int", "default": 134_217_728},
            "maximum_retained_bytes": {"type": "int", "default": 1_073_741_824},
            "maximum_waiting": {"type": "int", "default": 0},
            "maximum_active": {"type": "int"},
            "maximum_percent": {"type": "float", "default": 50.0},
            "cascade": {"type": "bool", "default": False},
        }],
        operation=lambda options, run: retain(connector(options), run, place_of(options), retention_of(options)),
    )


if __name__ == "__main__":
    main()
