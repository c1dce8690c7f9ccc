"""`python -m lab`: a whole estate on this machine, to try procedures and investigations on."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lab import faults, lifecycle
from lab.databases import load
from lab.folders import DEFAULT_SETTINGS, LabError, lab_command, lab_folder
from lab.scenario import commands as scenario_commands
from lab.scenario import scoring
from lab.terminal import complain, say


def main(arguments: list[str] | None = None) -> int:
    """Carry out one command; returns the exit code: 0 done, 1 failed or not running (2, by argparse: wrong usage)."""
    options = _parser().parse_args(arguments)
    try:
        run: Callable[[Path, argparse.Namespace], int] = options.run
        return run(lab_folder(options.folder, options.name, os.environ), options)
    except LabError as error:
        complain(str(error))
        return 1
    except BrokenPipeError:
        # The reader (`| head`) has seen enough; the work was done before anything was said. Without a place to
        # write to, the interpreter would complain once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    which = common.add_mutually_exclusive_group()
    which.add_argument("--name", help="the lab in .lab/NAME of this checkout (OPSBOOK_LAB; default: default)")
    which.add_argument("--folder", help="the lab in this folder (OPSBOOK_LAB_FOLDER)")
    parser = argparse.ArgumentParser(prog="python -m lab", description=__doc__)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def add(name: str, run: Callable[[Path, argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, parents=[common], help=text, description=text)
        command.set_defaults(run=run)
        return command

    start = add("up", _up, "start a lab, or say that it runs")
    start.add_argument(
        "--set", action="append", default=[], type=_setting, metavar="KEY=VALUE", dest="settings",
        help=f"change a setting, VALUE in JSON; settings and defaults: {json.dumps(dict(DEFAULT_SETTINGS))}",
    )  # fmt: skip
    for name, text in (("size", "how many times the usual number of things"), ("seed", "of everything by chance")):
        start.add_argument(
            f"--{name}", type=_whole_number, metavar="N", help=f"{text}; the same as --set {name}=N (default 1)"
        )
    add("down", _down, "stop a lab and remove its folder")
    add("status", _status, "show a running lab").add_argument("--json", action="store_true", help="as JSON")
    add("reset", _reset, "bring a running lab back to its freshly seeded state")
    faults.add_commands(commands, common)
    load.add_command(commands, common)
    scenario_commands.add_command(commands, common)
    scoring.add_command(commands, common)
    return parser


def _setting(text: str) -> tuple[str, Any]:
    """One KEY=VALUE; the value is JSON, and must be of the default's kind."""
    key, _, value = text.partition("=")
    if key not in DEFAULT_SETTINGS:
        raise argparse.ArgumentTypeError(f"there is no setting {key!r}; known: {', '.join(DEFAULT_SETTINGS)}")
    default = DEFAULT_SETTINGS[key]
    if isinstance(default, str):
        return key, value
    try:
        parsed = json.loads(value)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{key}: {value!r} is not JSON") from error
    expected = list if isinstance(default, list) else (int, float)
    if not isinstance(parsed, expected) or isinstance(parsed, bool):
        raise argparse.ArgumentTypeError(f"{key} is like {json.dumps(default)}, not {value}")
    return key, parsed


def _whole_number(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def _up(folder: Path, options: argparse.Namespace) -> int:
    begun = time.monotonic()
    given = {name: getattr(options, name) for name in ("size", "seed") if getattr(options, name) is not None}
    settings = {**dict(options.settings), **given}
    status, started = lifecycle.up(folder, settings)
    if started:
        seconds = time.monotonic() - begun
        say(f"Lab {status['name']} is up after {seconds:.1f} seconds: {_systems(status)}")
    else:
        say(f"Lab {status['name']} is running already, since {status['started']}")
        if settings:
            complain("settings have no effect on a running lab")
    _show(status)
    return 0


def _systems(status: dict[str, Any]) -> str:
    return ", ".join(status["systems"]) or "no systems"


def _show(status: dict[str, Any]) -> None:
    folder = Path(status["folder"])
    say(f"  {'folder':<10}{folder}")
    for name, endpoint in status["endpoints"].items():
        say(f"  {name:<10}{endpoint}")
    hours = status["idle_stop_hours"]
    say(f"Stop it:  {lab_command('down', folder)}    (it stops itself after {hours:g} hours without use)")


def _down(folder: Path, options: argparse.Namespace) -> int:
    stopped = lifecycle.down(folder)
    say(f"The lab is stopped and {folder} removed" if stopped else f"There is no lab in {folder}")
    return 0


def _status(folder: Path, options: argparse.Namespace) -> int:
    status = lifecycle.required_status(folder)
    if options.json:
        say(json.dumps(status, indent=2))
        return 0
    say(f"Lab {status['name']} is up since {status['started']} (pid {status['pid']}): {_systems(status)}")
    _show(status)
    return 0


def _reset(folder: Path, options: argparse.Namespace) -> int:
    begun = time.monotonic()
    lifecycle.reset(folder)
    faults.forget(folder)
    say(f"The lab is as freshly seeded, after {time.monotonic() - begun:.1f} seconds")
    return 0


if __name__ == "__main__":
    sys.exit(main())
