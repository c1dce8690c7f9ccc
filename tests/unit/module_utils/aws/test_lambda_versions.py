"""Which versions of a function go, and which stay and why."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.lambda_versions import FunctionVersions, plan_prune
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.coverage import Collected, Coverage, Gap
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import Refused
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.limits import Limits

NOW = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)


def collected(*functions: FunctionVersions, missing: tuple[Gap, ...] = ()) -> Collected[tuple[FunctionVersions, ...]]:
    return Collected(functions, NOW, Coverage(missing=missing))


def function(name: str = "f", versions: int = 8, used: dict[int, str] | None = None) -> FunctionVersions:
    return FunctionVersions(name, {number: f"sha{number}" for number in range(1, versions + 1)}, used or {})


@pytest.mark.parametrize(
    ("used", "keep", "limits", "gone"),
    [
        pytest.param({}, 3, Limits(), [1, 2, 3, 4, 5], id="keeps_the_newest"),
        pytest.param({2: "alias live"}, 3, Limits(), [1, 3, 4, 5], id="keeps_a_version_an_alias_serves"),
        pytest.param({1: "alias live", 4: "provisioned concurrency"}, 1, Limits(), [2, 3, 5, 6, 7], id="keeps_all_in_use"),
        pytest.param({}, 20, Limits(), [], id="fewer_versions_than_kept"),
        pytest.param({}, 3, Limits(protected=("f:1",)), [2, 3, 4, 5], id="keeps_a_protected_version"),
        pytest.param({}, 3, Limits(protected=("f*",)), [], id="keeps_a_protected_function"),
    ],
)
def test_chooses_the_versions_to_delete(used: dict[int, str], keep: int, limits: Limits, gone: list[int]) -> None:
    plan = plan_prune(collected(function(used=used)), keep, limits)

    assert [change.resource for change in plan.changes] == [f"lambda-version:f:{number}" for number in gone]
    assert len(plan.kept) == 8 - len(gone)
    assert plan.considered == 8


def test_says_why_a_version_stays() -> None:
    plan = plan_prune(collected(function(versions=2, used={1: "alias live"})), 1, Limits())

    assert {kept.resource: kept.reason for kept in plan.kept} == {
        "lambda-version:f:1": "used by alias live", "lambda-version:f:2": "one of the newest 1"}


def test_refuses_to_decide_on_what_was_not_read() -> None:
    gap = Gap("lambda-function:g", "AccessDeniedException: no")
    with pytest.raises(Refused, match="lambda-function:g: AccessDenied"):
        plan_prune(collected(function(), missing=(gap,)), 3, Limits())


def test_a_digest_does_not_depend_on_the_order_of_reading() -> None:
    one = plan_prune(collected(function("a"), function("b")), 3, Limits())
    other = plan_prune(collected(function("b"), function("a")), 3, Limits())

    assert one.digest == other.digest
    assert one.digest != plan_prune(collected(function("a")), 3, Limits()).digest


@pytest.mark.parametrize("keep", [0, -1])
def test_refuses_to_delete_the_newest_version(keep: int) -> None:
    with pytest.raises(Refused, match="roll back"):
        plan_prune(collected(function()), keep, Limits())
