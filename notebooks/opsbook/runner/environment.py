"""What of the operator's environment a kernel gets, and which of its values are never kept."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.references import ENVIRONMENT
from opsbook.runner.scrub import IN_ADDRESS, SHORTEST, WITHHELD

OWN = "OPSBOOK_"
"""How the names of opsbook's own variables begin: the signing key, and the logins that inventories look up. What of it an
investigation needs is in its case."""

CREDENTIAL = re.compile(
    r"(?i)(?:secret|(?:password|passwd|passphrase|token|credentials?|authorization)s?(?:_?\d+)?$"
    r"|(?:^|_)(?:key|apikey|pass|pwd|auth|cookie|jwt)(?:_?\d+)?$)")
"""Names of variables whose values are credentials: AWS_SECRET_ACCESS_KEY, PGPASSWORD, CI_JOB_TOKEN, MYSQL_PWD, API_KEY."""

ELSEWHERE = re.compile(
    r"(?i)(?:^(?:old)?pwd|_(?:file|path|dir|folder|sock|uri|arn|id|name|backend|provider|store|region|version|expiration"
    r"|helper|command))$")
"""Names of variables that only say where or what a credential is."""

REFERENCE = re.compile(r"(?:env|file|secretsmanager):\S+")


def kernel_environment(environ: Mapping[str, str], signing_key: str) -> dict[str, str]:
    """The environment without what signs records and without opsbook's own variables.

    :param signing_key: the reference to the key, as it is set; empty where records are not signed
    """
    dropped = _variable(signing_key)
    return {name: value for name, value in environ.items() if name != dropped and not name.startswith(OWN)}


def environment_credentials(
    environ: Mapping[str, str], signing_key: str, is_there: Callable[[str], bool] = os.path.exists
) -> dict[str, str]:
    """The credentials among an environment's variables; what signs records too, since a kernel can look into its runner's.

    :param is_there: whether a path exists: a value that is one is no credential
    :returns: what each is called in messages, and its value
    """
    found = {}
    for name, value in environ.items():
        address = IN_ADDRESS.match(value)
        if name == _variable(signing_key) or (_is_credential(name) and not _is_place(value, is_there)):
            found[name] = value
        elif address:
            found[name] = address.group(1)
    # "secret", as emulators are given, stands in every record.
    return {f"the variable {name}": value for name, value in found.items()
            if len(value.strip()) >= SHORTEST and value not in WITHHELD}


def _is_credential(name: str) -> bool:
    return bool(CREDENTIAL.search(name)) and not ELSEWHERE.search(name)


def _is_place(value: str, is_there: Callable[[str], bool]) -> bool:
    """Whether a value is a path or a reference. What only begins like a path may be a key: base64 has slashes."""
    return bool(REFERENCE.fullmatch(value)) or value.startswith(("./", "../", "~/")) or ("/" in value and is_there(value))


def _variable(reference: str) -> str:
    kind, _colon, name = reference.partition(":")
    return name if kind == ENVIRONMENT else ""
