"""`python -m lab.databases --folder DIR`: seed a lab's databases, then keep its applications' sessions open."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from lab.databases import wiring
from lab.databases.sessions import Sessions
from lab.folders import SECRETS, load_settings, read_json, write_json
from lab.scenario.trouble import Trouble
from lab.scenario.trouble_server import serve_trouble


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line, seed, and stay."""
    parser = argparse.ArgumentParser(prog="python -m lab.databases", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="the lab's folder")
    folder = parser.parse_args(arguments).folder
    wiring.seed(folder)
    port = read_json(folder / wiring.SERVERS)["postgres"]
    passwords = read_json(folder / SECRETS)["databases"]
    sessions = Sessions(port, passwords, wiring.hosted(load_settings(folder)))
    sessions.open_all()
    write_json(folder / "databases.json", {"pid": os.getpid(), "port": serve_trouble(Trouble(port, passwords))})
    sessions.keep()


if __name__ == "__main__":
    main()
