# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which dump is restored for a test, and what its age and size say. All of it pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from ..core.change import Change, Kept, Plan, no_undo
from ..core.coverage import Collected
from ..core.durations import parse_duration, say_duration
from ..core.errors import Denied, Missing, Refused
from ..core.evidence import Evidence, in_words
from ..core.limits import Limits
from ..core.sizes import say_bytes
from .dump_extras import NOT_COMPARED, NOT_TOLD, Extras, differing_extras
from .dump_files import AHEAD, Dump, check_prefix, is_ahead, newest_good, typical_size, warn_of_clocks
from .dump_manifest import Manifest, Proof
from .scratch import Scratch
from .table_contents import Contents, differences

KIND = "postgres-dump"
MOST_SHOWN = 20

NO_UNDO = no_undo("The database of the test is dropped at its end; nothing else was changed.")


@dataclass(frozen=True)
class Trial:
    """What is tested.

    :param prefix: what the dumps' names begin with
    :param dump: the name of one dump; empty for the newest good one
    :param maximum_age: how old the dump may be; None: as old as it is
    :param minimum_percent: of the size of the dumps before, so much it must have at least
    :param extensions_left_out: extensions that are not created
    :param not_within: a dump that was restored whole less than this ago is not restored again; None: each time
    :param free_space: bytes that are free where the server keeps its data; None where nobody said
    """

    prefix: str
    dump: str
    jobs: int
    maximum_age: timedelta | None
    minimum_percent: float
    extensions_left_out: tuple[str, ...]
    not_within: timedelta | None = None
    free_space: int | None = None


@dataclass(frozen=True)
class Target:
    """The server that restores, and the dumps.

    :param version: the server's, as it numbers it
    :param may_create: whether the role may create databases
    :param extensions: those that the server has to offer
    :param listed: the dumps, newest first
    :param scratch: databases of restore tests that are there
    """

    place: str
    version: int
    may_create: bool
    extensions: frozenset[str]
    listed: tuple[Dump, ...]
    scratch: tuple[Scratch, ...]


def trial_of(options: Mapping[str, Any]) -> Trial:
    """Check and read a module's options.

    :raises Refused: for what makes no sense
    """
    percent, age, free = options["minimum_percent_of_previous"], options.get("maximum_age"), options.get("free_space")
    if options["jobs"] < 1 or not 0 <= percent <= 100 or (free or 0) < 0:
        raise Refused("test a dump", "jobs, minimum_percent_of_previous, free_space",
                      f"{options['jobs']} jobs, {percent:g} %, {free}",
                      "Give at least one job, a percentage from 0 to 100, and bytes.")
    return Trial(check_prefix(options["name"]), options.get("dump") or "", options["jobs"],
                 parse_duration(age) if age else None, percent, tuple(options["extensions_left_out"]),
                 parse_duration(options["not_within"]) if options.get("not_within") else None, free)


def chosen_dump(collected: Collected[Target], trial: Trial) -> Dump | None:
    """The dump that is tested: the one named, else the newest good one that is not from the future."""
    if trial.dump:
        return next((dump for dump in collected.state.listed if dump.name == trial.dump), None)
    return newest_good(collected.state.listed, collected.now)


def plan_trial(collected: Collected[Target], where: str, trial: Trial, limits: Limits) -> Plan:
    """Decide what is restored, and which databases of killed tests go first.

    :raises Missing: when there is no such dump
    :raises Refused: when the dump is not good, or the server cannot take it in or has no room for it
    :raises Denied: when the role may create no database
    """
    target = collected.state
    dump = _dump_to_test(collected, where, trial)
    judged = [(one.name, one.why_kept or ("protected" if limits.protects(one.name) else "")) for one in target.scratch]
    kept = [Kept(f"postgres-database:{name}", reason) for name, reason in judged if reason]
    kept += [Kept(f"{KIND}:{where}/{one.name}", AHEAD) for one in target.listed if is_ahead(one, collected.now)]
    drops = tuple(Change(f"postgres-database:{name}", "drop", {"left_by": "a restore test"}, None,
                         f"drop {name}, which a killed restore test left behind", NO_UNDO, {"name": name})
                  for name, reason in judged if not reason)
    proven = _proven(dump, trial, collected)
    if proven:
        kept.append(Kept(f"{KIND}:{where}/{dump.name}", f"it was restored whole at {proven.restored:%Y-%m-%d %H:%M} UTC"))
    steps = (drops, () if proven else (_restoring(target, where, dump, trial),))
    return Plan(tuple(step for step in steps if step), tuple(kept), 1 + len(target.scratch), "databases")


def judge_dump(collected: Collected[Target], trial: Trial) -> list[Evidence]:
    """Whether the dump is young enough, and of a size like those before it."""
    dump = chosen_dump(collected, trial)
    if dump is None or dump.manifest is None:
        return [Evidence("dump", f"{KIND}:{trial.prefix}", "there is one", "there is none", False)]
    resource, age = f"{KIND}:{dump.name}", collected.now - dump.started
    evidence = []
    if is_ahead(dump, collected.now):
        evidence.append(Evidence("age of the dump", resource, "not from the future", f"{say_duration(-age)} ahead", False))
    elif trial.maximum_age is not None:
        evidence.append(Evidence("age of the dump", resource, f"younger than {say_duration(trial.maximum_age)}",
                                 f"{say_duration(max(age, timedelta(0)))} old", age <= trial.maximum_age))
    if (proven := _proven(dump, trial, collected)) and trial.not_within:
        evidence.append(Evidence("restored", resource, f"less than {say_duration(trial.not_within)} ago", proven.as_dict(),
                                 True))
    usual, size = typical_size(collected.state.listed, dump), dump.manifest.size
    if usual:
        least = usual * trial.minimum_percent / 100
        expected = f"at least {least:.0f} bytes ({trial.minimum_percent:g} % of the dumps before)"
        evidence.append(Evidence("size of the dump", resource, expected, f"{size} bytes", size >= least))
    return evidence


def describe_trial(collected: Collected[Target], trial: Trial) -> dict[str, Any]:
    """The dump that is tested, its age, and what is seen of it without a restore.

    What is wrong with its age or size fails the task. A real run verifies that at its end, check mode has nothing but this.
    """
    dump = chosen_dump(collected, trial)
    if dump is None:
        return {"dump": None}
    hours, findings = (collected.now - dump.started).total_seconds() / 3600, judge_dump(collected, trial)
    wrong = "; ".join(f"{item.resource}: {item.check}: {in_words(item.actual)} (expected: {in_words(item.expected)})"
                      for item in findings if not item.ok)
    return {"dump": {**dump.as_dict(), "age_hours": round(hours, 2)}, "findings": [item.as_dict() for item in findings],
            "warnings": warn_of_clocks(collected.state.listed, collected.now),
            **({"failed": True, "msg": f"{wrong}."} if wrong else {})}


def judge_restored(
    resource: str, manifest: Manifest, seen: Sequence[Contents], extras: Extras, left_out: Sequence[str]
) -> Evidence:
    """Whether what came out of a dump is what went in, and what is not known of it."""
    wrong, untold = differences(manifest.tables, seen), list(NOT_COMPARED)
    expected: dict[str, Any] = {"tables": len(manifest.tables), "rows": manifest.rows}
    told = {"tables": len(seen), "rows": sum(table.rows for table in seen), "checksums": manifest.has_checksums}
    if manifest.extras:
        wrong += differing_extras(manifest.extras, extras, left_out)
        expected.update(manifest.extras.counts())
    else:
        untold.insert(0, NOT_TOLD)
    # First what is wrong: a message is cut at its end.
    actual = {**({"differences": wrong} if wrong else {}), **told, **extras.counts(),
              **({"extensions_left_out": list(left_out)} if left_out else {}), "not_compared": untold}
    return Evidence("restored tables", resource, expected, actual, not wrong)


def shown(names: Sequence[str]) -> str:
    """Names in one line, the first of very many."""
    more = f" and {len(names) - MOST_SHOWN} more" if len(names) > MOST_SHOWN else ""
    return ", ".join(names[:MOST_SHOWN]) + more


def _proven(dump: Dump, trial: Trial, collected: Collected[Target]) -> Proof | None:
    """The proof that is young enough; one from the future says nothing."""
    proof = dump.proof
    if proof and trial.not_within and timedelta(0) <= collected.now - proof.restored < trial.not_within:
        return proof
    return None


def _dump_to_test(collected: Collected[Target], where: str, trial: Trial) -> Dump:
    target, dump = collected.state, chosen_dump(collected, trial)
    if dump is None:
        bad = shown([f"{one.name}: {one.trouble or AHEAD}" for one in target.listed
                     if not one.good or is_ahead(one, collected.now)])
        raise Missing("test a dump", f"{where}/{trial.dump or trial.prefix}", "there is no such dump that is good" +
                      (f" ({bad})" if bad else ""), "Make a dump now; see why the last run made none.")
    if not dump.good or dump.manifest is None:
        raise Refused("test a dump", dump.name, dump.trouble, "Take it for lost, and make a dump now.")
    if not target.may_create:
        raise Denied("test a dump", target.place, "the role may not create databases", "Give it CREATEDB, on this server.")
    ours, theirs = target.version // 10000, dump.manifest.server_version // 10000
    if ours < theirs:
        raise Refused("test a dump", dump.name, f"it is of PostgreSQL {theirs}, and the server of {ours}",
                      "Test on a server of at least that version.")
    absent = sorted(set(dump.manifest.extensions) - target.extensions - set(trial.extensions_left_out))
    if absent:
        raise Refused("test a dump", dump.name, f"the server has no extension {shown(absent)}",
                      "Install it there, or name it in extensions_left_out.")
    return dump


def _restoring(target: Target, where: str, dump: Dump, trial: Trial) -> Change:
    summary = f"restore {dump.name} on {target.place} into a database that is dropped afterwards; {_room(dump, trial)}"
    return Change(f"{KIND}:{where}/{dump.name}", "restore", None, {"tested": True}, summary, NO_UNDO,
                  {"dump": dump, "manifest": dump.manifest})


def _room(dump: Dump, trial: Trial) -> str:
    """How much room a restore needs and how much there is, in words.

    Loading tables and building indexes writes WAL about as large as they are, which stays while a slot or an archive lags.

    :raises Refused: when it is known that there is too little
    """
    size = dump.manifest.database_size if dump.manifest else None
    free = "what is free is not known" if trial.free_space is None else f"{say_bytes(trial.free_space)} are free"
    if size is None:
        return f"how much room it needs is not known, a multiple of the dump's {say_bytes(dump.size or 0)}; {free}"
    needs = f"up to {say_bytes(2 * size)} (the database had {say_bytes(size)}, and as much WAL may be written)"
    if trial.free_space is not None and 2 * size > trial.free_space:
        raise Refused("test a dump", dump.name, f"its restore needs {needs}, and {free}",
                      "Restore on another server, or grow the storage first; nothing was changed.")
    return f"it needs {needs}; {free}"
