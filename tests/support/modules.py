"""Run one of our modules in this process, as direct execution does, and get its result."""

from __future__ import annotations

import importlib
import json
from typing import Any

import pytest
from ansible.module_utils import _internal as core_internal
from ansible.module_utils import basic
from ansible.module_utils.common import warnings as core_warnings
from ansible.module_utils.testing import patch_module_args

MODULES = "ansible_collections.opsbook.runbooks.plugins.modules"


def run_module(
    name: str, arguments: dict[str, Any], check_mode: bool = False, diff: bool = False
) -> dict[str, Any]:
    """Run a module and return its result, `failed` and `msg` included, after a round trip through JSON."""
    recorded: list[dict[str, Any]] = []
    # Core keeps warnings for the life of a process, which is one module's run elsewhere.
    core_warnings._global_warnings.clear()
    core_warnings._global_deprecations.clear()
    given = {**arguments, "_ansible_check_mode": check_mode, "_ansible_diff": diff, "_ansible_remote_tmp": "/tmp"}
    with pytest.MonkeyPatch.context() as patch, patch_module_args(given):
        # Whichever test ran before: a module's warnings go into its result, not to a terminal.
        patch.setattr(core_internal, "is_controller", False)
        patch.setattr(basic.AnsibleModule, "_record_module_result", lambda module, result: recorded.append(result))
        with pytest.raises(SystemExit):
            importlib.import_module(f"{MODULES}.{name}").main()
    result: dict[str, Any] = json.loads(json.dumps(recorded[-1], default=str))
    result.pop("invocation", None)
    return result
