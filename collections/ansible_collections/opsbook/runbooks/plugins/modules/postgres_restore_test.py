#!/usr/bin/python
# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: postgres_restore_test
version_added: 0.1.0
short_description: Restore the newest dump of a PostgreSQL database into a database of its own, and compare
description:
  - Takes the newest good dump that M(opsbook.runbooks.postgres_dump) made, sees that its SHA-256 is the manifest's, restores
    it with C(pg_restore) into a new database, and compares every table's rows, and the checksum over them, with what was
    counted when the dump was made. A single error of C(pg_restore) is a failure.
  - The number of large objects, which materialized views are filled, and the rows of extensions' tables that are dumped are
    compared too. Not compared are the contents of large objects, the rows of materialized views, which a restore makes anew,
    and where sequences stand. Roles, owners, privileges, tablespaces, publications and subscriptions are not restored.
    RV(evidence) repeats that.
  - The new database is called C(opsbook_restore_MOMENT_TOKEN). It is dropped at the end, whatever happened. Those that
    killed tests left behind are dropped first, where no living test holds the lock of the database and nobody is connected
    to it. No other database is ever dropped.
  - The server is the one of the connection's options. It may, and rather should, be another one than the dump is of.
options:
  dump:
    description:
      - The name of the dump to test. Without it the newest good one.
    type: str
  jobs:
    description:
      - How many tables and indexes are restored at once, each on a connection of its own.
    type: int
    default: 1
  maximum_age:
    description:
      - A dump that is older fails the test, as V(24h), after it has been restored all the same. Check mode fails for it too.
    type: str
  not_within:
    description:
      - A dump that was restored whole less than this ago, as V(6d), is not restored again. A file beside the dump
        (C(NAME.restored.json)), which is written then, says when that was, where, and with how many rows. Without this each
        run restores, and nothing is written.
    type: str
  minimum_percent_of_previous:
    description:
      - A dump of less than so much of the size that the last five before it have in the middle fails the test, as one that
        is older than O(maximum_age) does.
    type: float
    default: 50.0
  extensions_left_out:
    description:
      - Extensions that are not created, since the role may not or the server has them not, as V(pg_stat_statements). What
        needs them cannot be restored then.
    type: list
    elements: str
    default: []
  free_space:
    description:
      - How much is free where the server keeps its data, as V(200GB), which PostgreSQL does not tell. A restore that may
        need more is refused before anything is made. Reckoned is the size that the database had, and as much for the WAL
        that writing it anew makes. Without this nothing is compared, and the change's summary says how much is needed.
    type: bytes
  max_affected:
    description:
      - How many databases one run may create and drop, as a count or as a percentage of the test's own and those that killed
        tests left behind.
    type: str
    default: 100%
notes:
  - A restore counts as a change, since a database is made and dropped on the server. There is nothing to undo.
  - In check mode nothing is restored. RV(dump) and RV(findings) tell of the dump, and the task fails where the dump is too
    old or too small, and where there is no good dump, the role may not create databases, or the server lacks an extension or
    room.
  - The role needs C(CREATEDB) and nothing else where all extensions are trusted. Owners, privileges, tablespaces,
    publications and subscriptions are left out. Roles that policies name have to exist on the server.
  - The server needs room for the tables and indexes of the database, and for WAL about as large, which stays there while a
    slot or an archive lags (O(free_space)). What a dump contains is executed there, as definitions of materialized views,
    with the rights of the role.
  - Not through a pooler, which may know no new databases, and takes a lock from the session that holds it.
  - O(wait_timeout) bounds all of it; a large database needs more than the default.
seealso:
  - module: opsbook.runbooks.postgres_dump
extends_documentation_fragment:
  - opsbook.runbooks.dumps
  - opsbook.runbooks.postgres
  - opsbook.runbooks.aws
  - opsbook.runbooks.limits
  - opsbook.runbooks.wait
  - opsbook.runbooks.result
  - opsbook.runbooks.result.changing
author:
  - opsbook contributors (@opsbook)
"""

EXAMPLES = r"""
- name: Restore the newest dump on the staging server
  opsbook.runbooks.postgres_restore_test:
    login_host: staging-db.media.example
    login_user: opsbook_restore
    login_password: "{{ media_staging_password }}"
    ssl_mode: verify-full
    name: media
    destination: /var/backups/media
    maximum_age: 24h
    jobs: 4
    free_space: 200GB
    extensions_left_out: [pg_stat_statements]
    wait_timeout: 7200

- name: Look at the newest dump in a bucket, without restoring it
  opsbook.runbooks.postgres_restore_test:
    login_host: staging-db.media.example
    login_user: opsbook_restore
    login_password: "{{ media_staging_password }}"
    name: media
    bucket: media-backups
    prefix: database/
    region: eu-central-1
  check_mode: true
"""

RETURN = r"""
changes:
  description: The restore, and the databases of killed tests that were dropped, or that would be in check mode.
  returned: always
  type: list
  elements: dict
  contains:
    resource:
      description: The dump, as C(postgres-dump:place/name), or a database, as C(postgres-database:name).
      type: str
      sample: postgres-dump:/var/backups/media/media-20261121T020000Z.dump
    action:
      description: V(restore) or V(drop).
      type: str
      sample: restore
    before:
      description: Nothing, or what left the database behind.
      type: dict
    after:
      description: That the dump is tested, or nothing.
      type: dict
    summary:
      description: The change in one line.
      type: str
    undo:
      description: Why there is nothing to undo.
      type: dict
    applied:
      description: Whether it has been done.
      type: bool
kept:
  description: Databases of other tests that are left alone, and dumps that seem to be made later than now, each with its
    reason; also the dump itself where it need not be restored again.
  returned: always
  type: list
  elements: dict
dump:
  description: The dump that is tested.
  returned: always
  type: dict
  sample: {"name": "media-20261121T020000Z.dump", "started": "2026-11-21T02:00:00+00:00", "size": 32684510, "good": true,
           "trouble": "", "database": "media", "tables": 14, "rows": 1000000, "age_hours": 6.5}
findings:
  description: What the dump's age and size say, also in check mode, which fails where any of it is not C(ok).
  returned: always
  type: list
  elements: dict
plan_digest:
  description: SHA-256 of the canonical plan.
  returned: always
  type: str
evidence:
  description: What the dump's age and size say, how what was restored compares with what was dumped, and what is not
    compared. Empty in check mode.
  returned: always
  type: list
  elements: dict
  sample: [{"check": "restored tables", "resource": "postgres-dump:/var/backups/media/media-20261121T020000Z.dump",
            "expected": {"tables": 14, "rows": 1000000, "large_objects": 0, "materialized_views": 1,
                         "rows_of_extensions": 0},
            "actual": {"tables": 14, "rows": 1000000, "checksums": true, "large_objects": 0, "materialized_views": 1,
                       "rows_of_extensions": 0, "not_compared": ["contents of large objects"]},
            "ok": true}]
coverage:
  description: What was read and what could not be.
  returned: always
  type: dict
failed_resources:
  description: What could not be restored or dropped, with its reason.
  returned: always
  type: list
  elements: dict
"""

import os

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.client import AWS
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.adapter import run_operation
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.options import LIMITS, WAIT, max_affected
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.connection import POSTGRES, connector, place_of
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.dump_places import DUMPS, place_of_dumps
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.restore_plan import trial_of
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.restore_test import try_restore


def main():
    run_operation(
        options=[DUMPS, POSTGRES, AWS, LIMITS, WAIT, max_affected("100%"), {
            "dump": {"type": "str"},
            "jobs": {"type": "int", "default": 1},
            "maximum_age": {"type": "str"},
            "not_within": {"type": "str"},
            "minimum_percent_of_previous": {"type": "float", "default": 50.0},
            "extensions_left_out": {"type": "list", "elements": "str", "default": []},
            "free_space": {"type": "bytes"},
        }],
        operation=lambda options, run: try_restore(
            connector(options), run, place_of(options), place_of_dumps(options), trial_of(options), options["bin_dir"],
            os.environ),
    )


if __name__ == "__main__":
    main()
