#!/usr/bin/python
# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: sqs_queue_info
version_added: 0.1.0
short_description: Read how full SQS queues are
description:
  - Reads how many messages wait in Amazon SQS queues, are in flight or delayed, how old the oldest is, and how many lie in
    their dead-letter queues.
  - A queue is healthy when no more messages wait than may, the oldest is young enough where that matters, and its
    dead-letter queue exists and is empty. The counts are SQS's own approximations.
  - A queue that is named and does not exist is unhealthy.
options:
  queues:
    description:
      - The queues and what is right for them. An empty list means every queue of the region.
      - Where several fit a queue, its own name counts more than a pattern, and an earlier pattern more than a later one.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the queue, or a shell-style pattern of names.
        type: str
        required: true
      maximum_depth:
        description: How many messages may wait.
        type: int
        default: 1000
      maximum_age:
        description:
          - How old the oldest message may be, as V(90s), V(15m), V(2h). Without it nobody asks.
          - It is read from CloudWatch, which knows it of queues that hold messages. Such a queue without a data point is
            unknown.
        type: str
  allow_dead_letters:
    description:
      - Whether messages may lie in dead-letter queues.
    type: bool
    default: false
notes:
  - The permissions needed are C(sqs:ListQueues), C(sqs:GetQueueAttributes), C(sqs:ListDeadLetterSourceQueues) (unless
    O(allow_dead_letters)) and C(cloudwatch:GetMetricData) where an age is asked for.
extends_documentation_fragment:
  - opsbook.runbooks.aws
  - opsbook.runbooks.wait
  - opsbook.runbooks.result
  - opsbook.runbooks.result.reading
author:
  - opsbook contributors (@opsbook)
"""

EXAMPLES = r"""
- name: Read the queues of the media pipeline
  opsbook.runbooks.sqs_queue_info:
    queues:
      - name: media-processing
        maximum_depth: 500
        maximum_age: 15m
      - name: media-*
  register: queues

- name: Stop unless all are being worked on
  ansible.builtin.assert:
    that: queues.verdict == "healthy"
    fail_msg: "{{ queues.evidence | rejectattr('ok') | list }}"
"""

RETURN = r"""
queues:
  description: The queues that could be read, sorted by name.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: The queue's name.
      type: str
    url:
      description: Its URL.
      type: str
    visible:
      description: How many messages wait to be received.
      type: int
    in_flight:
      description: How many were received and not deleted yet.
      type: int
    delayed:
      description: How many cannot be received yet.
      type: int
    oldest_age_seconds:
      description: Age of the oldest message, 0 without messages, null where it is not known or nobody asked.
      type: float
    dead_letter_queue:
      description: Name of its dead-letter queue, null where it has none.
      type: str
    maximum_receives:
      description: How often a message is received before it goes there, null where it has none.
      type: int
    dead_letters:
      description: How many messages lie there, null where it has none, or where they could not be counted.
      type: int
    dead_letter_for:
      description: The queues whose dead letters it holds, empty while it holds no message.
      type: list
      elements: str
verdict:
  description: V(healthy), V(unhealthy), or V(unknown) where something could not be read or told.
  returned: always
  type: str
evidence:
  description: Expected and actual depth and age of each queue, and what lies in each dead-letter queue, in words.
  returned: always
  type: list
  elements: dict
coverage:
  description: What was read and what could not be.
  returned: always
  type: dict
"""

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.client import AWS, connector
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.sqs_queues import (
    collect_queues,
    describe_queues,
    evaluate_queues,
    wanted_of,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.adapter import run_reading
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.operation import Reading
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.options import WAIT


def reading(options, run):
    wanted, allowed = wanted_of(options["queues"]), options["allow_dead_letters"]
    return Reading(
        collect=lambda: collect_queues(connector(options), run, wanted, allowed),
        evaluate=lambda collected: evaluate_queues(collected, wanted, allowed),
        describe=describe_queues,
    )


def main():
    run_reading(
        options=[AWS, WAIT, {
            "queues": {"type": "list", "elements": "dict", "default": [], "options": {
                "name": {"type": "str", "required": True},
                "maximum_depth": {"type": "int", "default": 1000},
                "maximum_age": {"type": "str"},
            }},
            "allow_dead_letters": {"type": "bool", "default": False},
        }],
        reading=reading,
    )


if __name__ == "__main__":
    main()
