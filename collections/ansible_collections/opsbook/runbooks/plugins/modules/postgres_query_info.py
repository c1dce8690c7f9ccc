#!/usr/bin/python
# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: postgres_query_info
version_added: 0.1.0
short_description: Read which statements of a PostgreSQL database take long
description:
  - Reads what the extension C(pg_stat_statements) has counted of the statements of a database, wherever its schema is.
  - Statements that differ in their constants only are one. It is unhealthy when its mean time is O(minimum_mean_ms) or more.
  - String literals are masked in every text, since the extension leaves them in some statements, passwords among them.
options:
  minimum_mean_ms:
    description:
      - Statements are told whose mean time of execution is at least as many milliseconds. V(0) tells all and judges none.
    type: float
    default: 100.0
  minimum_calls:
    description:
      - And that were called at least as often.
    type: int
    default: 1
  order_by:
    description:
      - What comes first, those with the largest total time, mean time or number of calls.
    type: str
    choices: [total, mean, calls]
    default: total
  limit:
    description:
      - How many statements are told. RV(matching) says how many there are.
    type: int
    default: 20
notes:
  - The role needs C(pg_monitor), or C(pg_read_all_stats), to see the statements of other roles. Without it their numbers are
    told and their texts are null, and the verdict is at best unknown.
  - Where the extension is not there, not loaded or counts nothing, the verdict is unknown, and RV(coverage) says what to do.
  - The server does not tell which application called a statement, so our own are among the others.
seealso:
  - module: opsbook.runbooks.postgres_session_info
extends_documentation_fragment:
  - opsbook.runbooks.postgres
  - opsbook.runbooks.result
  - opsbook.runbooks.result.reading
author:
  - opsbook contributors (@opsbook)
"""

EXAMPLES = r"""
- name: Read the slow statements of the media database
  opsbook.runbooks.postgres_query_info:
    login_host: db.media.example
    login_user: opsbook_monitor
    login_password: "{{ media_monitor_password }}"
    login_db: media
    ssl_mode: verify-full
  register: slow

- name: Say what takes most of the time, however fast
  opsbook.runbooks.postgres_query_info:
    login_host: db.media.example
    login_user: opsbook_monitor
    login_password: "{{ media_monitor_password }}"
    login_db: media
    minimum_mean_ms: 0
    limit: 5
"""

RETURN = r"""
queries:
  description: The statements, in the order that was asked for.
  returned: always
  type: list
  elements: dict
  contains:
    queryid:
      description: The server's number for it, null where the role may not see it.
      type: str
      sample: "-7605895714731228181"
    text:
      description: Its text, string literals masked, cut to 500 characters. Null where the role may not see it.
      type: str
      sample: SELECT subscription_tier FROM users WHERE email = $1
    user:
      description: The role that called it.
      type: str
    nested:
      description: Whether it was called inside of another statement, as by a function. False before PostgreSQL 14.
      type: bool
    calls:
      description: How often it was called.
      type: int
    mean_ms:
      description: Mean time of execution in milliseconds, without planning.
      type: float
    max_ms:
      description: The longest.
      type: float
    total_ms:
      description: All calls together.
      type: float
    percent:
      description: These as a part of RV(total_ms).
      type: float
    rows:
      description: Rows returned or changed, all calls together.
      type: int
    hit_percent:
      description: How many of its blocks were found in shared buffers. Null where it read none.
      type: float
    temp_blocks:
      description: Blocks of temporary files read and written.
      type: int
counted:
  description: How many different statements of this database are counted.
  returned: always
  type: int
matching:
  description: How many of them are slow enough and were called often enough.
  returned: always
  type: int
total_ms:
  description: Time of all statements of this database together, in milliseconds.
  returned: always
  type: float
since:
  description: When the counting began, ISO 8601. Null before PostgreSQL 14.
  returned: always
  type: str
dropped:
  description: How often the least used statements of the server were dropped for want of room. Null before PostgreSQL 14.
  returned: always
  type: int
verdict:
  description: V(healthy), V(unhealthy), or V(unknown) where something could not be read.
  returned: always
  type: str
evidence:
  description: Expected and actual mean time of each statement that takes too long.
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
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.statement_health import (
    describe_statements,
    evaluate_statements,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.statements import choice_of, collect_statements


def reading(options, run):
    choice = choice_of(options)
    return Reading(
        collect=lambda: collect_statements(connector(options), run, place_of(options), choice),
        evaluate=lambda collected: evaluate_statements(collected, choice),
        describe=describe_statements,
    )


def main():
    run_reading(
        options=[POSTGRES, {
            "minimum_mean_ms": {"type": "float", "default": 100.0},
            "minimum_calls": {"type": "int", "default": 1},
            "order_by": {"type": "str", "choices": ["total", "mean", "calls"], "default": "total"},
            "limit": {"type": "int", "default": 20},
        }],
        reading=reading,
    )


if __name__ == "__main__":
    main()
