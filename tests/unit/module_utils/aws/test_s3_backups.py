"""Which objects are listed as backups, and how many at most: against botocore's own model, one request after the other."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.backups import Source, evaluate_backups
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.s3_backups import (
    MOST_PAGES,
    collect_object_backups,
    objects_of,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.coverage import Collected
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import Refused
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.run import Run

NOW = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
DAY = timedelta(hours=24)


class Answers:
    """An S3 that answers what it was told, and refuses any other request."""

    def __init__(self) -> None:
        self.client: Any = boto3.client("s3", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
        self.stub = Stubber(self.client)

    def page(self, *entries: dict[str, Any], after: str = "", token: str = "", following: str = "") -> None:
        """A page of the objects below `postgres/`."""
        request = {"Bucket": "backups", "Prefix": "postgres/", **({"StartAfter": after} if after else {}),
                   **({"ContinuationToken": token} if token else {})}
        more = {"IsTruncated": True, "NextContinuationToken": following} if following else {"IsTruncated": False}
        self.stub.add_response("list_objects_v2", {"Contents": list(entries), **more}, request)

    def read(self, **place: Any) -> Collected[tuple[Source, ...]]:
        """Collect, making every call that was prepared."""
        places = objects_of([{"name": "dumps", "bucket": "backups", "prefix": "postgres/", **place}])
        with self.stub:
            collected = collect_object_backups(lambda service: self.client, Run(now=lambda: NOW), places, DAY)
            self.stub.assert_no_pending_responses()
        return collected


@pytest.fixture
def s3() -> Answers:
    return Answers()


def entry(name: str, hours: float = 5, size: int = 1000) -> dict[str, Any]:
    return {"Key": f"postgres/{name}", "LastModified": NOW - timedelta(hours=hours), "Size": size}


def test_without_a_pattern_every_object_counts_but_folders(s3: Answers) -> None:
    s3.page(entry(""), entry("a.dump", 29), entry("b.dump"), entry("old/c.dump", 53))
    [source] = s3.read().state

    assert [backup.name for backup in source.backups] == ["postgres/b.dump", "postgres/a.dump"]
    assert (source.older, source.size) == (1, 3000)


@pytest.mark.parametrize(
    ("pattern", "newest"),
    [
        ("*.dump", "postgres/old/b.dump"),
        pytest.param("a.dump", "postgres/a.dump", id="of_the_name_not_of_the_key"),
        pytest.param("postgres/*", None, id="the_key_is_no_name"),
        pytest.param("*.DUMP", None, id="case_matters"),
    ],
)
def test_only_objects_whose_name_fits_the_pattern_count(s3: Answers, pattern: str, newest: str | None) -> None:
    s3.page(entry("a.dump", 29), entry("a.dump.sha256", 4, size=64), entry("old/b.dump"))
    [source] = s3.read(pattern=pattern).state

    assert [backup.name for backup in source.backups][:1] == ([newest] if newest else [])


def test_a_checksum_beside_a_dump_is_not_compared_with_it(s3: Answers) -> None:
    s3.page(entry("a.dump", 29), entry("b.dump", 5), entry("b.dump.sha256", 4.9, size=64))

    assert [item.ok for item in evaluate_backups(s3.read(pattern="*.dump"), DAY)] == [True, True]


@pytest.mark.parametrize(
    ("max_age", "after"),
    [
        pytest.param(None, "postgres/db-20261118-02", id="twice_the_age_of_all_and_a_day"),
        pytest.param("8h", "postgres/db-20261119-10", id="twice_its_own_and_a_day"),
    ],
)
def test_lists_from_a_date_that_keeps_the_one_before(s3: Answers, max_age: str | None, after: str) -> None:
    s3.page(entry("db-20261120-21.dump"), after=after, following="more")
    s3.page(entry("db-20261121-00.dump", 2), after=after, token="more")
    [source] = s3.read(start_after="postgres/db-%Y%m%d-%H", max_age=max_age).state

    assert (len(source.backups), source.listed_after) == (2, after)


def test_nothing_since_a_date_is_a_fault_that_names_it(s3: Answers) -> None:
    s3.page(after="postgres/db-20261118")
    [evidence] = evaluate_backups(s3.read(start_after="postgres/db-%Y%m%d"), DAY)

    assert (evidence.ok, evidence.actual) == (False, "there is no backup after postgres/db-20261118")


@pytest.mark.parametrize(("more", "read"), [(False, True), (True, False)])
def test_what_is_too_much_to_list_is_a_gap_that_says_what_to_do(s3: Answers, more: bool, read: bool) -> None:
    for number in range(MOST_PAGES):
        last = number == MOST_PAGES - 1
        s3.page(entry(f"{number:03}.dump"), token=str(number) if number else "",
                following=str(number + 1) if more or not last else "")
    collected = s3.read()

    assert bool(collected.state) is collected.coverage.complete is read
    for gap in collected.coverage.missing:
        assert gap.resource == "s3-backup:dumps"
        assert "more than 100,000 objects" in gap.reason
        assert "narrower prefix" in gap.reason
        assert "start_after" in gap.reason


@pytest.mark.parametrize(
    ("place", "said"),
    [
        pytest.param({"prefix": "postgres/", "start_after": "db-%Y%m%d"}, "prefix", id="a_start_outside_the_prefix"),
        pytest.param({"max_age": "soon"}, "soon", id="no_length_of_time"),
    ],
)
def test_refuses_what_it_cannot_mean(place: dict[str, Any], said: str) -> None:
    with pytest.raises(Refused, match=said):
        objects_of([{"name": "dumps", "bucket": "backups", **place}])


def test_a_name_is_used_once() -> None:
    with pytest.raises(Refused, match="more than once"):
        objects_of([{"name": "dumps", "bucket": "backups"}] * 2)
