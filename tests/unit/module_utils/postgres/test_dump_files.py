"""Names and manifests of dumps: which are good, which may go."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import Refused
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.limits import Limits
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.dump_extras import (
    ExtensionTable,
    Extras,
    differing_extras,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.dump_files import (
    AHEAD,
    Dump,
    Keeping,
    check_prefix,
    dumps_of,
    is_fresh,
    keeping_of,
    leftover_of,
    newest_good,
    partial_name,
    started_of,
    strangers_of,
    typical_size,
    warn_of_clocks,
    why_kept,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.dump_manifest import File, Manifest, read_manifest
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.table_contents import Contents

NOW = datetime(2026, 11, 21, 8, tzinfo=UTC)
MANIFEST = Manifest("media", "custom", 180006, "18.6", NOW, NOW, (File("", 100, "ab"),), (Contents("public", "t", 2, "7"),),
                    ("pg_trgm",), "UTF8", "C", "C", ("a warning",))

EXTRAS = Extras(3, (("public", "mv.1"),), (ExtensionTable("cron", "cron", "job", 2),))
FULL = replace(MANIFEST, database_size=4000, extras=EXTRAS)


def dump(days: float, size: int | None = 100, manifest: Manifest | None = MANIFEST) -> Dump:
    started = NOW - timedelta(days=days)
    return Dump(f"media-{started:%Y%m%dT%H%M%SZ}.dump", started, size, manifest)


def test_a_manifest_comes_back_as_it_was_written() -> None:
    assert read_manifest(FULL.as_text()) == FULL
    assert (FULL.size, FULL.rows) == (100, 2)


def test_an_older_manifest_is_read_and_keeps_the_digest_that_its_proof_names() -> None:
    older = without("database_size", "extras")
    read = read_manifest(older)

    assert read == MANIFEST
    assert read.digest == hashlib.sha256(older.encode()).hexdigest()


def without(*names: str) -> str:
    given = {name: value for name, value in json.loads(FULL.as_text()).items() if name not in names}
    return json.dumps(given, indent=1) + "\n"


@pytest.mark.parametrize("text", [
    "", "no JSON", "[]", "{}", "null", MANIFEST.as_text()[:200], without("files"), without("opsbook_manifest"),
    FULL.as_text().replace('"large_objects": 3', '"large_objects": "many"'),
    FULL.as_text().replace('"extras": {', '"extras": 7, "x": {'),
    MANIFEST.as_text().replace("+00:00", ""), MANIFEST.as_text().replace('"opsbook_manifest": 1', '"opsbook_manifest": 2'),
])
def test_any_other_text_is_no_manifest(text: str) -> None:
    assert read_manifest(text) is None


@pytest.mark.parametrize(("name", "moment"), [
    ("media-20261121T080000Z.dump", NOW), ("media-20261121T080000Z.dir", NOW), ("media-20261321T080000Z.dump", None),
    ("media-items-20261121T080000Z.dump", None), ("media-20261121T080000Z.dump.manifest.json", None),
    ("media-20261121T080000Z.sql", None), ("xmedia-20261121T080000Z.dump", None), ("media-by-hand.dump", None),
])
def test_a_dump_of_ours_is_known_by_its_name(name: str, moment: datetime | None) -> None:
    assert started_of("media", name) == moment


@pytest.mark.parametrize("name", ["", "../media", "a/b", ".hidden", "-f", "a b", "x" * 101, "a\n"])
def test_a_prefix_that_is_no_plain_name_is_refused(name: str) -> None:
    with pytest.raises(Refused):
        check_prefix(name)


def test_a_dump_is_good_with_its_manifest_and_all_its_bytes() -> None:
    names = [f"media-2026112{day}T080000Z.dump" for day in range(1, 5)]
    sizes = {names[0]: 100, names[1]: 99, names[2]: 100, "media-by-hand.dump": 1}
    found = dumps_of("media", sizes, {names[0]: MANIFEST.as_text(), names[1]: MANIFEST.as_text(), names[2]: "{}",
                                      names[3]: MANIFEST.as_text(), "media-by-hand.dump": MANIFEST.as_text()})

    assert [one.name for one in found] == names[::-1]
    assert [one.trouble for one in found] == [
        "there is a manifest and no dump", "it has no manifest of ours", "it has 99 bytes, and its manifest says 100", ""]
    assert newest_good(found, NOW + timedelta(days=9)) == found[-1]
    assert strangers_of("media", sizes) == ["media-by-hand.dump"]


@pytest.mark.parametrize(("age", "fresh"), [(0.0, True), (4.9, True), (5.0, False), (-1.0, False), (-0.05, True)])
def test_a_dump_is_fresh_until_it_is_so_old(age: float, fresh: bool) -> None:
    assert is_fresh(dump(age / 24), NOW, timedelta(hours=5)) is fresh


def test_no_dump_and_no_age_make_nothing_fresh() -> None:
    assert not is_fresh(None, NOW, timedelta(hours=5))
    assert not is_fresh(dump(0), NOW, None)


def going(dumps: list[Dump], keep: int, coming: bool, days: float | None = 30) -> list[int]:
    keeping = Keeping(keep, None if days is None else timedelta(days=days))
    judged = why_kept(dumps, "media", NOW, keeping, Limits(protected=("media-2026*T080000Z.kept",)), coming)
    return [(NOW - one.started).days for one, reason in judged if not reason]


BROKEN, STRANGER = dump(45, size=99), dump(46, manifest=None)
ANOTHERS = dump(47, manifest=replace(MANIFEST, database="billing"))


@pytest.mark.parametrize(("dumps", "keep", "coming", "gone"), [
    ([dump(1), dump(40), dump(50)], 1, False, [40, 50]), ([dump(1), dump(40), dump(50)], 2, False, [50]),
    ([dump(40), dump(50)], 1, False, [50]), ([dump(40)], 1, False, []), ([dump(40), dump(50)], 1, True, [40, 50]),
    ([dump(40), dump(50)], 2, True, [50]), ([dump(1), dump(2), dump(3)], 1, True, []),
    ([BROKEN, dump(50)], 1, False, [45]), ([dump(40), STRANGER, ANOTHERS], 1, False, []),
    ([dump(30)], 1, True, []), ([dump(-400), dump(40)], 1, False, []),
])
def test_old_dumps_go_but_never_the_newest_good_ones(dumps: list[Dump], keep: int, coming: bool, gone: list[int]) -> None:
    assert going(dumps, keep, coming) == gone


AHEAD_BY_AN_HOUR, A_LITTLE_AHEAD = dump(-1 / 24), dump(-1 / 1440)


def test_a_dump_from_the_future_is_not_the_newest() -> None:
    assert newest_good([AHEAD_BY_AN_HOUR, dump(1)], NOW) == dump(1)
    assert newest_good([AHEAD_BY_AN_HOUR], NOW) is None
    assert newest_good([A_LITTLE_AHEAD, dump(1)], NOW) == A_LITTLE_AHEAD


@pytest.mark.parametrize("ahead", [AHEAD_BY_AN_HOUR, dump(-400), dump(-1, size=99)])
def test_a_dump_from_the_future_neither_goes_nor_counts_among_those_kept(ahead: Dump) -> None:
    judged = why_kept([ahead, dump(40), dump(50)], "media", NOW, Keeping(1, timedelta(days=30)), Limits(), False)
    assert [reason for _dump, reason in judged] == [AHEAD, "it is one of the newest 1 good ones", ""]


def test_dumps_from_the_future_are_warned_of_by_name() -> None:
    [warning] = warn_of_clocks([AHEAD_BY_AN_HOUR, A_LITTLE_AHEAD, dump(1)], NOW)

    assert AHEAD_BY_AN_HOUR.name in warning
    assert A_LITTLE_AHEAD.name not in warning
    assert warn_of_clocks([dump(1)], NOW) == []


@pytest.mark.parametrize(("seen", "left_out", "told"), [
    (EXTRAS, (), []), (replace(EXTRAS, large_objects=2), (), ["2 large objects instead of 3"]),
    (replace(EXTRAS, views=()), (), ["public.mv.1: the materialized view is missing or not filled"]),
    (replace(EXTRAS, tables=()), (), ["cron.job (of the extension cron): it is missing"]),
    (replace(EXTRAS, tables=(replace(EXTRAS.tables[0], rows=1),)), (),
     ["cron.job (of the extension cron): 1 rows instead of 2"]),
    (replace(EXTRAS, tables=()), ("cron",), []), (replace(EXTRAS, views=(*EXTRAS.views, ("public", "more"))), (), []),
])
def test_what_there_is_beside_tables_is_compared(seen: Extras, left_out: tuple[str, ...], told: list[str]) -> None:
    assert differing_extras(EXTRAS, seen, left_out) == told


def test_without_an_age_none_goes_and_less_than_one_is_refused() -> None:
    assert going([dump(40), dump(5000)], 1, False, None) == []
    with pytest.raises(Refused):
        keeping_of({"keep": 0, "keep_for": None})


def test_a_size_is_compared_with_that_of_good_dumps_of_the_same_kind_before() -> None:
    sized = [replace(MANIFEST, files=(File("", size, "ab"),)) for size in (10, 100, 300, 200)]
    listed = [dump(number, one.size, one) for number, one in enumerate(sized)]
    others = [dump(9, 1, replace(sized[0], database="billing")), dump(9, 1, replace(sized[0], format="directory")), BROKEN]

    assert typical_size([*listed, *others], listed[0]) == 200
    assert typical_size(listed[3:], listed[3]) is None


@pytest.mark.parametrize("name", ["media-20261121T080000Z.dump", "media-20261121T080000Z.dump.manifest.json",
                                  "media-20261121T080000Z.dump.list", "media-20261121T080000Z.dir"])
def test_an_unfinished_dump_tells_who_makes_it(name: str) -> None:
    left = leftover_of("media", partial_name("db-1.example", 42, "777", name))

    assert left
    assert (left.host, left.process, left.started) == ("db_1.example", 42, "777")


@pytest.mark.parametrize("name", ["media-20261121T080000Z.dump", ".partial-host-1-2-mediax", ".partial-media",
                                  ".partial-host-1-2-billing-20261121T080000Z.dump"])
def test_what_is_none_of_ours_is_no_leftover(name: str) -> None:
    assert leftover_of("media", name) is None
