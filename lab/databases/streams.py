"""Rows that come in over time, made by the server itself: the same rows for the same seed, however often they are made.

Row number `i` of a table belongs to a moment that never changes, so a table can be filled up to any moment and continued
from there. Within a day rows come as people do, most around noon; on weekends fewer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from zlib import crc32

ORIGIN = datetime(2020, 1, 1, tzinfo=UTC)
_SECONDS_A_DAY = 86400


@dataclass(frozen=True)
class Stream:
    """A table whose rows come in over time.

    :param per_day: rows a day, before weekends are thinned out
    :param days: how far back it reaches
    :param columns: an SQL expression for each; they may use `i` (the row's number), `at` (its moment), and {1}, {2}, ...,
        each a random number of its own in [0, 1), and {scale}
    :param weekend: the part of rows that come on weekends, too
    """

    table: str
    per_day: int
    days: int
    columns: Mapping[str, str]
    weekend: float = 1.0

    def insertion(self, since: datetime, until: datetime, seed: int, scale: int) -> str:
        """The statement that adds the rows between two moments."""
        per_day = self.per_day * scale
        first = int((since - ORIGIN).total_seconds() // _SECONDS_A_DAY) * per_day
        last = (int((until - ORIGIN).total_seconds() // _SECONDS_A_DAY) + 1) * per_day - 1
        expressions = ", ".join(self._filled_in(text, seed, scale) for text in self.columns.values())
        thinned = f"extract(isodow FROM at) < 6 OR {random_number(self.table, seed, 0)} < {self.weekend}"
        return (
            f"INSERT INTO {self.table} ({', '.join(self.columns)}) SELECT {expressions} FROM ("
            f"SELECT i, timestamptz '{ORIGIN.isoformat()}' + (day + part + 0.1 * sin(2 * pi() * part)) * interval '1 day' "
            f"AS at FROM (SELECT i, i / {per_day} AS day, (i % {per_day})::float8 / {per_day} AS part "
            f"FROM generate_series({first}::bigint, {last}::bigint) AS i) AS numbered) AS timed "
            f"WHERE at >= '{since.isoformat()}' AND at < '{until.isoformat()}' AND ({thinned}) ORDER BY i"
        )

    def _filled_in(self, text: str, seed: int, scale: int) -> str:
        scaled = text.replace("{scale}", str(scale))
        return re.sub(r"\{(\d+)\}", lambda match: random_number(self.table, seed, int(match[1])), scaled)


def random_number(table: str, seed: int, which: int) -> str:
    """An SQL expression: a number in [0, 1) that depends on the row's number, the table, the seed and nothing else."""
    salt = crc32(f"{table}/{seed}/{which}".encode())
    return f"((hashint8extended(i, {salt}) & 2147483647) / 2147483648.0::float8)"


def number_at(per_day: int) -> str:
    """An SQL expression: the number that a stream of so many rows a day has surely reached at the moment `at`."""
    # Within its day a row may come a tenth of a day later than its number says.
    days = f"extract(epoch FROM at - '{ORIGIN.isoformat()}')::float8 / {_SECONDS_A_DAY}"
    return f"floor(({days} - 0.11) * {per_day} * {{scale}})::bigint"


def one_of(which: int, *words: str) -> str:
    """An SQL expression: one of some words, each equally likely; repeat a word to make it likelier."""
    listed = ", ".join(f"'{word}'" for word in words)
    return f"(ARRAY[{listed}])[1 + floor({{{which}}} * {len(words)})::int]"
