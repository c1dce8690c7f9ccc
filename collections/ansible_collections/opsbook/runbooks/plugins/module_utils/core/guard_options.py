# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Option specifications of the guard, shared by its action plugins and the modules that document them."""

from __future__ import annotations

from typing import Any

GUARD: dict[str, Any] = {
    "system": {"type": "str", "required": True},
    "procedure": {"type": "dict", "required": True},
    "environment_name": {"type": "str", "default": "production"},
    "expected_account_id": {"type": "str", "default": ""},
    "windows": {"type": "list", "elements": "dict", "default": []},
    "freezes": {"type": "list", "elements": "dict", "default": []},
    "lock": {"type": "dict", "default": {}},
    "connection": {"type": "dict", "default": {}},
}

RELEASE: dict[str, Any] = {"system": {"type": "str", "required": True}}
