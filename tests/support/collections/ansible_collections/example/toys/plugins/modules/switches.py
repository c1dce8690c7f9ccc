#!/usr/bin/python
"""Turns switches on, one after another, slowly; a file tells when each began and ended."""

from __future__ import annotations

import datetime
import time

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.adapter import run_operation
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.change import Change, Undo, one_step
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.coverage import Collected, Coverage
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.evidence import Evidence
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.operation import Operation, Outcome
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.options import LIMITS, WAIT, max_affected

NOW = datetime.datetime(2026, 11, 21, 2, 0, tzinfo=datetime.UTC)


def switch(name):
    return Change(f"switch:{name}", "turn_on", "off", "on", f"Turn on {name}", Undo("example.toys.switches", {}))


def operation(options, run):
    names = [str(number) for number in range(options["count"])]

    def note(text):
        with open(options["log"], "a", encoding="utf-8") as log:
            log.write(f"{text}\n")

    def apply(change):
        note(f"began {change.resource}")
        run.progress(f"turning on {change.resource} with {options['secret']}")
        time.sleep(options["seconds"])
        note(f"ended {change.resource}")
        return Outcome(change.resource)

    return Operation(
        collect=lambda: Collected(names, NOW, Coverage(tuple(names))),
        plan=lambda collected: one_step([switch(name) for name in names], [], len(names), "switches"),
        apply=apply,
        verify=lambda collected, plan: [Evidence("state", "switch:0", "on", "on", True)],
        describe=lambda collected: {},
    )


def main():
    run_operation(
        options=[LIMITS, WAIT, max_affected("100%"), {
            "count": {"type": "int", "default": 1},
            "seconds": {"type": "float", "default": 0.0},
            "log": {"type": "path", "required": True},
            "secret": {"type": "str", "no_log": True},
        }],
        operation=operation,
    )


if __name__ == "__main__":
    main()
