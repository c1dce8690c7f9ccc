# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Connections to AWS. The only file that imports boto3.

`connector(options)` gives a factory; the factory gives one thread-safe client a service. Creating clients is what an
AWS task costs most, so the loader with its parsed service models is shared by the whole process and can be warmed
before Ansible forks its workers (`warm`): model data only, never credentials, sockets or threads.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Mapping
from typing import Any, Callable

from ..core.errors import MissingLibrary
from .errors import explaining

try:
    import boto3
    import botocore.config
    import botocore.loaders
    import botocore.session
    import botocore.utils

    HAS_BOTO3 = True
except ImportError:
    HAS_BOTO3 = False

Connect = Callable[[str], Any]

AWS: dict[str, Any] = {
    "region": {"type": "str", "aliases": ["aws_region"]},
    "profile": {"type": "str", "aliases": ["aws_profile"]},
    "access_key": {"type": "str", "aliases": ["aws_access_key_id", "aws_access_key"], "no_log": False},
    "secret_key": {"type": "str", "aliases": ["aws_secret_access_key", "aws_secret_key"], "no_log": True},
    "session_token": {"type": "str", "aliases": ["aws_session_token"], "no_log": True},
    "endpoint_url": {"type": "str", "aliases": ["aws_endpoint_url"]},
    "validate_certs": {"type": "bool", "default": True},
    "aws_ca_bundle": {"type": "path"},
    "assume_role_arn": {"type": "str"},
    "external_id": {"type": "str", "no_log": True},
}
"""Option specification of every AWS module: amazon.aws's names, so that habits and module_defaults carry over."""

# Standard mode retries throttling, time-outs and lost connections. Ten attempts: at a throttling rate of 30 % a call
# fails for good once in 170,000. Changing calls that are not idempotent go through `call_once` instead.
MAX_ATTEMPTS = 10
CONNECT_TIMEOUT = 5
READ_TIMEOUT = 30

_loader: Any = None
_spare_session: Any = None


def shared_loader() -> Any:
    """The process's one loader of service models, with its cache."""
    global _loader
    if _loader is None:
        _loader = botocore.loaders.Loader()
    return _loader


def connector(options: Mapping[str, Any], attempts: int = MAX_ATTEMPTS) -> Connect:
    """A factory of AWS clients for the given options.

    :param options: the options of the AWS doc fragment; what is missing or None is left to boto3's own chain
    :param attempts: how often a call is tried in all
    :returns: `connect(service)`, thread-safe; the same client each time
    :raises MissingLibrary: when boto3 is not installed
    """
    if not HAS_BOTO3:
        raise MissingLibrary("boto3", "https://pypi.org/project/boto3/")
    return _Connector(options, attempts)


class _Connector:
    """One session and its clients, made on first use."""

    def __init__(self, options: Mapping[str, Any], attempts: int) -> None:
        self._options = options
        self._attempts = attempts
        self._lock = threading.Lock()
        self._clients: dict[str, Any] = {}
        self._session: Any = None
        self._keys: dict[str, str] = {}

    def __call__(self, service: str) -> Any:
        with self._lock:
            if service not in self._clients:
                with explaining("connect to AWS", service):
                    if self._session is None:
                        self._open_session()
                    self._clients[service] = self._session.client(service, **self._keys, **self._client_arguments())
            return self._clients[service]

    def _client_arguments(self) -> dict[str, Any]:
        verify: Any = self._options.get("validate_certs", True)
        if verify is not False and self._options.get("aws_ca_bundle"):
            verify = self._options["aws_ca_bundle"]
        # S3 and Logs put the bucket or a prefix into the host name; an endpoint of one's own has no such names.
        own: dict[str, Any] = {}
        if self._options.get("endpoint_url"):
            own = {"s3": {"addressing_style": "path"}, "inject_host_prefix": False}
        config = botocore.config.Config(
            retries={"mode": "standard", "total_max_attempts": self._attempts},
            connect_timeout=CONNECT_TIMEOUT, read_timeout=READ_TIMEOUT,
            max_pool_connections=32, user_agent_extra="opsbook", **own)
        return {"endpoint_url": self._options.get("endpoint_url"), "verify": verify if verify is not True else None,
                "config": config}

    def _open_session(self) -> None:
        given = self._options.get
        session = boto3.Session(
            botocore_session=_core_session(given("profile")), region_name=given("region"),
            aws_access_key_id=given("access_key"), aws_secret_access_key=given("secret_key"),
            aws_session_token=given("session_token"))
        if given("assume_role_arn"):
            self._keys = self._assume_role(session)
        self._session = session

    def _assume_role(self, session: Any) -> dict[str, str]:
        """The role's keys, which every further client is given: a second session would cost more than the call."""
        arn = str(self._options["assume_role_arn"])
        request = {"RoleArn": arn, "RoleSessionName": "opsbook"}
        if self._options.get("external_id"):
            request["ExternalId"] = str(self._options["external_id"])
        with explaining("assume the role", arn):
            keys = session.client("sts", **self._client_arguments()).assume_role(**request)["Credentials"]
        return {"aws_access_key_id": keys["AccessKeyId"], "aws_secret_access_key": keys["SecretAccessKey"],
                "aws_session_token": keys["SessionToken"]}


def _core_session(profile: str | None) -> Any:
    """A session that nobody else uses: the one prepared before the fork, once, or a new one."""
    global _spare_session
    spare, _spare_session = _spare_session, None
    if spare is not None and profile is None:
        return spare
    core = botocore.session.Session(profile=profile)
    core.register_component("data_loader", shared_loader())
    return core


def warm(services: tuple[str, ...]) -> None:
    """Parse the models of services into the shared loader, for processes that fork. Does nothing without boto3.

    A session is prepared too: its handlers are registered, its credentials are not looked for. And what the first client
    of a process makes ready for all: OpenSSL and the patterns of addresses, a third of its creation time (measured).
    """
    global _spare_session
    if not (HAS_BOTO3 and services):
        return
    if _spare_session is None:
        _spare_session = _core_session(None)
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        botocore.utils.is_valid_endpoint_url("https://host")
    loader = shared_loader()
    loader.load_data("endpoints")
    loader.load_data("partitions")
    loader.load_data("sdk-default-configuration")
    loader.load_data("_retry")
    # Any of them may be reached by a role.
    for service in ("sts", *services):
        for kind in ("service-2", "paginators-1", "endpoint-rule-set-1"):
            loader.load_service_model(service, kind)
