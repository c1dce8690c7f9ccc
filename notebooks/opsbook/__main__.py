"""`python -m opsbook`: records of runs, and the documentation that is generated from the tree."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from opsbook import documentation, records


def main(arguments: list[str] | None = None) -> int:
    """Carry out one command and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m opsbook", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    listed = commands.add_parser("records", help="list the records of runs, or seal those of runs that were killed")
    listed.add_argument("action", nargs="?", choices=["list", "seal"], default="list")
    listed.add_argument("--record-dir", type=Path, default=Path("records"), help="where records are kept")
    docs = commands.add_parser("docs", help="generate the procedure catalogue and the plugin reference")
    docs.add_argument("--check", action="store_true", help="write nothing; fail where a page is not up to date")
    options = parser.parse_args(arguments)
    if options.command == "records":
        return records.run(options.action, options.record_dir)
    return documentation.run(options.check)


if __name__ == "__main__":
    sys.exit(main())
