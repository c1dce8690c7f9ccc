# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Sizes as messages tell them."""

from __future__ import annotations

MEBIBYTE = 1024 * 1024


def say_bytes(size: int) -> str:
    """A size in MiB, with one digit behind the point where it is not large."""
    mebibytes = size / MEBIBYTE
    return f"{mebibytes:,.1f} MiB" if mebibytes < 1000 else f"{mebibytes:,.0f} MiB"
