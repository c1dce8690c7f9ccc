#!/usr/bin/python
# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: elasticache_cluster_info
version_added: 0.1.0
short_description: Read the state of ElastiCache clusters
description:
  - Reads status, engine and nodes of Amazon ElastiCache clusters and replication groups.
  - One is healthy when it and all its nodes are available (also while a snapshot is being taken). One that is named and
    does not exist is unhealthy.
options:
  clusters:
    description:
      - The clusters and replication groups, by name or shell-style pattern. An empty list means all of the region.
      - The members of a replication group are read as its nodes, and on their own only when they are named.
    type: list
    elements: str
    default: []
notes:
  - The permissions needed are C(elasticache:DescribeCacheClusters) and C(elasticache:DescribeReplicationGroups).
extends_documentation_fragment:
  - opsbook.runbooks.aws
  - opsbook.runbooks.wait
  - opsbook.runbooks.result
  - opsbook.runbooks.result.reading
author:
  - opsbook contributors (@opsbook)
"""

EXAMPLES = r"""
- name: Read the cache of the shop
  opsbook.runbooks.elasticache_cluster_info:
    clusters: [shop-cache]
  register: cache

- name: Stop unless it is available
  ansible.builtin.assert:
    that: cache.verdict == "healthy"
"""

RETURN = r"""
clusters:
  description: The clusters and replication groups that could be read, sorted by name.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Its name.
      type: str
    type:
      description: V(cluster) or V(replication_group).
      type: str
    status:
      description: Its status, V(available) when it can be used.
      type: str
    engine:
      description: The engine.
      type: str
      sample: redis
    engine_version:
      description: The engine's version, empty where it is not known.
      type: str
    node_type:
      description: The type of its nodes.
      type: str
      sample: cache.t3.micro
    group:
      description: The replication group that a cluster is a member of, null where it is none.
      type: str
    nodes:
      description: Its nodes, of a replication group its members (its shards where those are not listed).
      type: list
      elements: dict
      contains:
        name:
          description: The node's name.
          type: str
        status:
          description: Its status.
          type: str
verdict:
  description: V(healthy), V(unhealthy), or V(unknown) where something could not be read or told.
  returned: always
  type: str
evidence:
  description: Expected and actual status of each cluster and of its nodes, in words.
  returned: always
  type: list
  elements: dict
coverage:
  description: What was read and what could not be.
  returned: always
  type: dict
"""

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.client import AWS, connector
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.elasticache_clusters import (
    collect_clusters,
    describe_clusters,
    evaluate_clusters,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.adapter import run_reading
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.operation import Reading
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.options import WAIT


def main():
    run_reading(
        options=[AWS, WAIT, {"clusters": {"type": "list", "elements": "str", "default": []}}],
        reading=lambda options, run: Reading(
            collect=lambda: collect_clusters(connector(options), run, options["clusters"]),
            evaluate=evaluate_clusters,
            describe=describe_clusters,
        ),
    )


if __name__ == "__main__":
    main()
