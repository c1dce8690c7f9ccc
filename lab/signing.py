"""The key that signs the records of runs against a lab: a new one for each, so that nothing real is ever signed with it."""

from __future__ import annotations

import os
from pathlib import Path

from ansible_collections.opsbook.runbooks.plugins.module_utils.signing.keys import new_key_pem


def write_signing_key(path: Path) -> str:
    """Make a key, ed25519 in PKCS8 PEM, and write it for its owner alone; returns what must appear nowhere."""
    pem = new_key_pem()
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as stream:
        stream.write(pem)
    return pem.splitlines()[1]
