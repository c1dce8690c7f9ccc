#!/usr/bin/python
# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: http_check
version_added: 0.1.0
short_description: Tell whether HTTP endpoints answer as they should
description:
  - Asks endpoints, several at once, and holds status, JSON fields, text, latency and the certificate's remaining days
    against what is expected.
  - Works in check mode like in any other, so that a health gate does not vanish from a dry run. Only methods that change
    nothing can be used.
  - An endpoint that cannot be reached, or whose certificate is not trusted, is unhealthy, with the reason. Nothing is
    sent to a server whose certificate is not trusted.
options:
  endpoints:
    description:
      - What to ask, and what is right.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: What the endpoint is called in the result.
        type: str
        required: true
      url:
        description:
          - An http or https address. A user name and password in it become basic authentication.
          - Never shown as it is, since it may carry a token; results have host, port and path.
        type: str
        required: true
      method:
        description: The HTTP method.
        type: str
        choices: [GET, HEAD, OPTIONS]
        default: GET
      status:
        description:
          - The statuses that are right. A redirect that is not among them is followed, at most five times.
        type: list
        elements: int
        default: [200]
      json:
        description:
          - Fields of the JSON body and the value each must have, the fields as dotted paths (C(checks.queue),
            C(items.0.id)). Each is compared on its own, types included.
        type: dict
        default: {}
      contains:
        description: Text that the body must contain.
        type: str
      headers:
        description:
          - Headers to send, to the URL's own origin only and not to where it redirects.
          - Their values are treated as secrets, anywhere in the result.
        type: dict
        default: {}
      timeout:
        description: Seconds an attempt may take in all.
        type: float
        default: 10.0
      max_latency_ms:
        description: Milliseconds from the start of the connection to the end of the body that are still right.
        type: float
      min_tls_days:
        description: Days that the certificate must still be valid, with https.
        type: float
        default: 14.0
      validate_certs:
        description:
          - Whether the certificate must be one that is trusted. With V(false) its end is looked at all the same, for an
            endpoint whose authority nobody here knows.
        type: bool
        default: true
  attempts:
    description:
      - How often an endpoint is asked until it is right. The last answer counts.
    type: int
    default: 1
  delay:
    description:
      - Seconds before the second attempt. Each further wait is half as long again, up to 15 seconds.
    type: float
    default: 1.0
  validate_certs:
    description:
      - Whether TLS certificates are verified. Their remaining days are looked at in any case.
    type: bool
    default: true
  ca_path:
    description:
      - A file of certificate authorities (PEM) to trust instead of the usual ones.
    type: path
notes:
  - Proxies of the environment are not used. The endpoint itself is checked.
  - At most 1 MiB of a body is read. What lies beyond is unknown, not wrong.
extends_documentation_fragment:
  - opsbook.runbooks.wait
  - opsbook.runbooks.result
  - opsbook.runbooks.result.reading
author:
  - opsbook contributors (@opsbook)
"""

EXAMPLES = r"""
- name: Ask the shop how it is
  opsbook.runbooks.http_check:
    endpoints:
      - name: api
        url: https://api.shop.example/health
        json: {status: ok, checks.database: ok}
        max_latency_ms: 2000
      - name: internal
        url: https://internal.shop.example/health
        headers: {Authorization: "Bearer {{ shop_token }}"}
    attempts: 3
  register: health

- name: Stop unless all is well
  ansible.builtin.assert:
    that: health.verdict == "healthy"
"""

RETURN = r"""
endpoints:
  description: The endpoints with their last answers, in the order given.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: The endpoint's name.
      type: str
    method:
      description: The method used.
      type: str
    address:
      description: Host, port and path, without user, password and query.
      type: str
      sample: api.shop.example:443/health
    status:
      description: The HTTP status, null where there was no answer.
      type: int
    latency_ms:
      description: Milliseconds the last attempt took, redirects included.
      type: float
    attempts:
      description: How often it was asked.
      type: int
    redirects:
      description: Where it was redirected to, each as host, port and path.
      type: list
      elements: str
    tls_expires:
      description: When the certificate expires, ISO 8601, the earliest of all origins; null without TLS.
      type: str
    tls_days_left:
      description: Days until then, negative when it has passed.
      type: float
    error:
      description: Why there was no answer, or why the certificate is not trusted; else empty.
      type: str
verdict:
  description: V(healthy), V(unhealthy), or V(unknown) where something could not be read or told.
  returned: always
  type: str
evidence:
  description: Expected and actual status, fields, text, latency and TLS days, entries per endpoint.
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
from ansible_collections.opsbook.runbooks.plugins.module_utils.http.check import (
    collect_endpoints,
    describe_endpoints,
    endpoints_of,
    evaluate_endpoints,
)

ENDPOINT = {
    "name": {"type": "str", "required": True},
    # The whole URL: it may carry a password or a token, and Ansible shows a module's arguments.
    "url": {"type": "str", "required": True, "no_log": True},
    "method": {"type": "str", "choices": ["GET", "HEAD", "OPTIONS"], "default": "GET"},
    "status": {"type": "list", "elements": "int", "default": [200]},
    "json": {"type": "dict", "default": {}},
    "contains": {"type": "str"},
    "headers": {"type": "dict", "default": {}, "no_log": True},
    "timeout": {"type": "float", "default": 10.0},
    "max_latency_ms": {"type": "float"},
    "min_tls_days": {"type": "float", "default": 14.0},
    "validate_certs": {"type": "bool", "default": True},
}


def main():
    run_reading(
        options=[WAIT, {
            "endpoints": {"type": "list", "elements": "dict", "required": True, "options": ENDPOINT},
            "attempts": {"type": "int", "default": 1},
            "delay": {"type": "float", "default": 1.0},
            "validate_certs": {"type": "bool", "default": True},
            "ca_path": {"type": "path"},
        }],
        reading=lambda options, run: Reading(
            collect=lambda: collect_endpoints(
                run, endpoints_of(options["endpoints"]), options["validate_certs"], options["ca_path"],
                options["attempts"], options["delay"]),
            evaluate=evaluate_endpoints,
            describe=describe_endpoints,
        ),
    )


if __name__ == "__main__":
    main()
