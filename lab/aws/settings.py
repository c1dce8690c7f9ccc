"""What the supervisor tells the AWS process: `settings.json` in the lab's folder; defaults for what is missing."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """Settings of the lab's AWS server."""

    task_seconds: float = 0.4
    lock_table: str = "opsbook-locks"
    record_bucket: str = "opsbook-records"
    account_id: str = "123456789012"
    region: str = "us-east-1"
    seed: int = 1


def load_settings(folder: Path) -> Settings:
    """Read `folder/settings.json`; keys of other processes are left alone, missing ones take the defaults."""
    path = folder / "settings.json"
    if not path.exists():
        return Settings()
    known = {field.name for field in fields(Settings)}
    stored = json.loads(path.read_text(encoding="utf-8"))
    return Settings(**{name: value for name, value in stored.items() if name in known})
