#!/usr/bin/python
# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: rds_instance_info
version_added: 0.1.0
short_description: Read state and free storage of RDS instances
description:
  - Reads status, size, free storage and connections of Amazon RDS instances.
  - An instance is healthy when it is available (also while it is being backed up or its storage optimised) and enough of its
    storage is free. Without a data point of the last 15 minutes the free storage is unknown.
  - Aurora's storage grows by itself and is not judged.
  - An instance that is named and does not exist is unhealthy.
options:
  instances:
    description:
      - The instances, by name or shell-style pattern. An empty list means every instance of the region.
    type: list
    elements: str
    default: []
  minimum_free_storage:
    description:
      - How much of the allocated storage must be free, in per cent.
    type: int
    default: 15
notes:
  - The permissions needed are C(rds:DescribeDBInstances) and C(cloudwatch:GetMetricData).
extends_documentation_fragment:
  - opsbook.runbooks.aws
  - opsbook.runbooks.wait
  - opsbook.runbooks.result
  - opsbook.runbooks.result.reading
author:
  - opsbook contributors (@opsbook)
"""

EXAMPLES = r"""
- name: Read the databases of the shop
  opsbook.runbooks.rds_instance_info:
    instances: [shop-orders, "shop-reports-*"]
    minimum_free_storage: 20
  register: databases

- name: Say how full they are
  ansible.builtin.debug:
    msg: "{{ databases.instances | items2dict(key_name='name', value_name='free_storage_percent') }}"
"""

RETURN = r"""
instances:
  description: The instances that could be read, sorted by name.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: The instance's name.
      type: str
    status:
      description: Its status, V(available) when it can be used.
      type: str
    engine:
      description: The engine.
      type: str
      sample: postgres
    engine_version:
      description: The engine's version.
      type: str
    instance_class:
      description: The instance class.
      type: str
      sample: db.t3.medium
    storage_gib:
      description: The storage allocated, in GiB.
      type: int
    maximum_storage_gib:
      description: What it may grow to by itself, in GiB, null where it does not grow.
      type: int
    free_storage_bytes:
      description: The storage that is free, null where that is not known.
      type: int
    free_storage_percent:
      description: The same in per cent of what is allocated.
      type: float
    connections:
      description: How many connections there are, null where that is not known.
      type: int
    multi_az:
      description: Whether it has a standby in another zone.
      type: bool
    endpoint:
      description: Host name to connect to, empty while it is being made.
      type: str
    port:
      description: Port to connect to, null while it is being made.
      type: int
    cluster:
      description: The cluster that it is part of, null where it is none.
      type: str
verdict:
  description: V(healthy), V(unhealthy), or V(unknown) where something could not be read or told.
  returned: always
  type: str
evidence:
  description: Expected and actual status and free storage of each instance, in words.
  returned: always
  type: list
  elements: dict
coverage:
  description: What was read and what could not be.
  returned: always
  type: dict
"""

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.client import AWS, connector
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.rds_instances import (
    collect_instances,
    describe_instances,
    evaluate_instances,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.adapter import run_reading
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.operation import Reading
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.options import WAIT


def main():
    run_reading(
        options=[AWS, WAIT, {
            "instances": {"type": "list", "elements": "str", "default": []},
            "minimum_free_storage": {"type": "int", "default": 15},
        }],
        reading=lambda options, run: Reading(
            collect=lambda: collect_instances(connector(options), run, options["instances"]),
            evaluate=lambda collected: evaluate_instances(collected, options["minimum_free_storage"]),
            describe=describe_instances,
        ),
    )


if __name__ == "__main__":
    main()
