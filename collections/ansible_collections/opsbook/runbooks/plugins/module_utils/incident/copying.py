# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Copies of sealed records in another store, with what they follow: a chain without holes there too.

What is there already is not written again, so a copy that was cut off goes on where it ended.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..core.errors import OperationError
from .attestation import ATTESTATION, read_attestation
from .deadlines import within
from .ends import attestation_path, entries_of
from .record_store import FolderStore, Store
from .sealing import STORE_SECONDS, finish_pending, open_store, transfer
from .signers import Connect, Signer


@dataclass(frozen=True)
class Copied:
    """What a copy did.

    :param address: of the other store
    :param entries: what was copied, what is followed before what follows it
    :param trouble: why not all was; empty when it was
    """

    address: str
    entries: tuple[str, ...] = ()
    trouble: str = ""

    @property
    def said(self) -> str:
        """One line for the terminal."""
        return f"NOT COPIED to {self.address}: {self.trouble}" if self.trouble else f"copied to {self.address}"


def copy_record(folder: Path, address: str, signer: Signer, connect: Connect | None = None) -> Copied:
    """Copy a sealed record, and all it follows that is not there yet. Never raises, never waits for long.

    :param signer: signs the other store's heads
    """
    if not (folder / ATTESTATION).exists():
        return Copied(address, trouble="it is not sealed")
    try:
        entries = within(STORE_SECONDS, "copy a record", address, lambda: copy_entries(
            FolderStore(folder.parent), open_store(address, connect), [folder.name], signer))
    except OperationError as error:
        return Copied(address, trouble=error.message())
    except (OSError, ValueError) as error:
        return Copied(address, trouble=f"{type(error).__name__}: {error}")
    return Copied(address, tuple(entries))


def copy_all(home: Store, store: Store, signer: Signer) -> list[str]:
    """Copy all entries of a store that another does not have yet; returns their ids.

    :raises OperationError: when something cannot be read or written
    """
    return copy_entries(home, store, list(entries_of(home, home.ids())), signer)


def copy_entries(home: Store, store: Store, wanted: list[str], signer: Signer) -> list[str]:
    """Copy entries and what they follow, oldest first; returns the ids of what was copied.

    :raises OperationError: when something cannot be read or written
    :raises ValueError: when an attestation cannot be read
    """
    finish_pending(store, signer)
    missing = _missing(home, store, wanted)
    for entry in missing:
        transfer(home, store, entry, home.read(attestation_path(entry)), signer)
    return missing


def _missing(home: Store, store: Store, wanted: list[str]) -> list[str]:
    """What is to be copied, what is followed before what follows it. An entry that is gone here too is left to `verify`."""
    order: list[str] = []
    seen: set[str] = set()
    # Twice on the stack: once to look at what it follows, once, when those are done, to be put after them.
    stack = [(entry, False) for entry in reversed(wanted)]
    while stack:
        entry, followed = stack.pop()
        if followed:
            order.append(entry)
        elif entry not in seen:
            seen.add(entry)
            content, _mark = home.versioned(attestation_path(entry))
            if content is not None and store.versioned(attestation_path(entry))[0] is None:
                stack.append((entry, True))
                stack += [(link.id, False) for link in read_attestation(content).follows]
    return order
