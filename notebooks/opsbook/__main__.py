"""`python -m opsbook`: investigations, records of runs, and the documentation that is generated from the tree."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from opsbook import catalogue, documentation, investigate, new, records, site, verification

COMMANDS = (investigate, catalogue, new, records, verification, site, documentation)
"""Each has `add_command(commands)`: adds its subcommand, whose `run(options)` returns the exit status."""


def main(arguments: list[str] | None = None) -> int:
    """Carry out one command and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m opsbook", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_command(commands)
    options = parser.parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = options.run
    return run(options)


if __name__ == "__main__":
    sys.exit(main())
