"""`python -m lab.estate --folder DIR`: wait for one lab's AWS, then seed it."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from lab.estate.connection import Connector
from lab.estate.seeding import seed
from lab.estate.terraform_projects import lay_out
from lab.folders import SECRETS, LabError, load_settings, read_json

_START_SECONDS = 60.0
_POLL_SECONDS = 0.02


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line and seed."""
    parser = argparse.ArgumentParser(prog="python -m lab.estate", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="the lab's folder")
    folder = parser.parse_args(arguments).folder
    settings = load_settings(folder)
    connector = Connector(settings["region"])
    lay_out(folder, settings["systems"])
    seed(connector, f"http://127.0.0.1:{_port(folder)}", settings, read_json(folder / SECRETS)["values"])


def _port(folder: Path) -> int:
    deadline = time.monotonic() + _START_SECONDS
    while not (folder / "aws.json").exists():
        if time.monotonic() > deadline:
            raise LabError(f"the AWS of the lab was not ready after {_START_SECONDS:g} seconds")
        time.sleep(_POLL_SECONDS)
    return int(read_json(folder / "aws.json")["port"])


if __name__ == "__main__":
    main()
