# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the PostgreSQL connection options, written once."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  login_host:
    description:
      - The server's host. A path means the folder of its Unix socket.
    type: str
    default: localhost
  login_port:
    description:
      - The server's port.
    type: int
    default: 5432
  login_user:
    description:
      - The role to log in as.
    type: str
    default: postgres
  login_password:
    description:
      - The role's password. Never logged. Without it libpq's own chain decides (C(.pgpass), environment).
    type: str
  login_db:
    description:
      - The database to connect to.
    type: str
    default: postgres
  ssl_mode:
    description:
      - How TLS is used and what is verified, as libpq's C(sslmode).
    type: str
    choices: [allow, disable, prefer, require, verify-ca, verify-full]
    default: prefer
  ca_cert:
    description:
      - A file of certificate authorities (PEM) that V(verify-ca) and V(verify-full) trust.
    type: path
  connect_timeout:
    description:
      - Seconds that connecting may take, at least 1.
    type: int
    default: 5
  statement_timeout:
    description:
      - Seconds that a statement may take before the server ends it, at least 1. A server that has not answered at all
        after as long again, at most five seconds, is hung up on.
    type: int
    default: 30
  lock_timeout:
    description:
      - Seconds that a statement may wait for a lock, at least 1.
    type: int
    default: 5
requirements:
  - psycopg2 >= 2.9
notes:
  - Connections carry the application name C(opsbook).
  - A pooler between may be RDS Proxy or PgBouncer. Time-outs are set for one transaction and reach nobody else.
  - B(Certificates) - V(verify-full) wants the host name that the certificate was issued for, for RDS the endpoint's own, and
    O(ca_cert) the authority that issued it, for RDS U(https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem).
"""
