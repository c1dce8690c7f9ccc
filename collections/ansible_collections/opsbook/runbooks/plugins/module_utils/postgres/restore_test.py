# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Restoring the newest dump for real, and comparing what comes out of it with what was dumped (procedure 003-03).

The seeds look at a file's date and size. A dump is proven when a server takes it in without one error and every table has
the rows, and the checksum over them, that were counted when the dump was made. The server that does it may be another one:
a staging server, with its own password and none of production's load.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from ..core.change import Change, Plan
from ..core.coverage import Collected, Coverage
from ..core.errors import OperationError
from ..core.evidence import Evidence
from ..core.operation import Operation, Outcome
from ..core.run import Run
from .archive import without_extensions
from .connection import Connect, opened
from .dump_extras import read_extras
from .dump_files import Dump
from .dump_manifest import Manifest, Proof
from .dump_places import Place, dumps_in, remove_leftovers, working_path
from .local_files import explaining_files, files_of, remove_local
from .programs import Program, client_environment, find_program, major_of, refuse_older, run_program
from .restore_plan import Target, Trial, describe_trial, judge_dump, judge_restored, plan_trial, shown
from .scratch import DROP_SECONDS, at_work, create_scratch, drop_scratch, inside, scratch_databases, scratch_name
from .table_contents import read_contents, read_relations, snapshot


def try_restore(
    connect: Connect, run: Run, place: str, kept_in: Place, trial: Trial, bin_dir: str | None,
    environment: Mapping[str, str],
) -> Operation[Target]:
    """The operation: restore a dump into a database of its own, compare, drop the database.

    :param place: host, port and database of the server that restores
    :param kept_in: where dumps lie
    :param bin_dir: the folder of pg_restore; None means PATH
    :param environment: the surroundings that it inherits
    """
    program = find_program("pg_restore", bin_dir, environment)
    work = _Work(connect, run, place, kept_in, trial, program, environment)
    return Operation(
        collect=work.collect,
        plan=lambda collected: plan_trial(collected, kept_in.where, trial, run.limits),
        apply=work.apply,
        verify=work.verify,
        describe=lambda collected: describe_trial(collected, trial),
        cleanup=work.cleanup,
    )


@dataclass
class _Work:
    """The steps with what they share: the database and the files that have to go at the end, and the test's lock."""

    connect: Connect
    run: Run
    place: str
    kept_in: Place
    trial: Trial
    program: Program
    environment: Mapping[str, str]
    made: str = ""
    held: list[Path] = field(default_factory=list)
    alive: ExitStack = field(default_factory=ExitStack)

    def collect(self) -> Collected[Target]:
        """Read the dumps, and whether the server can take one in."""
        listed = dumps_in(self.kept_in, self.run, self.trial.prefix)
        with opened(self.connect, "read what the server can restore", f"postgres:{self.place}") as cursor:
            cursor.execute(_SERVER)
            version, may_create, extensions = cursor.fetchone()
        target = Target(self.place, version, may_create, frozenset(extensions), listed,
                        scratch_databases(self.connect, self.place))
        return Collected(target, self.run.now(), Coverage((f"postgres:{self.place}", self.kept_in.where)))

    def apply(self, change: Change) -> Outcome:
        """Restore the dump, or drop a database that a killed test left behind."""
        if change.action == "drop":
            drop_scratch(self.connect, change.handle["name"], force=False)
            return Outcome(change.resource)
        dump: Dump = change.handle["dump"]
        manifest: Manifest = change.handle["manifest"]
        refuse_older(self.program, major_of(manifest.tool_version), "the program that made the dump")
        path = self._checked(dump, manifest)
        self.made = scratch_name(self.run.now(), secrets.token_hex(4))
        self.alive.enter_context(at_work(self.connect, self.made, self._left() + DROP_SECONDS))
        create_scratch(self.connect, self.made, manifest, self._left())
        self._restore(dump, path)
        return Outcome(change.resource, {"dump": dump.name, "database": self.made})

    def verify(self, collected: Collected[Target], plan: Plan) -> list[Evidence]:
        """Compare what came out of the dump with what went in, and judge the dump's age and size."""
        evidence = judge_dump(collected, self.trial)
        for change in plan.changes:
            if change.action == "restore":
                evidence.append(self._compare(change.resource, change.handle["manifest"]))
        self._note(plan, evidence)
        return evidence

    def _note(self, plan: Plan, evidence: list[Evidence]) -> None:
        """Write down beside the dump that it was restored, when all that was expected of it came true."""
        for change in plan.changes:
            if change.action == "restore" and self.trial.not_within and all(item.ok for item in evidence):
                manifest: Manifest = change.handle["manifest"]
                proof = Proof(manifest.digest, self.run.now(), self.place, len(manifest.tables), manifest.rows)
                self.kept_in.note(change.handle["dump"].name, proof.as_text())

    def cleanup(self) -> None:
        """Drop the database and remove the files of this test, however it ended.

        :raises OperationError: naming what is still there
        """
        try:
            if self.made:
                drop_scratch(self.connect, self.made, force=True)
        finally:
            self.alive.close()
            for path in self.held:
                with explaining_files("remove a file of a restore test", str(path)):
                    remove_local(path)

    def _checked(self, dump: Dump, manifest: Manifest) -> Path:
        """A local copy of the dump, with the very bytes that its manifest tells of."""
        remove_leftovers(self.kept_in.workspace, self.trial.prefix, self.run.now())
        path = self.kept_in.fetch(self.run, dump)
        if path != self.kept_in.workspace / dump.name:
            self.held.append(path)
        self.run.progress(f"{dump.name}: comparing its checksum")
        seen = {(file.path, file.sha256) for file in files_of(self.run, path)}
        wrong = sorted({name for name, _sum in seen ^ {(file.path, file.sha256) for file in manifest.files}})
        if wrong:
            raise OperationError("test a dump", dump.name, "its SHA-256 is not the manifest's "
                                 f"({shown([name or dump.name for name in wrong])}): it was changed since it was made",
                                 "Take it for lost, and make a dump now.")
        return path

    def _restore(self, dump: Dump, path: Path) -> None:
        """Take the dump in; a single error is a failure."""
        options = ["--exit-on-error", "--no-owner", "--no-acl", "--no-tablespaces", "--no-publications",
                   "--no-subscriptions", "--no-security-labels", "--no-password", f"--jobs={self.trial.jobs}",
                   f"--dbname={self.made}"]
        if self.trial.extensions_left_out:
            listed = run_program(self.run, self.program, ["--list", str(path)], self.environment, "read a dump", dump.name)
            chosen = working_path(self.kept_in, f"{dump.name}.list")
            self.held.append(chosen)
            with explaining_files("write what is restored", str(chosen)):
                chosen.write_text(without_extensions(listed.output, self.trial.extensions_left_out), encoding="utf-8")
            options.append(f"--use-list={chosen}")
        run_program(self.run, self.program, [*options, str(path)],
                    client_environment(self.environment, inside(self.connect, self.made)), "restore a dump", dump.name,
                    lambda: f"restoring {dump.name} into {self.made}")

    def _compare(self, resource: str, manifest: Manifest) -> Evidence:
        self.run.progress(f"{self.made}: counting the rows of its tables")
        with snapshot(inside(self.connect, self.made), self.run, "compare a restored dump", self.made) as cursor:
            relations = read_relations(cursor)
            seen = read_contents(cursor, self.run, relations, manifest.has_checksums)
            extras = read_extras(cursor, self.run, relations)
        return judge_restored(resource, manifest, seen, extras, self.trial.extensions_left_out)

    def _left(self) -> float:
        return max(1.0, self.run.deadline - self.run.clock.monotonic())


_SERVER = """
SELECT current_setting('server_version_num')::int,
       (SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user),
       ARRAY(SELECT name::text FROM pg_available_extensions)
"""
