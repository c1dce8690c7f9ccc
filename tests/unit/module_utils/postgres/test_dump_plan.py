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


HOUR = 1 / 24


@pytest.mark.parametrize(("listed", "made", "not_within", "told", "ok"), [
    ([dump(0)], dump(0).name, None, dump(0).name, True), ([dump(-HOUR), dump(0)], dump(0).name, None, dump(0).name, True),
    ([dump(-HOUR)], dump(0).name, timedelta(hours=5), "there is none", False),
    ([replace(dump(0), size=1)], dump(0).name, None, "it has 1 bytes, and its manifest says 10,485,760", False),
    ([dump(HOUR)], "", timedelta(hours=5), dump(HOUR).name, True), ([dump(HOUR)], "", None, dump(HOUR).name, False),
    ([dump(6 * HOUR)], "", timedelta(hours=5), dump(6 * HOUR).name, False),
    ([dump(-HOUR), dump(HOUR)], "", timedelta(hours=5), dump(HOUR).name, True),
    ([dump(-HOUR)], "", timedelta(hours=5), "there is none", False), ([], "", timedelta(hours=5), "there is none", False),
])
def test_the_dump_of_this_run_is_judged_else_the_newest_that_is_not_from_the_future(
    listed: list[Dump], made: str, not_within: Any, told: str, ok: bool
) -> None:
    evidence = judge_newest(SOURCE, listed, made, NOW, not_within)

    assert evidence.ok is ok
    assert (evidence.actual if isinstance(evidence.actual, str) else evidence.actual["dump"]) == told


def test_a_dump_from_the_future_makes_none_unnecessary_and_stays() -> None:
    made = plan(replace(SOURCE, listed=(dump(-HOUR), dump(HOUR))))
    one = replace(WANTED, keeping=Keeping(1, timedelta(days=30)))
    due = plan(replace(SOURCE, listed=(dump(-HOUR), dump(40), dump(50))), one)

    assert actions(made) == []
    assert actions(due) == [["dump"], ["delete", "delete"]]
    assert "from the future" in str(due.kept)


@pytest.mark.parametrize(("checksums", "told"), [(True, "count them and add up their checksums"), (False, "to count them")])
def test_the_summary_says_how_long_the_snapshot_is_held(checksums: bool, told: str) -> None:
    [change] = plan(SOURCE, replace(WANTED, checksums=checksums)).changes
    assert "snapshot is held until all rows have been read once more" in change.summary
    assert change.summary.endswith(told)


@pytest.mark.parametrize("options", [{"jobs": 0}, {"jobs": 2}, {"name": "../x"}, {"keep": 0}, {"not_within": "soon"}])
def test_options_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    given = {"name": "media", "format": "custom", "jobs": 1, "not_within": None, "keep": 1, "keep_for": None,
             "checksums": True}
    assert wanted_of(given).jobs == 1
    with pytest.raises(Refused):
        wanted_of({**given, **options})
