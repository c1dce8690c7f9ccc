"""When a certificate expires, read from its own bytes."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import OperationError
from ansible_collections.opsbook.runbooks.plugins.module_utils.http.tls import (
    context_of,
    days_left,
    expiry_of,
    presented_certificate,
)
from tests.support.web import certificate_for


@pytest.mark.parametrize(
    "days",
    [
        pytest.param(-30, id="expired"),
        pytest.param(90, id="two_digit_year"),
        pytest.param(40 * 365, id="four_digit_year_from_2050_on"),
    ],
)
def test_reads_the_end_of_validity(days: float, tmp_path: Path) -> None:
    pem = certificate_for("127.0.0.1", days, tmp_path).read_text().partition("-----BEGIN PRIVATE")[0]

    expected = datetime.now(UTC) + timedelta(days=days)
    assert abs(expiry_of(ssl.PEM_cert_to_DER_cert(pem)) - expected) < timedelta(minutes=1)


@pytest.mark.parametrize("data", [b"", b"\x30", b"\x30\x03\x02\x01\x05", b"hello", b"\x30\x82\xff\xff\x00"])
def test_refuses_what_is_no_certificate(data: bytes) -> None:
    with pytest.raises(ValueError, match="not a"):
        expiry_of(data)


def test_counts_days_below_zero_too() -> None:
    now = datetime(2026, 11, 21, tzinfo=UTC)

    assert days_left(now + timedelta(days=13, hours=12), now) == 13.5
    assert days_left(now - timedelta(days=2), now) == -2


def test_says_that_authorities_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(OperationError, match=r"nothing\.pem"):
        context_of(True, str(tmp_path / "nothing.pem"))


def test_a_server_that_is_not_there_presents_nothing() -> None:
    assert presented_certificate("127.0.0.1", 1, 1.0) is None
