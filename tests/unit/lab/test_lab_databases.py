"""What is in the databases of the lab follows from seed and time alone."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.lease_store import CREATION
from lab.databases import wiring
from lab.databases.contents import DATABASES, RUN_LOCK, Contents, contents_of
from lab.databases.keyspace import commands_of
from lab.databases.load import Waits, summary
from lab.databases.streams import Stream, number_at, one_of, random_number
from lab.folders import DEFAULT_SETTINGS
from lab.valkey import encoded

ROLES = ("opsbook_monitor", "opsbook_operator", "opsbook_lock")
SINCE = datetime(2026, 11, 1, tzinfo=UTC)
STREAM = Stream("clicks", 100, 30, {"id": "i", "chance": "{1}", "again": "{1} + {2}"})


def settings(**other: Any) -> dict[str, Any]:
    return {**DEFAULT_SETTINGS, **other}


def test_the_rows_of_a_day_have_their_numbers_whenever_they_are_made() -> None:
    def numbers(since: datetime, until: datetime) -> tuple[int, int]:
        found = re.search(r"generate_series\((\d+)::bigint, (\d+)::bigint\)", STREAM.insertion(since, until, 1, 1))
        assert found
        return int(found[1]), int(found[2])

    first, last = numbers(SINCE, SINCE + timedelta(hours=3))
    later, _ = numbers(SINCE + timedelta(days=1), SINCE + timedelta(days=2))

    assert last - first == 99
    assert later == last + 1


def test_random_numbers_depend_on_seed_table_and_place() -> None:
    numbers = {random_number(*given) for given in (("a", 1, 1), ("b", 1, 1), ("a", 2, 1), ("a", 1, 2))}

    assert len(numbers) == 4
    assert random_number("a", 1, 1) in numbers
    assert STREAM.insertion(SINCE, SINCE, 7, 1).count(random_number("clicks", 7, 1)) == 2


def test_expressions_name_words_and_numbers() -> None:
    assert one_of(2, "a", "b") == "(ARRAY['a', 'b'])[1 + floor({2} * 2)::int]"
    assert "* 30 * {scale})::bigint" in number_at(30)
    assert "* 30 * 4)::bigint" in Stream("a", 1, 1, {"user_id": number_at(30)}).insertion(SINCE, SINCE, 1, 4)


@pytest.mark.parametrize(
    ("systems", "hosted"), [(["commerce"], ()), ([], ()), (["media", "commerce"], ("media",)),
                            (["media", "analytics"], ("analytics", "media"))])  # fmt: skip
def test_only_systems_with_databases_get_them(systems: list[str], hosted: tuple[str, ...]) -> None:
    chosen = settings(systems=systems)

    assert wiring.hosted(chosen) == hosted
    assert bool(wiring.contents(chosen)) == bool(hosted)
    assert set(wiring.new_passwords(chosen)) == ({*hosted, *ROLES, "redis"} if hosted else set())
    status = wiring.status(chosen, dict.fromkeys([*ROLES, "redis"], "x"), 1, 2)
    assert set(status["postgres"]) == set(status["redis"]) == set(hosted)


@pytest.mark.parametrize(("took", "expected"), [
    ([], Waits(0, 0, 0.0, 0.0, 0.0)),
    (["failed"], Waits(0, 1, 0.0, 0.0, 0.0)),
    (["1500"], Waits(1, 0, 1.5, 1.5, 1.5)),
    (["failed", *(str(1000 * number) for number in range(200, 0, -1))], Waits(200, 1, 101.0, 199.0, 200.0)),
])  # fmt: skip
def test_waits_are_read_from_pgbenchs_lines(took: list[str], expected: Waits) -> None:
    assert summary([["3", "7", one, "0", "1774000000", "5"] for one in took]) == expected


def test_the_table_of_the_run_lock_is_the_one_that_its_store_would_make() -> None:
    made = CREATION.format(table="public.opsbook_locks")
    assert "".join(made.split()) == "".join(RUN_LOCK[0].split())


def test_passwords_are_of_one_lab_only() -> None:
    first, second = (wiring.new_passwords(settings()) for _lab in range(2))

    assert len({*first.values(), *second.values()}) == 2 * len(first)


@pytest.mark.parametrize(("size", "scale"), [(1, 1), (3, 3), (16, 4)])
def test_rows_grow_with_the_size_up_to_a_few_millions(size: int, scale: int) -> None:
    assert contents_of(settings(size=size)).scale == scale


def test_a_template_is_of_one_seed_and_scale() -> None:
    prints = {Contents(("media",), seed, scale).fingerprint() for seed in (1, 2) for scale in (1, 2)}

    assert len(prints) == 4
    assert Contents(("media",), 1, 1).fingerprint() in prints


@pytest.mark.parametrize("name", list(DATABASES))
def test_a_database_holds_a_million_rows(name: str) -> None:
    database = DATABASES[name]
    rows = sum(stream.per_day * stream.days * (5 + 2 * stream.weekend) / 7 for stream in database.streams)

    assert 900_000 < rows < 1_300_000


def test_keys_follow_from_the_seed_alone() -> None:
    first, again, other = (list(commands_of(("analytics", "media"), seed, 1)) for seed in (1, 1, 2))

    assert first == again
    assert first != other
    assert 18_000 < len({command[1] for command in first if command[0] in ("SET", "HSET")}) < 25_000


def test_a_command_is_written_as_the_protocol_has_it() -> None:
    assert encoded(("SET", "ä", "1 2")) == "*3\r\n$3\r\nSET\r\n$2\r\nä\r\n$3\r\n1 2\r\n".encode()
