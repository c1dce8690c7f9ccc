# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""`-e approved_plan=<file>`: the plan that a `--check` run wrote, checked by its digest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..module_utils.core.change import digest_of
from ..module_utils.core.errors import Refused


def approved_changes(path: str, system: str, task: str, item: str) -> dict[str, Any]:
    """What was approved for one task: `{"changes": [...]}`, empty where nothing was.

    :param path: a plan.json of a `--check` run
    :raises Refused: when it cannot be read, or its entries do not have the digest it states
    """
    try:
        plan = json.loads(Path(path).read_text(encoding="utf-8"))
        entries, digest = [dict(entry) for entry in plan["entries"]], plan["digest"]
        mine = [change for entry in entries if (entry["system"], entry["task"], entry["item"]) == (system, task, item)
                for change in entry["changes"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Refused("read the approved plan", path, f"{type(error).__name__}: {error}",
                      "Give the plan.json of a run with --check.") from error
    if digest_of(entries) != digest:
        raise Refused("use the approved plan", path, "its entries do not have the digest it states",
                      "It was altered: run with --check again and have the new plan approved.")
    return {"changes": mine}
