#!/usr/bin/python
# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_info
version_added: 0.1.0
short_description: Tell whether there is a recent, plausible backup
description:
  - Reads the backups of each source and tells whether the newest one is young enough and of plausible size.
  - A source that does not exist and a source without any backup are unhealthy; one that may not be read is unknown.
  - Only backups that can be restored count, neither those being made nor those deleted.
  - A size is implausible when it is 0, or less than a tenth of the size of the backup before.
options:
  dynamodb_tables:
    description:
      - Names of DynamoDB tables. Counted are on-demand backups and those that DynamoDB makes itself.
      - Backups made by AWS Backup are not listed by DynamoDB and not counted.
    type: list
    elements: str
    required: true
  max_age:
    description:
      - How old the newest backup may be, as V(90m), V(24h), V(7d).
    type: str
    default: 24h
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
    max_age: 24h
  register: backups

- name: Stop unless there is a recent backup of each table
  ansible.builtin.assert:
    that: backups.verdict == "healthy"
"""

RETURN = r"""
backups:
  description: The sources that could be read, in the order given.
  returned: always
  type: list
  elements: dict
  contains:
    source_type:
      description: What is backed up.
      type: str
      sample: dynamodb_table
    source:
      description: Its name.
      type: str
    exists:
      description: Whether the source itself is there.
      type: bool
    newest:
      description: The newest backup that can be restored, null where there is none.
      type: dict
      contains:
        name:
          description: The backup's name.
          type: str
        arn:
          description: Its ARN.
          type: str
        created:
          description: When it was requested, ISO 8601.
          type: str
        age_hours:
          description: Its age in hours.
          type: float
        size_bytes:
          description: Its size in bytes.
          type: int
        status:
          description: Its status, V(AVAILABLE).
          type: str
    count:
      description: How many backups can be restored, of the last 35 days or of twice O(max_age) where that is longer;
        older ones only where there is no other.
      type: int
verdict:
  description: V(healthy), V(unhealthy), or V(unknown) where something could not be read or told.
  returned: always
  type: str
evidence:
  description: Expected and actual age and size of the newest backup, two entries per source.
  returned: always
  type: list
  elements: dict
coverage:
  description: What was read and what could not be.
  returned: always
  type: dict
"""

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.backups import describe_backups, evaluate_backups
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.client import AWS, connector
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.dynamodb_backups import collect_table_backups
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.adapter import run_reading
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.durations import parse_duration
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.operation import Reading
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.options import WAIT


def reading(options, run):
    max_age = parse_duration(options["max_age"])
    return Reading(
        collect=lambda: collect_table_backups(connector(options), run, options["dynamodb_tables"], max_age),
        evaluate=lambda collected: evaluate_backups(collected, max_age),
        describe=describe_backups,
    )


def main():
    run_reading(
        options=[AWS, WAIT, {
            "dynamodb_tables": {"type": "list", "elements": "str", "required": True},
            "max_age": {"type": "str", "default": "24h"},
        }],
        reading=reading,
    )


if __name__ == "__main__":
    main()
