# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""`-e approved_plan=<file>`: the plan that a `--check` run wrote, checked by its digest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..module_utils.core.change import digest_of
from ..module_utils.core.errors import Refused


def load_plan(path: str) -> dict[str, Any]:
    """An approved plan whose entries have the digest it states. That finds accidents, not forgers: the digest is in the
    same file, so who approves keeps it elsewhere too.

    :raises Refused: when it cannot be read or was altered
    """
    try:
        plan = json.loads(Path(path).expanduser().read_text(encoding="utf-8"))
        entries, digest = [dict(entry) for entry in plan["entries"]], plan["digest"]
        if not all({"system", "task", "item", "changes"} <= set(entry) for entry in entries):
            raise KeyError("an entry without system, task, item or changes")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Refused("read the approved plan", path or "(empty)", f"{type(error).__name__}: {error}",
                      "Give the plan.json of a run with --check.") from error
    if digest_of(entries) != digest:
        raise Refused("use the approved plan", path, "its entries do not have the digest it states",
                      "It was altered: run with --check again and have the new plan approved.")
    return dict(plan)


def approved_changes(path: str, system: str, task: str, item: str) -> dict[str, Any]:
    """What was approved for one task: `{"changes": [...]}`, empty where nothing was.

    :param path: a plan.json of a `--check` run
    :raises Refused: when it cannot be read or was altered
    """
    mine = [entry for entry in load_plan(path)["entries"]
            if (entry["system"], entry["task"], entry["item"]) == (system, task, item)]
    return {"changes": [change for entry in mine for change in entry["changes"]]}
