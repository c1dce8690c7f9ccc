"""Extensions of services whose moto modules are slow to import: installed when such a service is first asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from moto.moto_server.werkzeug_app import create_backend_app

from lab.aws.control import ControlRoutes

# moto's name of a service, and the extension with a function `install`.
LATE: Mapping[str, str] = {
    "apigateway": "lab.aws.apigateway",
    "cloudfront": "lab.aws.cloudfront",
    "elasticache": "lab.aws.elasticache",
    # Both versions of load balancing have one address; moto's `elb` tells them apart.
    "elb": "lab.aws.balancing",
    "rds": "lab.aws.rds",
    "sts": "lab.aws.roles",
}
_installed: set[str] = set()
_lock = threading.RLock()


def extend(service: str) -> Any:
    """Install a service's extension once; returns its module, None where the service has none."""
    if service not in LATE:
        return None
    with _lock:
        module = import_module(LATE[service])
        if service not in _installed:
            module.install()
            _installed.add(service)
    return module


def extended(create: Callable[[str], Any] = create_backend_app) -> Callable[[str], Any]:
    """moto's maker of a service's application, which installs the service's extension first."""

    def make(service: str) -> Any:
        extend(service)
        return create(service)

    return make


def install(control: ControlRoutes) -> None:
    """Register the control routes of services that come late."""

    @control.route("elb/targets")
    def set_target_health(body: Mapping[str, Any]) -> Any:
        return extend("elb").set_health(body)
