#!/usr/bin/python
# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: dns_check
version_added: 0.1.0
short_description: Tell whether DNS names resolve to what they should
description:
  - Looks names up, several at once, and compares their records with those expected.
  - A name that does not exist (C(NXDOMAIN)) or has no records of the type (C(NoAnswer)) is unhealthy.
  - A name server that fails (C(SERVFAIL), C(REFUSED)) or does not answer in time says nothing about the name. That is a
    gap in the coverage, and the verdict is unknown.
options:
  names:
    description:
      - What to look up.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: The domain name, complete. Search domains are not tried.
        type: str
        required: true
      type:
        description: The record type.
        type: str
        choices: [A, AAAA, CNAME, MX, TXT, NS]
        default: A
      expect:
        description:
          - The records there must be, all of them and no other, in any order. Without it any record will do.
          - Upper and lower case and a last dot do not matter, except in V(TXT). An V(MX) record is written as
            C(10 mail.shop.example).
        type: list
        elements: str
        default: []
  server:
    description:
      - The name server to ask, an IP address with an optional port, as V(10.0.0.2) or V([2001:db8::1]:53). Without it,
        those of the machine.
    type: str
  timeout:
    description:
      - Seconds a name may take.
    type: float
    default: 5.0
requirements:
  - dnspython >= 2.7
extends_documentation_fragment:
  - opsbook.runbooks.wait
  - opsbook.runbooks.result
  - opsbook.runbooks.result.reading
author:
  - opsbook contributors (@opsbook)
"""

EXAMPLES = r"""
- name: Look up the names of the shop
  opsbook.runbooks.dns_check:
    names:
      - name: api.shop.example
        expect: [192.0.2.10, 192.0.2.11]
      - name: www.shop.example
        type: CNAME
        expect: [api.shop.example]
  register: names

- name: Stop unless they resolve
  ansible.builtin.assert:
    that: names.verdict == "healthy"
"""

RETURN = r"""
names:
  description: The names that a name server answered for, in the order given.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: The name that was looked up.
      type: str
    type:
      description: The record type.
      type: str
    outcome:
      description: V(answered), V(NXDOMAIN) (no such name) or V(NoAnswer) (no records of that type).
      type: str
    records:
      description: The records, sorted; addresses for type V(A).
      type: list
      elements: str
    ttl:
      description: Seconds the answer may be kept, null without one.
      type: int
    canonical_name:
      description: What the name is an alias of, itself where it is none; empty without an answer.
      type: str
verdict:
  description: V(healthy), V(unhealthy), or V(unknown) where something could not be read or told.
  returned: always
  type: str
evidence:
  description: Expected and actual records, an entry per name.
  returned: always
  type: list
  elements: dict
coverage:
  description: What was read and what could not be.
  returned: always
  type: dict
"""

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.adapter import run_reading
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.operation import Reading
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.options import WAIT
from ansible_collections.opsbook.runbooks.plugins.module_utils.http.dns import (
    collect_names,
    describe_names,
    evaluate_names,
    questions_of,
)

NAME = {
    "name": {"type": "str", "required": True},
    "type": {"type": "str", "choices": ["A", "AAAA", "CNAME", "MX", "TXT", "NS"], "default": "A"},
    "expect": {"type": "list", "elements": "str", "default": []},
}


def main():
    run_reading(
        options=[WAIT, {
            "names": {"type": "list", "elements": "dict", "required": True, "options": NAME},
            "server": {"type": "str"},
            "timeout": {"type": "float", "default": 5.0},
        }],
        reading=lambda options, run: Reading(
            collect=lambda: collect_names(run, questions_of(options["names"]), options["server"], options["timeout"]),
            evaluate=evaluate_names,
            describe=describe_names,
        ),
    )


if __name__ == "__main__":
    main()
