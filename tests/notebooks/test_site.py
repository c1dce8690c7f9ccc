"""The index of records in a real browser: filters, search, timeline, hostile records, keyboard, narrow screens."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.notes import append_note
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.record_store import FolderStore
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.sealing import finish_record
from opsbook.site.building import build
from tests.support.sealed import Keys
from tests.support.site_records import write_records

CHROMIUM = "/usr/bin/chromium"
COUNT = 80

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

if not shutil.which(CHROMIUM):
    pytest.skip("there is no Chromium on this machine", allow_module_level=True)

HOSTILE = {
    "id": "20261121T170000Z-hostile-1", "kind": "investigation", "status": "ok", "verdict": "\"><img src=x onerror=boom()>",
    "title": "<script>boom()</script>\"'><b>bold</b>",
    "systems": ["commerce\" onfocus=\"boom()", "</script><script>boom()//"],
    "operator": "ada\u202e\x1b[2J", "summary": "<img src='http://127.0.0.1:9/x.png' onerror='boom()'>", "severity_id": 4,
    "started": "2026-11-21T17:00:00+00:00", "finished": "2026-11-21T17:00:03+00:00",
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("site") / "records"
    written = write_records(folder, COUNT)
    keys = Keys(folder.parent)
    finish_record(folder / written[-1]["id"], written[-1], keys.signer)
    append_note(FolderStore(folder), written[-1]["id"], "ada", "It was the <b>index</b>.", keys.signer, "a zebra", ["add"])
    build(FolderStore(folder), folder / ".site")
    return [{**record, "folder": str(folder)} for record in written]


class Page:
    """The index in a tab, with all that it asked for and said."""

    def __init__(self, browser: Any, index: Path, **options: Any) -> None:
        self.tab = browser.new_page(**options)
        self.said: list[str] = []
        self.asked: list[str] = []
        self.tab.on("console", lambda message: self.said.append(message.text))
        self.tab.on("pageerror", lambda error: self.said.append(str(error)))
        self.tab.on("request", lambda request: self.asked.append(request.url))
        self.address = index.as_uri()
        self.tab.goto(self.address)

    def shown(self) -> list[str]:
        """The ids of the records that are shown."""
        # The text of what lies outside of the window is there, though it is not drawn.
        found: list[str] = self.tab.locator("#records > li:not([hidden]) p.facts > code").all_text_contents()
        return found

    def marks(self) -> int:
        """How many records have a mark on the timeline."""
        return len({mark.get_attribute("data-row") for mark in self.tab.locator("#marks svg:visible").all()})

    def settled(self, count: int) -> None:
        """Wait until so many records are shown."""
        self.tab.wait_for_function(
            "count => document.querySelectorAll('#records > li:not([hidden])').length === count", arg=count)


@pytest.fixture
def page(browser: Any, records: list[dict[str, Any]]) -> Iterator[Page]:
    page = Page(browser, Path(records[0]["folder"]) / ".site" / "index.html")
    yield page
    page.tab.close()


def test_all_records_are_shown_newest_first_and_nothing_else_is_asked_for(page: Page, records: list[dict[str, Any]]) -> None:
    newest = sorted(records, key=lambda record: str(record["started"]), reverse=True)

    assert page.shown() == [record["id"] for record in newest]
    assert page.marks() == COUNT
    assert (page.asked, page.said) == ([page.address], [])
    assert page.tab.locator("#count").inner_text() == f"{COUNT} records"


@pytest.mark.parametrize(("name", "value", "fits"), [
    ("system", "commerce", lambda record: "commerce" in record["systems"]),
    ("kind", "investigation", lambda record: record["kind"] == "investigation"),
    ("result", "failed", lambda record: record["status"] == "failed"),
    ("result", "suspects", lambda record: record.get("verdict") == "suspects"),
    ("severity", "critical", lambda record: record.get("severity_id") == 5),
])
def test_a_filter_leaves_what_fits_in_the_list_and_on_the_timeline(
    page: Page, records: list[dict[str, Any]], name: str, value: str, fits: Any
) -> None:
    expected = {record["id"] for record in records if fits(record)}
    page.tab.select_option(f"#{name}", value)
    page.settled(len(expected))

    assert 0 < len(expected) < COUNT
    assert set(page.shown()) == expected
    assert page.marks() == len(expected)
    assert page.tab.locator("#count").inner_text() == f"{len(expected)} records of {COUNT}"


def test_days_limit_the_list_and_stretch_the_timeline(page: Page, records: list[dict[str, Any]]) -> None:
    expected = {record["id"] for record in records if "2026-11-01" <= record["started"][:10] <= "2026-11-07"}
    page.tab.fill("#from", "2026-11-01")
    page.tab.fill("#to", "2026-11-07")
    page.settled(len(expected))

    assert set(page.shown()) == expected
    assert page.tab.locator("#ticks span").all_inner_texts()[0] == "2026-11-01"
    places = [float(mark.get_attribute("x").rstrip("%")) for mark in page.tab.locator("#marks svg:visible").all()]
    assert min(places) >= 0
    assert max(places) <= 100
    assert max(places) > 80


@pytest.mark.parametrize(("words", "count"), [("zebra", 1), ("THE <b>index", 1), ("no such words at all", 0)])
def test_words_are_looked_for_everywhere_and_as_they_are(page: Page, words: str, count: int) -> None:
    page.tab.fill("#q", words)
    page.settled(count)

    assert len(page.shown()) == count
    assert page.tab.locator("#none").is_visible() == (count == 0)


def test_filters_add_up_are_kept_in_the_address_and_can_be_taken_back(
    page: Page, browser: Any, records: list[dict[str, Any]]
) -> None:
    expected = {record["id"] for record in records if record["operator"] == "ada" and "media" in record["systems"]
                and record["kind"] == "procedure"}
    page.tab.fill("#q", "ada")
    page.tab.select_option("#system", "media")
    page.tab.select_option("#kind", "procedure")
    page.settled(len(expected))
    again = browser.new_page()
    again.goto(page.tab.url)
    kept = set(again.locator("#records > li:not([hidden]) p.facts > code").all_text_contents())
    again.close()
    page.tab.click("#reset")
    page.settled(COUNT)

    assert 0 < len(expected) < COUNT
    assert kept == expected
    assert page.tab.url == page.address


def test_the_keyboard_is_enough(page: Page, records: list[dict[str, Any]]) -> None:
    page.tab.keyboard.press("/")
    page.tab.keyboard.type("zebra")
    page.settled(1)
    passed = []
    while page.tab.evaluate("document.activeElement.tagName") != "A" and len(passed) < 20:
        page.tab.keyboard.press("Tab")
        passed.append(page.tab.evaluate("document.activeElement.id"))
    page.tab.keyboard.press("Enter")
    page.tab.wait_for_url("**/record.html")

    assert list(dict.fromkeys(name for name in passed if name)) == [
        "system", "kind", "result", "severity", "from", "to", "reset"]
    assert page.tab.title() == records[-1]["id"]


def test_each_filter_has_its_label(page: Page) -> None:
    names = ("Search", "System", "Kind", "Result", "Severity", "From", "To")

    assert [page.tab.get_by_label(name, exact=True).count() for name in names] == [1] * len(names)


def test_a_title_leads_to_the_records_page(page: Page, records: list[dict[str, Any]]) -> None:
    page.tab.locator("#records h2 a").first.click()
    page.tab.wait_for_load_state()
    newest = max(records, key=lambda record: str(record["started"]))

    assert page.tab.title() == newest["id"]


def test_what_people_added_is_shown_as_text(page: Page) -> None:
    page.tab.fill("#q", "zebra")
    page.settled(1)
    page.tab.locator("#records > li:visible summary").click()

    assert "It was the <b>index</b>." in page.tab.locator(".note:visible").inner_text()


@pytest.mark.parametrize("width", [400, 1100])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_sticks_out_and_colours_follow_the_reader(
    browser: Any, records: list[dict[str, Any]], width: int, scheme: str
) -> None:
    page = Page(browser, Path(records[0]["folder"]) / ".site" / "index.html", color_scheme=scheme,
                viewport={"width": width, "height": 900})
    wide = page.tab.evaluate("document.documentElement.scrollWidth")
    ground = page.tab.evaluate("getComputedStyle(document.body).backgroundColor")
    page.tab.close()

    assert wide <= width
    assert ground == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(13, 17, 23)")


def test_what_a_system_returned_is_only_ever_text(browser: Any, tmp_path: Path) -> None:
    records = tmp_path / "records"
    folder = records / HOSTILE["id"]
    folder.mkdir(parents=True)
    (folder / "record.json").write_text(json.dumps(HOSTILE))
    strange = records / "\"><script>boom()<" / "record.json"
    strange.parent.mkdir()
    strange.write_text(json.dumps({**HOSTILE, "started": 5, "systems": "none", "severity_id": "x", "changes": [1]}))
    (records / "torn").mkdir()
    (records / "torn" / "record.json").write_text("{")
    built = build(FolderStore(records), tmp_path / "elsewhere")
    page = Page(browser, built.path)
    title = page.tab.locator("#records h2").first.inner_text()
    page.tab.fill("#q", "bold")
    page.settled(2)
    injected = page.tab.locator("#records script, #records img, #records b b, #records [onfocus]").count()
    page.tab.close()

    assert (built.records, list(built.unread)) == (2, ["torn"])
    assert HOSTILE["title"] in title
    assert (injected, page.said, page.asked) == (0, [], [page.address])


def test_an_injected_script_would_not_run(browser: Any, records: list[dict[str, Any]], tmp_path: Path) -> None:
    whole = (Path(records[0]["folder"]) / ".site" / "index.html").read_text()
    bad = tmp_path / "index.html"
    bad.write_text(whole.replace("<footer>", "<script>document.title = 'boom'</script><img src='http://127.0.0.1:9/x'><footer>"))
    page = Page(browser, bad)
    title = page.tab.title()
    page.tab.close()

    assert title == "Records"
    assert len([line for line in page.said if "Content Security Policy" in line]) == 2


def test_without_scripts_all_records_are_there(browser: Any, records: list[dict[str, Any]]) -> None:
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto((Path(records[0]["folder"]) / ".site" / "index.html").as_uri())
    count = tab.locator("#records > li").count()
    context.close()

    assert count == COUNT


def test_pages_are_copied_where_the_index_lies_elsewhere(records: list[dict[str, Any]], tmp_path: Path) -> None:
    built = build(FolderStore(Path(records[0]["folder"])), tmp_path / "far" / "site")
    copied = sorted(path.parent.name for path in (tmp_path / "far" / "site" / "records").glob("*/record.html"))

    assert copied == sorted(record["id"] for record in records)
    assert str(records[0]["folder"]) + "/2026" not in built.path.read_text()
