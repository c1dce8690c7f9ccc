"""`python -m lab fault add | image | target | list | clear`: calls, images and targets that fail on demand.

The AWS server's control route `faults` replaces all faults at once; what this command has asked for is kept in
faults.json, so that faults can be added one after another and listed.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab.control_client import post
from lab.folders import LabError, read_json, write_json
from lab.lifecycle import required_status
from lab.terminal import say

_FILE = "faults.json"
_KINDS = ("throttle", "deny", "latency", "drop")
_TARGET_STATES = ("unhealthy", "draining", "initial", "unavailable", "healthy")


def add_commands(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add the command `fault` to the parser's commands."""
    fault = commands.add_parser("fault", help="make AWS calls fail, or list and clear what was asked for")
    verbs = fault.add_subparsers(metavar="VERB", required=True)
    add = verbs.add_parser("add", parents=[common], help="add a fault")
    add.set_defaults(run=_add)
    add.add_argument("kind", choices=_KINDS)
    add.add_argument("--service", default="*", help="boto3's name of a service (default: all)")
    add.add_argument("--action", default="*", help="an action such as UpdateService (default: all)")
    add.add_argument("--probability", type=float, default=1.0, help="of each call (default 1)")
    add.add_argument("--times", type=int, help="how often at most (default: no limit)")
    add.add_argument("--seconds", type=float, default=0.03, help="latency (default 0.03)")
    add.add_argument("--when", choices=("before", "after"), default="before", help="drop before or after the work")
    add.add_argument("--code", help="the error code (default: the service's own)")
    add.add_argument("--except-purpose", choices=("control",), help="spare the lock table and the record bucket")
    _add_account(add)
    add.add_argument("--seed", type=int, default=1, help="of the choice by probability (default 1)")
    image = verbs.add_parser("image", parents=[common], help="let tasks of an image fail from the next deployment on")
    image.set_defaults(run=_image)
    image.add_argument("image", metavar="PATTERN", help="an image, or a shell-style pattern of images")
    image.add_argument("--reason", default="CannotPullContainerError: manifest unknown", help="why its tasks stop")
    _add_account(image)
    image.add_argument("--heal", action="store_true", help="let them run again")
    target = verbs.add_parser("target", parents=[common], help="let targets of a load balancer be unhealthy, or heal them")
    target.set_defaults(run=_target)
    target.add_argument("group", help="the name of a target group")
    target.add_argument("--target", default="*", metavar="ID", help="one of its targets (default: all)")
    target.add_argument("--state", choices=_TARGET_STATES, default="unhealthy")
    target.add_argument("--reason", help="the reason code (default: the state's own)")
    _add_account(target)
    for name, run, text in (("list", _list, "list the faults"), ("clear", _clear, "remove all faults")):
        verbs.add_parser(name, parents=[common], help=text).set_defaults(run=run)


def _add_account(parser: argparse.ArgumentParser) -> None:
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--account", help="only in this account (default: in all)")
    which.add_argument("--system", help="only in the account of this system")


DEFAULTS: Mapping[str, Any] = {
    "service": "*", "action": "*", "kind": "deny", "probability": 1.0, "times": None, "seconds": 0.03, "when": "before",
    "code": None, "except_purpose": None, "account": None,
}  # fmt: skip


def add(folder: Path, faults: list[dict[str, Any]]) -> None:
    """Add faults to those that were asked for."""
    if faults:
        _replace(folder, [*_asked_for(folder), *faults], 1)


def remove(folder: Path, faults: list[dict[str, Any]]) -> None:
    """Take faults back; those that somebody else asked for stay."""
    if faults:
        _replace(folder, [fault for fault in _asked_for(folder) if fault not in faults], 1)


def forget(folder: Path) -> None:
    """Forget what was asked for: the lab was reset."""
    (folder / _FILE).unlink(missing_ok=True)


def _asked_for(folder: Path) -> list[dict[str, Any]]:
    path = folder / _FILE
    return list(read_json(path)) if path.exists() else []


def _replace(folder: Path, faults: list[dict[str, Any]], seed: int) -> None:
    post(required_status(folder)["endpoints"]["aws"], "/lab/faults", {"faults": faults, "seed": seed})
    write_json(folder / _FILE, faults)


def _add(folder: Path, options: argparse.Namespace) -> int:
    fields = ("service", "action", "kind", "probability", "times", "seconds", "when", "code", "except_purpose")
    fault = {name: getattr(options, name) for name in fields}
    fault["account"] = _account(required_status(folder), options)
    faults = [*_asked_for(folder), fault]
    _replace(folder, faults, options.seed)
    say(f"Fault {len(faults)}: {_in_words(fault)}")
    return 0


def _account(status: Mapping[str, Any], options: argparse.Namespace) -> str | None:
    """The account that is meant, by number or by system; None for all."""
    if not options.system:
        return str(options.account) if options.account else None
    if options.system not in status["accounts"]:
        raise LabError(f"this lab has no system {options.system!r}; it has {', '.join(status['accounts'])}")
    return str(status["accounts"][options.system]["account_id"])


def _image(folder: Path, options: argparse.Namespace) -> int:
    reason = None if options.heal else options.reason
    status = required_status(folder)
    body = {"image": options.image, "reason": reason}
    account = _account(status, options)
    post(status["endpoints"]["aws"], "/lab/ecs/failing-images", {**body, "account": account} if account else body)
    say(f"Tasks of {options.image} run again" if options.heal else f"New tasks of {options.image} stop: {reason}")
    return 0


def _target(folder: Path, options: argparse.Namespace) -> int:
    status = required_status(folder)
    place = _place(status, options)
    body = {"group": options.group, "target": options.target, "state": options.state, "reason": options.reason}
    answer = post(status["endpoints"]["aws"], "/lab/elb/targets", {**body, **place})
    say(f"{options.group}: {', '.join(answer['targets'])} {options.state}")
    return 0


def _place(status: Mapping[str, Any], options: argparse.Namespace) -> dict[str, str]:
    """The account and region of the system that is meant; those of the lab's own where none is."""
    account = _account(status, options)
    places = [place for place in status["accounts"].values() if place["account_id"] == account]
    if not places:
        return {"account": account} if account else {}
    return {"account": places[0]["account_id"], "region": places[0]["region"]}


def _list(folder: Path, options: argparse.Namespace) -> int:
    required_status(folder)
    faults = _asked_for(folder)
    for number, fault in enumerate(faults, 1):
        say(f"{number}. {_in_words(fault)}")
    if not faults:
        say("No faults")
    return 0


def _clear(folder: Path, options: argparse.Namespace) -> int:
    _replace(folder, [], 1)
    say("No faults any more")
    return 0


def _in_words(fault: dict[str, Any]) -> str:
    """A fault as a person says it: `throttle ecs:UpdateService, 30 % of calls, at most 5 times`."""
    parts = [f"{fault['kind']} {fault['service']}:{fault['action']}"]
    if fault["kind"] == "latency":
        parts.append(f"{fault['seconds']:g} s")
    if fault["kind"] == "drop":
        parts.append(f"{fault['when']} the work is done")
    if fault["probability"] < 1:
        parts.append(f"{fault['probability']:.0%} of calls".replace("%", " %"))
    if fault["times"] is not None:
        parts.append(f"at most {fault['times']} times")
    if fault["code"]:
        parts.append(f"code {fault['code']}")
    if fault["except_purpose"]:
        parts.append(f"not for {fault['except_purpose']} calls")
    if fault.get("account"):
        parts.append(f"only in account {fault['account']}")
    return ", ".join(parts)
