"""Answers that moto works out anew for every request and that never change while a server runs."""

from __future__ import annotations

import functools

from moto import backends
from moto.core import utils


def install() -> None:
    """Remember the list of moto's services (a directory listing a request) and the loaders of service models."""
    modules = tuple(backends.list_of_moto_modules())
    backends.list_of_moto_modules = lambda: iter(modules)
    utils.create_loader = functools.cache(utils.create_loader)
