"""The record that a run leaves, whatever becomes of the run: real kernels, and every time the stored files are looked at."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from opsbook.pages.notebook_page import TAGS
from tests.support.notebooks import Investigated, make_notebook, run_investigation

CANARY = "canary-hunter2-4711"
OTHER = "second-canary/with+signs=&<b>\"'\\"


def run(tmp_path: Path, *sources: str, arguments: tuple[str, ...] = (), concludes: bool = True, **more: Any) -> Investigated:
    environment = more.pop("environment", {})
    notebook = make_notebook(tmp_path, *sources, concludes=concludes, **more)
    return run_investigation(notebook, *arguments, records=tmp_path / "records", environment=environment,
                             temporary=folder(tmp_path / "temporary"))


def folder(path: Path) -> Path:
    path.mkdir(exist_ok=True)
    return path


def papermill_status(done: Investigated) -> list[str]:
    return [cell.metadata.papermill.status for cell in done.notebook.cells if cell.cell_type == "code"]


def in_papermill_s_words(statuses: list[str]) -> list[str]:
    return ["failed" if status == "broken_off" else status for status in statuses]


def left_behind(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "temporary").iterdir())


def test_a_run_that_concludes_leaves_a_whole_record(tmp_path: Path) -> None:
    done = run(tmp_path, "print('seen', number)", arguments=("-p", "number", "7"))

    assert done.status == 0, done.errors
    assert {path.name for path in done.folder.iterdir()} == {
        "attestation.json", "findings.json", "journal.jsonl", "notebook.ipynb", "record.html", "record.json"}
    assert (done.record["status"], done.record["verdict"], done.record["severity_id"]) == ("ok", "suspects", 4)
    assert done.record["kind"] == "investigation"
    assert done.record["parameters"] == {"system": "", "number": 7, "level": "low", "token": ""}
    assert done.statuses == ["completed"] * 4
    assert done.notebook.cells[3].outputs[0].text == "seen 7\n"
    assert "Writes to the table orders are throttled" in done.output
    assert "ansible-playbook playbooks/x.yml --limit commerce\n" in done.output
    assert "[3/4]" in done.output
    assert left_behind(tmp_path) == []


def test_an_error_of_a_cell_is_the_record_s_error(tmp_path: Path) -> None:
    done = run(tmp_path, "print('before')\nraise ValueError('no \\x1b[31msuch\\x1b[0m table')", "print('never')")

    assert done.status == 3
    assert done.record["status"] == "failed"
    assert done.record["error"].endswith("ValueError: no such table")
    assert done.statuses == ["completed", "completed", "failed", "pending", "pending"]
    assert papermill_status(done) == in_papermill_s_words(done.statuses)
    assert not (done.folder / "findings.json").exists()
    assert "ValueError: no such table" in done.page
    assert "\x1b" not in (done.folder / "notebook.ipynb").read_text()


def test_a_kernel_that_dies_is_told_with_what_was_seen_until_then(tmp_path: Path) -> None:
    done = run(tmp_path, "print('the evidence')", "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")

    assert done.status == 5
    assert done.record["status"] == "kernel_died"
    assert "SIGKILL" in done.record["error"]
    assert done.statuses == ["completed"] * 3 + ["broken_off", "pending"]
    assert papermill_status(done) == in_papermill_s_words(done.statuses)
    assert done.notebook.metadata.papermill.exception is True
    assert "the evidence" in done.page
    assert "the kernel died" in done.page
    assert "never ran" in done.page


def test_a_kernel_that_leaves_by_itself_is_no_success(tmp_path: Path) -> None:
    done = run(tmp_path, "import os\nos._exit(0)")

    assert (done.status, done.record["status"]) == (5, "kernel_died")


def test_a_cell_past_its_time_is_ended(tmp_path: Path) -> None:
    done = run(tmp_path, "print('the evidence', flush=True)\nimport time\ntime.sleep(60)", cell_timeout="2s")

    assert done.status == 4
    assert done.record["status"] == "timed_out"
    assert "it took longer than 2s, in cell 3" in done.record["error"]
    assert done.statuses == ["completed"] * 2 + ["broken_off", "pending"]
    assert papermill_status(done) == in_papermill_s_words(done.statuses)
    assert "the evidence" in done.page


def test_a_cell_that_prints_without_end_is_ended_in_its_time(tmp_path: Path) -> None:
    done = run(tmp_path, "while True:\n    print('x' * 1000)", cell_timeout="2s")

    assert (done.status, done.record["status"]) == (4, "timed_out")
    assert (done.folder / "notebook.ipynb").stat().st_size < 200_000


def test_an_investigation_past_its_deadline_is_ended(tmp_path: Path) -> None:
    done = run(tmp_path, "import time\ntime.sleep(60)", deadline="6s")

    assert (done.status, done.record["status"]) == (4, "timed_out")
    assert "the investigation's time is over" in done.record["error"]


def test_a_notebook_without_a_conclusion_is_inconclusive(tmp_path: Path) -> None:
    done = run(tmp_path, "print('and now?')", concludes=False)

    assert (done.status, done.record["status"]) == (6, "inconclusive")
    assert "ended without a conclusion" in done.page


@pytest.mark.parametrize(("change", "said"), [
    ("found['verdict'] = 'perhaps'", "verdict"), ("del found['suspects']", "suspects"),
    ("found['suspects'][0]['rank'] = 2", "ranks"), ("found['severity_id'] = 9", "severity_id"),
    ("found['suspects'][0]['for'][0]['evidence'] = ['a guess']", "a guess"),
    ("found['verdict'] = 'nothing_wrong'", "suspects"),
], ids=["verdict", "suspects", "rank", "severity", "evidence", "contradiction"])
def test_findings_that_are_not_as_they_must_be_fail_the_run(tmp_path: Path, change: str, said: str) -> None:
    from tests.support.notebooks import conclusion

    lines = conclusion().split("\n")
    done = run(tmp_path, "\n".join([*lines[:3], change, *lines[3:]]), concludes=False)

    assert (done.status, done.record["status"]) == (3, "failed")
    assert said in done.record["error"]
    assert not (done.folder / "findings.json").exists()


@pytest.mark.parametrize(("verdict", "asked", "status"), [
    ("suspects", (), 0), ("suspects", ("--fail-on", "suspects"), 1), ("suspects", ("--fail-on", "nothing_wrong"), 0),
])
def test_a_verdict_ends_with_the_status_that_was_asked_for(
        tmp_path: Path, verdict: str, asked: tuple[str, ...], status: int) -> None:
    assert run(tmp_path, arguments=asked).status == status


def test_what_is_printed_is_kept_as_far_as_a_person_reads(tmp_path: Path) -> None:
    done = run(tmp_path, "for number in range(300_000):\n    print('line', number)", "for n in range(500):\n    display(n)",
               "display({'text/html': '<p>' + 'x' * 2_000_000}, raw=True)", "print('y' * 10_000_000)")

    assert done.status == 0
    assert (done.folder / "notebook.ipynb").stat().st_size < 400_000
    assert "more characters are not kept" in done.page
    assert "440 more outputs of this cell are not kept" in done.page
    assert "text/html of 2,000,003 characters is not kept" in done.page


HOSTILE = r"""
print("<script>fetch('//evil')</script>", "\x1b[2J\x1b[31mred\x1b[0m", "\x1b]0;title\x07")
print(b"caf\xe9 \xff\xfe".decode("utf-8", "surrogateescape"))
print("A" * 10_000_000)
print("after\x00\x08\x9b31m")
display({"text/html": "<img src=x onerror=alert(1)><script>alert(2)</script><a href='javascript:alert(3)'>x</a>"
         "<b style='position:fixed' onclick=x()>bold</b><iframe src=//evil></iframe><table><tr><td>cell</td></tr></table>",
         "image/svg+xml": "<svg onload=alert(4)></svg>", "application/javascript": "alert(5)", "text/plain": "x"}, raw=True)
display({"image/png": "\"><script>alert(6)</script>", "text/plain": "x"}, raw=True)
display({"text/markdown": "[x](javascript:alert(7)) <script>alert(8)</script> ![p](http://evil/p.png)"}, raw=True)
"""


def test_hostile_output_is_text_in_the_record_and_nothing_else(tmp_path: Path) -> None:
    done = run(tmp_path, HOSTILE)
    outputs = json.dumps(done.notebook.cells[3].outputs, ensure_ascii=False)
    shown = done.page.partition('<div class="notebook">')[2]

    assert done.status == 0
    assert "\x1b" not in outputs
    assert "\x9b" not in outputs
    assert "caf\N{REPLACEMENT CHARACTER}" in shown
    assert "&lt;script&gt;fetch" in shown
    assert len(done.page) < 300_000
    seen = Elements(done.page)
    assert seen.tags <= TAGS | {"section", "main", "header", "article", "footer", "html", "head", "body", "meta", "title",
                                "style"}
    assert not any(name.startswith("on") or name in ("style", "href", "src") for name in seen.attributes)
    assert "<td>cell</td>" in shown
    assert "default-src 'none'" in done.page


class Elements(HTMLParser):
    """The elements of a page and their attributes, as a browser finds them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, value in attrs}


INVENTORY = {"systems": {"hosts": {"shop": {
    "ansible_connection": "local", "ecs_cluster": "{{ 'production' }}-cluster",
    "opsbook_aws": {"region": "eu-west-1", "secret_key": "declared-canary-1", "access_key": "AKEY"},
    "opsbook_redis": {"login_password": "declared-canary-2"},
    "http_endpoints": [{"name": "api", "url": "https://user:declared-canary-3@shop.invalid/health"}],
    "notice_channels": [{"name": "chat", "url": "slack://declared-canary-4"}],
}}}}

LEAK = """
import base64, html, json, os, urllib.parse
case = json.load(open(os.environ["OPSBOOK_CASE"]))
secrets = [*case["secrets"].values(), case["declared"]["opsbook_aws"]["secret_key"],
           case["declared"]["opsbook_redis"]["login_password"], case["declared"]["http_endpoints"][0]["url"]]
for secret in secrets:
    print(secret, repr(secret), json.dumps(secret), json.dumps(json.dumps(secret)), urllib.parse.quote(secret),
          urllib.parse.quote_plus(secret), html.escape(secret), secret.encode().hex())
    print(base64.b64encode(secret.encode()).decode(), base64.b64encode(b"user:" + secret.encode() + b":x").decode())
    for sign in secret:
        print(sign, end="", flush=True)
    print("\\x1b[31m" + secret[:5] + "\\x1b[0m" + secret[5:])
    display({"text/html": f"<p>{html.escape(secret)}</p>", "text/plain": secret, "application/json": {secret: [secret]}},
            raw=True, metadata={"image/png": {"alt": secret}})
assert "notice_channels" not in case["declared"]
assert case["declared"]["ecs_cluster"] == "production-cluster"
print("x" * (65536 - 20) + secrets[0] * 3)
"""


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    path = tmp_path / "inventory.yml"
    path.write_text(json.dumps(INVENTORY))
    return path


def test_no_secret_is_in_anything_that_is_left_or_said(tmp_path: Path, inventory: Path) -> None:
    file = tmp_path / "token"
    file.write_text(OTHER)
    file.chmod(0o600)
    parameters = {"system": {"type": "str", "required": True}, "token": {"type": "str", "no_log": True, "default": ""},
                  "key": {"type": "str", "no_log": True}, "number": {"type": "int"}, "level": {"type": "str"}}
    done = run(tmp_path, LEAK, f"{LEAK}\nraise ValueError(secrets)", parameters=parameters,
               arguments=("--system", "shop", "-i", str(inventory), "-p", "token", f"file:{file}",
                          "-p", "key", "env:CANARY_KEY"),
               environment={"CANARY_KEY": CANARY})
    left = done.everything()

    assert (done.status, done.record["status"]) == (3, "failed"), done.errors
    for part in (CANARY, OTHER, "declared-canary", CANARY[:12], OTHER[:14]):
        assert part.encode() not in left, part
        assert part.encode().hex().encode() not in left
    assert b"env:CANARY_KEY" in left
    assert b"[secret]" in left
    assert left_behind(tmp_path) == []


LOOK = """
import os
print({name: value for name, value in os.environ.items() if "canary" in value})
runner = open(f"/proc/{os.getppid()}/environ", "rb").read().decode().split("\\0")
print([line for line in runner if "canary" in line or "PRIVATE" in line])
print(sorted(name for name in os.environ if name.startswith("OPSBOOK_")))
assert "MYKEY" not in os.environ
"""


def test_the_operator_s_credentials_are_not_kept_and_what_signs_records_does_not_reach_the_kernel(tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    done = run(tmp_path, LOOK, f"{LOOK}\nraise ValueError(str(runner))", environment={
        "OPSBOOK_SIGNING_KEY": "env:MYKEY", "MYKEY": key, "AWS_SECRET_ACCESS_KEY": "/canary/of+the=account",
        "PGPASSWORD": "canary of PostgreSQL", "DATABASE_URL": "postgres://shop:canary-of-an-address@db.invalid/shop",
        "HARMLESS": "a canary that may be seen"})
    left = done.everything()

    assert done.status == 3, done.errors
    assert b"a canary that may be seen" in left
    assert b"['OPSBOOK_CASE']" in left
    for part in ("/canary/of", "canary of PostgreSQL", "canary-of-an-address", *key.splitlines()[1:-1]):
        assert part.encode() not in left, part
    assert b"MYKEY" in left
    assert "[secret]" in done.page


def test_a_command_that_is_advised_names_the_inventories_of_the_run(tmp_path: Path, inventory: Path) -> None:
    more = tmp_path / "more hosts.yml"
    more.write_text(json.dumps({"systems": {"hosts": {"shop": {"opsbook_environment": "production"}}}}))
    advise = ("from opsbook.notebook import open_case\nfrom opsbook.diagnosis.next_steps import playbook\n"
              "print(playbook(open_case('small', system=system).scene, 'restart-services', {}))")
    done = run(tmp_path, advise, parameters={"system": {"type": "str", "required": True}},
               arguments=("--system", "shop", "-i", str(inventory), "-i", str(more)))

    assert done.status == 0, done.errors
    assert (f"ansible-playbook -i {inventory} -i '{more}' playbooks/restart-services.yml --limit shop"
            in done.notebook.cells[3].outputs[0].text)


def test_a_record_that_still_holds_a_secret_is_withheld(tmp_path: Path) -> None:
    """Wrapped over lines no form of a secret is found while it is printed; the search of what is stored finds it."""
    done = run(tmp_path, "import json, os\nsecret = json.load(open(os.environ['OPSBOOK_CASE']))['secrets']['token']\n"
               "print('\\n'.join(secret[at:at + 4] for at in range(0, len(secret), 4)))",
               arguments=("-p", "token", "env:LONG"), environment={"LONG": "abcdEFGHijklMNOP1234"})

    assert done.status == 7
    assert (done.record["status"], done.record["withheld"]) == (
        "failed", "notebook.ipynb still contained the parameter token")
    assert {path.name for path in done.folder.iterdir()} == {
        "attestation.json", "journal.jsonl", "record.html", "record.json"}
    assert b"abcd" not in done.everything()
    assert "withheld" in done.page


@pytest.mark.parametrize(("arguments", "said"), [
    (("-p", "nubmer", "1"), "unknown parameters: nubmer"), (("-p", "number", "many"), "number"),
    (("-p", "level", "middle"), "level"), (("-p", "number", "1", "-p", "number", "2"), "given more than once"),
    (("-p", "token", CANARY), "say where it is kept"), (("-p", "token", "env:NOT_SET_ANYWHERE"), "is not set"),
    (("-p", "token", "env:SHORT"), "fewer than 6 characters"), (("-f", "/nowhere.yml"), "nowhere.yml"),
    (("--system", "nowhere"), "the inventory does not know it. It knows shop."),
], ids=["unknown", "type", "choice", "twice", "literal", "unset", "short", "file", "system"])
def test_what_is_wrong_is_refused_before_anything_is_written(
        tmp_path: Path, inventory: Path, arguments: tuple[str, ...], said: str) -> None:
    done = run(tmp_path, arguments=(*arguments, "-i", str(inventory)), environment={"SHORT": "abc"})

    assert done.status == 2
    assert said in done.errors
    assert CANARY not in done.output + done.errors
    assert not done.records.exists()
    assert left_behind(tmp_path) == []


@pytest.mark.parametrize(("name", "value", "said"), [
    ("window", "abc", "it is not a number with s, m, h or d"), ("baseline", "0h", "the parameter baseline"),
    ("at", "2130-01-01", "it has not come yet"), ("at", "yesterday", "it is not a time"),
])
def test_what_is_no_time_is_refused_before_anything_is_written(tmp_path: Path, name: str, value: str, said: str) -> None:
    times = {"at": {"type": "str", "default": ""}, "window": {"type": "str", "default": "1h"},
             "baseline": {"default": "3h"}, "system": {"type": "str", "default": ""}}
    done = run(tmp_path, parameters=times, arguments=("-p", name, value))

    assert (done.status, done.records.exists()) == (2, False)
    assert said in done.errors
    assert left_behind(tmp_path) == []


def test_a_missing_parameter_is_refused(tmp_path: Path) -> None:
    done = run(tmp_path, parameters={"system": {"type": "str", "required": True}})

    assert (done.status, done.records.exists()) == (2, False)
    assert "system" in done.errors


def test_parameters_come_from_a_file_and_the_command_line_wins(tmp_path: Path) -> None:
    (tmp_path / "given.yml").write_text("number: 1\nlevel: high\n")
    done = run(tmp_path, arguments=("-f", str(tmp_path / "given.yml"), "-p", "number", "2"))

    assert done.record["parameters"] == {"system": "", "number": 2, "level": "high", "token": ""}


def test_a_program_gets_one_json_object(tmp_path: Path) -> None:
    done = run(tmp_path, arguments=("--json",))
    said = json.loads(done.output)

    assert (said["status"], said["verdict"], said["record"]) == ("ok", "suspects", str(done.folder))
    assert said["next_steps"][0]["title"] == "Raise its capacity"
    assert "[1/" in done.errors
