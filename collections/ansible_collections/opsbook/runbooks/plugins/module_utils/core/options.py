# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Option specifications that modules compose; each has a documentation fragment of the same name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# The connections inside `store` are those of aws.client.AWS and postgres.connection.POSTGRES, without their defaults. They
# are written down, not imported: every module would import the drivers. tests/contract/test_modules.py compares them.
LIMITS: dict[str, Any] = {
    "protected": {"type": "list", "elements": "str", "default": []},
    "guard": {
        "type": "dict",
        "options": {
            "run": {"type": "str"},
            "system": {"type": "str"},
            "token": {"type": "str", "no_log": True},
            "store": {
                "type": "dict",
                "options": {
                    "table": {"type": "str"},
                    "lease_seconds": {"type": "float"},
                    "region": {"type": "str"},
                    "profile": {"type": "str"},
                    "endpoint_url": {"type": "str"},
                    "access_key": {"type": "str", "no_log": False},
                    "secret_key": {"type": "str", "no_log": True},
                    "session_token": {"type": "str", "no_log": True},
                    "assume_role_arn": {"type": "str"},
                    "external_id": {"type": "str", "no_log": True},
                    "validate_certs": {"type": "bool"},
                    "aws_ca_bundle": {"type": "path"},
                    "postgres": {
                        "type": "dict",
                        "options": {
                            "login_host": {"type": "str"},
                            "login_port": {"type": "int"},
                            "login_user": {"type": "str"},
                            "login_password": {"type": "str", "no_log": True},
                            "login_db": {"type": "str"},
                            "ssl_mode": {"type": "str"},
                            "ca_cert": {"type": "path"},
                            "connect_timeout": {"type": "int"},
                            "statement_timeout": {"type": "int"},
                            "lock_timeout": {"type": "int"},
                        },
                    },
                },
            },
            "without_lock": {"type": "str"},
            "journal": {"type": "str"},
            "operation": {"type": "str"},
            "task": {"type": "str"},
            "item": {"type": "str"},
            "launcher": {"type": "int"},
            "launcher_started": {"type": "str"},
            "task_timeout": {"type": "float"},
            "required": {"type": "bool", "default": False},
            "approved_plan": {"type": "dict"},
        },
    },
}

WAIT: dict[str, Any] = {
    "wait_timeout": {"type": "float", "default": 600.0},
    "parallel": {"type": "int", "default": 8},
}


def compose(*parts: Mapping[str, Any]) -> dict[str, Any]:
    """Merge option specifications; an option declared twice is a mistake.

    :raises ValueError: naming the option that is declared twice
    """
    merged: dict[str, Any] = {}
    for part in parts:
        twice = sorted(set(part) & set(merged))
        if twice:
            raise ValueError(f"declared twice: {', '.join(twice)}")
        merged.update(part)
    return merged


def max_affected(default: str) -> dict[str, Any]:
    """The `max_affected` option with a module's own safe default ("10" or "25%")."""
    return {"max_affected": {"type": "str", "default": default}}
