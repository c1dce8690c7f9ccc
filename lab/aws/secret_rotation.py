"""The rotation function of the lab's secrets: runs in the background, as slow and as faulty as it is told."""

from __future__ import annotations

import base64
import json
import secrets
import threading
import time
from dataclasses import dataclass

from moto.secretsmanager.models import FakeSecret

from lab.aws.locks import service_lock

# How a rotation may go, with the seconds it takes unless told otherwise.
OUTCOMES: dict[str, float] = {"ok": 0.2, "fail-create": 0.2, "fail-test": 0.2, "slow": 5.0}
# Separates what a value was at first from what rotations added.
_MARK = "~rotated~"


@dataclass(frozen=True)
class Behaviour:
    """How the rotations of a secret go."""

    outcome: str = "ok"
    seconds: float = OUTCOMES["ok"]


class Rotations:
    """The rotations of one lab."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._behaviours: dict[str, Behaviour] = {}
        self._running: set[tuple[str, str]] = set()
        self._stopped = threading.Event()

    def behave(self, secret: FakeSecret, behaviour: Behaviour) -> None:
        """Let the rotations of this secret that start from now on go like this."""
        with self._lock:
            self._behaviours[secret.arn] = behaviour

    def reset(self) -> None:
        """Forget all behaviours and abandon what runs."""
        with self._lock:
            self._stopped.set()
            self._stopped = threading.Event()
            self._behaviours.clear()
            self._running.clear()

    def attempt(self, secret: FakeSecret, version_id: str) -> None:
        """Start to rotate to this version, unless that is under way."""
        with self._lock:
            if (secret.arn, version_id) in self._running:
                return
            self._running.add((secret.arn, version_id))
            behaviour, stopped = self._behaviours.get(secret.arn, Behaviour()), self._stopped
        threading.Thread(target=self._run, args=(secret, version_id, behaviour, stopped), daemon=True).start()

    @staticmethod
    def now() -> int:
        """The present time as moto keeps it."""
        return int(time.time())

    def _run(self, secret: FakeSecret, version_id: str, behaviour: Behaviour, stopped: threading.Event) -> None:
        """createSecret at half of the time, testSecret and finishSecret at its end."""
        try:
            if stopped.wait(behaviour.seconds / 2) or behaviour.outcome == "fail-create":
                return
            with service_lock("secretsmanager"):
                create_value(secret, version_id)
            if stopped.wait(behaviour.seconds / 2) or behaviour.outcome == "fail-test":
                return
            with service_lock("secretsmanager"):
                finish(secret, version_id, self.now())
        finally:
            with self._lock:
                self._running.discard((secret.arn, version_id))


def current_version(secret: FakeSecret) -> str | None:
    """The version with the stage AWSCURRENT."""
    return _version_with(secret, "AWSCURRENT")


def pending_version(secret: FakeSecret) -> str | None:
    """The version of an unfinished rotation: AWSPENDING and not AWSCURRENT."""
    version_id = _version_with(secret, "AWSPENDING")
    return None if version_id == current_version(secret) else version_id


def _version_with(secret: FakeSecret, stage: str) -> str | None:
    return next(
        (version_id for version_id, version in secret.versions.items() if stage in version["version_stages"]), None
    )


def create_value(secret: FakeSecret, version_id: str) -> None:
    """createSecret: a new value, unless an earlier attempt has made one."""
    version = secret.versions.get(version_id)
    if version is None or "secret_string" in version or "secret_binary" in version:
        return
    current = secret.versions.get(current_version(secret) or "", {})
    if "secret_binary" in current:
        version["secret_binary"] = base64.b64encode(secrets.token_bytes(24)).decode()
    else:
        version["secret_string"] = successor(current.get("secret_string", ""))


def successor(value: str) -> str:
    """A new value that begins as the first one did, so that a search for leaked values finds rotated ones too."""
    try:
        members = json.loads(value)
    except ValueError:
        members = None
    if isinstance(members, dict):
        return json.dumps({name: successor(item) if isinstance(item, str) else item for name, item in members.items()})
    return f"{value.split(_MARK)[0]}{_MARK}{secrets.token_urlsafe(12)}"


def finish(secret: FakeSecret, version_id: str, moment: int) -> None:
    """finishSecret: AWSCURRENT moves to the new version, AWSPREVIOUS to the one before; AWSPENDING goes."""
    previous = current_version(secret)
    for version in secret.versions.values():
        moved = {"AWSPREVIOUS", "AWSPENDING", "AWSCURRENT"}
        version["version_stages"] = [stage for stage in version["version_stages"] if stage not in moved]
    if previous is not None:
        secret.versions[previous]["version_stages"].append("AWSPREVIOUS")
    secret.versions[version_id]["version_stages"].append("AWSCURRENT")
    secret.last_rotation_date = secret.last_changed_date = moment
