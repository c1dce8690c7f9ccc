"""A procedure's front matter and parameters: whatever is not known is refused, by name."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import Refused
from ansible_collections.opsbook.runbooks.plugins.plugin_utils.procedure import validate_front_matter, validate_parameters

FRONT: dict[str, Any] = {
    "ids": ["000-09"], "class": "routine", "title": "Weekly maintenance", "purpose": "Keep the shop well.", "changes": True,
    "risk": "medium", "duration": "10 minutes", "undo": "see the record"}
PARAMETERS: dict[str, Any] = {
    "not_within": {"type": "str", "default": "20h", "description": "What was renewed more recently is left."},
    "keep": {"type": "int"},
    "level": {"type": "str", "choices": ["low", "high"], "default": "low"},
    "password": {"type": "int", "no_log": True},
}


def front(**given: Any) -> dict[str, Any]:
    return validate_front_matter({**FRONT, "parameters": PARAMETERS, **given})


def test_front_matter_gets_its_defaults() -> None:
    assert validate_front_matter(FRONT) == {**FRONT, "any_time": False, "parameters": {}}


@pytest.mark.parametrize("name", sorted(FRONT))
def test_every_part_of_the_front_matter_is_needed(name: str) -> None:
    with pytest.raises(Refused, match=name):
        validate_front_matter({key: value for key, value in FRONT.items() if key != name})


@pytest.mark.parametrize(("given", "said"), [
    ({"severity": "high"}, "severity"), ({"Title": "x"}, "Title"), ({"class": "experiment"}, "class"),
    ({"risk": "none"}, "risk"), ({"changes": "perhaps"}, "changes"), ({"parameters": ["a"]}, "parameters"),
    ({"ids": None}, "ids"), ({"parameters": {"keep": "int"}}, "keep"), ({"parameters": {"keep": None}}, "keep"),
    ({"parameters": {"keep": {"type": "integer"}}}, "keep"),
    ({"parameters": {"keep": {"typ": "int"}}}, "keep"),
    ({"parameters": {"confirm": {"type": "str", "default": "commerce"}}}, "confirm"),
    ({"parameters": {"override_reason": {"type": "str", "default": "always"}}}, "override_reason"),
    ({"parameters": {"awx_host": {"type": "str"}}}, "awx_host"),
])
def test_refuses_front_matter_that_is_wrong(given: dict[str, Any], said: str) -> None:
    with pytest.raises(Refused, match=said):
        front(**given)


@pytest.mark.parametrize("given", [None, "Weekly maintenance", [], 3])
def test_a_playbook_without_front_matter_is_told_to_have_one(given: Any) -> None:
    with pytest.raises(Refused, match="declares none"):
        validate_front_matter(given)


def test_parameters_get_their_defaults_and_types() -> None:
    parameters = validate_parameters(front(), {"keep": "3"})

    assert (parameters["not_within"], parameters["keep"], parameters["level"]) == ("20h", 3, "low")
    assert (parameters["confirm"], parameters["override_reason"], parameters["take_over"]) == ("", "", "")


@pytest.mark.parametrize("name", [
    "not_wihtin", "Keep", "opsbook_require_guard", "ansible_check_mode", "ansible_python_interpreter", "system", "awx",
    "tower", "opsbook_lock", "ecs_cluster", "opsbook_parameters",
])
def test_an_unknown_parameter_is_refused_by_name(name: str) -> None:
    with pytest.raises(Refused, match=f"unknown parameters: {name}") as refused:
        validate_parameters(front(), {name: "x", "keep": 1})

    assert "It takes approved_plan, confirm, keep, level, not_within" in refused.value.advice


def test_every_unknown_parameter_is_named() -> None:
    with pytest.raises(Refused, match="unknown parameters: a, b"):
        validate_parameters(front(), {"b": 1, "a": 2})


def test_words_that_were_not_quoted_are_named_with_the_way_to_do_it() -> None:
    with pytest.raises(Refused, match=r"'connections left' belongs to no parameter.*needs quotes"):
        validate_parameters(front(), {"override_reason": "no", "_raw_params": "connections left"})


@pytest.mark.parametrize("given", [
    {"awx_user_name": "grace", "awx_job_id": 7}, {"tower_user_name": "grace"}, {"awx_webhook_payload": {"a": 1}},
    {"confirm": "commerce"}, {"override_reason": "site down"}, {"take_over": "r1"}, {"opsbook_direct": "false"},
    {"approved_plan": "records/r1/plan.json"},
])
def test_what_every_run_takes_is_allowed(given: dict[str, Any]) -> None:
    assert set(validate_parameters(front(), given)) == set(validate_parameters(front(), {}))


def test_awx_gives_no_parameters_of_its_own() -> None:
    assert "awx_job_id" not in validate_parameters(front(), {"awx_job_id": 7})


@pytest.mark.parametrize(("given", "said"), [({"keep": "many"}, "keep"), ({"level": "middle"}, "level")])
def test_a_wrong_value_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(Refused, match=rf"start the procedure \(Weekly maintenance\): .*{said}"):
        validate_parameters(front(), given)


def test_a_missing_parameter_is_refused() -> None:
    needed = front(parameters={"snapshot": {"type": "str", "required": True}})

    with pytest.raises(Refused, match="snapshot"):
        validate_parameters(needed, {})


def test_a_secret_of_the_wrong_type_is_not_repeated() -> None:
    with pytest.raises(Refused) as refused:
        validate_parameters(front(), {"password": "canary-4711"})

    assert "password" in str(refused.value)
    assert "canary" not in str(refused.value)


def test_what_was_given_is_not_altered() -> None:
    given = {"keep": "3"}
    validate_parameters(front(), given)

    assert given == {"keep": "3"}
