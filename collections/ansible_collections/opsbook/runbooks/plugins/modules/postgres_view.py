#!/usr/bin/python
# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: postgres_view
version_added: 0.1.0
short_description: Ensure a view of a PostgreSQL database
description:
  - Creates a view, replaces one whose definition is another, or drops one.
  - PostgreSQL keeps no text of a view, so the last line of its comment holds two digests, of the definition given and of
    what the server understood. A view is left alone while both are right. The lines above are somebody else's and stay.
  - A replaced view keeps its owner, privileges, triggers and options, and what depends on it goes on. PostgreSQL only adds
    columns at the end; a definition without one of the columns, or with another type, is refused.
  - The server plans a new definition beforehand in a read-only transaction, in check mode too, without reading a row. So
    mistakes in it are found before anything changes.
  - Nothing but a view is ever replaced or dropped, and nothing is dropped with it. A view that something depends on is not
    dropped; the failure names what does.
options:
  name:
    description:
      - The view's name, as it is, without quotes.
    type: str
    required: true
  schema:
    description:
      - The schema that it is in.
    type: str
    default: public
  definition:
    description:
      - One query, without a semicolon at its end, that begins with C(SELECT), C(WITH), C(VALUES) or C(TABLE). Needed for
        O(state=present).
      - Names without a schema are looked up in O(schema) and then in C(public), whatever the role's own search path is.
    type: str
  state:
    description:
      - Whether there is to be such a view.
    type: str
    choices: [present, absent]
    default: present
  max_affected:
    description:
      - How many views one run may change. Counted over the whole run, so that a loop does not defeat it.
    type: str
    default: "10"
notes:
  - The role needs C(CREATE) on the schema, and C(SELECT) on what the definition reads. To replace or drop a view it has to
    own it, or be a member of the role that does.
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
- name: Ensure the view of what goes on at this moment
  opsbook.runbooks.postgres_view:
    login_host: db.media.example
    login_user: opsbook_operator
    login_password: "{{ media_operator_password }}"
    login_db: media
    ssl_mode: verify-full
    name: active_operations
    definition: |
      SELECT 'upload' AS operation, count(*) AS count FROM media_items
      WHERE processing_status IN ('pending', 'processing')
      UNION ALL
      SELECT 'search', count(*) FROM search_history WHERE created_at > now() - interval '1 minute'

- name: Take away a view that nobody uses
  opsbook.runbooks.postgres_view:
    login_host: db.media.example
    login_user: opsbook_operator
    login_password: "{{ media_operator_password }}"
    login_db: media
    name: daily_totals
    schema: reports
    state: absent
"""

RETURN = r"""
changes:
  description: What is done to the view, or would be in check mode. Empty where it is as wanted.
  returned: always
  type: list
  elements: dict
  contains:
    resource:
      description: The view, as C(postgres-view:host:port/database:schema.view).
      type: str
      sample: postgres-view:db.media.example:5432/media:public.active_operations
    action:
      description: What is done to it, V(create), V(replace) or V(drop).
      type: str
      sample: replace
    before:
      description: The definition in the server's wording; null where there is no view.
      type: dict
    after:
      description: The definition wanted; null for no view.
      type: dict
    summary:
      description: The change in one line, with its reason.
      type: str
    undo:
      description: This module with the definition before, and what it does not bring back.
      type: dict
    applied:
      description: Whether it has been done.
      type: bool
kept:
  description: Always empty, as a view is either changed or as wanted.
  returned: always
  type: list
  elements: dict
plan_digest:
  description: SHA-256 of the canonical plan.
  returned: always
  type: str
evidence:
  description: Whether the view is as wanted, read again. Empty in check mode.
  returned: always
  type: list
  elements: dict
coverage:
  description: What was read and what could not be.
  returned: always
  type: dict
failed_resources:
  description: The view, where it could not be changed, with the reason.
  returned: always
  type: list
  elements: dict
"""

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.adapter import run_operation
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.options import LIMITS, WAIT, max_affected
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.connection import POSTGRES, connector, place_of
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.view_upkeep import ensure_view
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.views import desired_view


def main():
    run_operation(
        options=[POSTGRES, LIMITS, WAIT, max_affected("10"), {
            "name": {"type": "str", "required": True},
            "schema": {"type": "str", "default": "public"},
            "definition": {"type": "str"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        }],
        operation=lambda options, run: ensure_view(
            connector(options), run, desired_view(place_of(options), options)),
        required_if=[("state", "present", ["definition"])],
    )


if __name__ == "__main__":
    main()
