"""What is in Redis: sessions and cache entries that expire, queues, counters, and some reads that found or missed them.

Each system has a logical database of its own on the one server. Keys depend on the seed and on nothing else.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping

Command = tuple[str, ...]

LOGICAL: Mapping[str, int] = {"analytics": 0, "media": 1}
_DAY = 86400
_READS = 2000
_HIT_PART = 0.93


def commands_of(systems: tuple[str, ...], seed: int, scale: int) -> Iterator[Command]:
    """All commands that fill Redis for these systems, and then read some of it."""
    for system in systems:
        chance = random.Random(f"{seed}/{system}")
        yield ("SELECT", str(LOGICAL[system]))
        cached: list[str] = []
        for command in _KEYS[system](chance, scale):
            if ":cache:" in command[1] and command[0] == "SET":
                cached.append(command[1])
            yield command
        for number in range(_READS):
            yield ("GET", chance.choice(cached) if chance.random() < _HIT_PART else f"{system}:cache:missing:{number}")


def _analytics(chance: random.Random, scale: int) -> Iterator[Command]:
    yield from _sessions("analytics", chance, 1500 * scale)
    for number in range(6000 * scale):
        body = f'{{"followers":{chance.randrange(500, 90000)},"engagement":{chance.random():.4f}}}'
        yield ("SET", f"analytics:cache:metrics:{number}", body, "EX", str(chance.randrange(_DAY // 2, _DAY)))
    for number in range(500 * scale):
        yield ("SET", f"analytics:cache:dashboard:{number}", "x" * chance.randrange(200, 900), "EX",
               str(chance.randrange(_DAY // 2, _DAY)))
    for platform in ("twitch", "youtube", "twitter", "instagram", "tiktok", "reddit"):
        yield ("SET", f"analytics:ratelimit:{platform}", str(chance.randrange(10, 400)), "EX", str(_DAY))
        yield ("HSET", f"analytics:jobs:{platform}", "active", "40", "rate_limited", "0")
        for account in range(400):
            yield ("ZADD", f"analytics:leaderboard:{platform}", str(chance.randrange(500, 90000)), f"creator_{account}")
    for number in range(600 * scale):
        yield ("XADD", "analytics:events", "MAXLEN", "~", "5000", "*", "account", str(number), "kind", "snapshot")
    for number in range(12):
        yield ("RPUSH", "analytics:queue:monitoring", f'{{"job":{number}}}')


def _media(chance: random.Random, scale: int) -> Iterator[Command]:
    yield from _sessions("media", chance, 3500 * scale)
    for number in range(5500 * scale):
        found = ",".join(str(chance.randrange(800000)) for _result in range(chance.randrange(1, 12)))
        yield ("SET", f"media:cache:search:{number:08x}", found, "EX", str(chance.randrange(_DAY // 2, _DAY)))
    for number in range(3000 * scale):
        yield ("SET", f"media:cache:item:{number}", "x" * chance.randrange(80, 400), "EX",
               str(chance.randrange(_DAY // 2, _DAY)))
    for day in range(30):
        yield ("SET", f"media:count:uploads:{day}", str(chance.randrange(200, 400)))
        yield ("HINCRBY", "media:count:searches", str(day), str(chance.randrange(2000, 4000)))
    for queue, jobs in (("thumbnails", 9), ("embeddings", 14), ("transcription", 3)):
        for number in range(jobs):
            yield ("RPUSH", f"media:queue:{queue}", f'{{"item":{number}}}')
    for number in range(400 * scale):
        yield ("XADD", "media:webhooks", "MAXLEN", "~", "5000", "*", "event", f"evt_{number}", "delivered", "true")


def _sessions(system: str, chance: random.Random, number: int) -> Iterator[Command]:
    for _session in range(number):
        key = f"{system}:session:{chance.getrandbits(64):016x}"
        yield ("HSET", key, "user", str(chance.randrange(22000)), "seen", str(chance.randrange(600)))
        yield ("EXPIRE", key, str(chance.randrange(_DAY // 2, 7 * _DAY)))


_KEYS: Mapping[str, Callable[[random.Random, int], Iterator[Command]]] = {"analytics": _analytics, "media": _media}
