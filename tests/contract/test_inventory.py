"""Every environment declares its systems with the same keys, as the schema says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.support.labs import ROOT

INVENTORY = ROOT / "inventory"
SCHEMA = json.loads((INVENTORY / "schema.json").read_text(encoding="utf-8"))
SYSTEMS = sorted(INVENTORY.glob("*/host_vars/*.yml"))


def merged(system: Path) -> dict[str, Any]:
    shared = yaml.safe_load((system.parents[1] / "group_vars" / "systems.yml").read_text(encoding="utf-8"))
    return {**shared, **yaml.safe_load(system.read_text(encoding="utf-8"))}


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda path: f"{path.parents[1].name}/{path.stem}")
def test_a_system_declares_what_the_schema_knows(system: Path) -> None:
    errors = [f"{'/'.join(map(str, error.absolute_path))}: {error.message}"
              for error in jsonschema.Draft202012Validator(SCHEMA).iter_errors(merged(system))]
    assert errors == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("ecs_servics", ["a typing error"]),
        ("expected_account_id", "12345"),
        ("maintenance_windows", [{"days": ["caturday"], "start": "02:00", "end": "04:00", "timezone": "UTC"}]),
        ("change_freezes", [{"name": "half declared", "start": "2026-12-01"}]),
        ("notice_channels", [{"name": "chat", "url": "slack://a-literal-secret"}]),
    ],
)
def test_the_schema_refuses_what_is_wrong(key: str, value: Any) -> None:
    system = merged(SYSTEMS[0])
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**system, key: value}, SCHEMA)


def test_environments_of_one_system_have_the_same_safety_keys() -> None:
    for name in {path.name for path in SYSTEMS}:
        declared = [merged(path) for path in SYSTEMS if path.name == name]
        assert {system["opsbook_require_guard"] for system in declared} == {True}
        assert len({system["expected_account_id"] for system in declared}) == 1
