#!/usr/bin/python
# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_info
version_added: 0.1.0
short_description: Read the state of a Redis or Valkey server
description:
  - Reads memory, clients, hit rate, evictions, keys, replication and persistence of a server, and how fast it answers.
  - A server is healthy when it takes connections, keeps within its limits, can save what it is told to save, and, as a
    replica, has its primary.
  - A server that does not answer, that loads its data, or takes no more clients, is unhealthy. A refused login, a
    certificate that does not fit, or no encryption where it is asked for, is a failure of the module, since nothing is
    learned of the server from it.
  - No key is read.
options:
  limits:
    description:
      - What is right. What has no default is not looked at unless given.
    type: dict
    suboptions:
      maximum_memory_percent:
        description:
          - How much of C(maxmemory) may be used; of the machine's memory where C(maxmemory) is not set.
        type: float
        default: 90.0
      minimum_hit_rate_percent:
        description:
          - How many of a hundred reads must find their key, at least. Without any read there is no rate, and the verdict is
            unknown.
        type: float
      maximum_evictions_per_second:
        description:
          - How many keys a second may be thrown out for lack of memory.
          - Where O(interval) is 0 they are counted over one second, since an average since the start hides what happens
            now.
        type: float
      maximum_clients_percent:
        description:
          - How many of C(maxclients) may be connected. Where this is not given, V(80) on servers that tell C(maxclients), in
            C(INFO) or by C(CONFIG GET), and on others clients are not looked at, as the coverage says. Where it is given,
            the verdict on those others is unknown.
        type: float
      maximum_latency_ms:
        description:
          - The most milliseconds that a PING may take, the median of three.
        type: float
  interval:
    description:
      - Seconds between two looks, over which hit rate and evictions are taken. With V(0) there is one look, and they are
        those since the server was started or its counters were reset.
    type: float
    default: 0.0
notes:
  - The user's ACL must allow C(INFO). Without it the verdict is unknown. C(CONFIG GET) is asked only where C(INFO) does not
    tell C(maxclients).
extends_documentation_fragment:
  - opsbook.runbooks.redis
  - opsbook.runbooks.result
  - opsbook.runbooks.result.reading
author:
  - opsbook contributors (@opsbook)
"""

EXAMPLES = r"""
- name: Read the cache of the media system
  opsbook.runbooks.redis_info:
    login_host: cache.media.example
    login_password: "{{ media_cache_password }}"
    limits:
      maximum_memory_percent: 85
      minimum_hit_rate_percent: 80
  register: cache

- name: See what is evicted within ten seconds
  opsbook.runbooks.redis_info:
    login_host: cache.media.example
    login_password: "{{ media_cache_password }}"
    interval: 10
"""

RETURN = r"""
server:
  description: The server; null where it could not be read, like all that follows.
  returned: always
  type: dict
  contains:
    software:
      description: V(redis) or V(valkey).
      type: str
    version:
      description: Its version.
      type: str
    uptime_seconds:
      description: How long it runs.
      type: int
role:
  description: V(master) or V(slave), in the server's own words.
  returned: always
  type: str
latency_ms:
  description: Milliseconds that a PING took, the median of three; null where it is not allowed.
  returned: always
  type: float
ops_per_second:
  description: Commands a second, as the server measures it.
  returned: always
  type: int
hit_rate:
  description: How many reads found their key.
  returned: always
  type: dict
  contains:
    percent:
      description: How many of a hundred did; null where nothing was read.
      type: float
    hits:
      description: Reads that did.
      type: int
    misses:
      description: Reads that did not.
      type: int
    seconds:
      description: Over how long; null where the counters were reset in between.
      type: float
    basis:
      description: V(interval) or V(since start).
      type: str
evictions:
  description: Keys thrown out for lack of memory.
  returned: always
  type: dict
  contains:
    total:
      description: All since the counters began.
      type: int
    per_second:
      description: How many a second.
      type: float
    seconds:
      description: Over how long; null where the counters were reset in between.
      type: float
    basis:
      description: V(interval) or V(since start).
      type: str
memory:
  description: Memory.
  returned: always
  type: dict
  contains:
    used_bytes:
      description: Bytes used by data and buffers.
      type: int
    limit_bytes:
      description: Bytes that there may be.
      type: int
    limit:
      description: What that limit is, V(maxmemory) or V(machine).
      type: str
    percent:
      description: How much of it is used. Against the machine this is the process's resident memory.
      type: float
    policy:
      description: The setting C(maxmemory-policy).
      type: str
clients:
  description: Clients.
  returned: always
  type: dict
  contains:
    connected:
      description: How many are connected, our own connection included.
      type: int
    maximum:
      description: The setting C(maxclients), null where the server does not tell.
      type: int
    blocked:
      description: How many wait in a blocking command.
      type: int
    rejected:
      description: How many were turned away since the counters began.
      type: int
    percent:
      description: Connected clients as a part of the maximum.
      type: float
databases:
  description: The databases that hold keys.
  returned: always
  type: list
  elements: dict
  contains:
    database:
      description: Its number.
      type: int
    keys:
      description: How many keys it holds.
      type: int
    expiring:
      description: How many of them expire.
      type: int
replication:
  description: Replication.
  returned: always
  type: dict
  contains:
    replicas:
      description: How many replicas are connected.
      type: int
    link:
      description: State of a replica's link to its primary, V(up) or V(down); null on a primary.
      type: str
persistence:
  description: Persistence.
  returned: always
  type: dict
  contains:
    loading:
      description: Whether it loads its data.
      type: bool
    last_save:
      description: How the last snapshot ended, V(ok) or V(err).
      type: str
    append_only:
      description: Whether it keeps an append-only file.
      type: bool
    last_write:
      description: How the last write to that file ended.
      type: str
    unsaved_changes:
      description: Changes since the last snapshot.
      type: int
verdict:
  description: V(healthy), V(unhealthy), or V(unknown) where something could not be read.
  returned: always
  type: str
evidence:
  description: Expected and actual connection, memory, clients, persistence, and what else is limited.
  returned: always
  type: list
  elements: dict
coverage:
  description: What was read and what could not be; in C(left_out) what could not be either and no limit was given for.
  returned: always
  type: dict
"""

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.adapter import run_reading
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.operation import Reading
from ansible_collections.opsbook.runbooks.plugins.module_utils.redis.connection import REDIS, connector, place_of
from ansible_collections.opsbook.runbooks.plugins.module_utils.redis.server_health import describe_server, evaluate_server
from ansible_collections.opsbook.runbooks.plugins.module_utils.redis.server_state import collect_server, limits_of

LIMITS = {
    "maximum_memory_percent": {"type": "float", "default": 90.0},
    "minimum_hit_rate_percent": {"type": "float"},
    "maximum_evictions_per_second": {"type": "float"},
    "maximum_clients_percent": {"type": "float"},
    "maximum_latency_ms": {"type": "float"},
}


def reading(options, run):
    limits = limits_of(options["limits"])
    return Reading(
        collect=lambda: collect_server(connector(options), run, place_of(options), limits, options["interval"]),
        evaluate=lambda collected: evaluate_server(collected, limits),
        describe=describe_server,
    )


def main():
    run_reading(
        options=[REDIS, {
            "limits": {"type": "dict", "options": LIMITS, "apply_defaults": True},
            "interval": {"type": "float", "default": 0.0},
        }],
        reading=reading,
    )


if __name__ == "__main__":
    main()
