# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Sending through apprise (https://github.com/caronc/apprise), which knows more than a hundred services.

The only file that imports it.
"""

from __future__ import annotations

import importlib
import logging
import threading
from typing import Any

from ..core.errors import OperationError
from .channels import Channel, Notice

try:
    import apprise

    HAS_APPRISE = True
except ImportError:
    HAS_APPRISE = False

CONNECT_SECONDS = 5.0
READ_SECONDS = 10.0

# Importing all of apprise's services takes 0.7 s of CPU (measured), these few a tenth of it.
COMMON = {
    "slack": ("slack", "NotifySlack"),
    "pagerduty": ("pagerduty", "NotifyPagerDuty"),
    "mailto": ("email", "NotifyEmail"),
    "mailtos": ("email", "NotifyEmail"),
    "json": ("custom_json", "NotifyJSON"),
    "jsons": ("custom_json", "NotifyJSON"),
}

# Where services keep their address: an attribute of the service's class in most of them.
ADDRESSES = ("webhook_url", "notify_url", "api_url")


class AppriseChannel:
    """One service of apprise, ready to send."""

    def __init__(self, plugin: Any) -> None:
        self._plugin = plugin

    def send(self, notice: Notice, seconds: float) -> None:
        """Send a message.

        :raises OperationError: with what apprise said of the failure; it may quote parts of the URL
        """
        self._plugin.socket_connect_timeout = min(CONNECT_SECONDS, seconds)
        self._plugin.socket_read_timeout = min(READ_SECONDS, seconds)
        with _Listening() as heard:
            taken = self._plugin.notify(
                title=notice.title, body=notice.body, notify_type=apprise.NotifyType(notice.severity),
                body_format=apprise.NotifyFormat.TEXT)
        if not taken:
            raise OperationError("send a message", "channel", " ".join(heard.messages) or "the service did not take it")


def open_channel(channel: Channel) -> AppriseChannel:
    """Make a channel ready; nothing is sent and nobody is called.

    :raises OperationError: when apprise is not installed or does not understand the URL
    """
    if not HAS_APPRISE:
        raise OperationError("notify", channel.name, "the Python library apprise is not installed where this runs")
    with _Listening() as heard:
        try:
            plugin = _plugin(channel.url)
        except (TypeError, ValueError, AttributeError, apprise.exception.AppriseException) as error:
            raise OperationError("notify", channel.name, f"{type(error).__name__}: {error}") from error
    if plugin is None:
        raise OperationError("notify", channel.name, " ".join(heard.messages) or "its url is none that apprise knows")
    # A message cut short is better than none: services refuse what is longer than they allow.
    if "overflow=" not in channel.url:
        plugin.overflow_mode = apprise.OverflowMode.TRUNCATE
    if channel.endpoint_url:
        _redirect(plugin, channel)
    if channel.dedup_key and hasattr(plugin, "dedup"):
        _deduplicate(plugin, channel)
    return AppriseChannel(plugin)


def _plugin(url: str) -> Any:
    # No picture of apprise's in messages, and nothing kept on disk.
    asset = apprise.AppriseAsset(
        app_id="opsbook", app_desc="opsbook", image_url_mask="", secure_logging=True,
        storage_mode=apprise.PersistentStoreMode.MEMORY)
    scheme = url.partition("://")[0].lower()
    if scheme not in COMMON:
        return apprise.Apprise.instantiate(url, asset=asset)
    module, name = COMMON[scheme]
    service = getattr(importlib.import_module(f"apprise.plugins.{module}"), name)
    parsed = service.parse_url(url)
    return service(**{**parsed, "asset": asset}) if parsed else None


def _redirect(plugin: Any, channel: Channel) -> None:
    address = channel.endpoint_url.rstrip("/")
    if type(plugin).__name__ == "NotifyPagerDuty":
        # Addresses are in a table by region there: ours is one more region, so no other channel is redirected.
        table = importlib.import_module("apprise.plugins.pagerduty").PAGERDUTY_API_LOOKUP
        table[address] = address
        plugin.region_name = address
        return
    for attribute in ADDRESSES:
        if isinstance(getattr(plugin, attribute, None), str):
            setattr(plugin, attribute, address)
            return
    raise OperationError("notify", channel.name, "endpoint_url cannot be set for this kind of service")


def _deduplicate(plugin: Any, channel: Channel) -> None:
    plugin.dedup = channel.dedup_key
    # What one message has raised, a message of success with the same key resolves.
    if "action=" not in channel.url:
        plugin.action = "map"


class _Listening:
    """Hears what apprise logs in this thread, and keeps it from everybody else: it prints to stderr by default."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self._logger = logging.getLogger("apprise")
        self._handler = logging.Handler(logging.WARNING)
        thread = threading.get_ident()
        self._handler.addFilter(lambda record: record.thread == thread)
        self._handler.emit = lambda record: self.messages.append(record.getMessage())  # type: ignore[method-assign]

    def __enter__(self) -> _Listening:
        self._logger.propagate = False
        self._logger.addHandler(self._handler)
        return self

    def __exit__(self, *error: object) -> None:
        # It stays unheard by others: another thread may be sending, and messages may carry tokens.
        self._logger.removeHandler(self._handler)
