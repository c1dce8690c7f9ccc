# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rotate secrets now, once, and wait until the new version is in force.

Rules, from the Secrets Manager API reference:

* RotateSecret without rules or function starts a rotation with what the secret has. Where rotation was turned off the
  call would turn it on again (CancelRotateSecret), so such secrets are refused.
* The ClientRequestToken becomes the id of the new version, and a repeated token makes no second version. It is derived
  from the current version: a re-run after a crash asks for the same version, a completed rotation changes it.
* While AWSPENDING is on another version than AWSCURRENT, "any later invocation of RotateSecret assumes that a previous
  rotation request is still in progress and returns an error"; the error says that the rotation will be reattempted.
  Nothing tells a rotation that runs from one that failed, so the age of the pending version decides whether to wait.
"""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from datetime import timedelta
from typing import Any

from ..core.change import Change, Kept, Plan, no_undo, one_step
from ..core.coverage import Collected
from ..core.durations import parse_duration, say_duration
from ..core.errors import OperationError, Refused
from ..core.evidence import Evidence
from ..core.limits import Limits
from ..core.operation import Operation, Outcome, Recovery, refuse_incomplete
from ..core.run import Run
from .calls import request_token
from .client import Connect
from .errors import code_of, explain, is_aws, was_answered
from .secrets import Secret, collect_secrets, read_secret

NO_UNDO = no_undo(
    "A rotation has no undo: the old value stays as AWSPREVIOUS until the next rotation, and moving AWSCURRENT back to "
    "it is possible by hand only while the system that the secret opens still accepts the old value.")
# A rotation function has four steps and usually needs seconds. A pending version older than this is a rotation that
# failed, and is attempted again; AWS does not start a second one beside it.
UNDER_WAY = timedelta(minutes=5)
# What AWS answers while a version is pending.
INCOMPLETE = "InvalidRequestException"

Started = MutableMapping[str, str]
"""ARN of each secret whose rotation was started or found under way, to the version that becomes current."""


def rotate(connect: Connect, run: Run, wanted: Sequence[str], not_within: str | None) -> Operation[tuple[Secret, ...]]:
    """The operation: rotate secrets now.

    :param wanted: secrets by name, ARN or pattern of names
    :param not_within: an age ("20h"); a secret whose last rotation is younger is left alone. None: each is rotated
    """
    fresh = parse_duration(not_within) if not_within else None
    started: Started = {}
    return Operation(
        collect=lambda: collect_secrets(connect, run, wanted),
        plan=lambda collected: plan_rotation(collected, fresh, run.limits),
        apply=lambda change: apply_rotation(connect, run, change, started),
        verify=lambda collected, plan: verify_rotation(connect, run, collected, plan, started),
        recover=explain_failure,
    )


def plan_rotation(collected: Collected[tuple[Secret, ...]], fresh: timedelta | None, limits: Limits) -> Plan:
    """Decide which secrets are rotated.

    :param fresh: the age below which a secret's last rotation is young enough; None rotates each
    :raises Refused: when a secret could not be read or cannot be rotated; nothing has changed then
    """
    refuse_incomplete(collected.coverage, "decide which secrets to rotate")
    changes: list[Change] = []
    kept: list[Kept] = []
    problems: list[tuple[Secret, str]] = []
    for secret in collected.state:
        if limits.protects(secret.name) or limits.protects(secret.arn):
            kept.append(Kept(secret.resource, "protected"))
        elif _problem(secret):
            problems.append((secret, _problem(secret)))
        elif fresh is not None and _is_fresh(secret, collected, fresh):
            kept.append(Kept(secret.resource, f"rotated within the last {say_duration(fresh)}"))
        else:
            changes.append(_rotation(secret))
    _refuse(problems)
    return one_step(changes, kept, len(collected.state), "secrets")


def apply_rotation(connect: Connect, run: Run, change: Change, started: Started) -> Outcome:
    """Start one rotation, or take up the one that is under way.

    :param started: noted here, for `verify_rotation`
    """
    client, planned = connect("secretsmanager"), change.handle["secret"]
    secret = _when_not_under_way(client, run, planned)
    if secret.current != planned.current:
        version = secret.current
    else:
        # The pending version's own id: whoever began that rotation, no second version can come of this call.
        version = _start(client, run, secret, secret.pending or request_token(secret.current, secret.arn))
    started[planned.arn] = version
    return Outcome(change.resource, {"version": version})


def verify_rotation(
    connect: Connect, run: Run, collected: Collected[tuple[Secret, ...]], plan: Plan, started: Started
) -> list[Evidence]:
    """Wait for each rotation, and read back also the secrets that were left alone."""
    client = connect("secretsmanager")
    planned = {change.handle["secret"].arn for change in plan.changes}
    watched = [secret for secret in collected.state
               if secret.arn in planned or not (run.limits.protects(secret.name) or run.limits.protects(secret.arn))]

    def watch(secret: Secret) -> Evidence:
        if secret.arn in planned and secret.arn not in started:
            return _evidence(secret, read_secret(client, secret.arn), "the new version", False)
        version = started.get(secret.arn, secret.current)
        waited = run.poll(longest_delay=5.0).until(
            lambda: read_secret(client, secret.arn), lambda seen: is_rotated(secret, seen, version),
            lambda seen: f"{secret.name}: waiting for the rotation function" if seen.pending else "")
        return _evidence(secret, waited.seen, version, waited.done)

    return [done.answer or _unread(done.item, done.error) for done in run.each(watch, watched)]


def is_rotated(before: Secret, now: Secret, version: str) -> bool:
    """Whether a version is in force with its stages right: current, the former one previous, nothing pending.

    :param before: as it was before; where the version is its current one, only its stages are looked at
    """
    if now.current != version or now.pending:
        return False
    if version == before.current:
        return True
    moved = now.last_rotated is not None and (before.last_rotated is None or now.last_rotated > before.last_rotated)
    return now.previous == before.current and moved


def explain_failure(plan: Plan, evidence: Sequence[Evidence]) -> Recovery:
    """Nothing is put back: a failed rotation leaves AWSCURRENT where it was. Says so, and where to look."""
    planned = {change.resource: change.handle["secret"] for change in plan.changes}
    texts = [_failure(planned[item.resource], item.actual) for item in evidence
             if item.ok is False and item.resource in planned]
    return Recovery(" ".join(texts))


def _problem(secret: Secret) -> str:
    if secret.deleted:
        return "it is scheduled for deletion"
    if secret.replica_of:
        return f"it is a replica; rotate the primary in {secret.replica_of}"
    if not secret.rotates:
        off = "its rotation is turned off, and rotating would turn it on again"
        return off if secret.was_set_up else "no rotation is configured"
    return "" if secret.current else "it has no current version"


def _refuse(problems: Sequence[tuple[Secret, str]]) -> None:
    if problems:
        raise Refused(
            "rotate secrets", ", ".join(secret.name for secret, _why in problems),
            "; ".join(f"{secret.name}: {why}" for secret, why in problems),
            "Configure their rotation first (a rotation function and rules), or leave them out; nothing was changed.")


def _is_fresh(secret: Secret, collected: Collected[tuple[Secret, ...]], fresh: timedelta) -> bool:
    return not secret.pending and secret.last_rotated is not None and collected.now - secret.last_rotated < fresh


def _rotation(secret: Secret) -> Change:
    # The pending version is not part of before: a run that died after it asked must find its own plan again.
    what = f"finish the rotation of {secret.name} to version {secret.pending}" if secret.pending \
        else f"rotate {secret.name}"
    return Change(secret.resource, "rotate", {"current": secret.current}, {"current": "new version"}, what, NO_UNDO,
                  {"secret": secret})


def _when_not_under_way(client: Any, run: Run, planned: Secret) -> Secret:
    """The secret once no rotation can be under way any more: complete, or pending for too long."""
    def over(secret: Secret) -> bool:
        return not secret.pending or secret.pending_since is None or run.now() - secret.pending_since >= UNDER_WAY

    waited = run.poll(longest_delay=5.0).until(
        lambda: read_secret(client, planned.arn), over,
        lambda secret: f"{planned.name}: a rotation is under way, waiting" if secret.pending else "")
    return waited.seen


def _start(client: Any, run: Run, secret: Secret, version: str) -> str:
    """Ask for the rotation to a version; the version that the secret is being rotated to, be it another's."""
    run.may_change()
    try:
        client.rotate_secret(SecretId=secret.arn, ClientRequestToken=version, RotateImmediately=True)
    except Exception as error:
        if not is_aws(error):
            raise
        # "A previous rotation isn't complete. That rotation will be reattempted", or no answer: the stages tell.
        seen = read_secret(client, secret.arn) if code_of(error) == INCOMPLETE or not was_answered(error) else secret
        if seen is not secret and (seen.pending or seen.current != secret.current):
            return seen.pending or seen.current
        raise explain(error, "rotate a secret", secret.name) from error
    return version


def _evidence(secret: Secret, seen: Secret, version: str, right: bool) -> Evidence:
    expected: dict[str, Any] = {"current": version, "pending": None}
    if version != secret.current:
        since = secret.last_rotated.isoformat() if secret.last_rotated else "never"
        expected.update(previous=secret.current, last_rotated=f"later than {since}")
    return Evidence("stages", secret.resource, expected, seen.stages(), right)


def _unread(secret: Secret, error: OperationError | None) -> Evidence:
    # What could not be read back is not verified, so it counts as wrong.
    reason = error.reason if error else "not looked at"
    return Evidence("stages", secret.resource, "readable", {"unread": reason}, False)


def _failure(secret: Secret, seen: Any) -> str:
    if "unread" in seen:
        return f"Whether {secret.name} was rotated is not known; read its stages before anything else."
    if seen["current"] != secret.current:
        return (f"{secret.name}: AWSCURRENT has moved from {secret.current} to {seen['current']}, but the other stages are "
                "not as a complete rotation leaves them.")
    left = f"; version {seen['pending']} is left as AWSPENDING" if seen["pending"] else ""
    where = f" Look at the log of its rotation function {secret.function}" if secret.function else " Look at CloudTrail"
    return (f"{secret.name}: AWSCURRENT is unchanged, its users go on with the present value{left}.{where} and run again: "
            f"a rotation that has been pending for {say_duration(UNDER_WAY)} is attempted again, never a second one begun.")
