# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The record of an investigation as one HTML page: the verdict first, then why, then what it rests on, then the notebook.

Self-contained, no scripts, everything a system returned escaped. The notebook's own cells come as HTML that was sanitised.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .findings import say_cost
from .markup import STYLE, json_value, moment, section, table, text

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
"""Whatever slips through everything else: the page loads nothing and runs nothing."""

INVESTIGATION_STYLE = """
.suspects, .nothing_wrong, .insufficient_evidence { --mark: var(--info); }
.suspects { --mark: var(--bad); } .nothing_wrong, .completed { --mark: var(--ok); }
.insufficient_evidence { --mark: var(--warn); }
.timed_out, .kernel_died, .broken_off { --mark: var(--bad); } .inconclusive, .running { --mark: var(--warn); }
.pending { --mark: var(--mute); } .high { --mark: var(--bad); } .medium { --mark: var(--warn); }
.low { --mark: var(--info); }
@media (prefers-color-scheme: dark) { .mark { color: #0d1117; } }
.question { font-size: 17px; margin: 8px 0 4px; } .summary { font-size: 16px; margin: 14px 0 18px; }
.alert { border: 1px solid var(--line); border-left: 4px solid var(--mark, var(--warn)); border-radius: 6px;
  padding: 10px 14px; margin: 14px 0; background: var(--soft); overflow-wrap: anywhere; }
.card { border: 1px solid var(--line); border-left: 4px solid var(--mark, var(--mute)); border-radius: 8px;
  padding: 14px 18px; margin: 12px 0; break-inside: avoid; }
.card h3 { font-size: 16px; margin: 0 0 2px; overflow-wrap: anywhere; } .card h4 { font-size: 13px; margin: 12px 0 2px;
  color: var(--mute); }
.card ul { margin: 2px 0; padding-left: 20px; } .card li { margin: 2px 0; overflow-wrap: anywhere; }
.card .about { color: var(--mute); font-size: 14px; overflow-wrap: anywhere; } .card .rank { color: var(--mute); }
.step { margin: 4px 0 10px; } .step pre { user-select: all; background: var(--soft); border: 1px solid var(--line);
  border-radius: 6px; padding: 8px 10px; margin-top: 4px; overflow-wrap: anywhere; }
.pill { border: 1px solid currentColor; border-radius: 10px; padding: 0 8px; font-size: 12px;
  color: var(--mark, var(--mute)); }
.notebook { margin-top: 12px; } .cell { margin: 14px 0; } .cell > details { border: 0; padding: 0; }
.cell > details > summary { color: var(--mute); font-size: 13px; } .cell > details pre { background: var(--soft);
  border: 1px solid var(--line); border-radius: 6px; padding: 8px 10px; }
.notebook h1 { font-size: 22px; } .notebook h2 { font-size: 18px; margin: 24px 0 6px; } .notebook h3 { font-size: 16px; }
.out { overflow-x: auto; margin: 8px 0; } .out pre { overflow-wrap: anywhere; } .out img { max-width: 100%; height: auto;
  border-radius: 6px; }
.out table { width: auto; min-width: 40%; } .out p { margin: 6px 0; } .out dl { display: inline-grid; }
.out .error { border-left: 4px solid var(--bad); padding: 6px 12px; background: var(--soft); }
.out .stderr { border-left: 4px solid var(--warn); padding-left: 10px; }
.evidence code, footer code { overflow-wrap: anywhere; }
.evidence td { min-width: 70px; } .pair { display: flex; gap: 6px 48px; flex-wrap: wrap; } .out details { border: 0; }
.facts { grid-template-columns: max-content 1fr max-content 1fr; }
@media (max-width: 860px) { .facts { grid-template-columns: max-content 1fr; } }
@media (max-width: 600px) { body { padding: 14px; } h1 { font-size: 21px; } .evidence td { min-width: 110px; } }
@media print { :root { color-scheme: light; --line: #d0d7de; --soft: #f6f8fa; --ink: #1f2328; --mute: #59636e; --page: #fff;
  --ok: #1a7f37; --bad: #cf222e; --warn: #9a6700; --info: #0969da; }
  body { max-width: none; padding: 0; font-size: 12px; } .mark { color: #fff; print-color-adjust: exact; }
  h2, h3 { break-after: avoid; } tr, .card, .out img, dl { break-inside: avoid; } .out, .scroll { overflow: visible; }
  details::details-content { content-visibility: visible !important; display: block !important; height: auto !important; }
  details:not([open]) > :not(summary) { display: block !important; } }
"""

LONG_QUERY = 120
"""Characters of a question that are shown without being asked for."""

VERDICTS = {"suspects": "suspects found", "nothing_wrong": "nothing wrong found",
            "insufficient_evidence": "insufficient evidence"}
STATUS = {"ok": "concluded", "failed": "failed", "timed_out": "took too long", "kernel_died": "the kernel died",
          "interrupted": "was interrupted", "inconclusive": "ended without a conclusion"}
SEVERITY = {0: "unknown", 1: "informational", 2: "low", 3: "medium", 4: "high", 5: "critical", 6: "fatal"}


def render_investigation(
    record: Mapping[str, Any], findings: Mapping[str, Any] | None, body: str = "", signed: str = ""
) -> str:
    """The whole page.

    :param findings: the content of findings.json; None where the investigation came to none
    :param body: the notebook's cells as sanitised HTML; empty: the page names the notebook's file
    :param signed: what is said about the signature
    """
    found = findings or {}
    parts = [
        _head(record, found), _alerts(record), _facts(record, found),
        section("Suspects", "".join(_suspect(suspect) for suspect in found.get("suspects") or ()), hide_empty=True),
        section("Evidence", _evidence(found.get("evidence") or ()), hide_empty=True),
        section("What was not seen", _gaps(found["not_seen"]) if findings else "", hide_empty=True),
        section("Course of the run", _cells(record)),
        f'<h2>The notebook</h2><div class="notebook">{body or _no_body()}</div>',
        _foot(record, signed),
    ]
    return (f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}"><meta name="referrer" content="no-referrer">'
            f'<title>{text(record["title"])} {text(record["id"])}</title>'
            f'<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<style>{STYLE}{INVESTIGATION_STYLE}</style></head><body><main>{''.join(parts)}</main></body></html>")


def _head(record: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    verdict = found.get("verdict") if record["status"] == "ok" else None
    mark = (verdict, VERDICTS.get(str(verdict), verdict)) if verdict else (
        record["status"], STATUS.get(record["status"], record["status"]))
    severity = SEVERITY.get(found.get("severity_id") or 0) if verdict == "suspects" else ""
    second = f'<span class="tone">{text(severity)} severity</span>' if severity else ""
    summary = f'<p class="summary">{text(found["summary"])}</p>' if found.get("summary") else ""
    return (f'<header><div class="head"><h1>{text(record["title"])}</h1>'
            f'<span class="mark {text(mark[0])}">{text(mark[1])}</span>{second}</div>'
            f'<p class="question">{text(record["question"])}</p>{summary}</header>')


def _alerts(record: Mapping[str, Any]) -> str:
    """What a reader must know before believing the rest."""
    said = []
    if record["status"] != "ok":
        said.append((record["status"], f"This investigation did not conclude: {record['error']}."))
    if record["withheld"]:
        said.append(("failed", f"The record was withheld: {record['withheld']}"))
    said += [("inconclusive", f"{name} could not be stored: {why}") for name, why in record["not_stored"].items()]
    return "".join(f'<div class="alert {text(kind)}" role="note">{text(words)}</div>' for kind, words in said)


def _facts(record: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    window = found.get("window") or {}
    parameters = " ".join(f"{name}={value}" for name, value in record["parameters"].items() if value not in ("", None))
    symptom = {"Expected": found.get("expected"), "Seen": found.get("actual")}
    rows = {
        "Run": text(record["id"]), "System": text(record["system"]),
        "Investigation": text(", ".join([record["investigation"], *record["ids"]])),
        "Window": text(f"{moment(window.get('start'))} to {moment(window.get('end'))}") if window else "",
        **{name: json_value(value) for name, value in symptom.items() if value is not None},
        "Parameters": text(parameters), "Operator": text(record["operator"]),
        "Started": text(moment(record["started"])), "Ended": text(moment(record["finished"])),
        "Revision": text(record["revision"] or "unknown"),
        "Versions": text(", ".join(f"{name} {version}" for name, version in record["versions"].items())),
        "To know": text("; ".join(record["notes"])),
    }
    told = "".join(f"<dt>{text(name)}</dt><dd>{value}</dd>" for name, value in rows.items() if value)
    return f'<dl class="facts">{told}</dl>'


def _suspect(suspect: Mapping[str, Any]) -> str:
    about = [f"{suspect['cause']} in {suspect['resource']}", f"{SEVERITY.get(suspect['severity_id'], 'unknown')} severity"]
    if suspect.get("onset"):
        about.append(f"since {moment(suspect['onset'])}")
    seen = "".join(f"<div><h4>{name}</h4>{json_value(value)}</div>" for name, value in
                   (("Expected", suspect.get("expected")), ("Seen", suspect.get("actual"))) if value is not None)
    return (f'<article class="card {text(suspect["confidence"])}"><h3><span class="rank">{text(suspect["rank"])}.</span> '
            f'{text(suspect["title"])} <span class="pill">{text(suspect["confidence"])} confidence</span></h3>'
            f'<div class="about">{text(", ".join(about))}</div><div class="pair">{seen}</div>'
            f'{_reasons("What speaks for it", suspect["for"])}{_reasons("What speaks against it", suspect["against"])}'
            f'{_reasons("Unanswered", [{"text": question} for question in suspect["unanswered"]])}'
            f'{_steps(suspect["next_steps"])}</article>')


def _reasons(title: str, reasons: Sequence[Mapping[str, Any]]) -> str:
    lines = "".join(f"<li>{text(reason['text'])}{_rests_on(reason.get('evidence') or ())}</li>" for reason in reasons)
    return f"<h4>{text(title)}</h4><ul>{lines}</ul>" if lines else ""


def _rests_on(evidence: Sequence[str]) -> str:
    return f' <span class="kv">({text(", ".join(evidence))})</span>' if evidence else ""


def _steps(steps: Sequence[Mapping[str, Any]]) -> str:
    lines = []
    for step in steps:
        changes = ' <span class="pill medium">changes things</span>' if step["changes"] else ""
        command = f'<pre tabindex="0">{text(step["command"])}</pre>' if step["command"] else ""
        lines.append(f'<div class="step">{text(step["title"])}{changes}{command}</div>')
    return f"<h4>What to do next</h4>{''.join(lines)}" if lines else ""


def _evidence(pieces: Sequence[Mapping[str, Any]]) -> str:
    rows = [[f"<b>{text(piece['name'])}</b>", text(piece["source"]), _query(piece["query"]),
             text(_window(piece["window"])), text(piece["rows"]), _coverage(piece["coverage"]),
             text(say_cost(piece["cost"]))] for piece in pieces]
    made = table(["Evidence", "Source", "What was asked", "Window (UTC)", "Rows", "Seen", "Cost"], rows)
    return f'<div class="evidence">{made}</div>' if made else ""


def _query(query: str) -> str:
    """What was asked; of a long question the beginning, the whole of it when unfolded."""
    if len(query) <= LONG_QUERY:
        return f"<code>{text(query)}</code>"
    return f"<details><summary><code>{text(query[:LONG_QUERY])} ...</code></summary><code>{text(query)}</code></details>"


def _window(window: Mapping[str, Any] | None) -> str:
    if not window:
        return "now"
    start, end = moment(window["start"])[:16], moment(window["end"])[:16]
    return f"{start} to {end[11:] if end[:10] == start[:10] else end}"


def _coverage(coverage: Mapping[str, Any]) -> str:
    left_out = "; ".join(str(gap["reason"]) for gap in coverage.get("left_out") or ())
    if coverage["complete"] and not coverage["read"] and left_out:
        return f'<span class="none">{text(left_out)}</span>'
    if coverage["complete"]:
        return '<span class="tone ok">all</span>'
    missing = "; ".join(f"{gap['resource']}: {gap['reason']}" for gap in coverage["missing"])
    return f'<span class="tone inconclusive">in part</span> {text(missing)}'


def _gaps(gaps: Sequence[Mapping[str, Any]]) -> str:
    rows = [[text(gap["resource"]), text(gap["reason"])] for gap in gaps]
    return table(["What", "Why"], rows) or '<p class="none">Everything that was asked for was seen.</p>'


def _cells(record: Mapping[str, Any]) -> str:
    rows = [[text(cell["number"]), text(cell["title"]), _cell_status(cell),
             "" if cell["seconds"] is None else f"{float(cell['seconds']):.2f} s"] for cell in record["cells"]]
    return table(["Cell", "What it does", "Status", "Took"], rows)


def _cell_status(cell: Mapping[str, Any]) -> str:
    word = {"broken_off": "broke off", "pending": "never ran"}.get(cell["status"], cell["status"])
    return f'<span class="tone {text(cell["status"])}">{text(word)}</span> {text(cell["error"])}'.rstrip()


def _no_body() -> str:
    return '<p class="none">The cells are in <code>notebook.ipynb</code> beside this page, as far as they were stored.</p>'


def _foot(record: Mapping[str, Any], signed: str) -> str:
    torn = f" {record['torn_lines']} torn lines of the journal could not be read." if record["torn_lines"] else ""
    digest = text(record.get("journal_sha256", "unknown"))
    return (f"<footer>Built from the run's journal, SHA-256 <code>{digest}</code>, and the executed notebook. "
            f"{text(signed)}{torn}</footer>")
