"""Many records for the index: procedures and investigations of five systems over some weeks, the same every time."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

SYSTEMS = ("analytics", "commerce", "media", "metering", "reviews")
PROCEDURES = ("Weekly maintenance", "Morning health check", "Database maintenance", "Back up the databases",
              "Verify the backups", "Exhausted connections")
INVESTIGATIONS = {
    "Error rate": "12.4 % of requests fail since 14:02, almost all of them in order-service.",
    "Latency": "p95 of checkout went from 180 ms to 2.4 s at 09:31; the time is spent in product-service.",
    "Throttled tables": "Writes to one partition of metering-events are throttled.",
    "Redis": "Evictions began when the cache reached its limit; nothing else changed.",
}
LAST = datetime(2026, 11, 21, 16, 0, tzinfo=UTC)


def record_of(number: int, chance: random.Random, started: datetime) -> dict[str, Any]:
    """One record.json, as far as the index reads it."""
    investigation = chance.random() < 0.4
    titles = list(INVESTIGATIONS) if investigation else list(PROCEDURES)
    title = chance.choice(titles)
    status = chance.choices(("ok", "failed", "interrupted", "checked"), (80, 8, 3, 0 if investigation else 9))[0]
    verdict = chance.choices(("suspects", "nothing_wrong", "insufficient_evidence"), (55, 35, 10))[0]
    found: dict[str, Any] = {
        "id": f"{started:%Y%m%dT%H%M%SZ}-{title.lower().replace(' ', '-')}-{number:06x}",
        "kind": "investigation" if investigation else "procedure", "title": title, "status": status,
        "systems": sorted(chance.sample(SYSTEMS, 1 if investigation else chance.choice((1, 1, 2, 5)))),
        "operator": chance.choice(("ada", "grace", "cron")), "started": started.isoformat(),
        "finished": (started + timedelta(seconds=chance.expovariate(1 / 40) + 2)).isoformat(),
        "changes": [] if investigation or status == "checked" else [{"outcome": "done"}] * chance.randrange(60),
    }
    if investigation:
        wrong = status == "ok" and verdict == "suspects"
        found |= {"verdict": verdict if status == "ok" else None, "severity_id": chance.choice((3, 4, 5)) if wrong else 1,
                  "summary": INVESTIGATIONS[title] if wrong else ""}
    return found


def write_records(folder: Path, count: int, days: int = 30, filler: int = 0) -> list[dict[str, Any]]:
    """Write so many records, each with a page.

    :param filler: bytes that each record.json has besides, since real ones are not small
    """
    chance = random.Random(5)
    records = []
    for number in range(count):
        started = LAST - timedelta(days=days * (count - 1 - number) / max(1, count - 1), minutes=chance.randrange(300))
        record = record_of(number, chance, started)
        (folder / record["id"]).mkdir(parents=True)
        (folder / record["id"] / "record.json").write_text(json.dumps({**record, "evidence": ["x" * filler]}))
        (folder / record["id"] / "record.html").write_text(f"<title>{record['id']}</title>")
        records.append(record)
    return records
