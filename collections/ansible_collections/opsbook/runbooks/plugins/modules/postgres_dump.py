#!/usr/bin/python
# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: postgres_dump
version_added: 0.1.0
short_description: Dump a PostgreSQL database, prove the dump, and let old ones go
description:
  - Dumps a database with C(pg_dump) under a name of its own, into a folder or an S3 bucket. No earlier dump is ever written
    over.
  - The dump gets its name only when it is proven. C(pg_dump) ended well, the dump can be read back, the rows of every table
    are in it, and every file's SHA-256 is known. The rows of each table are counted in the very snapshot that C(pg_dump)
    reads, with a checksum over them, and written into the manifest beside the dump, for
    M(opsbook.runbooks.postgres_restore_test) to compare with. The manifest also has the size of the database, how many large
    objects there are, which materialized views are filled, and how many rows of extensions' tables are dumped.
  - Where there is a good dump that is younger than O(not_within), none is made.
  - Dumps older than O(keep_for) go, after the new dump is proven. The newest O(keep) good ones stay, whatever their age, and
    so does what has no manifest of ours, is of another database or O(protected).
  - What a killed run left of an unfinished dump is removed by the next that makes one.
options:
  format:
    description:
      - V(custom) is one compressed file, V(directory) a folder of them, which O(jobs) can fill side by side. In a bucket
        only V(custom).
    type: str
    choices: [custom, directory]
    default: custom
  jobs:
    description:
      - How many tables are dumped at once, each on a connection of its own. More than one needs V(directory) as O(format).
    type: int
    default: 1
  not_within:
    description:
      - No dump is made where there is a good one younger than this, as V(5h). For a schedule of every six hours give a
        little less than six, since a run starts a little earlier or later than the last. Without it each run makes a dump.
    type: str
  keep:
    description:
      - At least as many good dumps stay, the newest, at least one.
    type: int
    default: 3
  keep_for:
    description:
      - Older dumps are deleted, as V(30d). Without it none is.
    type: str
  checksums:
    description:
      - Whether a checksum over the rows of each table is made, beside their number. All rows are read once more for that, in
        the snapshot of the dump, which is held so much longer (about a quarter of what C(pg_dump) takes, on one connection).
        With V(false) they are only counted, which takes less. A row whose text exceeds 1 GB cannot be added up; this has to
        be V(false) then.
    type: bool
    default: true
  max_affected:
    description:
      - How many dumps one run may make and delete, as a count or as a percentage of those that are there. Counted over the
        whole run. A new dump is never given up for it; what would be deleted beyond it is left for the next run.
    type: str
    default: "10"
notes:
  - There is nothing to undo in a dump. A deleted dump is gone.
  - The role needs C(SELECT) on every table and sequence, as by C(pg_read_all_data), and C(BYPASSRLS) where tables have
    row-level security. What it may not read is named, and no dump is made.
  - Not through a pooler in transaction mode, since the snapshot belongs to a session.
  - For the length of the dump a snapshot is held, which keeps C(VACUUM) from cleaning up what is deleted meanwhile, and a
    lock on each table that hinders only what drops, empties or rewrites it. O(lock_timeout) bounds how long it is waited
    for.
  - Roles, tablespaces and other databases of the server are not part of a dump.
  - Neither the contents of large objects nor the rows of materialized views are counted or added up; a restore makes the
    latter anew.
  - Before a dump the free space is compared with what the last one took and a fifth more, or where there is none with a
    quarter of the database's size.
  - O(wait_timeout) bounds all of it; a large database needs more than the default.
  - In a bucket that keeps parts of unfinished uploads a life-cycle rule has to remove those of a run that was killed.
seealso:
  - module: opsbook.runbooks.postgres_restore_test
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
- name: A dump every six hours, kept for a month
  opsbook.runbooks.postgres_dump:
    login_host: db.media.example
    login_user: opsbook_backup
    login_password: "{{ media_backup_password }}"
    login_db: media
    ssl_mode: verify-full
    name: media
    destination: /var/backups/media
    not_within: 5h
    keep_for: 30d
    keep: 8
    wait_timeout: 3600

- name: A dump before a change, into a bucket
  opsbook.runbooks.postgres_dump:
    login_host: db.media.example
    login_user: opsbook_backup
    login_password: "{{ media_backup_password }}"
    login_db: media
    name: media
    bucket: media-backups
    prefix: database/
    workspace: /var/tmp
    region: eu-central-1
"""

RETURN = r"""
changes:
  description: The dump made and those deleted, or that would be in check mode.
  returned: always
  type: list
  elements: dict
  contains:
    resource:
      description: The database, as C(postgres-database:host:port/database), or the dump, as C(postgres-dump:place/name).
      type: str
      sample: postgres-database:db.media.example:5432/media
    action:
      description: V(dump) or V(delete).
      type: str
      sample: dump
    before:
      description: Nothing, or whether the dump that goes is good.
      type: dict
    after:
      description: Where the dump is made, or nothing.
      type: dict
    summary:
      description: The change in one line, with the room it needs or its reason.
      type: str
    undo:
      description: Why there is nothing to undo, or no way back.
      type: dict
    applied:
      description: Whether it has been done.
      type: bool
kept:
  description: What stays, each with its reason; also the database where its newest dump is young enough.
  returned: always
  type: list
  elements: dict
  sample: [{"resource": "postgres-dump:/var/backups/media/media-20261120T020000Z.dump",
            "reason": "it is one of the newest 3 good ones"}]
dumps:
  description: The dumps that were there before, newest first, good or not.
  returned: always
  type: list
  elements: dict
  sample: [{"name": "media-20261120T020000Z.dump", "started": "2026-11-20T02:00:00+00:00", "size": 32684510, "good": true,
            "trouble": "", "database": "media", "tables": 14, "rows": 1000000}]
plan_digest:
  description: SHA-256 of the canonical plan.
  returned: always
  type: str
evidence:
  description: The dump that this run made, else the newest good one, with its tables, rows, what there is beside them and
    what C(pg_dump) warned of, and that what was deleted is gone. Empty in check mode.
  returned: always
  type: list
  elements: dict
coverage:
  description: What was read and what could not be.
  returned: always
  type: dict
failed_resources:
  description: What could not be made or deleted, each with its reason.
  returned: always
  type: list
  elements: dict
"""

import os

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.client import AWS
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.adapter import run_operation
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.options import LIMITS, WAIT, max_affected
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.connection import POSTGRES, connector, place_of
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.dump import dump_database
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.dump_places import DUMPS, place_of_dumps
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.dump_plan import wanted_of


def main():
    run_operation(
        options=[DUMPS, POSTGRES, AWS, LIMITS, WAIT, max_affected("10"), {
            "format": {"type": "str", "choices": ["custom", "directory"], "default": "custom"},
            "jobs": {"type": "int", "default": 1},
            "not_within": {"type": "str"},
            "keep": {"type": "int", "default": 3},
            "keep_for": {"type": "str"},
            "checksums": {"type": "bool", "default": True},
        }],
        operation=lambda options, run: dump_database(
            connector(options), run, place_of(options), place_of_dumps(options), wanted_of(options), options["bin_dir"],
            os.environ),
    )


if __name__ == "__main__":
    main()
