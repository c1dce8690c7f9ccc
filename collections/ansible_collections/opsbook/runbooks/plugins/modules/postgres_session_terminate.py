#!/usr/bin/python
# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: postgres_session_terminate
version_added: 0.1.0
short_description: End sessions of a PostgreSQL server that have been in a state for too long
description:
  - Ends sessions that have been idle, idle in a transaction, or at one statement for longer than they may. A statement is
    cancelled first, and its session ended only if that did not help.
  - Never ended are sessions of superusers, of PostgreSQL's own tools (C(pg_dump), C(vacuumdb) and the like), sessions that
    vacuum, analyze, build an index or make a base backup, replication, our own, and those of O(protected) names.
  - A session is signalled only if it is still in the same state since the same moment as when it was planned. One that is
    gone or at work again by then is left alone, which is no failure.
  - Where more sessions are past their time than O(max_affected) allows, those are ended that have been in their state for
    longest, and the others are kept for another run.
options:
  idle:
    description:
      - End sessions that have been idle for longer, as V(15m). By default such are left alone.
    type: str
  idle_in_transaction:
    description:
      - End sessions that have left a transaction alone for longer. By default such are left alone.
    type: str
  running:
    description:
      - Cancel statements that take longer, and end the sessions of those that do not stop. By default such are left alone.
    type: str
  applications:
    description:
      - Only sessions of these applications, by name or shell-style pattern.
    type: list
    elements: str
  users:
    description:
      - Only sessions of these roles, by name or shell-style pattern.
    type: list
    elements: str
  databases:
    description:
      - Only sessions in these databases, by name or shell-style pattern. By default in any of the server.
    type: list
    elements: str
  clients:
    description:
      - Only sessions from these addresses, by address or shell-style pattern.
    type: list
    elements: str
  max_affected:
    description:
      - How many sessions one run may end, as a count or as a percentage of all sessions of clients. Counted over the whole
        run, so that a loop does not defeat it. What is past its time beyond that is kept, and RV(kept) says so.
    type: str
    default: "20"
notes:
  - There is no undo. An open transaction of an ended session is rolled back.
  - The role needs C(pg_signal_backend), and C(pg_monitor) or C(pg_read_all_stats) to see the state of others' sessions.
    Sessions whose state may not be seen are kept, and RV(coverage) says so. Those whose state the server does not keep,
    since their C(track_activities) is off, are kept too, and RV(kept) says so.
  - At least one of O(idle), O(idle_in_transaction) and O(running) is needed.
seealso:
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
- name: End what has been idle for a quarter of an hour
  opsbook.runbooks.postgres_session_terminate:
    login_host: db.media.example
    login_user: opsbook_operator
    login_password: "{{ media_operator_password }}"
    login_db: media
    ssl_mode: verify-full
    idle: 15m

- name: See which sessions of the worker would be ended, without ending any
  opsbook.runbooks.postgres_session_terminate:
    login_host: db.media.example
    login_user: opsbook_operator
    login_password: "{{ media_operator_password }}"
    login_db: media
    idle_in_transaction: 5m
    applications: [worker*]
    max_affected: 100%
  check_mode: true
"""

RETURN = r"""
changes:
  description: The sessions ended, or that would be in check mode.
  returned: always
  type: list
  elements: dict
  contains:
    resource:
      description: The session, as C(postgres-session:host:port/database:pid).
      type: str
      sample: postgres-session:db.media.example:5432/media:4711
    action:
      description: What is done to it.
      type: str
      sample: end
    before:
      description: Whose session it is, its state and since when it is in it.
      type: dict
    after:
      description: Nothing; the session is gone.
      type: dict
    summary:
      description: The change in one line.
      type: str
    undo:
      description: Why there is no way back.
      type: dict
    applied:
      description: Whether it has been done.
      type: bool
kept:
  description: The sessions that are past their time and stay, each with its reason.
  returned: always
  type: list
  elements: dict
  sample: [{"resource": "postgres-session:db:5432/media:12", "reason": "pid 12 of root@media: its role is a superuser"}]
plan_digest:
  description: SHA-256 of the canonical plan.
  returned: always
  type: str
evidence:
  description: Whether each session is gone afterwards, or was at work again before it was signalled. Empty in check mode.
  returned: always
  type: list
  elements: dict
coverage:
  description: What was read and what could not be.
  returned: always
  type: dict
failed_resources:
  description: The sessions that could not be ended, each with its reason.
  returned: always
  type: list
  elements: dict
"""

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.adapter import run_operation
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.options import LIMITS, WAIT, max_affected
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.connection import POSTGRES, connector, place_of
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.session_end import end_sessions, rules_of


def main():
    names = {"type": "list", "elements": "str"}
    run_operation(
        options=[POSTGRES, LIMITS, WAIT, max_affected("20"), {
            "idle": {"type": "str"}, "idle_in_transaction": {"type": "str"}, "running": {"type": "str"},
            "applications": names, "users": names, "databases": names, "clients": names,
        }],
        operation=lambda options, run: end_sessions(
            connector(options), run, place_of(options), rules_of(options)),
        required_one_of=[("idle", "idle_in_transaction", "running")],
    )


if __name__ == "__main__":
    main()
