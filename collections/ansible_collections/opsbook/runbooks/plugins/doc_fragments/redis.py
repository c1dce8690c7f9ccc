# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the Redis connection options, written once."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  login_host:
    description:
      - The server's host.
    type: str
    default: localhost
  login_port:
    description:
      - The server's port.
    type: int
    default: 6379
  login_user:
    description:
      - The user to log in as, on servers that have users (ACL).
    type: str
  login_password:
    description:
      - The password. Never logged.
    type: str
  tls:
    description:
      - Whether the connection is encrypted. A password travels in the clear without.
    type: bool
    default: true
  ca_certs:
    description:
      - A file of certificate authorities (PEM) to trust instead of the usual ones.
    type: path
  validate_certs:
    description:
      - Whether the server's certificate and name are verified.
    type: bool
    default: true
requirements:
  - redis >= 6 (the Python library)
notes:
  - B(Retries) - none. Connecting may take five seconds, an answer ten.
  - B(Certificates) - the name that is verified is O(login_host), so it must be the endpoint's own and no alias of it.
  - Connections carry the client name C(opsbook) where the user's ACL allows to say it.
"""
