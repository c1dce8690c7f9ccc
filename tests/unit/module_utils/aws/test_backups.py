"""Which backups are good enough."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.backups import (
    Backup,
    Source,
    describe_backups,
    evaluate_backups,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.coverage import Collected, Coverage, Gap
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.evidence import verdict_of

NOW = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
DAY = timedelta(hours=24)


def collected(*sources: Source, missing: tuple[Gap, ...] = ()) -> Collected[tuple[Source, ...]]:
    return Collected(sources, NOW, Coverage(missing=missing))


def backup(hours: float, size: int | None = 1000) -> Backup:
    return Backup(f"b{hours:g}", f"arn:{hours:g}", NOW - timedelta(hours=hours), size, "AVAILABLE")


def table(*backups: Backup, exists: bool = True) -> Source:
    return Source("dynamodb_table", "orders", exists, backups, may_be_empty=True)


def dump(*backups: Backup) -> Source:
    return Source("s3_backup", "orders", backups=backups)


@pytest.mark.parametrize(
    ("source", "verdict"),
    [
        pytest.param(table(backup(5)), "healthy", id="young_enough"),
        pytest.param(table(backup(24)), "healthy", id="exactly_as_old_as_allowed"),
        pytest.param(table(backup(24.1)), "unhealthy", id="too_old"),
        pytest.param(table(), "unhealthy", id="no_backup_at_all"),
        pytest.param(table(exists=False), "unhealthy", id="no_such_table"),
        pytest.param(dump(backup(5, size=0)), "unhealthy", id="an_empty_dump"),
        pytest.param(dump(backup(5, size=0), backup(29, size=0)), "unhealthy", id="a_dump_that_is_always_empty"),
        pytest.param(dump(backup(5, size=99), backup(29)), "unhealthy", id="less_than_a_tenth_of_the_one_before"),
        pytest.param(dump(backup(5, size=100), backup(29)), "healthy", id="a_tenth_of_the_one_before"),
        pytest.param(dump(backup(5), backup(29, size=0)), "healthy", id="grown_from_nothing"),
        pytest.param(table(backup(5, size=0)), "healthy", id="a_table_that_may_be_empty"),
        pytest.param(table(backup(5, size=0), backup(29, size=0)), "healthy", id="a_table_that_was_always_empty"),
        pytest.param(table(backup(5, size=0), backup(29)), "unhealthy", id="a_table_that_held_something_before"),
        pytest.param(table(backup(5, size=99), backup(29)), "unhealthy", id="a_table_less_than_a_tenth_of_before"),
        pytest.param(dump(backup(5, size=None), backup(29)), "healthy", id="a_size_that_says_nothing"),
        pytest.param(dump(backup(5), backup(29, size=None)), "healthy", id="nothing_to_compare_with"),
        pytest.param(dump(backup(30, size=None)), "unhealthy", id="too_old_whatever_its_size"),
    ],
)
def test_judges_the_newest_backup(source: Source, verdict: str) -> None:
    state = collected(source)

    assert verdict_of(evaluate_backups(state, DAY), state.coverage) == verdict


@pytest.mark.parametrize(
    ("source", "said"),
    [
        pytest.param(dump(backup(30)), [("younger than 1 d", "b30, 1 d old"),
                                        ("more than 0 bytes", "1000 bytes")], id="age"),
        pytest.param(table(backup(30)), [("younger than 1 d", "b30, 1 d old")], id="a_table_with_nothing_to_compare"),
        pytest.param(dump(backup(5, size=None)), [("younger than 1 d", "b5, 5 h old")], id="no_size"),
        pytest.param(table(), [("younger than 1 d", "there is no backup")], id="none"),
        pytest.param(table(exists=False), [("exists", "does not exist")], id="no_table"),
        pytest.param(Source("s3_backup", "dumps", listed_after="dumps/20261118"), [
            ("younger than 1 d", "there is no backup after dumps/20261118")], id="none_of_late"),
        pytest.param(
            table(backup(5, size=7), backup(29)),
            [("younger than 1 d", "b5, 5 h old"),
             ("at least a tenth of the 1000 bytes of b29", "7 bytes")], id="size_of_a_table"),
        pytest.param(
            dump(backup(5, size=7), backup(29)),
            [("younger than 1 d", "b5, 5 h old"),
             ("more than 0 bytes, at least a tenth of the 1000 bytes of b29", "7 bytes")], id="size"),
    ],
)
def test_says_what_was_expected_and_seen(source: Source, said: list[tuple[str, str]]) -> None:
    assert [(item.expected, item.actual) for item in evaluate_backups(collected(source), DAY)] == said


def test_a_source_may_have_an_age_of_its_own() -> None:
    sources = [Source("s3_backup", "dumps", backups=(backup(5),), max_age=timedelta(hours=hours)) for hours in (0, 4, 6)]

    assert [item.ok for item in evaluate_backups(collected(*sources), DAY) if item.check == "newest backup"] == [
        False, False, True]


def test_counts_those_that_were_not_kept() -> None:
    source = Source("s3_backup", "dumps", backups=(backup(5), backup(29)), older=140)

    assert describe_backups(collected(source))["backups"][0]["count"] == 142


def test_a_table_that_could_not_be_read_is_unknown_not_unhealthy() -> None:
    state = collected(table(backup(5)), missing=(Gap("dynamodb-table:videos", "AccessDeniedException: no"),))

    assert verdict_of(evaluate_backups(state, DAY), state.coverage) == "unknown"


def test_describes_the_newest_backup() -> None:
    described: dict[str, Any] = describe_backups(collected(table(backup(5), backup(29))))["backups"][0]

    assert described["count"] == 2
    assert described["newest"] == {
        "name": "b5", "arn": "arn:5", "created": "2026-11-20T21:00:00+00:00", "age_hours": 5.0, "size_bytes": 1000,
        "status": "AVAILABLE"}
    assert describe_backups(collected(table()))["backups"][0]["newest"] is None
    assert describe_backups(collected(dump(backup(5, size=None))))["backups"][0]["newest"]["size_bytes"] is None
