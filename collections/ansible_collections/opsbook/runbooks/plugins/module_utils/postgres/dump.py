# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Dumps of a database, proven and retained (procedures 003-14, 003-19).

The seeds write over the last dump and never look at the new one: a pg_dump that fails leaves an empty file where a good dump
was, and `find -mtime +30 -delete` takes the last good one with it. Here a dump is made under a name of its own, read back,
counted in its own snapshot, and only then named; and dumps go only after that, never the newest good one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ..core.change import Change, Plan
from ..core.coverage import Collected, Coverage, Gap
from ..core.errors import OperationError
from ..core.evidence import Evidence
from ..core.operation import Operation, Outcome, refuse_incomplete
from ..core.run import Run
from ..core.sizes import say_bytes
from .archive import table_oids
from .connection import Connect, opened
from .dump_extras import Extras, read_extras
from .dump_files import MANIFEST_SUFFIX, Dump, name_of, newest_good, warn_of_clocks
from .dump_manifest import Manifest
from .dump_places import Place, dumps_in, leftovers, remove_leftovers, working_path
from .dump_plan import KIND, Source, Wanted, judge_newest, plan_dump
from .local_files import files_of, free_bytes, remove_local, size_of
from .programs import Program, client_environment, find_program, refuse_older, run_program
from .table_contents import Contents, Relation, hold, read_contents, read_relations, snapshot


def dump_database(
    connect: Connect, run: Run, place: str, kept_in: Place, wanted: Wanted, bin_dir: str | None,
    environment: Mapping[str, str],
) -> Operation[Source]:
    """The operation: make a dump where none is young enough, then let old ones go.

    :param place: host, port and database of the server
    :param kept_in: where dumps lie
    :param bin_dir: the folder of pg_dump and pg_restore; None means PATH
    :param environment: the surroundings that they inherit
    """
    pg_dump, pg_restore = (find_program(name, bin_dir, environment) for name in ("pg_dump", "pg_restore"))
    work = _Work(connect, run, place, kept_in, wanted, pg_dump, pg_restore, environment)
    return Operation(
        collect=work.collect,
        plan=lambda collected: plan_dump(collected, kept_in.where, wanted, run.limits),
        apply=work.apply,
        verify=work.verify,
        describe=lambda collected: {"dumps": [dump.as_dict() for dump in collected.state.listed],
                                    "warnings": warn_of_clocks(collected.state.listed, collected.now)},
    )


@dataclass
class _Work:
    """The steps with what they share: the name of the dump that was made."""

    connect: Connect
    run: Run
    place: str
    kept_in: Place
    wanted: Wanted
    pg_dump: Program
    pg_restore: Program
    environment: Mapping[str, str]
    made: str = ""

    def collect(self) -> Collected[Source]:
        """Read the database and its dumps; what the role may not dump is a gap."""
        now, prefix, workspace = self.run.now(), self.wanted.prefix, self.kept_in.workspace
        with opened(self.connect, "read what there is to dump", f"postgres:{self.place}") as cursor:
            cursor.execute(_DATABASE)
            facts = cursor.fetchone()
            relations = read_relations(cursor)
        refuse_older(self.pg_dump, facts[1] // 10000, "the server")
        listing = self.kept_in.listing(self.run, prefix)
        free = free_bytes(workspace) + sum(size_of(workspace / name) for name in leftovers(workspace, prefix, now))
        database, version, size, encoding, collate, ctype, extensions = facts
        state = Source(self.place, database, version, size, encoding, collate, ctype, tuple(extensions),
                       listing.dumps(prefix), tuple(listing.strangers(prefix)), free)
        return Collected(state, now, _coverage(self.place, relations))

    def apply(self, change: Change) -> Outcome:
        """Make a dump, or delete one."""
        return self._dump(change) if change.action == "dump" else self._delete(change)

    def verify(self, collected: Collected[Source], plan: Plan) -> list[Evidence]:
        """Read the place again: the dump made is good, or one is young enough, and what was deleted is gone."""
        state, where = collected.state, self.kept_in.where
        listed = dumps_in(self.kept_in, self.run, self.wanted.prefix)
        names = {dump.name for dump in listed}
        evidence = [judge_newest(state, listed, self.made, collected.now, self.wanted.not_within)]
        evidence += [Evidence("deleted dump", change.resource, "gone", "there" if there else "gone", not there)
                     for change in plan.changes if change.action == "delete"
                     for there in [change.handle["dump"].name in names]]
        left = leftovers(self.kept_in.workspace, self.wanted.prefix, self.run.now())
        if left and any(change.action == "dump" for change in plan.changes):
            evidence.append(Evidence("unfinished dumps", f"{KIND}:{where}", "none", left, False))
        return evidence

    def _dump(self, change: Change) -> Outcome:
        state: Source = change.handle["state"]
        remove_leftovers(self.kept_in.workspace, self.wanted.prefix, self.run.now())
        started = self.run.now()
        name = name_of(self.wanted.prefix, started, self.wanted.form)
        path = working_path(self.kept_in, name)
        try:
            manifest = self._make(state, started, path)
            self.kept_in.publish(self.run, path, name, manifest)
        finally:
            remove_local(path)
            remove_local(path.with_name(path.name + MANIFEST_SUFFIX))
        self.made = name
        return Outcome(change.resource, {"dump": name, "size": manifest.size, "rows": manifest.rows})

    def _delete(self, change: Change) -> Outcome:
        dump: Dump = change.handle["dump"]
        others = [one for one in dumps_in(self.kept_in, self.run, self.wanted.prefix) if one.name != dump.name]
        # Looked at again: what the plan counted on may have gone since.
        safe = newest_good(others, self.run.now(), dump.manifest.database if dump.manifest else None)
        if dump.good and (safe is None or safe.started < dump.started):
            raise OperationError("delete a dump", change.resource, "it is the newest good one", "Make a dump first.")
        self.kept_in.remove(dump.name)
        return Outcome(change.resource)

    def _make(self, state: Source, started: datetime, path: Path) -> Manifest:
        """Dump the database and prove the dump: rows counted in its own snapshot, tables found in its table of contents."""
        attempted = "dump a database"
        with snapshot(self.connect, self.run, attempted, state.resource) as cursor:
            relations = read_relations(cursor)
            refuse_incomplete(_coverage(self.place, relations), attempted)
            hold(cursor, relations)
            cursor.execute("SELECT pg_export_snapshot()")
            ran = run_program(self.run, self.pg_dump, self._arguments(path, cursor.fetchone()[0]),
                              client_environment(self.environment, self.connect), attempted, state.resource,
                              lambda: f"dumping {state.database}: {say_bytes(_written(path))} written")
            self.run.progress(f"dumping {state.database}: counting the rows of its tables")
            extras = read_extras(cursor, self.run, relations)
            tables = read_contents(cursor, self.run, relations, self.wanted.checksums)
        self._read_back(path, relations)
        return self._manifest(state, started, path, tables, extras, ran.warnings)

    def _manifest(
        self, state: Source, started: datetime, path: Path, tables: tuple[Contents, ...], extras: Extras,
        warnings: tuple[str, ...],
    ) -> Manifest:
        return Manifest(
            database=state.database, format=self.wanted.form, server_version=state.version,
            tool_version=self.pg_dump.version, started=started, ended=self.run.now(),
            files=files_of(self.run, path), tables=tables, extensions=state.extensions, encoding=state.encoding,
            collate=state.collate, ctype=state.ctype, warnings=warnings, database_size=state.size, extras=extras)

    def _arguments(self, path: Path, exported: str) -> list[str]:
        wait = int(self.connect.options["lock_timeout"]) * 1000
        jobs = [f"--jobs={self.wanted.jobs}"] if self.wanted.form == "directory" else []
        return [f"--format={self.wanted.form}", f"--file={path}", f"--snapshot={exported}", f"--lock-wait-timeout={wait}",
                "--no-password", *jobs]

    def _read_back(self, path: Path, relations: tuple[Relation, ...]) -> None:
        """See that the dump can be read and that every table's rows are in it.

        :raises OperationError: naming the tables that are not
        """
        listed = run_program(self.run, self.pg_restore, ["--list", str(path)], self.environment,
                             "read back a dump", str(path))
        oids = table_oids(listed.output)
        absent = [one.named for one in relations if one.rows and one.oid not in oids]
        if absent:
            raise OperationError("dump a database", str(path), f"the dump lacks {', '.join(absent[:20])}",
                                 "The dump was thrown away; earlier ones are untouched.")


def _coverage(place: str, relations: tuple[Relation, ...]) -> Coverage:
    return Coverage((f"postgres:{place} tables",), tuple(
        Gap(f"postgres-table:{place}:{one.named}", one.why_unreadable) for one in relations if one.why_unreadable))


def _written(path: Path) -> int:
    return size_of(path) if path.exists() else 0


_DATABASE = """
SELECT current_database()::text, current_setting('server_version_num')::int, pg_database_size(oid),
       pg_encoding_to_char(encoding)::text, datcollate::text, datctype::text,
       ARRAY(SELECT extname::text FROM pg_extension WHERE extname <> 'plpgsql' ORDER BY extname)
FROM pg_database WHERE datname = current_database()
"""
