"""Which secrets are rotated, which are left alone and refused, and when a rotation counts as complete."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.secret_rotation import (
    NO_UNDO,
    UNDER_WAY,
    apply_rotation,
    is_rotated,
    plan_rotation,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.secrets import Secret
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.change import Change
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.coverage import Collected, Coverage, Gap
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import Refused
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.limits import Limits
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.poll import Clock
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.run import Run

NOW = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
FRESH = timedelta(hours=20)
SECRET = Secret("shop/a", "arn:aws:secretsmanager:eu-west-1:1:secret:shop/a-x", current="v1", previous="v0",
                last_rotated=NOW - timedelta(days=8), rotates=True, was_set_up=True, function="arn:aws:lambda:::f")


def collected(*secrets: Secret, missing: tuple[Gap, ...] = ()) -> Collected[tuple[Secret, ...]]:
    return Collected(secrets, NOW, Coverage(missing=missing))


def hours_ago(hours: float) -> datetime:
    return NOW - timedelta(hours=hours)


@pytest.mark.parametrize(
    ("secret", "fresh", "kept"),
    [
        pytest.param(replace(SECRET, last_rotated=hours_ago(1)), None, None, id="rotates_each_without_not_within"),
        pytest.param(SECRET, FRESH, None, id="rotates_an_old_one"),
        pytest.param(replace(SECRET, last_rotated=None), FRESH, None, id="rotates_one_never_rotated"),
        pytest.param(replace(SECRET, last_rotated=hours_ago(19)), FRESH, "rotated within the last 20 h", id="keeps_fresh"),
        pytest.param(replace(SECRET, last_rotated=hours_ago(20)), FRESH, None, id="as_old_as_not_within_is_old"),
        pytest.param(replace(SECRET, last_rotated=hours_ago(1), pending="v2"), FRESH, None,
                     id="a_fresh_one_with_a_rotation_left_incomplete_is_finished"),
    ],
)
def test_chooses_the_secrets_to_rotate(secret: Secret, fresh: timedelta | None, kept: str | None) -> None:
    plan = plan_rotation(collected(secret), fresh, Limits())

    assert [change.resource for change in plan.changes] == ([] if kept else ["secret:shop/a"])
    assert [item.reason for item in plan.kept] == ([kept] if kept else [])


@pytest.mark.parametrize(
    ("secret", "why"),
    [
        pytest.param(replace(SECRET, rotates=False, was_set_up=False), "no rotation is configured", id="never_configured"),
        pytest.param(replace(SECRET, rotates=False), "rotating would turn it on again", id="turned_off"),
        pytest.param(replace(SECRET, deleted=True), "scheduled for deletion", id="deleted"),
        pytest.param(replace(SECRET, replica_of="us-east-1"), "rotate the primary in us-east-1", id="replica"),
        pytest.param(replace(SECRET, current=""), "no current version", id="without_value"),
    ],
)
def test_refuses_what_cannot_be_rotated_by_name(secret: Secret, why: str) -> None:
    good = replace(SECRET, name="shop/good", arn=f"{SECRET.arn}good")
    with pytest.raises(Refused, match=f"shop/a: .*{why}.*Configure their rotation first"):
        plan_rotation(collected(good, secret), None, Limits())


def test_a_protected_secret_is_kept_whatever_its_state() -> None:
    plan = plan_rotation(collected(replace(SECRET, rotates=False)), None, Limits(protected=("shop/*",)))

    assert plan.changes == ()
    assert [item.reason for item in plan.kept] == ["protected"]


def test_refuses_to_decide_on_what_was_not_read() -> None:
    with pytest.raises(Refused, match="secret:g: AccessDenied"):
        plan_rotation(collected(SECRET, missing=(Gap("secret:g", "AccessDeniedException: no"),)), None, Limits())


def test_a_run_that_died_after_it_asked_finds_its_own_plan_again() -> None:
    fresh = plan_rotation(collected(SECRET), None, Limits())
    later = plan_rotation(collected(replace(SECRET, pending="v2", pending_since=NOW)), None, Limits())

    assert fresh.digest == later.digest
    assert fresh.changes[0].summary != later.changes[0].summary


@pytest.mark.parametrize(
    ("seen", "complete"),
    [
        pytest.param({"current": "v2", "previous": "v1", "last_rotated": NOW}, True, id="complete"),
        pytest.param({"pending": "v2"}, False, id="pending"),
        pytest.param({"current": "v2", "previous": "v1", "last_rotated": NOW, "pending": "v3"}, False, id="another_pending"),
        pytest.param({"current": "v2", "last_rotated": NOW}, False, id="former_one_not_previous"),
        pytest.param({"current": "v2", "previous": "v1"}, False, id="last_rotation_has_not_moved"),
        pytest.param({"current": "v9", "previous": "v1", "last_rotated": NOW}, False, id="another_version"),
        pytest.param({}, False, id="unchanged"),
    ],
)
def test_tells_when_a_rotation_is_complete(seen: dict[str, Any], complete: bool) -> None:
    assert is_rotated(SECRET, replace(SECRET, **seen), "v2") is complete


class FakeSecrets:
    """Secrets Manager of one secret with a pending version; time passes as it is waited."""

    def __init__(self, pending_for: timedelta | None, completes: bool = False, current: str = "v1") -> None:
        self.seconds = 0.0
        self.created = NOW - (pending_for or timedelta())
        self.current = current
        self.is_pending = pending_for is not None
        self.completes = completes
        self.tokens: list[str] = []

    def describe_secret(self, SecretId: str) -> dict[str, Any]:
        done = self.completes and self.seconds > 30
        stages = {"v2": ["AWSCURRENT"], "v1": ["AWSPREVIOUS"]} if done else {self.current: ["AWSCURRENT"]}
        if self.is_pending and not done:
            stages["v2"] = ["AWSPENDING"]
        return {"ARN": SECRET.arn, "Name": SECRET.name, "VersionIdsToStages": stages}

    def list_secret_version_ids(self, SecretId: str, NextToken: str = "") -> dict[str, Any]:
        if not NextToken:
            return {"Versions": [{"VersionId": "v1"}], "NextToken": "2"}
        return {"Versions": [{"VersionId": "v2", "CreatedDate": self.created}]}

    def rotate_secret(self, ClientRequestToken: str, **rest: Any) -> None:
        assert set(rest) == {"SecretId", "RotateImmediately"}
        self.tokens.append(ClientRequestToken)

    def run(self) -> Run:
        def pause(seconds: float) -> bool:
            self.seconds += seconds
            return False

        return Run(timeout=600, clock=Clock(lambda: self.seconds, pause), now=lambda: NOW + timedelta(seconds=self.seconds))


@pytest.mark.parametrize(
    ("fake", "tokens"),
    [
        pytest.param(FakeSecrets(timedelta(minutes=1), completes=True), [], id="under_way_is_only_waited_for"),
        pytest.param(FakeSecrets(timedelta(minutes=1)), ["v2"], id="asked_again_once_it_is_too_old_to_be_under_way"),
        pytest.param(FakeSecrets(UNDER_WAY), ["v2"], id="failed_is_asked_again_for_the_same_version"),
    ],
)
def test_a_pending_rotation_is_taken_up_never_a_second_one_begun(fake: FakeSecrets, tokens: list[str]) -> None:
    secret = replace(SECRET, pending="v2")
    started: dict[str, str] = {}
    change = Change(secret.resource, "rotate", None, None, "", NO_UNDO, {"secret": secret})

    apply_rotation(lambda service: fake, fake.run(), change, started)

    assert fake.tokens == tokens
    assert started == {SECRET.arn: "v2"}


def test_a_repeated_request_asks_for_the_same_version_until_a_rotation_is_complete() -> None:
    def token(current: str) -> str:
        fake = FakeSecrets(None, current=current)
        secret = replace(SECRET, current=current)
        apply_rotation(lambda service: fake, fake.run(), Change("", "", None, None, "", NO_UNDO, {"secret": secret}), {})
        return fake.tokens[0]

    assert token("v1") == token("v1")
    assert token("v1") != token("v2")


def test_a_rotation_completed_since_the_plan_is_not_repeated() -> None:
    fake = FakeSecrets(None, current="v9")
    started: dict[str, str] = {}

    apply_rotation(lambda service: fake, fake.run(), Change("", "", None, None, "", NO_UNDO, {"secret": SECRET}), started)

    assert fake.tokens == []
    assert started == {SECRET.arn: "v9"}
