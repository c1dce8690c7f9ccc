"""The system that is looked at, resolved through the inventory while the kernel starts."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import OperationError, Refused

SECONDS = 60.0


class Resolution:
    """A process that reads the inventory; `answer` waits for it."""

    def __init__(self, system: str, inventory: Sequence[str]) -> None:
        self._system = system
        chosen = [word for source in inventory for word in ("-i", source)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "opsbook.runner.declared", *chosen, "--", system], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8", errors="replace")

    def answer(self) -> tuple[dict[str, Any], list[str]]:
        """What the system declares, and what is to be known of it.

        :raises OperationError: where the inventory does not know the system or cannot be read
        """
        try:
            output, said = self._process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired as error:
            raise OperationError("read the inventory", self._system, f"it took longer than {SECONDS:.0f} seconds",
                                 "Look at what it looks up.") from error
        if self._process.returncode:
            # Its own message is complete already.
            raise ResolutionFailed((said.strip() or "it ended without a word").splitlines()[-1], self._system)
        declared: dict[str, Any] = json.loads(output)
        return declared, [line for line in said.splitlines() if line.startswith("left out")]

    def close(self) -> None:
        """End it, if it still runs."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.communicate(timeout=5)


class ResolutionFailed(Refused):
    """The inventory's own answer, which says all there is to say."""

    def __init__(self, said: str, system: str) -> None:
        self._said = said
        super().__init__("resolve the system", system, said)

    def message(self) -> str:
        """The answer as it was given."""
        return self._said
