"""Answers that moto works out anew for every request, account or import, and that never change while a server runs.

`before_moto` must run before anything of moto is imported, `install` afterwards.
"""

from __future__ import annotations

import functools
import sys
from types import ModuleType
from typing import Any

import botocore.loaders
import botocore.session


def before_moto() -> None:
    """Let all sessions share one loader (moto makes one after another to list the regions); spare a slow import."""
    botocore.session.create_loader = functools.cache(botocore.loaders.create_loader)
    _leave_out_validator()


def _leave_out_validator() -> None:
    """The validator of OpenAPI documents: half a second to import, for imports of REST APIs that the lab has none of."""
    package, validation, exceptions = (
        ModuleType(f"openapi_spec_validator{part}") for part in ("", ".validation", ".validation.exceptions")
    )
    package.__dict__["validate"] = _refuse_document
    exceptions.__dict__["OpenAPIValidationError"] = ValueError
    sys.modules.update({module.__name__: module for module in (package, validation, exceptions)})


def _refuse_document(document: Any) -> None:
    raise NotImplementedError("OpenAPI documents are not read")


def install() -> None:
    """Remember the list of moto's services (a directory listing a request), service models' loaders, and regions."""
    from moto import backends
    from moto.core import utils
    from moto.core.base_backend import AccountSpecificBackend

    modules = tuple(backends.list_of_moto_modules())
    backends.list_of_moto_modules = lambda: iter(modules)
    utils.create_loader = functools.cache(utils.create_loader)
    list_regions = AccountSpecificBackend._generate_regions.__wrapped__
    known: dict[str, list[str]] = {}

    def generate_regions(self: AccountSpecificBackend, service_name: str) -> list[str]:
        # moto remembers them by account and service, and every account has the same.
        if service_name not in known:
            known[service_name] = list_regions(self, service_name)
        return known[service_name]

    AccountSpecificBackend._generate_regions = generate_regions
