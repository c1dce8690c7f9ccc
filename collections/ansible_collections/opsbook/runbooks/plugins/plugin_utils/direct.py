# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Direct execution: run our modules inside the already forked worker, or fall back to the ordinary path.

Ansible's cost per AWS task is process start, unzipping, imports and client creation, not the API. ansible-core leaves
`AnsibleModule._record_module_result` as the hook for in-worker execution (ansible.netcommon uses it). The result is
the ordinary path's result: it goes through the same encoder and decoder, so that nothing a system returns is trusted
as a template. Everything the module may change in the process is put back after each item of a loop.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from ansible.errors import AnsibleActionFail
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..module_utils.aws.client import warm
from ..module_utils.core import adapter
from ..module_utils.core.errors import OperationError
from .processes import die_with_parent
from .receipt import guard_option

try:
    # The seam: private names of ansible-core, the same from 2.19 to 2.21. Missing ones mean the ordinary path.
    from ansible.module_utils import _internal as core_internal
    from ansible.module_utils import basic
    from ansible.module_utils.common import warnings as core_warnings
    from ansible.module_utils.common.json import Direction, get_module_encoder
    from ansible.module_utils.testing import patch_module_args
    from ansible.release import __version__ as core_version

    SEAM = (
        core_version.startswith(("2.19.", "2.20.", "2.21."))
        and hasattr(basic.AnsibleModule, "_record_module_result")
        and hasattr(core_internal, "is_controller")
        and hasattr(core_warnings, "_global_warnings")
        and hasattr(ActionBase, "_parse_returned_data")
    )
except ImportError:
    SEAM = False

PROFILE = "legacy"
"""The serialization profile that AnsiballZ gives a module without metadata of its own."""

display = Display()


class DirectActionModule(ActionBase):  # type: ignore[misc]  # ansible-core publishes no type information
    """Base of every module's action stub.

    A stub names the AWS services its module calls, so that their models are parsed once, in the parent: the strategy
    loads the action class there before it forks.
    """

    _supports_check_mode = True
    _supports_async = True
    _requires_connection = False
    services: ClassVar[tuple[str, ...]] = ()
    changes_things: ClassVar[bool] = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # The module's code too: Ansible's importer keeps no compiled files, each worker would compile it again.
        cls._module()
        warm((*cls.services, "dynamodb") if cls.changes_things else cls.services)

    @classmethod
    def _module(cls) -> Any:
        """The module of the stub's own name, whatever name the task gave it (a redirect, a short one)."""
        return importlib.import_module(cls.__module__.replace(".plugins.action.", ".plugins.modules."))

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module directly where that is right, else as Ansible runs any module."""
        task_vars = task_vars or {}
        result = super().run(tmp, task_vars)
        die_with_parent()
        module_args = dict(self._task.args)
        if self.changes_things:
            module_args["guard"] = _guarded(self._task, task_vars, self._templar)
        if self._direct(task_vars):
            return {**result, **self._run_here(module_args, task_vars)}
        wrap_async = self._task.async_val and not self._connection.has_native_async
        result = {**result, **self._execute_module(module_args=module_args, task_vars=task_vars, wrap_async=wrap_async)}
        if not wrap_async:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        return result

    def _direct(self, task_vars: Mapping[str, Any]) -> bool:
        wanted = self._templar.template(task_vars.get("opsbook_direct", sys.platform != "darwin"))
        interpreter = self._templar.template(task_vars.get("ansible_python_interpreter", "auto"))
        return bool(
            SEAM
            and boolean(wanted, strict=False)
            and self._connection.transport == "local"
            and not self._play_context.become
            and not self._task.async_val
            and (str(interpreter).startswith("auto") or os.path.realpath(interpreter) == os.path.realpath(sys.executable))
        )

    def _run_here(self, module_args: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        name = self._task.resolved_action or self._task.action
        # What the parent left is never garbage here. Without this a collection walks all of it, and every page it
        # touches is copied from the parent: two thirds of a client's creation time (measured).
        gc.freeze()
        # As on the ordinary path: adds check mode, diff, verbosity and the like.
        self._update_module_args(name, module_args, task_vars)
        environment: dict[str, Any] = {}
        self._compute_environment_string(environment)
        recorded: list[dict[str, Any]] = []
        with _preserved_process(), _module_side(recorded), patch_module_args(module_args):
            os.environ.update({key: str(value) for key, value in environment.items()})
            adapter.progress_sink = lambda text: display.display(f"  {self._task.get_name()}: {text}")
            with contextlib.suppress(SystemExit):
                self._module().main()
        if not recorded:
            raise AnsibleActionFail(f"The module {name} ended without a result.")
        return self._as_ordinary(recorded[-1])

    def _as_ordinary(self, recorded: dict[str, Any]) -> dict[str, Any]:
        encoder = get_module_encoder(PROFILE, Direction.MODULE_TO_CONTROLLER)
        data: dict[str, Any] = self._parse_returned_data({"stdout": json.dumps(recorded, cls=encoder)}, PROFILE)
        for text in ("stdout", "stderr"):
            if text in data and f"{text}_lines" not in data:
                data[f"{text}_lines"] = (data[text] or "").splitlines()
        return data


def _guarded(task: Any, task_vars: Mapping[str, Any], templar: Any) -> dict[str, Any]:
    try:
        return guard_option(task, task_vars, templar)
    except OperationError as error:
        raise AnsibleActionFail(error.message()) from error


@contextlib.contextmanager
def _module_side(recorded: list[dict[str, Any]]) -> Iterator[None]:
    """Make core believe it runs in a module: results and warnings are recorded, not printed or displayed."""
    hook, controller = basic.AnsibleModule._record_module_result, core_internal.is_controller
    sink = adapter.progress_sink
    basic.AnsibleModule._record_module_result = lambda module, result: recorded.append(result)
    core_internal.is_controller = False
    core_warnings._global_warnings.clear()
    core_warnings._global_deprecations.clear()
    try:
        yield
    finally:
        basic.AnsibleModule._record_module_result = hook
        core_internal.is_controller = controller
        adapter.progress_sink = sink
        core_warnings._global_warnings.clear()
        core_warnings._global_deprecations.clear()


@contextlib.contextmanager
def _preserved_process() -> Iterator[None]:
    """Put back what a module may change in its process: environment, folder, umask, signal handlers."""
    environment, folder = dict(os.environ), os.getcwd()
    umask = os.umask(0o077)
    os.umask(umask)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)}
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(folder)
        os.umask(umask)
        for number, handler in handlers.items():
            if handler is not None and signal.getsignal(number) is not handler:
                signal.signal(number, handler)
