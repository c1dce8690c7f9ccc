#!/usr/bin/python
# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: lambda_version_prune
version_added: 0.1.0
short_description: Delete old versions of Lambda functions that nothing uses
description:
  - Deletes published versions of AWS Lambda functions, several functions at once.
  - Kept are C($LATEST), versions behind an alias (also those that only get a share of its traffic), versions with
    provisioned concurrency, versions that an event source mapping invokes, and the newest O(keep).
  - When anything of that could not be read, nothing is deleted.
options:
  function_names:
    description:
      - The functions, by name (not ARN) or shell-style pattern; V(*) means every function of the region, an empty list none.
    type: list
    elements: str
    required: true
  keep:
    description:
      - How many of the newest versions of each function stay, besides those in use; at least 1.
    type: int
    default: 3
  max_affected:
    description:
      - How many versions one run may delete, as a count or as a percentage of the published versions of the chosen
        functions. Counted over the whole run, so that a loop does not defeat it.
    type: str
    default: 75%
notes:
  - There is no undo. A deleted version cannot be restored.
  - Versions pinned by number elsewhere (another account's configuration, a client's code) cannot be seen. Protect them
    as C(function:version) in O(protected).
seealso:
  - module: opsbook.runbooks.lambda_function_info
extends_documentation_fragment:
  - opsbook.runbooks.aws
  - opsbook.runbooks.limits
  - opsbook.runbooks.wait
  - opsbook.runbooks.result
  - opsbook.runbooks.result.changing
author:
  - opsbook contributors (@opsbook)
"""

EXAMPLES = r"""
- name: Keep the five newest versions of each function of the shop
  opsbook.runbooks.lambda_version_prune:
    function_names: ["shop-*"]
    keep: 5

- name: See what would go, without deleting
  opsbook.runbooks.lambda_version_prune:
    function_names: [shop-orders]
  check_mode: true
  diff: true
"""

RETURN = r"""
changes:
  description: The versions deleted, or that would be in check mode.
  returned: always
  type: list
  elements: dict
  contains:
    resource:
      description: The version, as C(lambda-version:function:number).
      type: str
      sample: lambda-version:shop-orders:7
    action:
      description: What is done to it.
      type: str
      sample: delete
    before:
      description: SHA-256 of its code.
      type: dict
    after:
      description: Nothing; the version is gone.
      type: dict
    summary:
      description: The change in one line.
      type: str
    undo:
      description: Why there is no way back.
      type: dict
    applied:
      description: Whether it has been done.
      type: bool
kept:
  description: The versions that stay, each with its reason.
  returned: always
  type: list
  elements: dict
  sample: [{"resource": "lambda-version:shop-orders:9", "reason": "used by alias live"}]
plan_digest:
  description: SHA-256 of the canonical plan.
  returned: always
  type: str
evidence:
  description: The versions expected and seen afterwards, an entry per function. Empty in check mode.
  returned: always
  type: list
  elements: dict
coverage:
  description: What was read and what could not be.
  returned: always
  type: dict
failed_resources:
  description: What could not be deleted, each with its reason.
  returned: always
  type: list
  elements: dict
"""

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.client import AWS, connector
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.lambda_versions import prune
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.adapter import run_operation
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.options import LIMITS, WAIT, max_affected


def main():
    run_operation(
        options=[AWS, LIMITS, WAIT, max_affected("75%"), {
            "function_names": {"type": "list", "elements": "str", "required": True},
            "keep": {"type": "int", "default": 3},
        }],
        operation=lambda options, run: prune(connector(options), run, options["function_names"], options["keep"]),
    )


if __name__ == "__main__":
    main()
