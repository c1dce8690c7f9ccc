# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Backups that are objects of an S3 bucket, each object under a prefix a backup of its own.

ListObjectsV2 answers in the order of the keys, which need not be that of time: the last of a listing is not the newest, and
all pages are read (procedure 003-03's seed takes `s3 ls | tail`). Pages come one after the other, a thousand keys each, so
there is an end to how many are read; where keys tell their date, a listing can begin with the days that matter.
"""

from __future__ import annotations

import fnmatch
import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from ..core.coverage import Collected
from ..core.durations import parse_duration
from ..core.errors import OperationError, Refused
from ..core.run import Run
from .backups import Backup, Source
from .client import Connect
from .errors import explaining, is_missing
from .gathering import gather

SOURCE_TYPE = "s3_backup"
KIND = "s3-backup"
# What a verdict needs is the newest and the one before; a prefix may have very many.
KEPT = 2
MOST_PAGES = 100
KEYS_A_PAGE = 1000


@dataclass(frozen=True)
class Objects:
    """Where the backups of something lie.

    :param name: what is backed up, for people
    :param pattern: what the names of the objects look like, a name being what follows the last "/" of a key
    :param start_after: the key after which the listing begins, with the date as strftime writes it; empty: from the first
    :param max_age: how old the newest may be; None: as for everything else
    """

    name: str
    bucket: str
    prefix: str = ""
    pattern: str = "*"
    start_after: str = ""
    max_age: timedelta | None = None

    def first_key(self, now: datetime, max_age: timedelta) -> str:
        """The key after which the listing begins.

        :param max_age: where the place has none of its own
        """
        age = max_age if self.max_age is None else self.max_age
        # The one before the newest is needed too; and a day more, since keys may have been named in another time zone.
        return (now - 2 * age - timedelta(days=1)).strftime(self.start_after)


def objects_of(given: Sequence[Mapping[str, Any]]) -> tuple[Objects, ...]:
    """The places from a module's options.

    :raises Refused: for an age that is no length of time, a start outside the prefix, or a name used twice
    """
    places = tuple(_place(one) for one in given)
    names = [place.name for place in places]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Refused("read backups", ", ".join(twice), "the name is used more than once", "Give each its own.")
    return places


def _place(given: Mapping[str, Any]) -> Objects:
    place = Objects(
        given["name"], given["bucket"], given.get("prefix") or "", given.get("pattern") or "*",
        given.get("start_after") or "", parse_duration(given["max_age"]) if given.get("max_age") else None)
    if place.start_after and not place.start_after.startswith(place.prefix):
        raise Refused("read backups", place.name, f"start_after does not begin with the prefix {place.prefix}",
                      "Give the whole key.")
    return place


def collect_object_backups(
    connect: Connect, run: Run, places: Sequence[Objects], max_age: timedelta
) -> Collected[tuple[Source, ...]]:
    """Read the objects of each place.

    A bucket that does not exist is part of the state; one that is denied, or has too many objects to list, is a gap.
    """
    now = run.now()
    by_name = {place.name: place for place in places}

    def read_one(name: str) -> Source:
        place = by_name[name]
        with explaining("list the backups in an S3 bucket", f"{place.bucket}/{place.prefix}"):
            return _source(connect, place, place.first_key(now, max_age))

    sources, coverage = gather(run, KIND, by_name, read_one)
    return Collected(tuple(sources), now, coverage)


def _source(connect: Connect, place: Objects, first_key: str) -> Source:
    client = connect("s3")
    count = size = 0

    def backups() -> Iterator[Backup]:
        nonlocal count, size
        for entry in _entries(client, place, first_key):
            name = entry["Key"].rpartition("/")[2]
            # What stands for a folder has no name: it holds nothing and is no backup.
            if name and fnmatch.fnmatchcase(name, place.pattern):
                count += 1
                size += int(entry.get("Size") or 0)
                yield _backup(place.bucket, entry, client.meta.partition)

    try:
        newest = heapq.nlargest(KEPT, backups(), key=lambda backup: (backup.created, backup.name))
    except Exception as error:
        if not is_missing(error):
            raise
        return Source(SOURCE_TYPE, place.name, exists=False, max_age=place.max_age)
    return Source(SOURCE_TYPE, place.name, backups=tuple(newest), older=count - len(newest), max_age=place.max_age,
                  listed_after=first_key, size=size)


def _entries(client: Any, place: Objects, first_key: str) -> Iterator[Mapping[str, Any]]:
    """The objects under the prefix, page after page.

    :raises OperationError: when there are more than anybody waits for
    """
    start = {"StartAfter": first_key} if first_key else {}
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=place.bucket, Prefix=place.prefix, **start)
    for number, page in enumerate(pages, 1):
        yield from page.get("Contents") or ()
        if number == MOST_PAGES and page.get("IsTruncated"):
            raise OperationError(
                "list the backups in an S3 bucket", f"{place.bucket}/{place.prefix}",
                f"there are more than {MOST_PAGES * KEYS_A_PAGE:,} objects: choose fewer by a narrower prefix, or by "
                "start_after where keys tell their date")


def _backup(bucket: str, entry: Mapping[str, Any], partition: str) -> Backup:
    return Backup(
        name=entry["Key"], arn=f"arn:{partition}:s3:::{bucket}/{entry['Key']}",
        created=entry["LastModified"].astimezone(timezone.utc), size=int(entry.get("Size") or 0),
        status=entry.get("StorageClass") or "STANDARD")
