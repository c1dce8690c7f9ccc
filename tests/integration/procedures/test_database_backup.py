"""Database backups: made every six hours and proven, old ones let go, and the newest one restored for real."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.databases import superuser
from tests.support.labs import Lab
from tests.support.procedures import Maintained, inventory_altered, maintain

BACKUP = "playbooks/backup-database.yml"
VERIFICATION = "playbooks/backup-verification.yml"
BUCKETS = {"analytics": "social-analytics-exports", "media": "media-search-backups"}
CLOSED = {
    "maintenance_windows": [{"days": ["monday"], "start": "02:00", "end": "02:01", "timezone": "UTC"}],
    "change_freezes": [{"name": "the sale", "start": "2020-01-01", "end": "2099-12-31"}],
}


def dumps(lab: Lab, system: str) -> list[str]:
    """What our runs have put into a system's bucket."""
    pages = lab.client("s3", system).get_paginator("list_objects_v2").paginate(Bucket=BUCKETS[system], Prefix="postgres/")
    keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
    return sorted(key for key in keys if "T" in key.rpartition("/")[2])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("database-backup")


@pytest.fixture(scope="module")
def without(databases: Lab, place: Path) -> Maintained:
    """Verification before there is any dump of ours."""
    return maintain(databases, place / "without", playbook=VERIFICATION)


@pytest.fixture(scope="module")
def checked(without: Maintained, databases: Lab, place: Path) -> Maintained:
    """A backup in check mode."""
    return maintain(databases, place / "checked", "--check", playbook=BACKUP)


@pytest.fixture(scope="module")
def made(checked: Maintained, databases: Lab, place: Path) -> Maintained:
    """A backup, outside of every window and in a freeze."""
    assert [dumps(databases, system) for system in BUCKETS] == [[], []]
    closed = inventory_altered(place, media=lambda variables: variables.update(CLOSED))
    return maintain(databases, place / "made", "-i", closed, "--limit", "analytics,media", playbook=BACKUP)


@pytest.fixture(scope="module")
def verified(made: Maintained, databases: Lab, place: Path) -> Maintained:
    """Verification of what was made."""
    return maintain(databases, place / "verified", playbook=VERIFICATION)


def test_without_a_dump_nothing_is_relied_on(without: Maintained) -> None:
    assert without.status == 2
    assert "there is no such dump that is good" in without.said


def test_check_mode_makes_no_changing_call(checked: Maintained) -> None:
    assert checked.status == 0, checked.output
    assert "would change 1" in checked.said
    assert checked.changing() == []


def test_a_dump_is_made_at_any_time_and_lies_beside_its_manifest(made: Maintained, databases: Lab) -> None:
    assert made.status == 0, made.output
    for system in BUCKETS:
        [dump, manifest] = dumps(databases, system)
        assert manifest == f"{dump}.manifest.json"


def test_a_second_backup_makes_no_other(made: Maintained, databases: Lab, records: Path) -> None:
    again = maintain(databases, records, playbook=BACKUP)
    assert again.status == 0, again.output
    assert again.said.count("nothing to change") == len(BUCKETS)
    assert len(dumps(databases, "media")) == 2
    assert again.carried_out() == []


def test_the_newest_dump_is_restored_and_all_backups_are_counted(verified: Maintained, databases: Lab) -> None:
    assert verified.status == 0, verified.output
    assert "media files: " in verified.said
    assert "MiB in all" in verified.said
    assert [change["action"] for change in verified.record["changes"]] == ["restore", "restore"]
    with superuser(databases, "media") as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_database WHERE datname LIKE 'opsbook_restore%'")
        assert cursor.fetchone() == (0,)


def test_a_second_verification_restores_nothing_again(verified: Maintained, databases: Lab, records: Path) -> None:
    again = maintain(databases, records, playbook=VERIFICATION)
    assert again.status == 0, again.output
    assert again.said.count("nothing to change") == len(BUCKETS)
    assert again.carried_out() == []


def test_a_check_fails_for_a_dump_that_is_too_old(verified: Maintained, databases: Lab, records: Path) -> None:
    found = maintain(databases, records, "--check", "-e", "dump_maximum_age=1s", playbook=VERIFICATION)
    assert found.status == 2, found.output
    assert found.said.count("age of the dump") >= len(BUCKETS)
    assert found.record["changes"] == []


def test_a_dump_that_was_changed_is_no_backup(verified: Maintained, databases: Lab, records: Path) -> None:
    dump = dumps(databases, "media")[0]
    client = databases.client("s3", "media")
    body = bytearray(client.get_object(Bucket=BUCKETS["media"], Key=dump)["Body"].read())
    body[len(body) // 2] ^= 1
    client.put_object(Bucket=BUCKETS["media"], Key=dump, Body=bytes(body))
    found: Any = maintain(databases, records, "--limit", "media", "-e", "not_within=1s", playbook=VERIFICATION)

    assert found.status == 2
    assert "its SHA-256 is not the manifest's" in found.said
    assert "media files: " in found.said, "the other backups are told of all the same"
