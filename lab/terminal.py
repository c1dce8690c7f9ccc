"""What the lab's commands say."""

from __future__ import annotations

import sys


def say(text: str) -> None:
    """One line of result, on standard output."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def complain(text: str) -> None:
    """One line of trouble, on standard error."""
    sys.stderr.write(f"lab: {text}\n")
