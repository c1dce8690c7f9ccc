"""docs/scenarios.md: the labelled incidents as a table, made from their files (`python -m lab inject --page`)."""

from __future__ import annotations

from collections.abc import Iterable

from lab.scenario.model import Scenario

_HEAD = """\
# Labelled incidents

Made by `python -m lab inject --page > docs/scenarios.md` from `lab/scenarios/*.yml`; do not edit.
`python -m lab inject NAME` makes one so in a running lab, `inject --clear` takes it back ([the lab](lab.md#incidents)). Each
file tells the whole story, the symptoms over time and the decoys.
"""


def page(scenarios: Iterable[Scenario]) -> str:
    """The page's text."""
    known = list(scenarios)
    incidents = [scenario for scenario in known if scenario.cause]
    controls = [scenario for scenario in known if not scenario.cause]
    lines = [_HEAD, f"## {len(incidents)} incidents", "", "| name | what | cause | lies in | began | notebooks |"]
    lines.append("|---|---|---|---|---|---|")
    for scenario in sorted(incidents, key=lambda each: (each.system, each.name)):
        if scenario.cause:
            lines.append(f"| `{scenario.name}` | {scenario.title} | {scenario.cause.cause} | {scenario.cause.resource} | "
                         f"{_ago(scenario)} | {', '.join(scenario.investigations)} |")  # fmt: skip
    lines += ["", f"## {len(controls)} controls", "", "| name | what | control | verdict | notebooks |"]
    lines.append("|---|---|---|---|---|")
    for scenario in sorted(controls, key=lambda each: each.name):
        lines.append(f"| `{scenario.name}` | {scenario.title} | {scenario.control} | {scenario.verdict} | "
                     f"{', '.join(scenario.investigations)} |")  # fmt: skip
    return "\n".join([*lines, ""])


def _ago(scenario: Scenario) -> str:
    minutes = scenario.onset / 60
    said = f"{minutes:g} min" if minutes < 180 else f"{minutes / 60:.3g} h" if minutes < 2880 else f"{minutes / 1440:g} d"
    return f"{said} ago" + (f", over for {scenario.ended / 60:g} min" if scenario.ended else "")
