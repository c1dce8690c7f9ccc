"""Which dump is tested, and what its age and size say; which databases are a test's own."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.coverage import Collected
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import Denied, Missing, OperationError, Refused
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.limits import Limits
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.archive import table_oids, without_extensions
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.connection import connector
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.dump_extras import NOT_COMPARED, NOT_TOLD, Extras
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.dump_files import AHEAD, Dump
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.dump_manifest import File, Manifest, Proof
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.restore_plan import (
    Target,
    Trial,
    describe_trial,
    judge_dump,
    judge_restored,
    plan_trial,
    trial_of,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.scratch import (
    Scratch,
    drop_scratch,
    made_at,
    scratch_name,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.table_contents import Contents, differences

NOW = datetime(2026, 11, 21, 8, tzinfo=UTC)
MANIFEST = Manifest("media", "custom", 170004, "18.6", NOW, NOW, (File("", 100, "ab"),), (), ("pg_trgm",), "UTF8", "C", "C")
TRIAL = Trial("media", "", 1, timedelta(hours=24), 50.0, ())


def dump(days: float, size: int = 100) -> Dump:
    started = NOW - timedelta(days=days)
    return Dump(f"media-{started:%Y%m%dT%H%M%SZ}.dump", started, size, replace(MANIFEST, files=(File("", size, "ab"),)))


TARGET = Target("db:5432/postgres", 180006, True, frozenset({"pg_trgm"}), (dump(0.5), dump(1), dump(2)), ())


def plan(target: Target = TARGET, trial: Trial = TRIAL, limits: Limits | None = None) -> Any:
    return plan_trial(Collected(target, NOW), "/b", trial, limits or Limits())


def test_the_newest_good_dump_is_tested_or_the_one_named() -> None:
    assert [change.handle["dump"] for change in plan().changes] == [dump(0.5)]
    assert [change.handle["dump"] for change in plan(trial=replace(TRIAL, dump=dump(2).name)).changes] == [dump(2)]


@pytest.mark.parametrize(("target", "trial", "kind"), [
    (replace(TARGET, listed=()), TRIAL, Missing), (TARGET, replace(TRIAL, dump="media-x.dump"), Missing),
    (replace(TARGET, listed=(replace(dump(1), size=1),)), replace(TRIAL, dump=dump(1).name), Refused),
    (replace(TARGET, may_create=False), TRIAL, Denied), (replace(TARGET, version=160009), TRIAL, Refused),
    (replace(TARGET, extensions=frozenset()), TRIAL, Refused),
])
def test_what_cannot_be_restored_is_refused_beforehand(target: Target, trial: Trial, kind: type[OperationError]) -> None:
    with pytest.raises(kind):
        plan(target, trial)


def test_an_extension_that_is_left_out_need_not_be_there() -> None:
    assert plan(replace(TARGET, extensions=frozenset()), replace(TRIAL, extensions_left_out=("pg_trgm",))).changes


@pytest.mark.parametrize(("listed", "faults"), [
    ((dump(0.5), dump(1)), []), ((dump(1.1), dump(2)), ["age of the dump"]),
    ((dump(0.5, 49), dump(1)), ["size of the dump"]), ((dump(0.5, 50), dump(1)), []), ((dump(0.5, 1),), []), ((), ["dump"]),
])
def test_a_dump_is_young_enough_and_of_a_size_like_those_before(listed: tuple[Dump, ...], faults: list[str]) -> None:
    evidence = judge_dump(Collected(replace(TARGET, listed=listed), NOW), TRIAL)
    assert [item.check for item in evidence if item.ok is False] == faults


AHEAD_BY_AN_HOUR = dump(-1 / 24)


def test_a_dump_from_the_future_is_not_the_newest_and_is_named() -> None:
    made = plan(replace(TARGET, listed=(AHEAD_BY_AN_HOUR, dump(0.5))))

    assert [change.handle["dump"] for change in made.changes] == [dump(0.5)]
    assert [(kept.resource, kept.reason) for kept in made.kept] == [(f"postgres-dump:/b/{AHEAD_BY_AN_HOUR.name}", AHEAD)]
    with pytest.raises(Missing, match="from the future"):
        plan(replace(TARGET, listed=(AHEAD_BY_AN_HOUR,)))


@pytest.mark.parametrize(("days", "maximum", "told", "ok"), [
    (-1 / 24, timedelta(hours=24), "1 h ahead", False), (-1 / 24, None, "1 h ahead", False),
    (-4 / 1440, timedelta(hours=24), "0 s old", True), (0.5, timedelta(hours=24), "12 h old", True),
])
def test_an_age_below_nothing_is_none(days: float, maximum: timedelta | None, told: str, ok: bool) -> None:
    trial = replace(TRIAL, dump=dump(days).name, maximum_age=maximum)
    [age] = judge_dump(Collected(replace(TARGET, listed=(dump(days),)), NOW), trial)
    assert (age.check, age.actual, age.ok) == ("age of the dump", told, ok)


@pytest.mark.parametrize(("listed", "said"), [
    ((dump(2), dump(3)), "age of the dump: 2 d old (expected: younger than 1 d)"),
    ((dump(0.5, 1), dump(1)), "size of the dump: 1 bytes"), ((dump(0.5), dump(1)), ""),
])
def test_a_dump_that_is_too_old_or_small_fails_in_check_mode_too(listed: tuple[Dump, ...], said: str) -> None:
    described = describe_trial(Collected(replace(TARGET, listed=listed), NOW), TRIAL)
    assert described.get("failed", False) is bool(said)
    assert said in described.get("msg", "")


@pytest.mark.parametrize(("size", "free", "told"), [
    (600, None, "up to 0.0 MiB (the database had 0.0 MiB, and as much WAL may be written); what is free is not known"),
    (600, 1200, "are free"), (None, 1, "how much room it needs is not known"),
])
def test_how_much_room_a_restore_needs_is_told(size: int | None, free: int | None, told: str) -> None:
    one = replace(dump(0.5), manifest=replace(MANIFEST, database_size=size))
    [change] = plan(replace(TARGET, listed=(one,)), replace(TRIAL, free_space=free)).changes
    assert told in change.summary


def test_a_restore_that_may_fill_the_disk_is_refused() -> None:
    one = replace(dump(0.5), manifest=replace(MANIFEST, database_size=600))
    with pytest.raises(Refused, match="as much WAL"):
        plan(replace(TARGET, listed=(one,)), replace(TRIAL, free_space=1199))
    proven = replace(one, proof=Proof("", NOW - timedelta(hours=1), "db", 1, 1))
    assert not plan(replace(TARGET, listed=(proven,)), replace(TRIAL, free_space=1199, not_within=timedelta(days=6))).changes


EXTRAS = Extras(3, (("public", "seen"),), ())


@pytest.mark.parametrize(("expected", "wrong"), [(EXTRAS, False), (replace(EXTRAS, large_objects=4), True), (None, False)])
def test_what_is_not_compared_is_said(expected: Extras | None, wrong: bool) -> None:
    evidence = judge_restored("d", replace(MANIFEST, extras=expected), [], EXTRAS, [])

    assert evidence.ok is not wrong
    assert ("differences" in evidence.actual) is wrong
    assert set(NOT_COMPARED) <= set(evidence.actual["not_compared"])
    assert (NOT_TOLD in evidence.actual["not_compared"]) is (expected is None)


def test_without_a_dump_there_is_none_to_describe() -> None:
    assert describe_trial(Collected(replace(TARGET, listed=()), NOW), TRIAL) == {"dump": None}


@pytest.mark.parametrize("options", [{"jobs": 0}, {"minimum_percent_of_previous": 101.0}, {"maximum_age": "old"},
                                     {"free_space": -1}])
def test_options_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        trial_of({"name": "media", "jobs": 1, "minimum_percent_of_previous": 50.0, "extensions_left_out": [], **options})


OLD, YOUNG, LIVING, VISITED = (scratch_name(NOW - timedelta(days=days), "0123abcd") for days in (2, 0, 1, 3))


def test_databases_of_killed_tests_go_first_however_young_and_those_in_use_stay() -> None:
    made = plan(replace(TARGET, scratch=(
        Scratch(OLD), Scratch(YOUNG), Scratch(LIVING, at_work=True), Scratch(VISITED, connected=True))))
    kept = plan(replace(TARGET, scratch=(Scratch(OLD),)), limits=Limits(protected=(OLD,)))

    assert [[change.resource for change in step] for step in made.steps] == [
        [f"postgres-database:{OLD}", f"postgres-database:{YOUNG}"], [f"postgres-dump:/b/{dump(0.5).name}"]]
    assert {one.resource.partition(":")[2]: one.reason for one in made.kept} == {
        LIVING: "its test is at work", VISITED: "somebody is connected to it"}
    assert [change.action for change in kept.changes] == ["restore"]


@pytest.mark.parametrize("name", [
    "postgres", "media", "opsbook_restore_", "opsbook_restore_20261121t080000z", "opsbook_restore_20261121t080000z_0123ABCD",
    f"x{OLD}", f"{OLD}x", "opsbook_restore_20261321t080000z_0123abcd", f"{OLD}\n",
])
def test_no_other_database_is_taken_for_one_of_ours_or_dropped(name: str) -> None:
    assert made_at(name) is None
    with pytest.raises(OperationError, match="it is none"):
        drop_scratch(connector({"login_port": 1}), name, force=True)


# pg_restore ends such a line with a blank, for want of an owner.
LISTED = """;
; Archive created at 2026-11-21 08:00:00 UTC
2; 3079 16398 EXTENSION - pg_trgm{blank}
3; 3079 16399 EXTENSION - pg_trgm_more{blank}
2649; 0 0 COMMENT - EXTENSION pg_trgm{blank}
220; 1259 16385 TABLE public EXTENSION - pg_trgm postgres
2639; 0 16393 TABLE DATA public Odd. "x  y postgres
2640; 0 16479 MATERIALIZED VIEW DATA public mv postgres
2641; 1259 16480 TABLE public TABLE DATA postgres
""".replace("{blank}", " ")


def test_tables_with_their_rows_are_known_by_number_whatever_their_names() -> None:
    assert table_oids(LISTED) == {16393}


def test_only_the_extension_and_its_comment_are_left_out() -> None:
    left = without_extensions(LISTED, ["pg_trgm"])
    assert set(LISTED.splitlines()) - set(left.splitlines()) == {
        "2; 3079 16398 EXTENSION - pg_trgm ", "2649; 0 0 COMMENT - EXTENSION pg_trgm "}


ITEMS = Contents("public", "items", 2, "7")


@pytest.mark.parametrize(("seen", "told"), [
    ([ITEMS], []), ([], ["public.items: it is missing"]), ([replace(ITEMS, checksum=None)], []),
    ([replace(ITEMS, rows=1)], ["public.items: 1 rows instead of 2"]),
    ([replace(ITEMS, checksum="8")], ["public.items: the contents of its 2 rows differ"]),
    ([ITEMS, replace(ITEMS, name="more")], ["public.more: it was not in the dumped database"]),
])
def test_tables_that_differ_are_named(seen: list[Contents], told: list[str]) -> None:
    assert differences([ITEMS], seen) == told
