# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which dump is made, and which dumps go. All of it pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ..core.change import Change, Kept, Plan, natural_order, no_undo
from ..core.coverage import Collected
from ..core.durations import parse_duration, say_duration
from ..core.errors import Refused
from ..core.evidence import Evidence
from ..core.limits import Limits
from ..core.operation import refuse_incomplete
from ..core.sizes import say_bytes
from .dump_files import Dump, Keeping, check_prefix, is_fresh, keeping_of, newest_good, why_kept

KIND = "postgres-dump"

NO_UNDO = {
    "dump": no_undo("Nothing that was there is touched; who does not want the dump removes it with its manifest."),
    "delete": no_undo("A dump that was deleted is gone, unless the disk or the bucket keeps former versions."),
}

_READ_AGAIN = {True: "to count them and add up their checksums", False: "to count them"}


@dataclass(frozen=True)
class Wanted:
    """What dump is wanted.

    :param prefix: what its name begins with
    :param form: "custom" or "directory"
    :param jobs: how many tables are dumped at once
    :param not_within: a good dump younger than this is enough; None: always make one
    :param checksums: whether the contents of tables are added up, beside their rows
    """

    prefix: str
    form: str
    jobs: int
    not_within: timedelta | None
    keeping: Keeping
    checksums: bool


@dataclass(frozen=True)
class Source:
    """The database and the place of its dumps, as they are.

    :param version: the server's, as it numbers it
    :param size: bytes of the database
    :param listed: the dumps of the prefix, newest first
    :param strangers: what begins like a dump and is none of ours
    :param free: bytes free where dumps are made, without what killed runs left there
    """

    place: str
    database: str
    version: int
    size: int
    encoding: str
    collate: str
    ctype: str
    extensions: tuple[str, ...]
    listed: tuple[Dump, ...]
    strangers: tuple[str, ...]
    free: int

    @property
    def resource(self) -> str:
        """The database in changes and evidence."""
        return f"postgres-database:{self.place}"


def wanted_of(options: Mapping[str, Any]) -> Wanted:
    """Check and read a module's options.

    :raises Refused: for what makes no sense
    """
    if options["jobs"] < 1 or (options["jobs"] > 1 and options["format"] != "directory"):
        raise Refused("dump a database", "jobs", f"{options['jobs']} jobs with format {options['format']}",
                      "Several jobs need format directory, and at least one is needed.")
    within = options.get("not_within")
    return Wanted(check_prefix(options["name"]), options["format"], options["jobs"],
                  parse_duration(within) if within else None, keeping_of(options), options["checksums"])


def plan_dump(collected: Collected[Source], where: str, wanted: Wanted, limits: Limits) -> Plan:
    """Decide whether a dump is made and which go. A dump comes first, and is never given up for how many would go.

    :raises Refused: when the role may not read all of the database, or there is no room
    """
    state, now = collected.state, collected.now
    steps: list[tuple[Change, ...]] = []
    kept = [Kept(f"{KIND}:{where}/{name}", "it is not named as ours are") for name in state.strangers]
    newest = newest_good(state.listed, now, state.database)
    due = not is_fresh(newest, now, wanted.not_within)
    if due:
        refuse_incomplete(collected.coverage, "dump a database")
        steps.append((_dumping(state, where, wanted, _estimate(state, newest)),))
    elif newest:
        kept.append(Kept(state.resource, f"{newest.name} is {say_duration(now - newest.started)} old"))
    judged = why_kept(state.listed, state.database, now, wanted.keeping, limits, due)
    kept += [Kept(f"{KIND}:{where}/{dump.name}", reason) for dump, reason in judged if reason]
    going = [_deleting(dump, where) for dump, reason in reversed(judged) if not reason]
    most = max(0, limits.left(len(state.listed) + due) - due)
    kept += [Kept(change.resource, f"max_affected ({limits.max_affected}): the next run") for change in going[most:]]
    if going[:most]:
        steps.append(tuple(sorted(going[:most], key=lambda change: natural_order(change.resource))))
    return Plan(tuple(steps), tuple(kept), len(state.listed) + due, "dumps")


def _estimate(state: Source, newest: Dump | None) -> tuple[int, str]:
    """How many bytes a dump will need, and why so many."""
    if newest and newest.size:
        return int(newest.size * 1.2), f"a fifth more than {newest.name}"
    return state.size // 4, "a quarter of the database's size, for want of a dump to go by"


def _dumping(state: Source, where: str, wanted: Wanted, estimate: tuple[int, str]) -> Change:
    needed, reason = estimate
    if needed > state.free:
        raise Refused("dump a database", where, f"{say_bytes(state.free)} are free, and about {say_bytes(needed)} are "
                      f"needed ({reason})", "Make room; nothing was deleted for it.")
    summary = (f"dump {state.database} to {where}: about {say_bytes(needed)} ({reason}), {say_bytes(state.free)} are free; "
               f"its snapshot is held until all rows have been read once more, {_READ_AGAIN[wanted.checksums]}")
    return Change(state.resource, "dump", None, {"place": where, "name": wanted.prefix, "format": wanted.form}, summary,
                  NO_UNDO["dump"], {"state": state})


def _deleting(dump: Dump, where: str) -> Change:
    return Change(f"{KIND}:{where}/{dump.name}", "delete", {"good": dump.good}, None,
                  f"delete {dump.name}: {dump.trouble or 'older than dumps are kept'}", NO_UNDO["delete"], {"dump": dump})


def judge_newest(
    state: Source, listed: Sequence[Dump], made: str, now: datetime, not_within: timedelta | None
) -> Evidence:
    """The dump that this run made is there and good, or where it made none, the newest good one is young enough.

    :param listed: the dumps as they are now, newest first
    :param made: the name of the dump that this run made; empty where it made none
    :param now: when the run looked whether one is due
    """
    if made:
        check, expected = "new dump", "made by this run, and good"
        found = next((dump for dump in listed if dump.name == made), None)
    else:
        check = "newest good dump"
        expected = f"younger than {say_duration(not_within)}" if not_within else "made by this run"
        found = newest_good(listed, now, state.database)
    if found is None or found.manifest is None or not found.good:
        return Evidence(check, state.resource, expected, found.trouble if found else "there is none", False)
    manifest = found.manifest
    actual = {"dump": found.name, "size": manifest.size, "tables": len(manifest.tables), "rows": manifest.rows,
              "checksums": manifest.has_checksums, "warnings": list(manifest.warnings)}
    if manifest.extras:
        actual.update(manifest.extras.counts())
    return Evidence(check, state.resource, expected, actual, bool(made) or is_fresh(found, now, not_within))
