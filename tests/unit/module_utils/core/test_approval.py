"""A run that carries an approved plan applies exactly that and refuses what differs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.approval import refuse_unapproved
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.change import Change, Plan
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import Refused
from tests.support.toys import change


def approved(*changes: Change) -> dict[str, Any]:
    """What a plan.json of these changes gives, after its way through a file."""
    entries: dict[str, Any] = json.loads(json.dumps({"changes": [entry.entry() for entry in changes]}))
    return entries


def planned(*changes: Change) -> Plan:
    return Plan((changes,) if changes else ())


@pytest.mark.parametrize(
    ("plan", "allowed"),
    [
        pytest.param(planned(change()), None, id="no_approval_asked_for"),
        pytest.param(planned(change()), approved(change()), id="the_same"),
        pytest.param(planned(change(after=(1, 2))), approved(change(after=[1, 2])), id="the_same_through_a_file"),
        pytest.param(planned(change(summary="now")), approved(change(summary="then")), id="other_words"),
        pytest.param(planned(), approved(change()), id="done_already"),
        pytest.param(planned(change()), approved(change("switch:b"), change()), id="partly_done_already"),
        pytest.param(planned(), approved(), id="nothing_to_do"),
    ],
)
def test_lets_an_approved_plan_pass(plan: Plan, allowed: dict[str, Any] | None) -> None:
    refuse_unapproved(plan, allowed)


@pytest.mark.parametrize(
    ("plan", "allowed", "named"),
    [
        pytest.param(planned(change()), approved(), r"switch:a \(turn_on\)", id="nothing_was_approved"),
        pytest.param(planned(change()), {}, "switch:a", id="an_empty_approval_approves_nothing"),
        pytest.param(planned(change(before="dim")), approved(change()), "switch:a", id="the_state_has_changed"),
        pytest.param(planned(change(after="dim")), approved(change()), "switch:a", id="another_wanted_state"),
        pytest.param(planned(change(action="delete")), approved(change()), r"\(delete\)", id="another_action"),
        pytest.param(planned(change(), change("switch:b")), approved(change()), r"\(switch:b", id="one_more"),
        pytest.param(planned(change(before=0)), approved(change(before=False)), "switch:a", id="false_is_not_zero"),
        pytest.param(planned(change(before="dim"), change()), approved(change()), "switch:a",
                     id="the_same_resource_twice_and_approved_once"),
    ],
)
def test_refuses_what_differs(plan: Plan, allowed: dict[str, Any], named: str) -> None:
    with pytest.raises(Refused, match=named):
        refuse_unapproved(plan, allowed)


def test_names_every_difference() -> None:
    with pytest.raises(Refused, match=r"switch:a \(turn_on\), switch:c \(turn_on\)"):
        refuse_unapproved(planned(change("switch:c"), change("switch:b"), change()), approved(change("switch:b")))
