"""`python -m opsbook site`: an index of all records as one page that needs no server, no network and no other file."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import OperationError
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.sealing import open_store
from opsbook.runner.settings import current_settings
from opsbook.site.building import build

OUTPUT = ".site"


def add_command(commands: Any) -> None:
    """Add `site`."""
    command = commands.add_parser("site", help="write an index of all records, to look through in a browser",
                                  description=__doc__)
    command.add_argument("--record-dir", metavar="DIR", help="where records are kept, a folder or s3://bucket/prefix")
    command.add_argument("--output", type=Path, metavar="DIR",
                         help=f"where index.html is written (default: {OUTPUT} in the folder of records). Beside or inside "
                              "the folder of records it links to the records' pages; elsewhere they are copied")
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    address = options.record_dir or str(current_settings().record_dir)
    output = options.output or (Path("site") if address.startswith("s3://") else Path(address) / OUTPUT)
    try:
        built = build(open_store(address), output)
    except (OperationError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{built.path}: {built.records} records" + (f", {len(built.unread)} cannot be read" if built.unread else ""))
    for record, reason in built.unread.items():
        print(f"  {record}: {reason}", file=sys.stderr)
    return 0
