"""All extensions of moto, by service."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module

from lab.aws.control import ControlRoutes

EXTENSIONS = (
    "backdate",
    "bulk",
    "chance",
    "cloudwatch",
    "dynamodb_backups",
    "ecs",
    "incident_logs",
    "incident_metrics",
    "incident_resources",
    "lambda_functions",
    "late",
    "logs",
    "objects",
    "secrets",
    "undo",
)


def install_all(control: ControlRoutes, names: Iterable[str] = EXTENSIONS) -> None:
    """Install the named extensions: `lab/aws/<name>.py`, function `install`."""
    for name in names:
        import_module(f"lab.aws.{name}").install(control)
