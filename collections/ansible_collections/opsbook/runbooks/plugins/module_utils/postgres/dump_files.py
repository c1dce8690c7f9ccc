# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Dumps by their names and manifests: which are good, which may go. All of it pure.

A dump is good when a manifest of ours lies beside it and it is as large as that says. The manifest comes last, so that
neither a dump that is being written nor one whose run was killed is ever taken for a good one.

A dump that seems to be begun later than now was made by a machine whose clock goes ahead of ours, or ours goes behind. It
neither counts nor goes until its time has come: as the newest it would stand for all that are really made.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from statistics import median
from types import MappingProxyType
from typing import Any

from ..core.durations import parse_duration, say_duration
from ..core.errors import Refused
from ..core.limits import Limits
from .dump_manifest import Manifest, Proof, read_manifest, read_proof

MANIFEST_SUFFIX = ".manifest.json"
PROOF_SUFFIX = ".restored.json"
SUFFIXES = {"custom": ".dump", "directory": ".dir"}
PARTIAL = ".partial-"
STAMP = "%Y%m%dT%H%M%SZ"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
ABANDONED_AFTER = timedelta(days=1)
"""After so long without a byte written, what a run on another machine left behind is taken for abandoned."""
AHEAD = "it is from the future: a clock is wrong, here or where it was made"
CLOCKS_DIFFER = timedelta(minutes=5)
"""The clocks of machines may differ by so much. A dump that is further ahead is taken for one from the future."""
COMPARED = 5
"""A dump's size is compared with so many before it."""


@dataclass(frozen=True)
class Dump:
    """A dump that is named as ours are.

    :param started: when its name says that it was begun
    :param size: bytes that are there; None where only the manifest is
    :param manifest: None where there is none of ours
    :param proof: that it was restored whole; None where nobody has tried, or with another dump of the name
    """

    name: str
    started: datetime
    size: int | None
    manifest: Manifest | None
    proof: Proof | None = None

    @property
    def trouble(self) -> str:
        """Why it is not known to be good; empty where it is."""
        if self.manifest is None:
            return "it has no manifest of ours"
        if self.size is None:
            return "there is a manifest and no dump"
        same = self.size == self.manifest.size
        return "" if same else f"it has {self.size:,} bytes, and its manifest says {self.manifest.size:,}"

    @property
    def good(self) -> bool:
        """Whether it is whole, as far as a look tells."""
        return not self.trouble

    def as_dict(self) -> dict[str, Any]:
        """The dump as plain data."""
        told = {"name": self.name, "started": self.started.isoformat(), "size": self.size, "good": self.good,
                "trouble": self.trouble}
        if self.manifest is None:
            return told
        return {**told, "database": self.manifest.database, "tables": len(self.manifest.tables), "rows": self.manifest.rows,
                "restored": self.proof.restored.isoformat() if self.proof else None}


@dataclass(frozen=True)
class Leftover:
    """What a run that is not at work any more left of an unfinished dump."""

    name: str
    host: str
    process: int
    started: str


@dataclass(frozen=True)
class Keeping:
    """Which dumps stay.

    :param least: at least so many good ones, the newest
    :param duration: older ones go; None keeps all
    """

    least: int
    duration: timedelta | None


def keeping_of(options: Mapping[str, Any]) -> Keeping:
    """Check and read how long dumps are kept.

    :raises Refused: for less than one dump
    """
    if options["keep"] < 1:
        raise Refused("keep dumps", "keep", f"{options['keep']} would let the newest good dump go", "Give at least 1.")
    return Keeping(options["keep"], parse_duration(options["keep_for"]) if options.get("keep_for") else None)


def check_prefix(name: str) -> str:
    """The prefix of dumps' names.

    :raises Refused: for one that would make names of other folders, hidden files or worse
    """
    if not NAME.fullmatch(name):
        raise Refused("name a dump", name, "the name is not of letters, digits, dots, hyphens and underscores",
                      "Give a plain name, as media.")
    return name


def name_of(prefix: str, started: datetime, form: str) -> str:
    """The name of a dump begun then."""
    return f"{prefix}-{started.astimezone(timezone.utc).strftime(STAMP)}{SUFFIXES[form]}"


def started_of(prefix: str, name: str) -> datetime | None:
    """When a dump of this prefix was begun; None for what is not named as ours are."""
    match = re.fullmatch(rf"{re.escape(prefix)}-(\d{{8}}T\d{{6}}Z)\.(?:dump|dir)", name)
    try:
        return datetime.strptime(match.group(1), STAMP).replace(tzinfo=timezone.utc) if match else None
    except ValueError:
        return None


def partial_name(host: str, process: int, started: str, name: str) -> str:
    """The name of a dump that is being written, which tells who writes it."""
    return f"{PARTIAL}{plain_host(host)}-{process}-{started}-{name}"


def plain_host(host: str) -> str:
    """A machine's name as it is part of others."""
    return re.sub("[^A-Za-z0-9.]", "_", host)


def leftover_of(prefix: str, name: str) -> Leftover | None:
    """What a partial dump's name tells; None for anything else."""
    match = re.fullmatch(rf"{re.escape(PARTIAL)}([A-Za-z0-9._]+)-(\d+)-(\w+)-(.+)", name)
    if not match or not re.match(rf"{re.escape(prefix)}-\d{{8}}T\d{{6}}Z\.", match.group(4)):
        return None
    return Leftover(name, match.group(1), int(match.group(2)), match.group(3))


def dumps_of(
    prefix: str, sizes: Mapping[str, int], manifests: Mapping[str, str], proofs: Mapping[str, str] = MappingProxyType({})
) -> tuple[Dump, ...]:
    """The dumps of a prefix, newest first.

    :param sizes: everything that lies there, with its bytes
    :param manifests: the texts of manifests, by the name of their dump
    :param proofs: the texts of proofs, likewise
    """
    found = []
    for name in {*sizes, *manifests}:
        started = started_of(prefix, name)
        if started is not None:
            manifest, proof = read_manifest(manifests.get(name, "")), read_proof(proofs.get(name, ""))
            fitting = proof if proof and manifest and proof.manifest == manifest.digest else None
            found.append(Dump(name, started, sizes.get(name), manifest, fitting))
    return tuple(sorted(found, key=lambda dump: (dump.started, dump.name), reverse=True))


def strangers_of(prefix: str, names: Iterable[str]) -> list[str]:
    """What begins like a dump of the prefix and is not named as one."""
    return sorted(name for name in names if name.startswith(f"{prefix}-") and started_of(prefix, name) is None
                  and not name.endswith((MANIFEST_SUFFIX, PROOF_SUFFIX)))


def is_ahead(dump: Dump, now: datetime) -> bool:
    """Whether a dump is from the future."""
    return dump.started - now > CLOCKS_DIFFER


def warn_of_clocks(dumps: Sequence[Dump], now: datetime) -> list[str]:
    """A warning where there are dumps from the future."""
    ahead = [dump.name for dump in dumps if is_ahead(dump, now)]
    told = f"{', '.join(ahead[:COMPARED])}{' and more' if ahead[COMPARED:] else ''}"
    return [f"{told}: begun later than now, {now:%Y-%m-%d %H:%M:%S} UTC. A clock is wrong, here or where that was made; it "
            "counts for nothing until then."] if ahead else []


def newest_good(dumps: Sequence[Dump], now: datetime, database: str | None = None) -> Dump | None:
    """The newest dump that is good and not from the future, of a database where one is given."""
    return next((dump for dump in dumps if dump.good and not is_ahead(dump, now) and _is_of(dump, database)), None)


def is_fresh(dump: Dump | None, now: datetime, not_within: timedelta | None) -> bool:
    """Whether a dump is young enough to make none. One from the future says nothing."""
    return bool(dump and not_within and not is_ahead(dump, now) and now - dump.started < not_within)


def why_kept(
    dumps: Sequence[Dump], database: str, now: datetime, keeping: Keeping, limits: Limits, coming: bool
) -> list[tuple[Dump, str]]:
    """Each dump with the reason why it stays; empty for one that goes.

    :param dumps: newest first
    :param coming: whether one more good dump is made before any goes
    """
    good = [dump for dump in dumps if dump.good and not is_ahead(dump, now) and _is_of(dump, database)]
    needed = good[:keeping.least - coming]
    return [(dump, _why_kept(dump, database, now, keeping, limits, dump in needed)) for dump in dumps]


def typical_size(dumps: Sequence[Dump], dump: Dump) -> float | None:
    """The median size of the good dumps of the same database and format before a dump; None where there are none."""
    of = dump.manifest
    before = [one.manifest.size for one in dumps if of and one.manifest and one.good and one.started < dump.started
              and (one.manifest.database, one.manifest.format) == (of.database, of.format)]
    return median(before[:COMPARED]) if before else None


def _why_kept(dump: Dump, database: str, now: datetime, keeping: Keeping, limits: Limits, needed: bool) -> str:
    if dump.manifest is None:
        return "it has no manifest of ours"
    if not _is_of(dump, database):
        return f"it is of the database {dump.manifest.database}"
    if limits.protects(dump.name):
        return "protected"
    if is_ahead(dump, now):
        return AHEAD
    if keeping.duration is None:
        return "no keep_for is given"
    if now - dump.started <= keeping.duration:
        return f"it is not older than {say_duration(keeping.duration)}"
    return f"it is one of the newest {keeping.least} good ones" if needed else ""


def _is_of(dump: Dump, database: str | None) -> bool:
    return database is None or dump.manifest is None or dump.manifest.database == database
