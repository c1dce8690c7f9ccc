"""What evidence is read from, and how a reading becomes a piece: what fails is a gap, never an end and never "no rows"."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Protocol, TypeVar

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.client import Connect, connector
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.coverage import Coverage, Gap
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import OperationError
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.run import Run
from opsbook.diagnosis.service_map import ServiceMap
from opsbook.evidence.pieces import Piece, Span
from opsbook.evidence.scan_budget import ScanBudget

Row = TypeVar("Row")

ATTEMPTS = 4
"""How often an AWS call is tried: an investigation says that it was throttled sooner than a change would give up."""


class Source(Protocol):
    """What readers need of a case: `opsbook.notebook.Case` is one, a test makes its own."""

    @property
    def declared(self) -> Mapping[str, Any]:
        """What the inventory declares for the system, templates resolved."""

    @property
    def now(self) -> datetime:
        """The moment that all of it is seen from, UTC."""

    @property
    def span(self) -> Span:
        """The window that is looked at."""

    @property
    def baseline(self) -> Span:
        """The stretch before it, which it is compared with."""

    @property
    def run(self) -> Run:
        """Time and concurrency of the reads."""

    @property
    def log_scan(self) -> ScanBudget:
        """What log queries may scan and have scanned."""

    @property
    def service_map(self) -> ServiceMap:
        """Who calls whom in the system."""

    def aws(self) -> Connect:
        """The factory of clients for the system's account and region; raises OperationError where there is none."""


def whole(case: Source) -> Span:
    """Baseline and window together."""
    return Span(case.baseline.start, case.span.end)


def aws_in(case: Source, region: str) -> Connect:
    """The factory of clients for the system's account in another region.

    :raises OperationError: where the system declares no account
    """
    connect = case.aws()
    declared = case.declared.get("opsbook_aws") or {}
    return connect if declared.get("region") == region else connector({**declared, "region": region}, ATTEMPTS)


def attempt(blank: Piece[Row], read: Callable[[Piece[Row]], Piece[Row]]) -> Piece[Row]:
    """Read a piece; one that cannot be read at all is the blank piece with a gap.

    :param blank: its name, source, query and span
    :param read: makes the piece of the blank one, raising OperationError where it cannot
    """
    try:
        return read(blank)
    except OperationError as error:
        return with_gaps(blank, [Gap(blank.name, reason_of(error))])


def reason_of(error: OperationError) -> str:
    """Why a reading failed, as a gap says it: what was attempted on what, and the answer."""
    return f"could not {error.attempted} ({error.resource}): {error.reason}"


def undeclared(blank: Piece[Row], what: str) -> Piece[Row]:
    """The piece of a system that does not declare what it would be read from: nothing is left open by that, and it is said.

    A question that needs the piece takes it for missing all the same (`diagnosis/judging.unseen`).
    """
    gap = Gap(blank.name, f"not declared: the inventory has no {what} for this system")
    return replace(blank, coverage=replace(blank.coverage, left_out=(*blank.coverage.left_out, gap)))


def without(piece: Piece[Row], absent: Iterable[str]) -> Piece[Row]:
    """The piece with a gap for each name that is declared and that nothing has."""
    return with_gaps(piece, [Gap(f"{piece.source}:{name}", "it is declared and does not exist") for name in absent])


def with_gaps(piece: Piece[Row], gaps: Iterable[Gap]) -> Piece[Row]:
    """The piece with these gaps beside those that it has."""
    coverage = piece.coverage
    return Piece(piece.name, piece.source, piece.query, piece.span, piece.rows,
                 Coverage(coverage.read, (*coverage.missing, *gaps), coverage.left_out), piece.cost)
