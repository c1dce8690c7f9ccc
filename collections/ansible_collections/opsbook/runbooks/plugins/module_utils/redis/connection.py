# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Connections to Redis and Valkey. The only file that imports redis-py.

`connector(options)` gives a factory; each call of it gives a client that has logged in. Nothing is tried again behind the
caller's back: redis-py retries by itself unless told otherwise, and a command whose answer was lost may have been carried
out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Callable

from ..core.errors import MissingLibrary
from .errors import explaining, is_permission

try:
    import redis
    import redis.backoff
    import redis.retry

    HAS_REDIS = True
except ImportError:
    HAS_REDIS = False

Connect = Callable[[], Any]

REDIS: dict[str, Any] = {
    "login_host": {"type": "str", "default": "localhost"},
    "login_port": {"type": "int", "default": 6379},
    "login_user": {"type": "str"},
    "login_password": {"type": "str", "no_log": True},
    "tls": {"type": "bool", "default": True},
    "ca_certs": {"type": "path"},
    "validate_certs": {"type": "bool", "default": True},
}
"""Option specification of every Redis module: community.general's names and defaults, so that habits carry over."""

CLIENT_NAME = "opsbook"
CONNECT_TIMEOUT = 5
ANSWER_TIMEOUT = 10


def connector(options: Mapping[str, Any]) -> Connect:
    """A factory of clients for the given options.

    :param options: the options of the redis doc fragment; what is missing or None has its default
    :returns: `connect()`, a new client each time; close it. It raises OperationError: Denied, ConnectionsExhausted or
        Unreachable
    :raises MissingLibrary: when redis-py is not installed
    """
    if not HAS_REDIS:
        raise MissingLibrary("redis", "https://pypi.org/project/redis/")
    chosen = {name: options[name] if options.get(name) is not None else spec.get("default")
              for name, spec in REDIS.items()}

    def connect() -> Any:
        with explaining("connect to Redis", place_of(chosen)):
            try:
                return _logged_in(chosen, CLIENT_NAME)
            except redis.exceptions.RedisError as error:
                # An ACL that spares every command may forbid to say one's name, which is no more than a courtesy.
                if not (is_permission(error) and "setname" in str(error)):
                    raise
                return _logged_in(chosen, None)

    return connect


def place_of(options: Mapping[str, Any]) -> str:
    """Host and port, as evidence and messages name a server."""
    return f"{options['login_host']}:{options['login_port']}"


def _logged_in(chosen: Mapping[str, Any], name: str | None) -> Any:
    client = redis.Redis(**_arguments(chosen, name))
    try:
        client.connection_pool.release(client.connection_pool.get_connection())
    except BaseException:
        client.close()
        raise
    return client


def _arguments(chosen: Mapping[str, Any], name: str | None) -> dict[str, Any]:
    secured: dict[str, Any] = {}
    if chosen["tls"]:
        checked = chosen["validate_certs"]
        secured = {"ssl": True, "ssl_cert_reqs": "required" if checked else "none", "ssl_check_hostname": bool(checked),
                   "ssl_ca_certs": chosen["ca_certs"]}
    return {
        "host": chosen["login_host"], "port": int(chosen["login_port"]), "username": chosen["login_user"],
        "password": chosen["login_password"], "client_name": name, "decode_responses": True,
        "socket_connect_timeout": CONNECT_TIMEOUT, "socket_timeout": ANSWER_TIMEOUT,
        "retry": redis.retry.Retry(redis.backoff.NoBackoff(), 0),
        # The older protocol: its login needs no command that a narrow ACL forbids.
        "protocol": 2, **secured,
    }
