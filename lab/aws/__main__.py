"""`python -m lab.aws --folder DIR`: serve one lab's AWS; `DIR/aws.json` says where, once it answers."""

from __future__ import annotations

import argparse
import json
import os
import warnings
from pathlib import Path

from lab.aws.settings import Settings, load_settings


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line and serve until killed."""
    parser = argparse.ArgumentParser(prog="python -m lab.aws", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="the lab's folder")
    parser.add_argument("--port", type=int, default=0, help="port to listen on; 0 takes a free one")
    parser.add_argument("--extensions", help="names of the extensions to install, by commas; all by default")
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    names = options.extensions.split(",") if options.extensions else None
    serve(options.folder, options.port, load_settings(options.folder), names)


def serve(folder: Path, port: int, settings: Settings, extensions: list[str] | None = None) -> None:
    """Serve until the process ends."""
    # moto warns about error codes that botocore's models leave out; the lab prints nothing.
    warnings.simplefilter("ignore")
    from lab.aws import shortcuts

    shortcuts.before_moto()
    from lab.aws import cloudtrail
    from lab.aws.app import LabApplication
    from lab.aws.control import ControlRoutes
    from lab.aws.extensions import EXTENSIONS, install_all
    from lab.aws.server import bind

    shortcuts.install()
    control = ControlRoutes()
    application = LabApplication(folder, settings, control)
    names = extensions if extensions is not None else list(EXTENSIONS)
    install_all(control, names)
    cloudtrail.install(application.audit)
    if "ecs" in names:
        control.call("ecs/settings", {"task_seconds": settings.task_seconds})
    if "chance" in names:
        control.call("seed", {"seed": settings.seed})
    server = bind(port, application)
    # moto builds addresses of its own (queue URLs) from this.
    os.environ["MOTO_PORT"] = str(server.port)
    _announce(folder, server.port)
    server.serve_forever()


def _announce(folder: Path, port: int) -> None:
    """Write `aws.json` at once or not at all: whoever waits for it never reads half of it."""
    temporary = folder / f"aws.json.{os.getpid()}"
    temporary.write_text(json.dumps({"port": port, "pid": os.getpid()}), encoding="utf-8")
    temporary.replace(folder / "aws.json")


if __name__ == "__main__":
    main()
