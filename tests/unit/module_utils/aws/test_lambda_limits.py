"""When a function was changed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.lambda_limits import modified_at


@pytest.mark.parametrize(("text", "moment"), [
    ("2026-11-21T20:05:00.000+0000", datetime(2026, 11, 21, 20, 5, tzinfo=UTC)),
    ("2026-11-21T21:05:00.500+0100", datetime(2026, 11, 21, 20, 5, 0, 500_000, tzinfo=UTC)),
    ("", datetime(1970, 1, 1, tzinfo=UTC)),
    ("yesterday", datetime(1970, 1, 1, tzinfo=UTC)),
])
def test_reads_times_as_lambda_writes_them(text: str, moment: datetime) -> None:
    assert modified_at(text) == moment
