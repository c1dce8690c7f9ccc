"""Make an incident so in a running lab, and take it back.

What was injected is noted in incident.json in the lab's folder before anything is done: what a killed injection leaves
behind can be taken back too.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lab import faults, folders
from lab.accounts import Place
from lab.control_client import post
from lab.folders import LabError
from lab.lifecycle import required_status
from lab.scenario import caches, sessions
from lab.scenario.components import SystemParts
from lab.scenario.model import Scenario
from lab.scenario.steps import steps


def inject(folder: Path, scenario: Scenario) -> dict[str, Any]:
    """Make an incident so; what was injected before is taken back first. Returns what is noted of it.

    Raises LabError where the lab does not run, has not got the system, or refuses.
    """
    status = required_status(folder)
    if scenario.system not in status["accounts"]:
        raise LabError(f"this lab has no system {scenario.system!r}: it was started with {', '.join(status['accounts'])}")
    clear(folder)
    now, shown = time.time(), scenario.symptoms
    noted = {
        "scenario": scenario.name, "system": scenario.system, "faults": _faults(scenario, status),
        "injected": datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds"),
        "names": [item["name"] for item in shown.get("dns", ())],
        "redis": bool(shown.get("redis")), "postgres": bool(shown.get("postgres")),
    }  # fmt: skip
    folders.write_json(folder / folders.INCIDENT, noted)
    try:
        _inject(folder, scenario, status, now)
    except BaseException:
        clear(folder)
        raise
    return noted


def _inject(folder: Path, scenario: Scenario, status: Mapping[str, Any], now: float) -> None:
    shown, endpoints, place = scenario.symptoms, status["endpoints"], status["accounts"][scenario.system]
    parts = SystemParts(scenario.system, Place(place["account_id"], place["region"]))
    plan = steps(scenario, parts, now)
    if shown.get("postgres"):
        sessions.begin(folder, scenario.system, shown["postgres"])
    if shown.get("redis"):
        caches.spoil(status["redis"][scenario.system], shown["redis"])
    for step in plan:
        body = {**step.body, "account": place["account_id"], "region": step.region or place["region"]}
        post(endpoints["aws"], f"/lab/{step.route}", body)
    for change in shown.get("web", ()):
        post(endpoints["web"], "/lab/health", {"system": scenario.system, **_plain(change)})
    if shown.get("tls"):
        post(endpoints["web"], "/lab/tls", shown["tls"])
    for change in shown.get("dns", ()):
        post(endpoints["web"], "/lab/dns", _plain(change))
    faults.add(folder, _faults(scenario, status))


def clear(folder: Path) -> str | None:
    """Take back what was injected; returns the name of the scenario, None where there was none. Raises LabError."""
    status = required_status(folder)
    path = folder / folders.INCIDENT
    if not path.exists():
        return None
    noted = folders.read_json(path)
    faults.remove(folder, noted["faults"])
    endpoints = status["endpoints"]
    post(endpoints["aws"], "/lab/incident/clear", {})
    post(endpoints["web"], "/lab/health", {"reset": True})
    post(endpoints["web"], "/lab/tls", {"days": None})
    for name in noted["names"]:
        post(endpoints["web"], "/lab/dns", {"name": name, "rcode": None})
    if noted["postgres"]:
        sessions.end(folder)
    if noted["redis"]:
        caches.restore(folder)
    path.unlink(missing_ok=True)
    return str(noted["scenario"])


def current(folder: Path) -> dict[str, Any] | None:
    """What is noted of the incident that a lab is in; None where it is in none."""
    path = folder / folders.INCIDENT
    return dict(folders.read_json(path)) if path.exists() else None


def _plain(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in item.items() if name not in ("decoy", "at")}


def _faults(scenario: Scenario, status: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The scenario's faults, as the lab's faults are written, in the account of its system only."""
    account = status["accounts"][scenario.system]["account_id"]
    return [{**faults.DEFAULTS, **_plain(fault), "account": account} for fault in scenario.symptoms.get("faults", ())]
