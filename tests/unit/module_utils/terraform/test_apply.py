"""What a plan of Terraform may do, and what an apply that went wrong has done."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.coverage import Collected
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import Refused
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.limits import Limits
from ansible_collections.opsbook.runbooks.plugins.module_utils.terraform.apply import (
    Applied,
    names_address,
    outcome_of,
    plan_apply,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.terraform.messages import Diagnostic, Progress
from ansible_collections.opsbook.runbooks.plugins.module_utils.terraform.plan_file import Entry, PlanFile
from ansible_collections.opsbook.runbooks.plugins.module_utils.terraform.project import Planned

NOW = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)


def collected(*entries: Entry) -> Collected[Planned]:
    return Collected(Planned(PlanFile(entries, 10), (), (), "default", "1.11.4"), NOW)


def entry(address: str = "r.a", action: str = "update") -> Entry:
    return Entry(address, action, {"x": 1}, {"x": 2})


@pytest.mark.parametrize(("pattern", "address", "named"), [
    pytest.param("r.a", "r.a", True, id="whole"),
    pytest.param('r.a["web"]', 'r.a["web"]', True, id="with_its_index"),
    pytest.param("r.a", 'r.a["web"]', True, id="all_instances"),
    pytest.param("r.a", "r.ab", False, id="no_prefix"),
    pytest.param('r.a["web*"]', 'r.a["web-1"]', True, id="pattern_inside_the_index"),
    pytest.param('r.a["web"]', 'r.a["db"]', False, id="another_instance"),
    pytest.param("module.x.*", "module.x.r.a[0]", True, id="a_module"),
    pytest.param("r.a[0]", "r.a0", False, id="brackets_are_no_pattern"),
])
def test_an_address_is_named(pattern: str, address: str, named: bool) -> None:
    assert names_address([pattern], entry(address)) is named


@pytest.mark.parametrize("action", ["delete", "replace"])
def test_refuses_each_destruction_that_is_not_named(action: str) -> None:
    with pytest.raises(Refused) as refused:
        plan_apply(collected(entry("r.a", action), entry("r.b", action), entry("r.c")), ["r.a"], Limits())

    assert f"r.b ({action})" in refused.value.message()
    assert "r.a" not in refused.value.message()


def test_plans_a_change_per_address() -> None:
    plan = plan_apply(collected(entry("r.b"), entry("r.a", "delete")), ["r.*"], Limits())

    assert [(change.resource, change.action) for change in plan.changes] == [
        ("terraform:r.a", "delete"), ("terraform:r.b", "update")]
    assert plan.considered == 10


def test_a_protected_address_with_an_index_is_not_touched() -> None:
    with pytest.raises(Refused, match="protected"):
        plan_apply(collected(entry('r.a["web"]')), [], Limits(protected=('r.a["web"]',)))


def applied(completed: dict[str, set[str]], begun: set[str] | None = None, state: set[str] | None = None,
            errors: tuple[Diagnostic, ...] = (Diagnostic("error", "boom"),), stopped: str = "") -> Applied:
    done = {address: frozenset(actions) for address, actions in completed.items()}
    return Applied(errors, Progress(frozenset(begun or ()), done, frozenset()),
                   None if state is None else frozenset(state), stopped, "boom")


@pytest.mark.parametrize(("action", "result", "reason"), [
    pytest.param("update", Applied(), "", id="everything_was_done"),
    pytest.param("create", applied({"r.a": {"create"}}, state={"r.a"}), "", id="done_before_the_error"),
    pytest.param("create", applied({"r.a": {"create"}}, state=set()), "not applied", id="the_state_disagrees"),
    pytest.param("create", applied({"r.a": {"create"}}), "", id="the_state_could_not_be_read"),
    pytest.param("delete", applied({"r.a": {"delete"}}, state={"r.b"}), "", id="deleted"),
    pytest.param("replace", applied({"r.a": {"delete"}}, {"r.a"}, state=set()), "interrupted", id="half_replaced"),
    pytest.param("update", applied({}, {"r.a"}, stopped="lease lost"), "uncertain (lease lost)", id="interrupted"),
    pytest.param("update", applied({}), "terraform stopped before it (boom)", id="not_begun"),
    pytest.param("update", applied({}, {"r.a"}, errors=(Diagnostic("error", "denied", "no right", "r.a"),)),
                 "r.a: denied: no right", id="its_own_error"),
    pytest.param("move", applied({}), "not applied", id="a_move_is_done_only_with_everything"),
])
def test_tells_what_became_of_a_change(action: str, result: Applied, reason: str) -> None:
    (change,) = plan_apply(collected(entry("r.a", action)), ["*"], Limits()).changes

    found = outcome_of(change, result)

    assert reason in found if reason else found == ""
