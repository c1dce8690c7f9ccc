"""Pages as the ECS list actions give them: `maxResults` at a time and a token for the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lab.aws.ecs_state import EcsError
from lab.aws.paging import BadToken, page_of


def paginate(
    items: Sequence[Any],
    parameters: Mapping[str, Any],
    member: str,
    default: int = 100,
    order: Callable[[Any], str] = str,
) -> dict[str, Any]:
    """One page of `items` as `member`, with `nextToken` while there is more; items are sorted by `order`.

    Raises InvalidParameterException for a page size outside 1..100 or a token that no page gave.
    """
    size = int(parameters.get("maxResults") or default)
    if not 1 <= size <= 100:
        raise EcsError("InvalidParameterException", "maxResults must be between 1 and 100.")
    try:
        page, token = page_of(items, size, parameters.get("nextToken"), order)
    except BadToken as error:
        raise EcsError("InvalidParameterException", "Invalid token.") from error
    return {member: page, "nextToken": token} if token else {member: page}


def revision_order(task_definition: str, descending: bool = False) -> str:
    """Sorts ARNs of task definitions as text by family and number, in either direction."""
    family, _, number = task_definition.rpartition("/")[2].partition(":")
    order = f"{family}\0{int(number):020}"
    return "".join(chr(0x10FFFF - ord(letter)) for letter in order) if descending else order
