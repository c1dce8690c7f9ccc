"""`python -m lab.web --folder DIR`: serve one lab's web side; `DIR/web.json` says where, once it answers."""

from __future__ import annotations

import argparse
import os
import threading
from pathlib import Path

from lab.folders import ACTIVITY, RECEIVED, SECRETS, read_json, write_json
from lab.web.application import WebApplication, make_server
from lab.web.dns import NameBook, start_name_server
from lab.web.health import HealthBook
from lab.web.inbox import Inbox
from lab.web.receivers import Receivers, Tokens
from lab.web.smtp import start_mail_server
from lab.web.systems import ADDRESSES, ALIASES, SYSTEMS
from lab.web.tls import CertificateBook


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line and serve until killed."""
    parser = argparse.ArgumentParser(prog="python -m lab.web", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="the lab's folder")
    serve(parser.parse_args(arguments).folder)


def serve(folder: Path) -> None:
    """Serve until the process ends."""
    inbox = Inbox(folder / RECEIVED)
    inbox.empty()
    receivers = Receivers(Tokens(**read_json(folder / SECRETS)["receivers"]), inbox)
    names = NameBook(ADDRESSES, ALIASES)
    (folder / ACTIVITY).touch(mode=0o600)
    certificates = CertificateBook(folder)
    application = WebApplication(HealthBook(SYSTEMS), receivers, names, certificates)
    server = make_server(application, folder / ACTIVITY)
    encrypted = make_server(application, folder / ACTIVITY, certificates)
    threading.Thread(target=encrypted.serve_forever, name="tls", daemon=True).start()
    write_json(
        folder / "web.json",
        {
            "port": server.server_address[1],
            "tls": encrypted.server_address[1],
            "pid": os.getpid(),
            "smtp": start_mail_server(inbox, receivers),
            "dns": start_name_server(names),
        },
    )
    server.serve_forever()


if __name__ == "__main__":
    main()
