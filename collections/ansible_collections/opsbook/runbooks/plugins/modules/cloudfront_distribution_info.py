#!/usr/bin/python
# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: cloudfront_distribution_info
version_added: 0.1.0
short_description: Read the state of CloudFront distributions
description:
  - Reads Amazon CloudFront distributions, whether they are enabled and their configuration is in force everywhere.
  - A distribution is healthy when it is enabled and deployed. One whose change is still on its way, and one that is named
    and does not exist, is unhealthy.
  - Custom headers to origins are not read, since they may be secrets.
options:
  distributions:
    description:
      - The distributions, by id, alias or domain name, or shell-style pattern of these. An empty list means all of the
        account; a region does not matter.
    type: list
    elements: str
    default: []
notes:
  - The permission needed is C(cloudfront:ListDistributions).
extends_documentation_fragment:
  - opsbook.runbooks.aws
  - opsbook.runbooks.wait
  - opsbook.runbooks.result
  - opsbook.runbooks.result.reading
author:
  - opsbook contributors (@opsbook)
"""

EXAMPLES = r"""
- name: Read the distribution of the shop
  opsbook.runbooks.cloudfront_distribution_info:
    distributions: [shop.example.com]
  register: distribution

- name: Stop unless it is in force
  ansible.builtin.assert:
    that: distribution.verdict == "healthy"
"""

RETURN = r"""
distributions:
  description: The distributions that could be read, sorted by alias, or id where they have none.
  returned: always
  type: list
  elements: dict
  contains:
    id:
      description: Its id.
      type: str
    arn:
      description: Its ARN.
      type: str
    domain_name:
      description: The name that CloudFront gave it.
      type: str
      sample: d111111abcdef8.cloudfront.net
    aliases:
      description: Its other names.
      type: list
      elements: str
    status:
      description: V(Deployed), or V(InProgress) while a change is on its way.
      type: str
    enabled:
      description: Whether it answers requests.
      type: bool
    last_modified:
      description: When it last changed, ISO 8601.
      type: str
    origins:
      description: Host names of its origins.
      type: list
      elements: str
verdict:
  description: V(healthy), V(unhealthy), or V(unknown) where something could not be read or told.
  returned: always
  type: str
evidence:
  description: Expected and actual state, an entry a distribution.
  returned: always
  type: list
  elements: dict
coverage:
  description: What was read and what could not be.
  returned: always
  type: dict
"""

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.client import AWS, connector
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.cloudfront_distributions import (
    collect_distributions,
    describe_distributions,
    evaluate_distributions,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.adapter import run_reading
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.operation import Reading
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.options import WAIT


def main():
    run_reading(
        options=[AWS, WAIT, {"distributions": {"type": "list", "elements": "str", "default": []}}],
        reading=lambda options, run: Reading(
            collect=lambda: collect_distributions(connector(options), run, options["distributions"]),
            evaluate=evaluate_distributions,
            describe=describe_distributions,
        ),
    )


if __name__ == "__main__":
    main()
