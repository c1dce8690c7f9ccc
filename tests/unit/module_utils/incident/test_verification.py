"""What entries of a chain say of each other, in tables: no files, no keys."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.attestation import (
    Attestation,
    Link,
    payload_of,
    read_attestation,
    record_statement,
    signed_file,
    unsigned_file,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.chain import (
    OTHER_KEY,
    REBUILT,
    Doubt,
    Heads,
    ends_of,
    heads_of,
    heads_statement,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.verification import Ends, Seen, Signature, examine

FILES = {"record.json": "d1", "record.html": "d2"}


def attestation(identity: str, *follows: Attestation, sealed: str = "2026-11-21T10:00:00+00:00") -> Attestation:
    said = record_statement(identity, {"systems": ["commerce"]}, FILES, [one.link for one in follows], sealed)
    return read_attestation(unsigned_file(payload_of(said), "a test"))


ONE = attestation("one")
TWO = attestation("two", ONE)
THREE = attestation("three", TWO)
CHAIN = [Seen(name, one, files=FILES) for name, one in (("one", ONE), ("two", TWO), ("three", THREE))]
END = Ends(Heads((THREE.link,)))


def kinds(entries: list[Seen], ends: Ends = END, *heads: str, trusted: tuple[str, ...] = ()) -> list[tuple[str, str, bool]]:
    return [(fault.entry, fault.kind, fault.wrong) for fault in examine(entries, ends, heads, trusted)]


def test_a_whole_chain_has_no_faults() -> None:
    assert kinds(CHAIN) == []


@pytest.mark.parametrize(("files", "kind"), [
    ({**FILES, "record.json": "other"}, "altered"), ({"record.json": "d1"}, "removed"), ({**FILES, "x": "y"}, "added"),
])
def test_files_are_held_against_the_attestation(files: dict[str, str], kind: str) -> None:
    assert kinds([CHAIN[0], replace(CHAIN[1], files=files), CHAIN[2]]) == [("two", kind, True)]


@pytest.mark.parametrize(("entries", "ends", "expected"), [
    (CHAIN[:2], END, [("three", "removed", True)]),
    ([CHAIN[0], CHAIN[2]], END, [("two", "removed", True)]),
    ([CHAIN[0], replace(CHAIN[1], attestation=None), CHAIN[2]], END,
     [("two", "removed", True), ("two", "not sealed", False)]),
    ([CHAIN[0], replace(CHAIN[1], id="else"), CHAIN[2]], END, [("else", "renamed", True), ("two", "renamed", True)]),
    ([CHAIN[0], replace(CHAIN[1], attestation=attestation("two")), CHAIN[2]], END, [("two", "altered", True)]),
    ([CHAIN[0], replace(CHAIN[1], attestation=None, damage="torn"), CHAIN[2]], END, [("two", "altered", True)]),
    (CHAIN, Ends(), [(".chain/heads.json", "removed", True)]),
    (CHAIN, Ends(damage="torn"), [(".chain/heads.json", "altered", True)]),
    (CHAIN, Ends(Heads((TWO.link,))), [("three", "altered", True)]),
    (CHAIN, Ends(Heads((TWO.link,)), pending=frozenset({THREE.digest})), [("three", "uncertain", False)]),
    (CHAIN[:1], Ends(pending=frozenset({ONE.digest})), []),
    (CHAIN, Ends(Heads((THREE.link,), (Doubt("t", REBUILT, "missing"),))), [(".chain/heads.json", "uncertain", False)]),
    (CHAIN, Ends(Heads((THREE.link,), (Doubt("t", OTHER_KEY, "old"),))), [(".chain/heads.json", "uncertain", False)]),
    (CHAIN, Ends(Heads((THREE.link,)), signature=Signature("invalid signature")),
     [(".chain/heads.json", "invalid signature", True)]),
], ids=["newest_removed", "removed", "attestation_removed", "renamed", "another_attestation", "damaged", "no_heads",
        "damaged_heads", "heads_put_back", "cut_off", "first_cut_off", "found_anew", "another_key", "forged_heads"])
def test_what_is_amiss_with_a_chain(entries: list[Seen], ends: Ends, expected: list[tuple[str, str, bool]]) -> None:
    assert kinds(entries, ends) == expected


def test_a_key_that_was_replaced_is_no_doubt_where_it_is_vouched_for() -> None:
    assert kinds(CHAIN, Ends(Heads((THREE.link,), (Doubt("t", OTHER_KEY, "old"),))), trusted=("old",)) == []


def test_what_says_that_it_was_sealed_before_what_it_follows_is_reordered() -> None:
    late = attestation("one", sealed="2026-11-21T12:00:00+00:00")
    said = {**TWO.statement, "predicate": {**TWO.predicate, "follows": [{"id": "one", "sha256": late.digest}]}}
    early = read_attestation(unsigned_file(payload_of(said), "a test"))

    assert kinds([Seen("one", late), Seen("two", early)], Ends(Heads((early.link,)))) == [("two", "reordered", True)]


def test_a_clock_that_is_behind_reorders_nothing() -> None:
    behind = attestation("two", ONE, sealed="2026-11-21T09:00:00+00:00")

    assert behind.link.sealed == ONE.link.sealed
    assert kinds([CHAIN[0], Seen("two", behind)], Ends(Heads((behind.link,)))) == []


@pytest.mark.parametrize(("digits", "expected"), [
    (TWO.digest, []), (TWO.digest[:12], []), (TWO.digest[:12].upper(), []),
    ("0" * 12, [("attestation 000000000000", "removed", True)]),
])
def test_a_digest_that_was_kept_elsewhere_must_be_there(digits: str, expected: list[tuple[str, str, bool]]) -> None:
    assert kinds(CHAIN, END, digits) == expected


def test_runs_that_end_at_once_share_what_they_follow_and_the_next_joins_them() -> None:
    left, right = attestation("left", ONE), attestation("right", ONE)
    heads = Heads((ONE.link,)).with_entry(left.link, left.follows).with_entry(right.link, right.follows)
    joined = attestation("joined", left, right)

    assert heads.links == (left.link, right.link) == ends_of([ONE, left, right])
    assert heads.with_entry(joined.link, joined.follows).links == (joined.link,)


def test_heads_are_read_as_they_were_written() -> None:
    heads = Heads((ONE.link, THREE.link), (Doubt("t", REBUILT, "why"),))
    again = heads_of(read_attestation(unsigned_file(payload_of(heads_statement(heads, "now")), "a test")))

    assert again.doubts == heads.doubts
    assert set(again.links) == set(heads.links)
    assert heads.doubted(Doubt("later", REBUILT, "why")) == heads


@pytest.mark.parametrize("content", [
    b"", b"{", b"[]", b"5", b"{}", b'{"payload": "", "payloadType": "", "signatures": []}', b"[" * 50_000,
    signed_file(b"{}", [{"keyid": "k", "sig": "s"}]), unsigned_file(b"{}", "why"),
    unsigned_file(payload_of(ONE.statement), ""), unsigned_file(payload_of(ONE.statement), "why")[:-1],
    unsigned_file(payload_of({**ONE.statement, "_type": "other"}), "why"),
    unsigned_file(payload_of({**ONE.statement, "subject": ONE.statement["subject"] * 2}), "why"),
    unsigned_file(payload_of({**ONE.statement, "subject": [{"name": 5, "digest": {"sha256": "d"}}]}), "why"),
], ids=range(14))
def test_what_is_no_attestation_is_said(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_attestation(content)


def test_names_in_attestations_never_lead_anywhere() -> None:
    said = record_statement("one", {}, {"../../outside": "d"}, [Link("../up", "e" * 64)], "now")
    hostile = read_attestation(unsigned_file(payload_of(said), "why"))

    assert kinds([Seen("one", hostile, files={})], Ends(Heads((hostile.link,)))) == [
        ("one", "removed", True), ("../up", "removed", True)]
