"""The moto backend that holds the state of a service for whoever is asking: the account and region of the request.

A request says its account by the header `x-moto-account-id` (the seeding) or by its access key, and its region in the
credential scope; a control request says both in its body. The application keeps them here while it answers.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from lab.accounts import Place
from lab.aws.settings import Settings

_UNTOLD = Place(Settings.account_id, Settings.region)
_place: ContextVar[Place] = ContextVar("place", default=_UNTOLD)


@contextmanager
def at(place: Place) -> Iterator[None]:
    """Let `regional` and `worldwide` mean this place."""
    token = _place.set(place)
    try:
        yield
    finally:
        _place.reset(token)


def here() -> Place:
    """The account and region of the request that is being answered."""
    return _place.get()


def regional(backends: Any) -> Any:
    """The backend of the request's account and region, from moto's `<service>_backends`."""
    return backends[here().account][here().region]


def worldwide(backends: Any) -> Any:
    """The backend of a service without regions (IAM, S3), for the request's account."""
    return backends[here().account]["aws"]
