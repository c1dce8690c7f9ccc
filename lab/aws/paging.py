"""Pages of a list, the same way for every service: a token names the last item that was given out.

A token that counts would skip or repeat items when something is deleted between two pages, which no real service does.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import TypeVar

Item = TypeVar("Item")


class BadToken(ValueError):
    """A token that this list never gave out."""


def page_of(
    items: Sequence[Item], size: int, token: str | None, key: Callable[[Item], str]
) -> tuple[list[Item], str | None]:
    """One page of at most `size` items after `token`, and the token of the next page or None.

    If the item that the token names is gone, the page starts at the first item whose key sorts after it.
    """
    start = _start(items, token, key) if token else 0
    page = list(items[start : start + size])
    if start + size >= len(items):
        return page, None
    return page, base64.urlsafe_b64encode(key(page[-1]).encode()).decode()


def _start(items: Sequence[Item], token: str, key: Callable[[Item], str]) -> int:
    try:
        last = base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise BadToken(token) from error
    for number, item in enumerate(items):
        if key(item) == last:
            return number + 1
    return next((number for number, item in enumerate(items) if key(item) > last), len(items))
