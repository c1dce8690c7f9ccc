#!/usr/bin/python
# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: notify
version_added: 0.1.0
short_description: Send a message to several channels
description:
  - Sends one message to Slack, PagerDuty, e-mail and the other services that Apprise knows, all at once.
  - A channel that fails hides neither the others nor the result of the procedure. By default the task succeeds with a
    warning, and RV(failed_resources) names the channel and the reason.
  - In check mode nothing is sent and nobody is called; the messages are listed.
options:
  channels:
    description:
      - Where the message goes. An empty list sends nothing.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description:
          - How people call the channel. The URL is never shown.
        type: str
        required: true
      url:
        description:
          - The service and its tokens as an Apprise URL, as C(slack://tokenA/tokenB/tokenC/#operations),
            C(pagerduty://integrationkey@apikey), C(mailtos://user:password@mail.example.org?to=ops@example.org) or
            C(jsons://host/path).
        type: str
        required: true
      dedup_key:
        description:
          - The same for messages about one thing. PagerDuty updates one incident instead of raising several, and a
            message of O(severity=success) resolves it. Other services ignore it.
        type: str
        default: ''
      endpoint_url:
        description:
          - The service's address where it is not the usual one, as behind a proxy or in the lab. For Slack what comes
            before the tokens, for PagerDuty the whole address.
        type: str
        default: ''
  title:
    description:
      - The message's title.
    type: str
    required: true
  body:
    description:
      - The message's text. What is longer than the service allows is cut.
    type: str
    required: true
  severity:
    description:
      - What the message means; services show it by colour, PagerDuty by its own severity.
    type: str
    choices: [info, success, warning, failure]
    default: info
  fail_when_undelivered:
    description:
      - Whether the task fails when a channel did not take the message.
    type: bool
    default: false
  wait_timeout:
    description:
      - Seconds to wait for the services' answers in all. A task's own C(timeout) bounds it too, less two seconds.
    type: float
    default: 30.0
notes:
  - There is no undo. A message that was sent cannot be taken back.
  - Messages are sent at least once. A re-run after a crash sends them again, but where a deduplication key is taken.
  - It takes no guard and no limits, since a notice must go out also when the guard has refused the work.
requirements:
  - apprise >= 2.2
extends_documentation_fragment:
  - opsbook.runbooks.result
  - opsbook.runbooks.result.changing
author:
  - opsbook contributors (@opsbook)
"""

EXAMPLES = r"""
- name: Tell the team that the maintenance begins
  opsbook.runbooks.notify:
    channels:
      - name: operations
        url: "{{ vaulted_slack_url }}"
      - name: on-call
        url: "{{ vaulted_pagerduty_url }}"
        dedup_key: weekly-maintenance-shop
    title: Weekly maintenance of the shop begins
    body: Expect short interruptions until 04:00 UTC.

- name: Insist that the message arrives
  opsbook.runbooks.notify:
    channels: [{name: operations, url: "{{ vaulted_slack_url }}"}]
    title: The shop was failed over
    body: All traffic goes to the second region.
    severity: warning
    fail_when_undelivered: true
"""

RETURN = r"""
changes:
  description: The messages, an entry per channel.
  returned: always
  type: list
  elements: dict
  contains:
    resource:
      description: The channel, as C(channel:name).
      type: str
      sample: channel:operations
    action:
      description: What is done.
      type: str
      sample: send
    before:
      description: Nothing.
      type: dict
    after:
      description: The message, with title, body, severity and deduplication key.
      type: dict
    summary:
      description: The change in one line.
      type: str
    undo:
      description: Why there is no way back.
      type: dict
    applied:
      description: Whether the service has taken the message.
      type: bool
kept:
  description: Always empty.
  returned: always
  type: list
  elements: dict
plan_digest:
  description: SHA-256 of the canonical plan.
  returned: always
  type: str
evidence:
  description: Always empty; a service's answer is all there is to know of a delivery.
  returned: always
  type: list
  elements: dict
coverage:
  description: The channels that are ready, and those whose URL or library is not.
  returned: always
  type: dict
failed_resources:
  description: The channels that did not take the message, each with its reason.
  returned: always
  type: list
  elements: dict
  sample: [{"resource": "channel:operations", "reason": "Failed to send to Slack: error=500."}]
"""

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.adapter import run_operation
from ansible_collections.opsbook.runbooks.plugins.module_utils.notify.apprise_sender import open_channel
from ansible_collections.opsbook.runbooks.plugins.module_utils.notify.channels import (
    SEVERITIES,
    Channel,
    Notice,
    notify,
)

CHANNEL = {
    "name": {"type": "str", "required": True},
    "url": {"type": "str", "required": True, "no_log": True},
    "dedup_key": {"type": "str", "default": "", "no_log": False},
    "endpoint_url": {"type": "str", "default": ""},
}


def main():
    run_operation(
        options=[{
            "channels": {"type": "list", "elements": "dict", "required": True, "options": CHANNEL},
            "title": {"type": "str", "required": True},
            "body": {"type": "str", "required": True},
            "severity": {"type": "str", "choices": list(SEVERITIES), "default": "info"},
            "fail_when_undelivered": {"type": "bool", "default": False},
            "wait_timeout": {"type": "float", "default": 30.0},
        }],
        operation=lambda options, run: notify(
            run, [Channel(**channel) for channel in options["channels"]],
            Notice(options["title"], options["body"], options["severity"]), open_channel),
        tolerates=lambda options: not options["fail_when_undelivered"],
    )


if __name__ == "__main__":
    main()
