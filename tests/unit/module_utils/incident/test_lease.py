"""The run lock: who may take it, and when."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import Refused
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.lease import Lease, digest_token, next_lease

NOW = 1_000.0
WANTED = Lease("commerce", "mine", "ada", "Weekly maintenance", digest_token("t"), 0, 0.0)
HELD = Lease("commerce", "theirs", "bob", "Fail over", "d", 7, NOW + 30)


@pytest.mark.parametrize(
    ("seen", "fence"),
    [
        pytest.param(None, 1, id="never_locked"),
        pytest.param(replace(HELD, expires=NOW - 1), 8, id="expired"),
        pytest.param(replace(HELD, expires=NOW), 8, id="expired_at_this_moment"),
        pytest.param(replace(HELD, run="", expires=0.0), 8, id="released"),
        pytest.param(replace(HELD, run=""), 8, id="released_and_not_yet_expired"),
        pytest.param(replace(HELD, run="mine"), 8, id="ours_already"),
    ],
)
def test_a_free_lock_is_taken_with_the_next_fence(seen: Lease | None, fence: int) -> None:
    assert next_lease(seen, NOW, 60, WANTED) == replace(WANTED, fence=fence, expires=NOW + 60)


def test_a_held_lock_is_not_taken() -> None:
    assert next_lease(HELD, NOW, 60, WANTED) is None
    assert next_lease(replace(HELD, expires=NOW + 0.001), NOW, 60, WANTED) is None


def test_an_emergency_takes_over_by_naming_the_holder() -> None:
    assert next_lease(HELD, NOW, 60, WANTED, "theirs") == replace(WANTED, fence=8, expires=NOW + 60)


def test_taking_over_from_somebody_else_than_the_holder_is_refused() -> None:
    with pytest.raises(Refused, match="held by run theirs, not by another"):
        next_lease(HELD, NOW, 60, WANTED, "another")


def test_a_free_lock_needs_no_taking_over() -> None:
    taken = next_lease(replace(HELD, expires=NOW), NOW, 60, WANTED, "long gone")

    assert taken is not None
    assert taken.run == "mine"


@pytest.mark.parametrize(("run", "expires", "held"), [
    ("theirs", NOW + 0.001, True), ("theirs", NOW, False), ("theirs", NOW - 1, False), ("", NOW + 30, False),
])
def test_a_lease_ends_by_itself(run: str, expires: float, held: bool) -> None:
    assert replace(HELD, run=run, expires=expires).held_at(NOW) is held


def test_a_lease_is_shown_without_its_tokens_digest() -> None:
    assert "token" not in str(HELD.as_dict())
    assert HELD.as_dict()["run"] == "theirs"


def test_the_row_keeps_a_digest_only() -> None:
    assert digest_token("t") == hashlib.sha256(b"t").hexdigest() != digest_token("T")
