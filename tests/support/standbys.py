"""A real standby of a test's PostgreSQL, streaming from it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab import folders
from lab.identity import choose_identity
from lab.ports import on_free_port
from lab.postgres import find_installation
from lab.processes import Child, Launch, start_child, stop_children, wait_until
from tests.support.databases import START_SECONDS, Postgres


@contextmanager
def running_standby(primary: Postgres, folder: Path) -> Iterator[Postgres]:
    """Copy the primary and start the copy as its standby; stop it at the end.

    :param folder: an empty one
    """
    programs = find_installation(os.environ).bin
    identity = choose_identity(folder, programs / "postgres")
    data = folder / "data"
    copied = identity.run([str(programs / "pg_basebackup"), "-h", "127.0.0.1", "-p", str(primary.port), "-U", "postgres",
                           "-D", str(data), "-R", "-X", "stream", "--checkpoint=fast"])
    assert copied.returncode == 0, copied.stdout
    ((connections,),) = primary.execute("SHOW max_connections")  # a standby refuses to have fewer
    lifeline = folders.take_lock(folder / folders.CHILDREN_LOCK)
    launch = Launch(stop_signal=signal.SIGQUIT, death_signal=signal.SIGQUIT, before_exec=identity.before_exec,
                    popen=identity.popen)

    def start(port: int) -> Child:
        settings = ("listen_addresses=127.0.0.1", "unix_socket_directories=", f"port={port}", "fsync=off",
                    "shared_buffers=32MB", f"max_connections={connections}", "wal_receiver_status_interval=1")
        command = [str(programs / "postgres"), "-D", str(data), *(word for one in settings for word in ("-c", one))]
        return start_child("standby", command, folder, lifeline, launch)

    child, port = on_free_port(start)
    try:
        streaming = "SELECT 1 FROM pg_stat_replication WHERE state = 'streaming' AND replay_lsn IS NOT NULL"
        wait_until(lambda: bool(primary.execute(streaming)), child, START_SECONDS)
        yield Postgres(child, port, lifeline)
    finally:
        stop_children([child])
        os.close(lifeline)


@contextmanager
def frozen_receiver(standby: Postgres) -> Iterator[None]:
    """The process that receives WAL exists and takes none for the length of the block; the rest of the standby goes on."""
    ((receiver,),) = standby.execute("SELECT pid FROM pg_stat_wal_receiver")
    os.kill(receiver, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(receiver, signal.SIGCONT)
