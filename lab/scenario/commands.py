"""`python -m lab inject NAME | --list | --clear`: an incident in a running lab."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.folders import LabError
from lab.terminal import say

if TYPE_CHECKING:
    from lab.scenario.model import Scenario


def add_command(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add the command `inject` to the parser's commands."""
    text = "make a labelled incident so, list them, or take it back"
    inject = commands.add_parser("inject", parents=[common], help=text, description=text)
    inject.set_defaults(run=_inject)
    inject.add_argument("scenario", nargs="?", metavar="SCENARIO", help="a file of lab/scenarios, without .yml")
    what = inject.add_mutually_exclusive_group()
    what.add_argument("--list", action="store_true", help="list the scenarios, by system")
    what.add_argument("--clear", action="store_true", help="take back what was injected")
    what.add_argument("--page", action="store_true", help="print docs/scenarios.md")
    what.add_argument("--investigate", action="store_true", help="and run the first investigation that it concerns")
    inject.add_argument("--label", action="store_true", help="with --list: what is wrong in each")


def _inject(folder: Path, options: argparse.Namespace) -> int:
    # Imported here: the drivers take longer than most other commands need altogether.
    from lab.scenario import injection
    from lab.scenario.model import load_scenario, load_scenarios
    from lab.scenario.page import page

    if options.list:
        for scenario in sorted(load_scenarios(), key=lambda each: (each.system, each.name)):
            label = f"{scenario.cause.cause} in {scenario.cause.resource}" if scenario.cause else scenario.verdict
            say(f"{scenario.system:<10} {scenario.name:<44} {label if options.label else scenario.title}")
        return 0
    if options.page:
        say(page(load_scenarios()).rstrip())
        return 0
    if options.clear:
        name = injection.clear(folder)
        say(f"{name} is over" if name else "There was no incident")
        return 0
    if not options.scenario:
        raise LabError("name a scenario, or use --list or --clear")
    begun, scenario = time.monotonic(), load_scenario(options.scenario)
    injection.inject(folder, scenario)
    say(f"{scenario.system}: {scenario.title} (after {time.monotonic() - begun:.1f} seconds)")
    if options.investigate:
        return _investigate(folder, scenario)
    say(f"Look into it: {', '.join(scenario.investigations)}")
    return 0


def _investigate(folder: Path, scenario: Scenario) -> int:
    """Run the first investigation that a scenario concerns, as a person would; returns its exit status."""
    command = [sys.executable, "-m", "opsbook", "investigate", scenario.investigations[0], "--system", scenario.system]
    return subprocess.run(command, env={**os.environ, "OPSBOOK_LAB_FOLDER": str(folder)}, check=False).returncode
