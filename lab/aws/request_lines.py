"""What an application writes to its log in a minute: a line a request, errors with their stacks, lines of other kinds.

Pure: the same profile, changes, number of requests and minute give the same lines. A profile says what is normal
(`lab/traffic`), a change what an incident does to the requests it fits, over a stretch of time.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from lab.aws import line_forms
from lab.aws.overlays import Overlay, parse_overlay

_PLACE = re.compile(r"\{(\w+)(?: (\d+) (\d+))?\}")
_MINUTE = 60_000
Line = tuple[int, str]


@dataclass(frozen=True)
class Profile:
    """What one component writes when nothing is wrong.

    :param form: one of line_forms.FORMS: how a line looks
    :param rate: the part of its requests that it logs
    :param routes: {method, route, share, ms, statuses?}: a worker has one, with neither method nor route
    :param quiet: {level, logger, message, a_minute}: other lines that are always there
    """

    form: str
    logger: str
    version: str
    rate: float
    routes: tuple[Mapping[str, Any], ...]
    clients: Mapping[str, float]
    zones: tuple[str, ...]
    quiet: tuple[Mapping[str, Any], ...] = ()
    memory: int = 512
    spread: float = 0.5


@dataclass(frozen=True)
class Change:
    """What an incident does to a component's lines.

    :param when: in which minutes and how much, as of a metric
    :param where: fields that a request must have (route, method, client, az, version); an empty one fits all
    :param share: of the requests that fit
    :param status: they end so, after `ms` where given
    :param times, plus_ms: they take so much longer
    :param version: they are of this version; over the minutes of `when`'s ramp
    :param timeout: seconds after which the function was ended (form function)
    :param error: {level, logger, message, exception?, stack?}: a line for each of them
    :param line: {level, logger, message, a_minute}: lines that are no request's
    :param silent: nothing is written
    """

    when: Overlay
    where: Mapping[str, str] = field(default_factory=dict)
    share: float = 1.0
    status: int = 0
    ms: float = 0.0
    times: float = 1.0
    plus_ms: float = 0.0
    version: str = ""
    timeout: float = 0.0
    error: Mapping[str, Any] | None = None
    line: Mapping[str, Any] | None = None
    silent: bool = False


@dataclass
class Request:
    """One request, as its line tells it."""

    at: int
    method: str
    route: str
    status: int
    ms: float
    client: str
    az: str
    version: str
    errors: list[Mapping[str, Any]] = field(default_factory=list)
    timed_out: bool = False


def lines_of(profile: Profile, changes: Sequence[Change], minute: int, requests: float, chance: str) -> list[Line]:
    """The lines of one minute (since the epoch), oldest first: time in milliseconds, and text.

    :param requests: how many came in that minute
    """
    active = [(change, change.when.strength(minute)) for change in changes if change.when.strength(minute) > 0]
    if any(change.silent for change, _ in active):
        return []
    draw = random.Random(f"{chance}:{minute}")
    found: list[Line] = []
    for request in _requests(profile, minute, requests * profile.rate, draw):
        for change, strength in active:
            _apply(change, strength, request, draw)
        found += _told(profile, request, draw)
    others = [(line, 1.0) for line in profile.quiet]
    others += [(change.line, strength) for change, strength in active if change.line]
    for described, strength in others:
        for _ in range(_whole(float(described["a_minute"]) * strength, draw)):
            moment = minute * _MINUTE + draw.randrange(_MINUTE)
            found.append((moment, line_forms.other(profile.form, moment, filled(described, draw, {}))))
    return sorted(found, key=lambda line: line[0])


def _requests(profile: Profile, minute: int, expected: float, draw: random.Random) -> Iterator[Request]:
    if not profile.routes:
        return
    weights = list(accumulate(float(route["share"]) for route in profile.routes))
    clients, parts = list(profile.clients), list(accumulate(profile.clients.values()))
    for _ in range(_whole(expected, draw)):
        route = draw.choices(profile.routes, cum_weights=weights)[0]
        milliseconds = draw.lognormvariate(math.log(float(route["ms"])) - profile.spread**2 / 2, profile.spread)
        yield Request(
            minute * _MINUTE + draw.randrange(_MINUTE), str(route.get("method", "")), str(route.get("route", "")),
            _status(route, draw), milliseconds, draw.choices(clients, cum_weights=parts)[0], draw.choice(profile.zones),
            profile.version,
        )  # fmt: skip


def _status(route: Mapping[str, Any], draw: random.Random) -> int:
    rest = draw.random()
    for status, part in (route.get("statuses") or {}).items():
        rest -= float(part)
        if rest < 0:
            return int(status)
    return int(route.get("status", 200))


def _apply(change: Change, strength: float, request: Request, draw: random.Random) -> None:
    """Let a change happen to a request that it fits."""
    if change.line or any(str(getattr(request, name)) != wanted for name, wanted in change.where.items()):
        return
    if draw.random() >= change.share * strength:
        return
    request.version = change.version or request.version
    request.ms = change.ms * draw.lognormvariate(0, 0.15) if change.ms else request.ms * change.times
    request.ms += change.plus_ms * draw.lognormvariate(0, 0.25) if change.plus_ms else 0
    if change.timeout:
        request.ms, request.timed_out, request.status = change.timeout * 1000, True, change.status or 504
    request.status = change.status or request.status
    if change.error:
        request.errors.append(change.error)


def _told(profile: Profile, request: Request, draw: random.Random) -> Iterator[Line]:
    """The lines of one request: what went wrong, then how it ended."""
    request.ms = max(0.2, request.ms)
    trace = f"{draw.getrandbits(128):032x}"
    path = filled({"message": request.route.replace("{id}", "{hex}")}, draw, {})["message"]
    told = {
        "method": request.method, "path": path, "route": request.route, "status": request.status,
        "duration_ms": round(request.ms, 1), "trace_id": trace, "client": request.client, "az": request.az,
        "version": request.version, "memory": profile.memory, "rate": profile.rate, "logger": profile.logger,
        "timed_out": request.timed_out,
    }  # fmt: skip
    told["errors"] = [filled(error, draw, {"path": path, "trace": trace, "client": request.client,
                                           "ms": str(round(request.ms))}) for error in request.errors]
    yield from line_forms.request(profile.form, request.at, told, draw)


def filled(described: Mapping[str, Any], draw: random.Random, known: Mapping[str, str]) -> dict[str, Any]:
    """A described line with its places filled in: {hex}, {uuid}, {ip}, {n 1 99}, and what is known ({path}, {trace})."""

    def value(match: re.Match[str]) -> str:
        name, low, high = match[1], match[2], match[3]
        if low:
            return str(draw.randint(int(low), int(high)))
        return known[name] if name in known else _drawn(name, draw)

    def fill(item: Any) -> Any:
        if isinstance(item, str):
            return _PLACE.sub(value, item)
        return [fill(each) for each in item] if isinstance(item, list) else item

    return {name: fill(item) for name, item in described.items()}


def _drawn(name: str, draw: random.Random) -> str:
    if name == "ip":
        return f"10.0.{draw.randrange(1, 32)}.{draw.randrange(2, 254)}"
    if name == "uuid":
        bits = f"{draw.getrandbits(128):032x}"
        return "-".join((bits[:8], bits[8:12], bits[12:16], bits[16:20], bits[20:]))
    return f"{draw.getrandbits(40):010x}"


def _whole(expected: float, draw: random.Random) -> int:
    """A number of events with this mean: rounded by chance where it is large, rare events where it is small."""
    return int(expected + draw.random())


def parse_change(item: Mapping[str, Any]) -> Change:
    """A change as it came from outside; raises ValueError or TypeError for what is not one."""
    return Change(**{**item, "when": parse_overlay(item["when"], None)})

