"""What a changing procedure must satisfy before it begins."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import Refused
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.guardrails import (
    opening_of,
    refuse_foreign_account,
    refuse_unconfirmed,
)

SATURDAY_NIGHT = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
WINDOW = {"days": ["saturday"], "start": "01:00", "end": "05:00"}
OTHER_WINDOW = {"days": ["monday"], "start": "01:00", "end": "05:00"}
FREEZE = {"name": "Black Friday", "start": "2026-11-20", "end": "2026-11-30"}
ROUTINE = {"title": "Weekly maintenance", "class": "routine"}
EMERGENCY = {"title": "Fail over", "class": "emergency"}


@pytest.mark.parametrize(("environment", "confirm"), [
    ("lab", ""), ("staging", "other"), ("production", "commerce"), ("production", "media, commerce"),
    ("production", " commerce ,media"),
])
def test_lets_a_confirmed_run_begin(environment: str, confirm: str) -> None:
    refuse_unconfirmed(environment, "commerce", confirm)


@pytest.mark.parametrize("confirm", ["", "media", "commerce2", "Commerce", "yes", "*", "commerce media", "['commerce']"])
def test_production_is_confirmed_by_the_name_of_the_system(confirm: str) -> None:
    with pytest.raises(Refused, match="confirm=commerce"):
        refuse_unconfirmed("production", "commerce", confirm)


@pytest.mark.parametrize(("expected", "actual"), [("", "111122223333"), ("111122223333", "111122223333")])
def test_the_expected_account_may_be_used(expected: str, actual: str) -> None:
    refuse_foreign_account(expected, actual, "commerce")


@pytest.mark.parametrize(("actual", "said"), [("444455556666", "account 444455556666"), ("", "account unknown")])
def test_another_account_is_refused(actual: str, said: str) -> None:
    with pytest.raises(Refused, match=f"{said}, inventory expects 111122223333"):
        refuse_foreign_account("111122223333", actual, "commerce")


@pytest.mark.parametrize(
    ("procedure", "windows", "freezes", "reason", "opening", "overridden"),
    [
        pytest.param(ROUTINE, [WINDOW], [], "", "inside the maintenance window", False, id="inside"),
        pytest.param(ROUTINE, [OTHER_WINDOW, WINDOW], [], "", "inside the maintenance window", False, id="one_of_many"),
        pytest.param(ROUTINE, [], [], "", "no maintenance window is declared", False, id="no_window_means_any_time"),
        pytest.param(ROUTINE, [WINDOW], [], "asked by Ada", "inside the maintenance window", False,
                     id="a_reason_nobody_needed_overrides_nothing"),
        pytest.param(ROUTINE, [OTHER_WINDOW], [], "asked by Ada", "outside the maintenance window, overridden: asked by Ada",
                     True, id="outside_with_a_reason"),
        pytest.param(ROUTINE, [WINDOW], [FREEZE], "asked by Ada", "change freeze: Black Friday, overridden: asked by Ada",
                     True, id="frozen_with_a_reason"),
        pytest.param({**ROUTINE, "any_time": True}, [OTHER_WINDOW], [FREEZE], "",
                     "at any time: it alters nothing that the system lives on", False, id="a_backup"),
        pytest.param(EMERGENCY, [OTHER_WINDOW], [FREEZE], "site down", "emergency: site down", True, id="emergency"),
    ],
)
def test_says_why_a_procedure_may_run(
    procedure: dict[str, Any], windows: list[Any], freezes: list[Any], reason: str, opening: str, overridden: bool
) -> None:
    found = opening_of(procedure, SATURDAY_NIGHT, windows, freezes, reason)

    assert (found.reason, found.overridden) == (opening, overridden)


@pytest.mark.parametrize(
    ("procedure", "windows", "freezes", "said"),
    [
        pytest.param(ROUTINE, [OTHER_WINDOW], [], "window .Saturday 2026-11-21 02:00 UTC", id="outside"),
        pytest.param(ROUTINE, [WINDOW], [FREEZE], "change freeze: Black Friday", id="a_freeze_outweighs_a_window"),
        pytest.param(ROUTINE, [], [FREEZE], "change freeze: Black Friday", id="frozen_without_a_window"),
        pytest.param(EMERGENCY, [WINDOW], [], "no reason is given", id="an_emergency_inside_the_window_needs_a_reason"),
        pytest.param({"title": "x"}, [OTHER_WINDOW], [], "outside", id="no_class_means_routine"),
    ],
)
@pytest.mark.parametrize("reason", ["", "   "])
def test_refuses_without_a_reason(
    procedure: dict[str, str], windows: list[Any], freezes: list[Any], said: str, reason: str
) -> None:
    with pytest.raises(Refused, match=said):
        opening_of(procedure, SATURDAY_NIGHT, windows, freezes, reason)


@pytest.mark.parametrize("broken", [
    {"days": ["saturday"], "start": "01:00"}, {"days": ["caturday"], "start": "01:00", "end": "05:00"},
])
def test_a_window_nobody_can_read_is_never_open(broken: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="read a maintenance window"):
        opening_of(ROUTINE, SATURDAY_NIGHT, [broken], [], "")
