#!/usr/bin/python
# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: postgres_reindex
version_added: 0.1.0
short_description: Rebuild bloated indexes of a PostgreSQL database while readers and writers go on
description:
  - Rebuilds the B-tree indexes of tables of which much is wasted, by C(REINDEX INDEX CONCURRENTLY), and drops those that a
    failed rebuild or build has left behind. Readers and writers go on meanwhile.
  - How much is wasted is measured by the extension C(pgstattuple), which reads the whole index, where it is installed and
    the role may run it (C(pg_stat_scan_tables), which is part of C(pg_monitor)); O(statement_timeout) bounds that. Otherwise
    it is estimated from the statistics of the last C(ANALYZE), for which the role needs C(SELECT) on the table, or to own it
    where the index computes something. Columns of a fixed length that are never null need no statistics. Which it was is
    said. An index whose bloat cannot be told is kept, and RV(coverage) names it.
  - Indexes are worked on one after another, whatever O(parallel) says. Two rebuilds at once would need room for both, and
    wait for each other. What is dropped comes first, then the index of which most is wasted.
  - A rebuild needs room on disk for the new index before the old one goes, and about as much for WAL, which stays until it
    is archived and no slot or standby wants it. RV(changes) says how much; what is wasted is only left out where it was
    measured. Sorting may take as much again for a moment.
  - A rebuild waits until all transactions that use the table, and all that have an older snapshot of the database, are over.
    An old transaction, one that is idle too, holds it up until O(wait_timeout); M(opsbook.runbooks.postgres_session_info)
    finds it. Nobody else waits meanwhile, but for who vacuums or alters the table.
  - A rebuild that fails or is cut off leaves an invalid index, which writers maintain for nobody. It is removed at once
    where that is possible, else by the next run. A run that was killed is finished by running it again.
options:
  tables:
    description:
      - The tables whose indexes are looked at, by name or shell-style pattern, with the schema or without, as
        V(media_items), V(sales.*) or V(*). An empty list means none. Temporary tables and the system's own are left out.
    type: list
    elements: str
    default: []
  indexes:
    description:
      - Indexes to rebuild whatever they are like, by name, with the schema or without. Each run rebuilds them.
    type: list
    elements: str
    default: []
  minimum_bloat_percent:
    description:
      - An index of O(tables) is rebuilt when at least so much of it is wasted.
    type: float
    default: 30.0
  minimum_size:
    description:
      - And when it has at least so many bytes, as V(10MB) or V(1GB). Of smaller ones little can be gained.
    type: bytes
    default: 10MB
  invalid:
    description:
      - What becomes of an index that is not valid, since its build failed. One that somebody is building is left alone.
      - V(drop) drops it. One that belongs to a constraint or to a partitioned index is kept.
      - V(rebuild) rebuilds it. What a rebuild has left behind (C(_ccnew), C(_ccold)) is dropped here too.
      - V(keep) leaves it alone.
      - What a rebuild has left behind is kept where no valid index does the same, since it may be all that is left of it.
    type: str
    choices: [drop, rebuild, keep]
    default: drop
  max_affected:
    description:
      - How many indexes one run may work on, as a count or as a percentage of those looked at. Counted over the whole run,
        so that a loop does not defeat it.
    type: str
    default: "10"
notes:
  - The role has to own the table, or for a rebuild needs C(MAINTAIN) on it or C(pg_maintain) (PostgreSQL 17 and later). Only
    the owner of the table or the schema can drop an index, what a failed rebuild has left too.
  - O(lock_timeout) bounds how long a table is waited for that somebody alters, vacuums or builds an index of,
    O(wait_timeout) how long all takes. O(statement_timeout) holds for what is read only.
  - The index of an exclusion constraint cannot be rebuilt concurrently, and is kept. Of a partitioned table the indexes of
    the partitions are looked at one by one.
  - The index of a TOAST table can be named by a superuser only. C(REINDEX TABLE CONCURRENTLY) takes it along.
  - A standby is refused.
  - An index of a table that somebody locks against all cannot be read. It is waited for as long as O(lock_timeout), then the
    index is kept and named in RV(coverage); the others are worked on.
  - Not through a pooler in transaction mode, since the time-outs are the session's.
seealso:
  - module: opsbook.runbooks.postgres_vacuum
  - module: opsbook.runbooks.postgres_session_info
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
- name: Rebuild what is bloated
  opsbook.runbooks.postgres_reindex:
    login_host: db.media.example
    login_user: opsbook_operator
    login_password: "{{ media_operator_password }}"
    login_db: media
    ssl_mode: verify-full
    tables: [media_items, embeddings, search_history]
    wait_timeout: 3600

- name: See which indexes are bloated, and how much room a rebuild needs
  opsbook.runbooks.postgres_reindex:
    login_host: db.media.example
    login_user: opsbook_operator
    login_password: "{{ media_operator_password }}"
    login_db: media
    tables: ["*"]
  check_mode: true

- name: Rebuild one index, after its collation changed
  opsbook.runbooks.postgres_reindex:
    login_host: db.media.example
    login_user: opsbook_operator
    login_password: "{{ media_operator_password }}"
    login_db: media
    indexes: [public.media_items_title_idx]
"""

RETURN = r"""
changes:
  description: The indexes worked on, or that would be in check mode.
  returned: always
  type: list
  elements: dict
  contains:
    resource:
      description: The index, as C(postgres-index:host:port/database:schema.index).
      type: str
      sample: postgres-index:db.media.example:5432/media:public.media_items_pkey
    action:
      description: V(rebuild) or V(drop).
      type: str
      sample: rebuild
    before:
      description: What it needs; of one that is not valid that, and its definition when it is dropped.
      type: dict
    after:
      description: What it is then; null for one that is dropped.
      type: dict
    summary:
      description: The change in one line, with its reason and how much room it needs.
      type: str
    undo:
      description: Why there is nothing to undo; for one that is dropped the statement that would make it again.
      type: dict
    applied:
      description: Whether it has been done.
      type: bool
kept:
  description: The indexes that are left alone, each with its reason.
  returned: always
  type: list
  elements: dict
  sample: [{"resource": "postgres-index:db:5432/media:public.users_pkey", "reason": "smaller than minimum_size"}]
plan_digest:
  description: SHA-256 of the canonical plan.
  returned: always
  type: str
evidence:
  description: >-
    Whether each index that was rebuilt is valid, the same by its definition, and how large and how bloated it is now;
    whether each that was dropped is gone. Empty in check mode.
  returned: always
  type: list
  elements: dict
coverage:
  description: What was read and what could not be.
  returned: always
  type: dict
failed_resources:
  description: The indexes that could not be worked on, each with its reason and what was left behind.
  returned: always
  type: list
  elements: dict
"""

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.adapter import run_operation
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.options import LIMITS, WAIT, max_affected
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.connection import POSTGRES, connector, place_of
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.reindex import rebuild, rules_of


def main():
    run_operation(
        options=[POSTGRES, LIMITS, WAIT, max_affected("10"), {
            "tables": {"type": "list", "elements": "str", "default": []},
            "indexes": {"type": "list", "elements": "str", "default": []},
            "minimum_bloat_percent": {"type": "float", "default": 30.0},
            "minimum_size": {"type": "bytes", "default": "10MB"},
            "invalid": {"type": "str", "choices": ["drop", "rebuild", "keep"], "default": "drop"},
        }],
        operation=lambda options, run: rebuild(connector(options), run, place_of(options), rules_of(options)),
    )


if __name__ == "__main__":
    main()
