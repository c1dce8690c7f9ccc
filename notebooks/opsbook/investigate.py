"""`investigate`: run an investigation and keep its record."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import OperationError
from opsbook.runner.outcome import EXIT_CODES, REFUSED, exit_code
from opsbook.runner.request import Request, parameters_of, place_of
from opsbook.runner.run import investigate
from opsbook.runner.settings import current_settings
from opsbook.runner.signals import Interrupted, signals_taken
from opsbook.runner.terminal import as_json, summary

VERDICTS = ("suspects", "nothing_wrong", "insufficient_evidence")


def add_command(commands: Any) -> None:
    """Add `investigate`."""
    command = commands.add_parser(
        "investigate", help="run an investigation: a notebook of notebooks/, or one by its path", epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    command.add_argument("name", nargs="?", help="its name as `list` says it, or the path of an .ipynb file")
    command.add_argument("-p", "--parameter", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"),
                         help="a parameter; `describe NAME` says which there are")
    command.add_argument("-f", "--file", action="append", default=[], help="parameters from a YAML file; -p wins")
    command.add_argument("--system", default="", help="the system to look at; the same as -p system NAME")
    command.add_argument("-i", "--inventory", action="append", default=[], help="an inventory, as ansible-playbook takes it")
    command.add_argument("--record", default="", metavar="DIR|s3://...", help="where the record goes")
    command.add_argument("--fail-on", action="append", default=[], choices=VERDICTS,
                         help="a verdict that ends with status 1; can be given more than once")
    command.add_argument("--json", action="store_true", help="print one JSON object, progress on standard error")
    command.add_argument("--request", action="store_true", help=argparse.SUPPRESS)
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Carry out the command and return its exit status."""
    with signals_taken() as signals:
        try:
            request = _request(options)
            finished = investigate(request, lambda line: _progress(line, options.json), signals)
        except OperationError as error:
            _say_ended("refused", error.message(), options.json)
            return REFUSED
        except Interrupted:
            _say_ended("interrupted", f"{signals.name} arrived before the investigation began: nothing was written",
                       options.json)
            return 128 + signals.number
        print(as_json(finished) if options.json else summary(finished), flush=True)
    verdict = str((finished.findings or {}).get("verdict") or "")
    return exit_code(finished.outcome, verdict, options.fail_on, signals.number, finished.stored,
                     bool(finished.record["withheld"]))


def _request(options: argparse.Namespace) -> Request:
    """What was asked for, on the command line or (by the module) on standard input, where no other process sees it."""
    default = current_settings().record_dir
    if options.request:
        asked = json.load(sys.stdin)
        folder, store = place_of(str(asked.get("record") or ""), default)
        options.fail_on = list(asked.get("fail_on") or ())
        return Request(str(asked["name"]), dict(asked["parameters"]), tuple(asked.get("inventory") or ()), folder, store)
    if not options.name:
        raise OperationError("start an investigation", "investigate", "no name was given", "`list` says which there are.")
    folder, store = place_of(options.record, default)
    parameters = parameters_of(options.parameter, options.file, options.system)
    return Request(options.name, parameters, tuple(options.inventory), folder, store)


def _progress(line: str, as_data: bool) -> None:
    print(line, file=sys.stderr if as_data else sys.stdout, flush=True)


def _say_ended(status: str, why: str, as_data: bool) -> None:
    """The end of what never began."""
    if as_data:
        print(json.dumps({"status": status, "error": why}))
    print(why, file=sys.stderr)
