#!/usr/bin/python
# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: postgres_session_info
version_added: 0.1.0
short_description: Read the sessions of a PostgreSQL server
description:
  - Reads who holds connections, in what state and for how long, who waits for whose locks, which transactions are prepared
    (two-phase commit) and still not ended, and how many connections are left beside those reserved.
  - A server is healthy when it gives a connection, enough are left, no transaction is forgotten or endless, and nobody
    waits for a lock.
  - A server that does not answer, starts or stops, or has no connection left, is unhealthy. A refused login, a certificate
    that does not fit, and whatever else a server or a pooler before it refuses, is a failure of the module, since nothing is
    learned of the server from it.
  - Statements are not read, since they may hold secrets.
options:
  limits:
    description:
      - What is right.
    type: dict
    suboptions:
      maximum_connections_percent:
        description:
          - How many of the connections that any role may take may be taken, that is of C(max_connections) without
            C(superuser_reserved_connections) and C(reserved_connections). Our own counts.
        type: float
        default: 80.0
      idle_in_transaction:
        description:
          - How long a session may leave a transaction alone, as V(90s), V(5m) or V(1h).
        type: str
        default: 5m
      oldest_transaction:
        description:
          - How long a transaction may last, and how long one may stay prepared, in any database of the server.
        type: str
        default: 1h
      maximum_blocked:
        description:
          - How many sessions may wait for others' locks. Waits of less than a second do not count, where the server tells
            since when one waits (PostgreSQL 14 and later).
        type: int
        default: 0
notes:
  - The role needs C(pg_monitor), or C(pg_read_all_stats), to see the sessions of other roles. Without it their state, times
    and addresses are null, and the verdict is at best unknown.
extends_documentation_fragment:
  - opsbook.runbooks.postgres
  - opsbook.runbooks.result
  - opsbook.runbooks.result.reading
author:
  - opsbook contributors (@opsbook)
"""

EXAMPLES = r"""
- name: Read the sessions of the media database
  opsbook.runbooks.postgres_session_info:
    login_host: db.media.example
    login_user: opsbook_monitor
    login_password: "{{ media_monitor_password }}"
    login_db: media
    ssl_mode: verify-full
    limits:
      idle_in_transaction: 10m
  register: sessions

- name: Say who holds most connections
  ansible.builtin.debug:
    msg: "{{ sessions.holders | first }}"
"""

RETURN = r"""
server:
  description: The server; null where it gave no connection.
  returned: always
  type: dict
  contains:
    version:
      description: Its version.
      type: str
    in_recovery:
      description: Whether it is a standby, or recovers.
      type: bool
    started_at:
      description: When it was started, ISO 8601.
      type: str
    role:
      description: The role that looked.
      type: str
    sees_all:
      description: Whether that role may see all of others' sessions.
      type: bool
connections:
  description: How many connections are taken; null where the server gave none.
  returned: always
  type: dict
  contains:
    used:
      description: Connections that clients have, our own included.
      type: int
    percent:
      description: These as a part of C(usable).
      type: float
    usable:
      description: Connections that any role may take.
      type: int
    maximum:
      description: The setting C(max_connections).
      type: int
    superuser_reserved:
      description: The setting C(superuser_reserved_connections).
      type: int
    reserved:
      description: The setting C(reserved_connections), 0 before PostgreSQL 16.
      type: int
states:
  description: How many sessions are in each state, V(hidden) where it may not be seen. Our own is left out.
  returned: always
  type: dict
  sample: {"active": 2, "idle": 7}
holders:
  description: Who holds connections, a group for each user, database, application and client, the largest first.
  returned: always
  type: list
  elements: dict
  contains:
    user:
      description: The role.
      type: str
    database:
      description: The database.
      type: str
    application:
      description: The name that the application gave.
      type: str
    client:
      description: The client's address, null for a Unix socket or where it may not be seen.
      type: str
    sessions:
      description: How many connections it holds.
      type: int
    states:
      description: How many of them are in each state.
      type: dict
blockers:
  description: Who is waited for. Those who wait for nobody themselves come first.
  returned: always
  type: list
  elements: dict
  contains:
    pid:
      description: Process id of the session; 0 is a prepared transaction.
      type: int
    user:
      description: Its role, null where it is no client's session.
      type: str
    application:
      description: Its application.
      type: str
    state:
      description: Its state.
      type: str
    blocks:
      description: Process ids of those that wait for it directly.
      type: list
      elements: int
    waits_itself:
      description: Whether it waits for another.
      type: bool
sessions:
  description: The clients' sessions, our own left out, the oldest first.
  returned: always
  type: list
  elements: dict
  contains:
    pid:
      description: The process id.
      type: int
    database:
      description: The database, null for a replication connection.
      type: str
    user:
      description: The role.
      type: str
    application:
      description: The name that the application gave.
      type: str
    client:
      description: The client's address, null for a Unix socket or where it may not be seen.
      type: str
    state:
      description: Its state, as V(idle) or V(idle in transaction), null where it may not be seen.
      type: str
    wait:
      description: What it waits for, its type and its event, null where for nothing.
      type: str
    connected_seconds:
      description: Age of the session.
      type: float
    state_seconds:
      description: How long it has been in its state.
      type: float
    transaction_seconds:
      description: Age of its transaction, null outside of one.
      type: float
    blocked_by:
      description: Process ids of those whose locks it waits for.
      type: list
      elements: int
    waiting_seconds:
      description: How long it has waited for a lock, null where it does not.
      type: float
    visible:
      description: Whether the role may see its state.
      type: bool
prepared_transactions:
  description: Prepared transactions of all databases, the oldest first. They have no session and hold their locks.
  returned: always
  type: list
  elements: dict
  contains:
    gid:
      description: The name that it can be ended by.
      type: str
    database:
      description: Its database.
      type: str
    user:
      description: The role that prepared it.
      type: str
    prepared_seconds:
      description: How long it has been prepared.
      type: float
verdict:
  description: V(healthy), V(unhealthy), or V(unknown) where something could not be read.
  returned: always
  type: str
evidence:
  description: Expected and actual connections, idle transactions, oldest transaction and blocked sessions.
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
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.session_health import (
    describe_sessions,
    evaluate_sessions,
    limits_of,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.sessions import collect_sessions

LIMITS = {
    "maximum_connections_percent": {"type": "float", "default": 80.0},
    "idle_in_transaction": {"type": "str", "default": "5m"},
    "oldest_transaction": {"type": "str", "default": "1h"},
    "maximum_blocked": {"type": "int", "default": 0},
}


def reading(options, run):
    limits = limits_of(options["limits"])
    return Reading(
        collect=lambda: collect_sessions(connector(options), run, place_of(options)),
        evaluate=lambda collected: evaluate_sessions(collected, limits),
        describe=describe_sessions,
    )


def main():
    run_reading(
        options=[POSTGRES, {"limits": {"type": "dict", "options": LIMITS, "apply_defaults": True}}],
        reading=reading,
    )


if __name__ == "__main__":
    main()
