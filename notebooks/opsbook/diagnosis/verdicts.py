"""What an investigation comes to: suspects, nothing wrong, or too little evidence to say either."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.findings import Suspect


@dataclass(frozen=True)
class Judgement:
    """The answer to an investigation's question, as `Case.conclude` takes it.

    :param verdict: suspects, nothing_wrong or insufficient_evidence
    :param summary: the same in one or two sentences
    :param severity_id: OCSF's, of the incident as it looks now
    :param expected, actual: the symptom: what would be right and what was seen
    :param suspects: ranked, the likeliest first
    :param not_seen: what could not be looked at besides the gaps of the evidence, with why
    """

    verdict: str
    summary: str
    severity_id: int
    expected: Any = None
    actual: Any = None
    suspects: tuple[Suspect, ...] = ()
    not_seen: tuple[tuple[str, str], ...] = ()
