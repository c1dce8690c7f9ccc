"""The seed on which everything depends that the lab draws by chance: metrics and logs. It outlives a reset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lab.aws.control import ControlError, ControlRoutes


@dataclass
class _Seed:
    value: int = 1


_seed = _Seed()


def seed() -> int:
    """The lab's seed."""
    return _seed.value


def install(control: ControlRoutes) -> None:
    """Register the control route `seed`."""

    @control.route("seed")
    def set_seed(body: Mapping[str, Any]) -> dict[str, Any]:
        if not isinstance(body.get("seed"), int):
            raise ControlError(f"seed must be a whole number, not {body.get('seed')!r}")
        _seed.value = body["seed"]
        return {"seed": _seed.value}
