# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Backups that are objects of an S3 bucket, each object under a prefix a backup of its own.

ListObjectsV2 answers in the order of the keys, which need not be that of time: the last of a listing is not the newest, and
all pages are read (procedure 003-03's seed takes `s3 ls | tail`).
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta, timezone
from typing import Any

from ..core.coverage import Collected
from ..core.durations import parse_duration
from ..core.errors import Refused
from ..core.run import Run
from .backups import Backup, Source
from .calls import all_pages
from .client import Connect
from .errors import explaining, is_missing
from .gathering import gather

SOURCE_TYPE = "s3_backup"
KIND = "s3-backup"
# What a verdict needs is the newest and the one before; a prefix may have very many.
KEPT = 2


@dataclass(frozen=True)
class Objects:
    """Where the backups of something lie.

    :param name: what is backed up, for people
    :param max_age: how old the newest may be; None: as for everything else
    """

    name: str
    bucket: str
    prefix: str = ""
    max_age: timedelta | None = None


def objects_of(given: Sequence[Mapping[str, Any]]) -> tuple[Objects, ...]:
    """The places from a module's options.

    :raises Refused: for an age that is no length of time, or a name used twice
    """
    places = tuple(Objects(one["name"], one["bucket"], one.get("prefix") or "",
                           parse_duration(one["max_age"]) if one.get("max_age") else None) for one in given)
    names = [place.name for place in places]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Refused("read backups", ", ".join(twice), "the name is used more than once", "Give each its own.")
    return places


def collect_object_backups(connect: Connect, run: Run, places: Sequence[Objects]) -> Collected[tuple[Source, ...]]:
    """Read the objects of each place; a bucket that does not exist is part of the state, one that is denied is a gap."""
    by_name = {place.name: place for place in places}

    def read_one(name: str) -> Source:
        place = by_name[name]
        with explaining("list the backups in an S3 bucket", f"{place.bucket}/{place.prefix}"):
            return _source(connect, place)

    sources, coverage = gather(run, KIND, by_name, read_one)
    return Collected(tuple(sources), run.now(), coverage)


def _source(connect: Connect, place: Objects) -> Source:
    client = connect("s3")
    count = 0

    def backups() -> Iterator[Backup]:
        nonlocal count
        for entry in all_pages(client, "list_objects_v2", "Contents", Bucket=place.bucket, Prefix=place.prefix):
            # What stands for a folder holds nothing and is no backup.
            if not entry["Key"].endswith("/"):
                count += 1
                yield _backup(place.bucket, entry, client.meta.partition)

    try:
        newest = heapq.nlargest(KEPT, backups(), key=lambda backup: (backup.created, backup.name))
    except Exception as error:
        if not is_missing(error):
            raise
        return Source(SOURCE_TYPE, place.name, exists=False, max_age=place.max_age)
    return Source(SOURCE_TYPE, place.name, backups=tuple(newest), older=count - len(newest), max_age=place.max_age)


def _backup(bucket: str, entry: Mapping[str, Any], partition: str) -> Backup:
    return Backup(
        name=entry["Key"], arn=f"arn:{partition}:s3:::{bucket}/{entry['Key']}",
        created=entry["LastModified"].astimezone(timezone.utc), size=int(entry.get("Size") or 0),
        status=entry.get("StorageClass") or "STANDARD")
