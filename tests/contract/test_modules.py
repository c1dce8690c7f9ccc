"""Every module keeps the shape: documentation, options, one call, a stub that runs it in the worker."""

from __future__ import annotations

import ast
import importlib
from typing import Any

import pytest
import yaml

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.client import AWS
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.options import LIMITS
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.connection import POSTGRES
from ansible_collections.opsbook.runbooks.plugins.plugin_utils.receipt import CONNECTION
from tests.contract.tree import COLLECTION, CONTROLLER_ONLY, MODULES, PLUGINS, documentation, is_changing, module_source

OPERATIONS = [name for name in MODULES if name not in CONTROLLER_ONLY]
BLOCKS = {"DOCUMENTATION", "EXAMPLES", "RETURN"}


@pytest.mark.parametrize("name", MODULES)
def test_a_module_is_documentation_options_and_one_call(name: str) -> None:
    tree = module_source(name)
    documented = sum((node.end_lineno or 0) - node.lineno + 1 for node in tree.body
                     if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") in BLOCKS)
    lines = len((PLUGINS / "modules" / f"{name}.py").read_text(encoding="utf-8").splitlines())
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]

    assert lines - documented <= 70, "code beside the documentation"
    assert all((node.end_lineno or 0) - node.lineno < 35 for node in functions)
    assert not any(isinstance(node, ast.Attribute) and node.attr == "check_mode" for node in ast.walk(tree))


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_module_has_an_action_stub_that_tells_whether_it_changes_things(name: str) -> None:
    action = importlib.import_module(f"ansible_collections.opsbook.runbooks.plugins.action.{name}").ActionModule
    assert action.changes_things is is_changing(name)


@pytest.mark.parametrize("name", MODULES)
def test_a_module_declares_check_and_diff_mode(name: str) -> None:
    fragments = documentation(name)["extends_documentation_fragment"]
    assert "opsbook.runbooks.result" in fragments
    if name not in CONTROLLER_ONLY:
        wanted = "opsbook.runbooks.result.changing" if is_changing(name) else "opsbook.runbooks.result.reading"
        assert wanted in fragments or name == "notify"


@pytest.mark.parametrize("name", MODULES)
def test_a_module_is_in_the_action_group_its_options_belong_to(name: str) -> None:
    groups = yaml.safe_load((COLLECTION / "meta" / "runtime.yml").read_text(encoding="utf-8"))["action_groups"]
    fragments = documentation(name)["extends_documentation_fragment"]
    connected = ("aws", "postgres", "redis")
    assert [group for group in connected if name in groups[group]] == [
        group for group in connected if f"opsbook.runbooks.{group}" in fragments]
    assert set(groups["all"][0]["metadata"]["extend_group"]) == set(connected)
    if name not in CONTROLLER_ONLY:
        assert any(name in groups[group] for group in ("all", *connected))


@pytest.mark.parametrize("name", [name for name in OPERATIONS if is_changing(name)])
def test_a_changing_module_bounds_how_much_it_may_change(name: str) -> None:
    options = documentation(name)["options"]
    assert options["max_affected"]["default"]


@pytest.mark.parametrize("name", MODULES)
def test_a_module_is_named_by_a_resource_and_a_verb_or_info(name: str) -> None:
    verbs = {"info", "check", "deploy", "prune", "rotate", "retention", "apply", "gate", "release", "terminate", "vacuum",
             "analyze", "dump", "test", "reindex", "view"}
    assert name in {"guard", "investigation", "notify"} or name.rpartition("_")[2] in verbs


def test_every_option_of_a_connection_reaches_the_run_lock() -> None:
    """Else the guard takes a lock that no module can renew."""
    store = LIMITS["guard"]["options"]["store"]["options"]
    aws = {name: spec for name, spec in store.items() if name not in ("table", "lease_seconds", "postgres")}

    def essence(options: dict[str, Any]) -> dict[str, tuple[str, bool]]:
        return {name: (spec["type"], bool(spec.get("no_log"))) for name, spec in options.items()}

    assert essence(store["postgres"]["options"]) == essence(POSTGRES)
    assert essence(aws) == essence(AWS)
    assert set(CONNECTION) == set(AWS)
