"""What almost every investigation imports, imported before the kernel is asked for anything."""

from __future__ import annotations

import importlib

MODULES = ("opsbook.notebook", "opsbook.show.plots")
"""The kit with all it imports in turn: the AWS library, matplotlib."""


def warm() -> list[str]:
    """Import them.

    :returns: names of those that could not be imported; the notebook that needs one fails where it imports it, and says why
    """
    failed = []
    for name in MODULES:
        try:
            importlib.import_module(name)
        except ImportError:
            failed.append(name)
    return failed
