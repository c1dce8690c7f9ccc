"""Fault injection: throttled, denied, slow and dropped calls, chosen by service and action.

A fault fires with its probability, from a generator that depends only on the seed, the fault and how often it was asked
about that action: the same calls meet the same faults, whatever runs beside them.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from lab.aws.call import Call
from lab.aws.control import ControlError, ControlRoutes

KINDS = ("throttle", "deny", "latency", "drop")


@dataclass(frozen=True)
class Fault:
    """One rule of the `faults` control route."""

    kind: str
    service: str = "*"
    action: str = "*"
    probability: float = 1.0
    times: int | None = None
    seconds: float = 0.03
    when: str = "before"
    code: str | None = None
    except_purpose: str | None = None
    account: str | None = None

    def matches(self, call: Call, purpose: str) -> bool:
        """Whether the rule is about this call."""
        return (
            self.service in ("*", call.service)
            and self.action in ("*", call.action)
            and self.except_purpose != purpose
            and self.account in (None, call.caller.account)
        )


@dataclass(frozen=True)
class Injection:
    """What happens to one call."""

    delay: float = 0.0
    failure: Fault | None = None


class FaultBook:
    """The faults in force."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._seed: int | str = 1
        self._fired: Counter[int] = Counter()
        self._asked: Counter[tuple[int, str, str]] = Counter()

    def replace(self, faults: list[Fault], seed: int | str = 1) -> None:
        """Put these faults in force instead of all others, with nothing fired yet."""
        with self._lock:
            self._faults, self._seed = list(faults), seed
            self._fired.clear()
            self._asked.clear()

    def decide(self, call: Call, purpose: str) -> Injection:
        """What happens to this call: all delays that fire add up, the first failure that fires counts."""
        if not self._faults:
            return Injection()
        delay, failure = 0.0, None
        with self._lock:
            for number, fault in enumerate(self._faults):
                if failure is not None and fault.kind != "latency":
                    continue
                if not fault.matches(call, purpose) or not self._fires(number, fault, call):
                    continue
                if fault.kind == "latency":
                    delay += fault.seconds
                else:
                    failure = fault
        return Injection(delay, failure)

    def _fires(self, number: int, fault: Fault, call: Call) -> bool:
        if fault.times is not None and self._fired[number] >= fault.times:
            return False
        key = (number, call.service, call.action)
        self._asked[key] += 1
        draw = random.Random(f"{self._seed}:{key}:{self._asked[key]}").random()
        if draw >= fault.probability:
            return False
        self._fired[number] += 1
        return True

    def install(self, control: ControlRoutes) -> None:
        """Register the control route `faults`."""

        @control.route("faults")
        def set_faults(body: Mapping[str, Any]) -> dict[str, Any]:
            if not isinstance(body.get("faults"), list):
                raise ControlError('faults needs {"faults": [...]}; an empty list clears them')
            faults = [parse_fault(item) for item in body["faults"]]
            self.replace(faults, body.get("seed", 1))
            return {"faults": len(faults)}

        control.on_reset(lambda: self.replace([]))


def parse_fault(item: Any) -> Fault:
    """Check one rule as it came from outside; raises ControlError for what it does not understand."""
    if not isinstance(item, Mapping):
        raise ControlError(f"a fault is an object, not {item!r}")
    unknown = sorted(set(item) - {field.name for field in fields(Fault)})
    if unknown:
        raise ControlError(f"a fault has no {', '.join(unknown)}")
    if item.get("kind") not in KINDS:
        raise ControlError(f"kind must be one of {', '.join(KINDS)}, not {item.get('kind')!r}")
    if item.get("when", "before") not in ("before", "after"):
        raise ControlError(f"when must be before or after, not {item['when']!r}")
    try:
        fault = Fault(**{**item, "probability": float(item.get("probability", 1.0))})
        sane = 0.0 <= fault.probability <= 1.0 and fault.seconds >= 0 and (fault.times is None or fault.times >= 0)
    except (TypeError, ValueError) as error:
        raise ControlError(f"a fault's numbers must be numbers: {item!r}") from error
    if not sane:
        raise ControlError(f"probability is within 0 and 1, seconds and times are not negative: {item!r}")
    return fault
