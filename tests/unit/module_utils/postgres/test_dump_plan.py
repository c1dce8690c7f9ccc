"""Whether a dump is made and which go, as one plan."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.coverage import Collected, Coverage, Gap
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import Refused
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.limits import Limits, refuse_beyond
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.dump_files import Dump, Keeping
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.dump_manifest import File, Manifest
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.dump_plan import (
    Source,
    Wanted,
    judge_newest,
    plan_dump,
    wanted_of,
)

NOW = datetime(2026, 11, 21, 8, tzinfo=UTC)
MIB = 1024 * 1024
MANIFEST = Manifest("media", "custom", 180006, "18.6", NOW, NOW, (File("", 10 * MIB, "ab"),), (), (), "UTF8", "C", "C")
SOURCE = Source("db:5432/media", "media", 180006, 400 * MIB, "UTF8", "C", "C", (), (), (), 1000 * MIB)
WANTED = Wanted("media", "custom", 1, timedelta(hours=5), Keeping(2, timedelta(days=30)), True)


def dump(days: float) -> Dump:
    started = NOW - timedelta(days=days)
    return Dump(f"media-{started:%Y%m%dT%H%M%SZ}.dump", started, MANIFEST.size, MANIFEST)


def plan(state: Source, wanted: Wanted = WANTED, limits: Limits | None = None, *gaps: Gap) -> Any:
    return plan_dump(Collected(state, NOW, Coverage((), gaps)), "/b", wanted, limits or Limits())


def actions(made: Any) -> list[list[str]]:
    return [[change.action for change in step] for step in made.steps]


def test_the_dump_comes_first_and_old_ones_go_in_a_step_of_their_own() -> None:
    made = plan(replace(SOURCE, listed=(dump(1), dump(40), dump(50))))
    assert actions(made) == [["dump"], ["delete", "delete"]]
    assert made.steps[1][0].resource < made.steps[1][1].resource


def test_where_a_fresh_dump_is_only_old_ones_go_and_gaps_hinder_nothing() -> None:
    made = plan(replace(SOURCE, listed=(dump(0.1), dump(40), dump(50))), WANTED, None, Gap("postgres-table:x", "no SELECT"))
    assert actions(made) == [["delete"]]
    assert "2 h old" in str(made.kept)


def test_a_table_that_may_not_be_read_refuses_the_dump() -> None:
    with pytest.raises(Refused, match=r"public\.users: no SELECT on it"):
        plan(SOURCE, WANTED, None, Gap("public.users", "no SELECT on it"))


@pytest.mark.parametrize(("free", "listed", "reason"), [
    (99, (), "a quarter of the database's size"), (11, (dump(1),), "a fifth more than media-20261120T080000Z.dump")])
def test_too_little_room_is_told_with_what_was_reckoned(free: int, listed: tuple[Dump, ...], reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        plan(replace(SOURCE, free=free * MIB, listed=listed))
    assert plan(replace(SOURCE, free=(free + 1) * MIB, listed=listed)).changes


@pytest.mark.parametrize(("most", "before", "deletes"), [("3", 0, 2), ("2", 0, 1), ("1", 0, 0), ("3", 1, 1), ("50%", 0, 1)])
def test_deletions_beyond_the_limit_wait_and_the_dump_is_never_given_up(most: str, before: int, deletes: int) -> None:
    limits = Limits(most, (), frozenset(f"postgres-dump:{number}" for number in range(before)))
    made = plan(replace(SOURCE, listed=(dump(1), dump(40), dump(50))), WANTED, limits)

    refuse_beyond(made, limits)
    assert sum(change.action == "delete" for change in made.changes) == deletes
    assert all("media-20261002" in change.resource for change in made.changes[1:2])


def test_sizes_and_moments_do_not_make_another_plan() -> None:
    listed = (dump(1), dump(40), dump(50))
    later = Collected(replace(SOURCE, listed=listed, size=1, free=900 * MIB), NOW + timedelta(minutes=9), Coverage())
    assert plan(replace(SOURCE, listed=listed)).digest == plan_dump(later, "/b", WANTED, Limits()).digest


@pytest.mark.parametrize(("started", "not_within", "ok"), [
    (NOW, None, True), (NOW + timedelta(seconds=9), None, True), (NOW - timedelta(hours=1), None, False),
    (NOW - timedelta(hours=1), timedelta(hours=5), True), (NOW - timedelta(hours=6), timedelta(hours=5), False),
])
def test_the_newest_dump_has_to_be_of_this_run_or_young_enough(started: datetime, not_within: Any, ok: bool) -> None:
    newest = replace(dump(0), started=started.replace(microsecond=0))
    assert judge_newest(SOURCE, newest, NOW.replace(microsecond=5), not_within).ok is ok
    assert judge_newest(SOURCE, None, NOW, not_within).ok is False


@pytest.mark.parametrize("options", [{"jobs": 0}, {"jobs": 2}, {"name": "../x"}, {"keep": 0}, {"not_within": "soon"}])
def test_options_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    given = {"name": "media", "format": "custom", "jobs": 1, "not_within": None, "keep": 1, "keep_for": None,
             "checksums": True}
    assert wanted_of(given).jobs == 1
    with pytest.raises(Refused):
        wanted_of({**given, **options})
