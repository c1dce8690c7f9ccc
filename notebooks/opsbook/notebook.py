"""What a notebook begins and ends with: `open_case` says what is looked at, `Case.conclude` what was found.

Under the runner (`python -m opsbook investigate`) the case comes from the file that the environment variable OPSBOOK_CASE
names. Under plain papermill or in Jupyter there is none: the system is then resolved through the inventory by a process of
its own, and secret parameters are resolved here.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.client import Connect, connector
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import OperationError
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.run import Run
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.findings import Findings
from opsbook.diagnosis.judging import judge
from opsbook.diagnosis.notice import notice
from opsbook.diagnosis.questions import QUESTIONS, Question
from opsbook.diagnosis.scene import Scene
from opsbook.diagnosis.service_map import ServiceMap, service_map_of
from opsbook.diagnosis.verdicts import Judgement
from opsbook.evidence.caches import cache_component
from opsbook.evidence.databases import database_component
from opsbook.evidence.limits import limits_of, queue_limits_of
from opsbook.evidence.pieces import Piece, Span
from opsbook.evidence.scan_budget import GIGABYTE, ScanBudget
from opsbook.evidence.sources import ATTEMPTS
from opsbook.show.findings import show_findings
from opsbook.show.tables import show_evidence
from opsbook.times import spans_of

CASE = "OPSBOOK_CASE"


@dataclass
class Case:
    """An investigation under way.

    :param investigation: its name, that of the notebook's file
    :param question: what it answers
    :param system: the inventory's name of the system
    :param declared: what the inventory declares for it, templates resolved
    :param now: the moment that all of it is seen from, UTC
    :param span: the window that is looked at
    :param baseline: the stretch before it, which it is compared with
    :param pieces: everything collected so far, by name
    :param inventory: the inventories that commands have to name; none for the checkout's own
    """

    investigation: str
    question: str
    system: str
    declared: Mapping[str, Any] = field(repr=False)
    now: datetime
    span: Span
    baseline: Span
    run: Run = field(default_factory=Run, repr=False)
    pieces: dict[str, Piece[Any]] = field(default_factory=dict, repr=False)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    connect: Connect | None = field(default=None, repr=False)
    inventory: tuple[str, ...] = ()

    def aws(self) -> Connect:
        """The factory of clients for the system's account.

        :raises OperationError: where the system declares no account, or its role cannot be assumed
        """
        if "opsbook_aws" not in self.declared:
            raise OperationError("connect to AWS", self.system, "the inventory declares no opsbook_aws", "Declare it.")
        if self.connect is None:
            self.connect = connector(self.declared["opsbook_aws"], ATTEMPTS)
        return self.connect

    @cached_property
    def log_scan(self) -> ScanBudget:
        """What its log queries may scan, all together, and have scanned."""
        return ScanBudget(int(limits_of(self.declared).log_scan_gb * GIGABYTE))

    @property
    def service_map(self) -> ServiceMap:
        """Who calls whom in the system."""
        return service_map_of(self.declared.get("service_map") or ())

    @property
    def scene(self) -> Scene:
        """What a judgement needs besides the evidence."""
        database, cache = database_component(self), cache_component(self)
        return Scene(
            self.system, self.service_map, self.span, self.baseline, self.now, limits_of(self.declared),
            database.name if database else "", cache.name if cache else "",
            str(self.declared.get("opsbook_environment") or ""), self.inventory, self.investigation,
            queue_limits_of(self.declared))

    def judge(self, question: Question | None = None) -> Judgement:
        """The answer to the investigation's question, from everything that was kept.

        :param question: by default the one of this investigation's name in `diagnosis/questions`
        :raises KeyError: where there is none of its name either
        """
        scene = self.scene
        return judge(scene, question or QUESTIONS[self.investigation], notice(scene, self.pieces), self.pieces)

    def keep(self, *pieces: Piece[Any]) -> None:
        """Take pieces of evidence into the case and show what they cover."""
        self.pieces.update({piece.name: piece for piece in pieces})
        show_evidence(pieces)

    def secret(self, parameter: str, reference: str) -> str:
        """The value behind a secret parameter; it must not be printed.

        :raises OperationError: where the reference leads nowhere
        """
        if parameter in self.secrets:
            return self.secrets[parameter]
        from opsbook.runner.secret_references import resolve_reference

        return resolve_reference(reference, self.declared.get("opsbook_aws") or {})

    def conclude(self, judgement: Judgement) -> None:
        """Show the verdict, and leave the findings in the notebook: an investigation without them has not ended well."""
        found = self.findings(judgement)
        show_findings(found.as_dict())

    def findings(self, judgement: Judgement) -> Findings:
        """A judgement with all that was collected for it."""
        summaries = tuple(piece.summary() for piece in self.pieces.values())
        missing = [gap for summary in summaries for gap in summary.missing]
        region = (self.declared.get("opsbook_aws") or {}).get("region")
        attributes = {
            "service.namespace": self.system,
            "deployment.environment.name": self.declared.get("opsbook_environment"),
            "cloud.provider": "aws" if region else None,
            "cloud.region": region,
            "cloud.account.id": self.declared.get("expected_account_id"),
        }
        return Findings(
            self.investigation, self.system, self.question, judgement.verdict, judgement.summary, judgement.severity_id,
            self.span.start, self.span.end, judgement.expected, judgement.actual, tuple(judgement.suspects), summaries,
            tuple(dict.fromkeys([*missing, *judgement.not_seen])),
            {name: value for name, value in attributes.items() if value})

    def _repr_html_(self) -> str:
        from opsbook.show.tables import facts

        return facts({"System": self.system, "Window": self.span.say(), "Compared with": self.baseline.say()})


def open_case(investigation: str, *, system: str, at: str = "", window: str = "1h", baseline: str = "3h") -> Case:
    """Begin an investigation.

    :param investigation: the notebook's name
    :param system: the inventory's name of the system
    :param at: end of the window, ISO 8601 (UTC where it names no zone); now where empty
    :param window: how long the window is, as "1h"
    :param baseline: how long the stretch before it is that it is compared with, as "3h"
    :raises OperationError: where the inventory does not know the system, or a time is none
    """
    given = _given() or _resolved(investigation, system)
    now = datetime.fromisoformat(given["now"])
    span, before = spans_of(now, at, window, baseline)
    return Case(investigation, given["question"], system, given["declared"], now, span, before,
                secrets=given.get("secrets") or {}, inventory=tuple(given.get("inventory") or ()))


def _given() -> dict[str, Any] | None:
    """What the runner left for this kernel."""
    path = os.environ.get(CASE)
    if not path:
        return None
    given: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
    return given


def _resolved(investigation: str, system: str) -> dict[str, Any]:
    """The same without a runner. Ansible resolves the inventory in a process of its own: it is no guest for a kernel."""
    from opsbook.catalogue import question_of

    command = [sys.executable, "-m", "opsbook.runner.declared", system]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        raise OperationError("resolve the system", system, done.stderr.strip() or "it ended without a word",
                             "Name a system of the inventory; ANSIBLE_INVENTORY says which inventory.")
    return {"declared": json.loads(done.stdout), "now": datetime.now(UTC).isoformat(),
            "question": question_of(investigation)}
