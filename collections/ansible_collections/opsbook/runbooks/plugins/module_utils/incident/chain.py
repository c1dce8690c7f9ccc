# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The ends of a store's chain: which entries nobody follows yet, and what is not certain about them. Pure.

Each entry names the attestations it follows by their digest, so an older one can be neither altered nor taken out. The
newest are followed by none: `.chain/heads.json` names them, signed as records are. It also keeps sealing quick, which else
would read all records to find them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from .attestation import HEADS_PREDICATE, Attestation, Link, statement

FOLDER = ".chain"
HEADS = f"{FOLDER}/heads.json"
PENDING = f"{FOLDER}/pending"
LOCK = f"{FOLDER}/lock"
KEYS = ".keys"

REBUILT, WAS_UNSIGNED, OTHER_KEY = "rebuilt", "unsigned", "key"

MOST_DOUBTS = 50


@dataclass(frozen=True)
class Doubt:
    """Why the file of the heads does not vouch for all of its past.

    :param time: when that was noticed
    :param what: REBUILT (it was missing or damaged and was found anew by reading all records), WAS_UNSIGNED (a signed
        one replaced an unsigned one), OTHER_KEY (it was signed with another key before)
    :param detail: the reason, or the other key's id
    """

    time: str
    what: str
    detail: str


@dataclass(frozen=True)
class Heads:
    """The entries that nobody follows yet, in the order of their ids, and what there is to doubt."""

    links: tuple[Link, ...] = ()
    doubts: tuple[Doubt, ...] = ()

    def with_entry(self, entry: Link, follows: Iterable[Link]) -> Heads:
        """The heads once there is one more entry; what it follows is no head any more."""
        followed = {link.sha256 for link in follows}
        kept = {link.id: link for link in self.links if link.sha256 not in followed}
        return replace(self, links=tuple(sorted({**kept, entry.id: entry}.values(), key=lambda link: link.id)))

    def doubted(self, doubt: Doubt) -> Heads:
        """The same with one more doubt; one that is known already is not repeated."""
        if any((known.what, known.detail) == (doubt.what, doubt.detail) for known in self.doubts):
            return self
        return replace(self, doubts=(*self.doubts, doubt)[-MOST_DOUBTS:])


def heads_statement(heads: Heads, now: str) -> dict[str, Any]:
    """The statement that the file of the heads holds."""
    return statement(
        HEADS_PREDICATE,
        {"written": now, "sealed": {link.id: link.sealed for link in heads.links},
         "doubts": [{"time": doubt.time, "what": doubt.what, "detail": doubt.detail} for doubt in heads.doubts]},
        {link.id: link.sha256 for link in heads.links})


def heads_of(attestation: Attestation) -> Heads:
    """The heads from the statement of their file.

    :raises ValueError: when it is another statement
    """
    if attestation.statement["predicateType"] != HEADS_PREDICATE:
        raise ValueError("it does not name the ends of a chain")
    try:
        sealed: Mapping[str, str] = attestation.predicate["sealed"]
        links = tuple(Link(name, digest, str(sealed[name])) for name, digest in attestation.subjects.items())
        doubts = tuple(Doubt(str(entry["time"]), str(entry["what"]), str(entry["detail"]))
                       for entry in attestation.predicate["doubts"])
    except (KeyError, TypeError) as error:
        raise ValueError(f"it does not name the ends of a chain ({type(error).__name__}: {error})") from error
    return Heads(links, doubts)


def ends_of(attestations: Iterable[Attestation]) -> tuple[Link, ...]:
    """The entries that none of the others follows, found by reading them all."""
    every = {attestation.digest: attestation for attestation in attestations}
    followed = {link.sha256 for attestation in every.values() for link in attestation.follows}
    return tuple(sorted((attestation.link for digest, attestation in every.items() if digest not in followed),
                        key=lambda link: link.id))
