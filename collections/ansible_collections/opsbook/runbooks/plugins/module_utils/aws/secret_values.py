# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Values of secrets, for what a reference names: a signing key, a secret parameter. Operations never read any.

Source: Secrets Manager API reference, GetSecretValue.
"""

from __future__ import annotations

import json

from ..core.errors import OperationError
from .client import Connect
from .errors import explaining


def read_secret_value(connect: Connect, name: str, field: str = "") -> str:
    """The current value of a secret.

    :param name: its name or ARN
    :param field: a field of a value that is a JSON object; empty: the value as it is
    :raises OperationError: when it cannot be read, is no text, or has no such field; the value is never part of it
    """
    with explaining("read the value of a secret", name):
        value = connect("secretsmanager").get_secret_value(SecretId=name).get("SecretString")
    if value is None:
        raise OperationError("read the value of a secret", name, "it is binary, not text")
    return _field(name, str(value), field) if field else str(value)


def _field(name: str, value: str, field: str) -> str:
    try:
        found = json.loads(value)[field]
    except (ValueError, KeyError, TypeError, IndexError):
        # Without its cause: the message of a JSON error quotes what it could not read.
        raise OperationError("read the value of a secret", name, f"it has no field {field!r}") from None
    return found if isinstance(found, str) else json.dumps(found)
