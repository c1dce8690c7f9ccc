"""Direct execution: when it is right, and that everything a module changes in the process is put back."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleActionFail
from ansible.module_utils import _internal as core_internal
from ansible.module_utils.common import warnings
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

from ansible_collections.opsbook.runbooks.plugins.action import health_gate
from ansible_collections.opsbook.runbooks.plugins.module_utils.core import adapter
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import Refused
from ansible_collections.opsbook.runbooks.plugins.plugin_utils import direct

OTHER = "/usr/bin/some-other-python"


def action(transport: str = "local", become: bool = False, async_val: int = 0, delegate_to: str | None = None) -> Any:
    """An action of a task on such a connection."""
    return health_gate.ActionModule(
        task=SimpleNamespace(async_val=async_val, args={}, delegate_to=delegate_to),
        connection=SimpleNamespace(transport=transport), play_context=SimpleNamespace(become=become),
        loader=DataLoader(), templar=Templar(loader=DataLoader()),
        shared_loader_obj=None)


@pytest.mark.parametrize(
    ("task", "variables", "runs_here"),
    [
        pytest.param({}, {}, True, id="local"),
        pytest.param({"transport": "ssh"}, {}, False, id="another_host"),
        pytest.param({"become": True}, {}, False, id="another_account"),
        pytest.param({"async_val": 60}, {}, False, id="in_the_background"),
        pytest.param({}, {"ansible_python_interpreter": sys.executable}, True, id="our_own_python"),
        pytest.param({}, {"ansible_python_interpreter": "auto_silent"}, True, id="any_python"),
        pytest.param({}, {"ansible_python_interpreter": OTHER}, False, id="another_python"),
        pytest.param({}, {"ansible_python_interpreter": trust_as_template("{{ ansible_playbook_python }}"),
                          "ansible_playbook_python": OTHER}, False, id="another_python_by_a_template"),
        pytest.param({"delegate_to": "b"}, {"ansible_delegated_vars": {"b": {"ansible_python_interpreter": OTHER}}}, False,
                     id="the_python_of_the_host_that_it_is_delegated_to"),
        *(pytest.param({}, {"opsbook_direct": value}, runs_here, id=f"asked_{value!r}") for value, runs_here in (
            (False, False), ("false", False), ("no", False), ("0", False), ("perhaps", False), ("true", True),
            (True, True))),
    ],
)
def test_runs_here_only_where_that_is_the_same(task: dict[str, Any], variables: dict[str, Any], runs_here: bool) -> None:
    made = action(**task)
    made._templar.available_variables = variables

    assert made._direct(variables) is runs_here


def test_a_core_without_the_seam_has_the_ordinary_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(direct, "SEAM", False)

    assert action()._direct({}) is False


@pytest.mark.parametrize("platform", ["darwin", "linux"])
def test_a_mac_runs_directly_only_when_asked(monkeypatch: pytest.MonkeyPatch, platform: str) -> None:
    monkeypatch.setattr(sys, "platform", platform)

    assert action()._direct({}) is (platform == "linux")
    assert action()._direct({"opsbook_direct": True}) is True


def ending(end: Any) -> Any:
    """The surroundings of a module that ends this way."""
    return contextlib.nullcontext() if end is None else pytest.raises(end)


def rummage(folder: Path) -> None:
    """Everything that a module may change in its process."""
    os.environ["CANARY"] = "1"
    os.environ["PATH"] = "/nowhere"
    del os.environ["HOME"]
    os.chdir(folder)
    os.umask(0o000)
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, frame: None)


@pytest.mark.parametrize("end", [None, SystemExit, ZeroDivisionError, KeyboardInterrupt])
def test_the_process_is_as_it_was_whatever_happened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: Any) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    previous_umask = os.umask(0o027)

    def look() -> tuple[Any, ...]:
        umask = os.umask(0o077)
        os.umask(umask)
        return (dict(os.environ), os.getcwd(), umask,
                [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)])

    before = look()
    with ending(end), direct._preserved_process():
        rummage(tmp_path)
        if end is not None:
            raise end
    try:
        assert look() == before
    finally:
        os.umask(previous_umask)


@pytest.mark.parametrize("end", [None, SystemExit, ZeroDivisionError])
def test_core_is_as_it_was_whatever_happened(end: Any) -> None:
    controller, sink = core_internal.is_controller, adapter.progress_sink
    with ending(end), direct._module_side():
        assert core_internal.is_controller is False
        adapter.progress_sink = print
        warnings.warn("from the module")
        if end is not None:
            raise end

    assert (core_internal.is_controller, adapter.progress_sink) == (controller, sink)
    assert not warnings.get_warnings()


def test_warnings_of_an_earlier_item_are_not_this_items() -> None:
    warnings.warn("from another")
    with direct._module_side():
        assert not warnings.get_warnings()


def test_a_refused_receipt_fails_the_task_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any) -> Any:
        raise Refused("use the command line's variables", "system", "only the inventory may set them")

    monkeypatch.setattr(direct, "guard_option", refuse)

    with pytest.raises(AnsibleActionFail, match="only the inventory may set them"):
        direct._guarded(None, {}, None)


@pytest.mark.parametrize(("code", "status"), [(0, 0), (None, 0), (1, 1), (3, 3), ("no", 1)])
def test_a_modules_exit_is_not_the_workers(capsys: pytest.CaptureFixture[str], code: Any, status: int) -> None:
    def main() -> None:
        print('{"changed": true}')  # noqa: T201
        raise SystemExit(code)

    assert direct._as_program(main) == (status, '{"changed": true}\n')
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("main", [lambda: None, lambda: 1 // 0], ids=["returns", "breaks"])
def test_a_module_that_does_not_end_as_modules_do_has_failed(main: Any) -> None:
    status, output = direct._as_program(main)

    assert status != 0
    assert '"failed": true' in output


def test_an_interrupt_is_not_taken_for_a_modules_end() -> None:
    def main() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        direct._as_program(main)
