"""papermill's engine for investigations: one spare kernel, bounded time and output, and somebody told of every cell."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Protocol

from jupyter_client.asynchronous.client import AsyncKernelClient
from nbclient.exceptions import CellExecutionError
from papermill.clientwrap import PapermillNotebookClient  # type: ignore[import-untyped]
from papermill.engines import NBClientEngine, papermill_engines  # type: ignore[import-untyped]

from opsbook.runner.caps import Allowance
from opsbook.runner.spare import SpareKernel

NAME = "opsbook"
LOOK_SECONDS = 0.1
"""How often a kernel is looked at while a cell runs: nbclient's own second is long for who waits for an answer."""
SUBSCRIBED_SECONDS = 0.03
"""How long the output of one question is waited for before it is asked again."""
YIELD_EVERY = 20
"""Messages after which others get their turn: a cell that never stops printing must not keep its time-out from ending it."""


class Watcher(Protocol):
    """Who is told how a run goes."""

    def cell_starts(self, index: int) -> bool:
        """A code cell is next; False ends the run before it."""

    def seconds_left(self) -> float:
        """How long the cell may take."""

    def cell_ended(self, index: int, allowance: Allowance, error: str) -> None:
        """A code cell has run; its outputs are as the kernel sent them."""

    def cell_broke_off(self, index: int, allowance: Allowance) -> None:
        """A code cell did not come to its end."""


class _Client(AsyncKernelClient):
    """A client that asks the process whether it lives, and loses no time with waits that only a foreign kernel needs."""

    kernel: SpareKernel

    async def _async_is_alive(self) -> bool:
        return self.kernel.alive()

    is_alive = _async_is_alive

    def start_channels(self, shell: bool = True, iopub: bool = True, stdin: bool = False, hb: bool = False,
                       control: bool = True) -> None:
        super().start_channels(shell=shell, iopub=iopub, stdin=False, hb=False, control=control)

    async def _async_wait_for_ready(self, timeout: float | None = None) -> None:
        """Until the kernel answers and its outputs arrive here: what it sends before we have subscribed is lost.

        jupyter_client's own waits for a heartbeat and for half a second of silence (measured), which is a third of a run.
        """
        until = time.monotonic() + (timeout or 0.0)
        listens = False
        while not listens and time.monotonic() < until:
            if not self.kernel.alive():
                ended = f"{self.kernel.how_it_ended()}. {self.kernel.said()}".strip()
                raise RuntimeError(f"the kernel died at its start: {ended}")
            asked = self.kernel_info()
            answered = await _answer(self.get_shell_msg, asked, 1.0)
            listens = answered and await _answer(self.get_iopub_msg, asked, SUBSCRIBED_SECONDS)
        if not listens:
            raise RuntimeError("the kernel did not answer")

    wait_for_ready = _async_wait_for_ready


async def _answer(get: Callable[..., Any], asked: str, seconds: float) -> bool:
    """Whether a message that belongs to what was asked arrives in time."""

    async def look() -> bool:
        while True:
            message = await get(timeout=None)
            if message["parent_header"].get("msg_id") == asked:
                return True

    try:
        return await asyncio.wait_for(look(), seconds)
    except TimeoutError:
        return False


class SpareManager:
    """What nbclient asks of a kernel manager, for a kernel that runs already and is ended by others."""

    has_kernel = True

    def __init__(self, kernel: SpareKernel) -> None:
        self.kernel = kernel

    def client(self) -> _Client:
        """A client of the kernel."""
        client = _Client(connection_file=str(self.kernel.connection))
        client.load_connection_file()
        client.kernel = self.kernel
        return client

    def is_alive(self) -> bool:
        """Whether the kernel's process runs."""
        return self.kernel.alive()

    def interrupt_kernel(self) -> None:
        """Interrupt the cell."""
        self.kernel.interrupt()

    def shutdown_kernel(self, now: bool = True) -> None:
        """End the kernel."""
        self.kernel.kill()

    def cleanup_resources(self) -> None:
        """Nothing: the folder belongs to the run."""


class InvestigationClient(PapermillNotebookClient):  # type: ignore[misc]  # papermill publishes no types
    """Runs the cells one by one and tells the watcher."""

    def __init__(self, nb_man: Any, watcher: Watcher, margin: int, **more: Any) -> None:
        super().__init__(nb_man, raise_on_iopub_timeout=False, store_widget_state=False, force_raise_errors=True,
                         record_timing=False, iopub_timeout=30, timeout_func=lambda cell: max(watcher.seconds_left(), 0.05),
                         **more)
        self._watcher = watcher
        self._margin = margin
        self._allowance = Allowance(margin)

    def execute(self, **more: Any) -> Any:
        """Run all cells until one fails or the watcher ends it."""
        self.reset_execution_trackers()
        with self.setup_kernel(cleanup_kc=False):
            for index, cell in enumerate(self.nb.cells):
                if cell.cell_type != "code" or not cell.source.strip():
                    continue
                if not self._watcher.cell_starts(index) or not self._carry_out(index, cell):
                    break
        return self.nb

    def _carry_out(self, index: int, cell: Any) -> bool:
        """Run one cell; returns whether the next one may follow."""
        self._allowance = Allowance(self._margin)
        self.nb_man.cell_start(cell, index)
        error, ended = "", False
        try:
            self.execute_cell(cell, index)
            ended = True
        except CellExecutionError as raised:
            error, ended = f"{raised.ename}: {raised.evalue}" if raised.evalue else raised.ename, True
            self.nb_man.cell_exception(cell, cell_index=index)
        finally:
            self.nb_man.cell_complete(cell, cell_index=index)
            if not ended:
                self._watcher.cell_broke_off(index, self._allowance)
        self._watcher.cell_ended(index, self._allowance, error)
        return not error

    def output(self, outs: list[Any], msg: Any, display_id: Any, cell_index: int) -> Any:
        """Add an output while the cell has room for it."""
        if msg["msg_type"] in ("stream", "display_data", "execute_result", "error") and not self._allowance.takes(outs, msg):
            return None
        return super().output(outs, msg, display_id, cell_index)

    async def _async_poll_kernel_alive(self) -> None:
        while self.km is not None and self.km.is_alive():
            await asyncio.sleep(LOOK_SECONDS)
        if self.task_poll_for_reply is not None:
            self.task_poll_for_reply.cancel()

    async def _async_poll_output_msg(self, parent_msg_id: str, cell: Any, cell_index: int) -> None:
        """As nbclient's own; messages that wait already would else be taken without an end to it."""
        from nbclient.exceptions import CellExecutionComplete

        taken = 0
        while self.kc is not None:
            message = await self.kc.iopub_channel.get_msg(timeout=None)
            taken += 1
            if taken % YIELD_EVERY == 0:
                await asyncio.sleep(0)
            if message["parent_header"].get("msg_id") == parent_msg_id:
                try:
                    self.process_message(message, cell, cell_index)
                except CellExecutionComplete:
                    return


class InvestigationEngine(NBClientEngine):  # type: ignore[misc]
    """Registered with papermill as `opsbook`."""

    @classmethod
    def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **more: Any) -> Any:
        """Run a parameterised notebook in the spare kernel.

        :param more: `kernel`, `watcher`, `margin` and `start_timeout`; the rest of papermill's is of no use here
        """
        return InvestigationClient(
            nb_man, more["watcher"], more["margin"], km=SpareManager(more["kernel"]), kernel_name=kernel_name,
            startup_timeout=int(more["start_timeout"]) or 1).execute()


papermill_engines.register(NAME, InvestigationEngine)
