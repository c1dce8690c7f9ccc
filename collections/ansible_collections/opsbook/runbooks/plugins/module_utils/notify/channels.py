# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One message to several channels: each is tried, and one that fails hides neither the others nor what happened.

Notices go out also when the guard has refused the work, so this operation has no limits and needs no receipt. They are
at-least-once, but where the receiver takes a deduplication key.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Callable, Protocol
from urllib.parse import unquote

from ..core.change import Change, Plan, no_undo, one_step
from ..core.coverage import Collected, Coverage, Gap
from ..core.errors import OperationError, OutcomeUnknown, Refused
from ..core.operation import Operation, Outcome
from ..core.run import Run

KIND = "channel"
SEVERITIES = ("info", "success", "warning", "failure")
HIDDEN = "***"
NO_UNDO = no_undo("A message that was sent cannot be taken back.")

# Shorter parts of a URL are words of everyday messages, and no secrets.
SHORTEST_SECRET = 4


@dataclass(frozen=True)
class Channel:
    """Where a message goes.

    :param name: how people call it; the URL is never shown
    :param url: the service and its tokens
    :param dedup_key: the same for messages about one thing, where the service takes such a key
    :param endpoint_url: the service's address where it is not the usual one; empty means the usual
    """

    name: str
    url: str = field(repr=False)
    dedup_key: str = ""
    endpoint_url: str = ""

    def hide(self, text: str) -> str:
        """A text without the URL and without any part of it: services' messages quote tokens on their own."""
        for part in secret_parts(self.url):
            text = text.replace(part, HIDDEN)
        return text


@dataclass(frozen=True)
class Notice:
    """What is said.

    :param severity: info, success, warning or failure
    """

    title: str
    body: str
    severity: str = "info"


class Sends(Protocol):
    """A channel that is ready to send."""

    def send(self, notice: Notice, seconds: float) -> None:
        """Send, giving up after so many seconds without an answer.

        :raises OperationError: when the service did not take it
        """


Open = Callable[[Channel], Sends]
State = Mapping[str, Sends]


def notify(run: Run, channels: Sequence[Channel], notice: Notice, open_channel: Open) -> Operation[State]:
    """The operation: send one message to every channel.

    :param open_channel: makes a channel ready, without sending anything; raises OperationError when it cannot
    """
    return Operation(
        collect=lambda: collect_channels(run, channels, open_channel),
        plan=lambda collected: plan_notices(collected, channels, notice),
        apply=lambda change: apply_notice(run, change, notice),
        # A service's answer is all there is to know of a delivery, and it is part of sending.
        verify=lambda collected, plan: (),
    )


def collect_channels(run: Run, channels: Sequence[Channel], open_channel: Open) -> Collected[State]:
    """Make the channels ready. One that cannot be is a gap, told also in check mode.

    :raises Refused: when two channels have one name
    """
    names = [channel.name for channel in channels]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Refused("notify", ", ".join(twice), "two channels have this name", "Give each channel a name of its own.")
    ready: dict[str, Sends] = {}
    missing: list[Gap] = []
    for channel in channels:
        try:
            ready[channel.name] = open_channel(channel)
        except OperationError as error:
            missing.append(Gap(f"{KIND}:{channel.name}", channel.hide(error.reason)))
    return Collected(ready, run.now(), Coverage(tuple(f"{KIND}:{name}" for name in ready), tuple(missing)))


def plan_notices(collected: Collected[State], channels: Sequence[Channel], notice: Notice) -> Plan:
    """A message to each channel, also to those that are not ready: their failure is to be told."""
    gaps = {gap.resource: gap.reason for gap in collected.coverage.missing}
    changes = [_sending(channel, notice, collected.state.get(channel.name), gaps) for channel in channels]
    return one_step(changes, [], len(changes), "channels")


def apply_notice(run: Run, change: Change, notice: Notice) -> Outcome:
    """Send one message, and wait for its answer at most until the run's deadline.

    :raises OutcomeUnknown: when there was no answer in time
    """
    channel, ready = change.handle["channel"], change.handle["ready"]
    if ready is None:
        raise OperationError("send a message", change.resource, change.handle["reason"],
                             "Correct the channel's url; nothing was sent to it.")
    sending = _Sending(lambda: ready.send(notice, max(1.0, run.deadline - run.clock.monotonic())))
    waited = run.poll(first_delay=0.001, longest_delay=0.001).until(
        lambda: sending.ended(0.2), lambda ended: ended, lambda ended: "")
    if not waited.done:
        raise OutcomeUnknown("send a message", change.resource, f"no answer within {run.timeout:.0f} s",
                             "It may have been delivered; look there before sending it again.")
    if sending.error is not None:
        raise OperationError("send a message", change.resource, channel.hide(sending.error),
                             "Look at the channel's url, its service and the way there.")
    return Outcome(change.resource)


def secret_parts(url: str) -> list[str]:
    """A URL and its parts, as written and decoded, longest first; the scheme is none of them."""
    _scheme, _separator, rest = url.partition("://")
    parts = {url, rest, *re.split(r"[/:@?&=#,+]+", rest), *re.split(r"[/@?&=#,]+", rest)}
    parts |= {unquote(part) for part in parts}
    return sorted((part for part in parts if len(part) >= SHORTEST_SECRET), key=len, reverse=True)


class _Sending:
    """A message on its way, in a thread of its own: a service that drips its answer must not hold up the run."""

    def __init__(self, send: Callable[[], None]) -> None:
        self.error: str | None = None
        self._send = send
        self._ended = threading.Event()
        threading.Thread(target=self._work, name="opsbook-notice", daemon=True).start()

    def ended(self, seconds: float) -> bool:
        """Whether it has ended, waiting so long for it."""
        return self._ended.wait(seconds)

    def _work(self) -> None:
        try:
            self._send()
        except OperationError as error:
            self.error = error.reason
        except Exception as error:
            self.error = f"{type(error).__name__}: {error}"
        finally:
            self._ended.set()


def _sending(channel: Channel, notice: Notice, ready: Sends | None, gaps: Mapping[str, str]) -> Change:
    resource = f"{KIND}:{channel.name}"
    after: dict[str, Any] = {"title": notice.title, "body": notice.body, "severity": notice.severity}
    if channel.dedup_key:
        after["dedup_key"] = channel.dedup_key
    return Change(resource, "send", None, after, f"send {notice.title!r} to {channel.name}", NO_UNDO,
                  {"channel": channel, "ready": ready, "reason": gaps.get(resource, "")})
