"""A worker does not outlive the process that forked it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.permit import process_started
from tests.support.waiting import eventually

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel's own signal")

FORKING = """
    import os, sys, time
    from ansible_collections.opsbook.runbooks.plugins.plugin_utils.processes import die_with_parent
    launcher = os.getpid()
    worker = os.fork()
    if worker == 0:
        {before}
        die_with_parent()
        print(os.getpid(), flush=True)
        time.sleep(30)
        os._exit(0)
    time.sleep(30)
"""


def launch(before: str = "pass") -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", textwrap.dedent(FORKING.format(before=before))], text=True,
                            stdout=subprocess.PIPE)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_worker_ends_with_its_launcher(how: signal.Signals) -> None:
    with launch() as launcher:
        assert launcher.stdout is not None
        worker = int(launcher.stdout.readline())
        assert process_started(worker)
        launcher.send_signal(how)
        launcher.wait()

        assert eventually(lambda: not process_started(worker), 5)


def test_a_worker_whose_launcher_is_gone_already_does_not_begin() -> None:
    """The launcher dies between the fork and the request to the kernel, which would then never come true."""
    with launch("os.kill(launcher, 9); [time.sleep(0.01) for wait in range(500) if os.getppid() == launcher]") as launcher:
        launcher.wait()
        assert launcher.stdout is not None

        assert launcher.stdout.read() == ""


def test_a_launcher_keeps_a_worker_that_lives() -> None:
    with launch() as launcher:
        assert launcher.stdout is not None
        worker = int(launcher.stdout.readline())
        time.sleep(0.1)
        lives = bool(process_started(worker))
        os.kill(worker, signal.SIGKILL)
        launcher.kill()

    assert lives
