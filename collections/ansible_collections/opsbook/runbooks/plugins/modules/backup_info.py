#!/usr/bin/python
# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_info
version_added: 0.1.0
short_description: Tell whether there is a recent, plausible backup
description:
  - Reads the backups of each source and tells whether the newest one is young enough and of plausible size. Sources are
    DynamoDB tables, RDS instances and what is dumped into S3 buckets.
  - A source that does not exist and a source without any backup are unhealthy; one that may not be read is unknown.
  - Only backups that can be restored count, neither those being made nor those deleted.
  - A size is implausible when it is less than a tenth of that of the backup before, and that of an object in S3 also when it
    is 0. A backup of an empty table is empty, which is a fault only after one that was not. A snapshot of RDS tells the
    storage allocated and not the data in it, so that its size is not judged.
  - Where patterns choose no table or no instance at all the verdict is V(unknown), however good all other backups are.
options:
  dynamodb_tables:
    description:
      - The DynamoDB tables, by name or shell-style pattern. Counted are on-demand backups and those that DynamoDB makes
        itself.
      - Backups made by AWS Backup are not listed by DynamoDB and not counted.
    type: list
    elements: str
  rds_instances:
    description:
      - The RDS instances, by name or shell-style pattern. Counted are the snapshots that RDS makes itself and those made by
        hand, of an instance in a cluster those of its cluster. A copy is as old as its original.
    type: list
    elements: str
  s3_backups:
    description:
      - What is dumped into S3 buckets. Each object under the prefix whose name fits the pattern counts as a backup of its
        own, the newest by the time that it was stored at.
      - More than 100,000 objects are not listed; then nothing is known of the source. A narrower O(s3_backups[].prefix) or
        O(s3_backups[].start_after) keeps it below.
    type: list
    elements: dict
    suboptions:
      name:
        description: What is backed up, for people; each its own.
        type: str
        required: true
      bucket:
        description: The bucket.
        type: str
        required: true
      prefix:
        description:
          - What the keys of the backups begin with, a folder or more, as V(media/archive-).
        type: str
        default: ""
      pattern:
        description:
          - What the names of the backups look like, shell-style, as V(*.dump). A name follows the last slash of a key.
          - What else lies under the prefix, such as checksums, is no backup.
        type: str
        default: "*"
      start_after:
        description:
          - The key after which the listing begins, with a date as C(strftime) writes it, as V(postgres/db-%Y%m%d), for keys
            that tell their date, the year first. The whole key, so it begins with the prefix.
          - The date is that of twice the greatest age and a day ago, in UTC. Older backups are not looked for.
        type: str
      max_age:
        description: How old the newest backup may be, where that is not O(max_age).
        type: str
  max_age:
    description:
      - How old the newest backup may be, as V(90m), V(24h), V(7d).
    type: str
    default: 24h
notes:
  - The permissions needed are C(dynamodb:DescribeTable), C(dynamodb:ListBackups) and for patterns C(dynamodb:ListTables);
    C(rds:DescribeDBInstances), C(rds:DescribeDBSnapshots) and for clusters C(rds:DescribeDBClusterSnapshots);
    C(s3:ListBucket).
extends_documentation_fragment:
  - opsbook.runbooks.aws
  - opsbook.runbooks.wait
  - opsbook.runbooks.result
  - opsbook.runbooks.result.reading
author:
  - opsbook contributors (@opsbook)
"""

EXAMPLES = r"""
- name: Read the backups of the shop
  opsbook.runbooks.backup_info:
    dynamodb_tables: [shop-orders, shop-products]
    rds_instances: ["shop-*"]
    s3_backups:
      - name: shop-search
        bucket: shop-backups
        prefix: search/
        pattern: "*.dump"
        start_after: search/%Y-%m-%d
        max_age: 7h
    max_age: 24h
  register: backups

- name: Stop unless there is a recent backup of each
  ansible.builtin.assert:
    that: backups.verdict == "healthy"
"""

RETURN = r"""
backups:
  description: The sources that could be read, tables, instances, then what is in S3. Those chosen by pattern, and all
    instances, are sorted by name, with what does not exist at the end; all else is in the order given.
  returned: always
  type: list
  elements: dict
  contains:
    source_type:
      description: What is backed up, V(dynamodb_table), V(rds_instance) or V(s3_backup).
      type: str
    source:
      description: Its name.
      type: str
    exists:
      description: Whether the source itself is there, of backups in S3 their bucket.
      type: bool
    newest:
      description: The newest backup that can be restored, null where there is none.
      type: dict
      contains:
        name:
          description: The backup's name, of an object its key.
          type: str
        arn:
          description: Its ARN.
          type: str
        created:
          description: When it was requested, of an object when it was stored, ISO 8601.
          type: str
        age_hours:
          description: Its age in hours.
          type: float
        size_bytes:
          description: Its size in bytes, null of a snapshot of RDS.
          type: int
        status:
          description: Its status, of an object its storage class.
          type: str
    count:
      description: How many backups can be restored. Of a table those of the last 35 days or of twice O(max_age), where that
        is longer; older ones only where there is no other. Of objects in S3 those that were listed and fit the pattern.
      type: int
    total_size_bytes:
      description: How much these objects in S3 hold together, in bytes; null of other sources.
      type: int
verdict:
  description: V(healthy), V(unhealthy), or V(unknown) where something could not be read or told.
  returned: always
  type: str
evidence:
  description: Expected and actual age of the newest backup of each source, and its size where something is expected of that.
  returned: always
  type: list
  elements: dict
coverage:
  description: What was read and what could not be.
  returned: always
  type: dict
"""

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.backup_sources import collect_backups
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.backups import describe_backups, evaluate_backups
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.client import AWS, connector
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.s3_backups import objects_of
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.adapter import run_reading
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.durations import parse_duration
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.operation import Reading
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.options import WAIT

SOURCES = ("dynamodb_tables", "rds_instances", "s3_backups")


def reading(options, run):
    max_age, places = parse_duration(options["max_age"]), objects_of(options["s3_backups"] or [])
    tables, instances = options["dynamodb_tables"] or [], options["rds_instances"] or []
    return Reading(
        collect=lambda: collect_backups(connector(options), run, tables, instances, places, max_age),
        evaluate=lambda collected: evaluate_backups(collected, max_age),
        describe=describe_backups,
    )


def main():
    run_reading(
        options=[AWS, WAIT, {
            "dynamodb_tables": {"type": "list", "elements": "str"},
            "rds_instances": {"type": "list", "elements": "str"},
            "s3_backups": {"type": "list", "elements": "dict", "options": {
                "name": {"type": "str", "required": True},
                "bucket": {"type": "str", "required": True},
                "prefix": {"type": "str", "default": ""},
                "pattern": {"type": "str", "default": "*"},
                "start_after": {"type": "str"},
                "max_age": {"type": "str"},
            }},
            "max_age": {"type": "str", "default": "24h"},
        }],
        reading=reading,
        required_one_of=[SOURCES],
    )


if __name__ == "__main__":
    main()
