"""Connections to AWS: what the options mean, one client a service, and nothing but model data before the fork."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws import client
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.client import connector, warm
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import (
    Denied,
    MissingLibrary,
    OperationError,
    OutcomeUnknown,
)

KEYS = {"region": "eu-central-1", "access_key": "AKIA", "secret_key": "canary-key", "session_token": None}


@pytest.fixture(autouse=True)
def _no_account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No credentials, profiles, certificates or metadata service of the machine that the tests run on."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "REQUESTS_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr(client, "_spare_session", None)


def config(attempts: int = 10, **options: Any) -> Any:
    return connector({**KEYS, **options}, attempts)("sts").meta.config


def test_uses_the_given_region_and_keys() -> None:
    made = connector({**KEYS, "session_token": "s"})("sts")
    credentials = made._request_signer._credentials

    assert made.meta.region_name == "eu-central-1"
    assert (credentials.access_key, credentials.secret_key, credentials.token) == ("AKIA", "canary-key", "s")


@pytest.mark.parametrize("warmed", [True, False])
def test_what_is_not_given_is_left_to_the_environment(monkeypatch: pytest.MonkeyPatch, warmed: bool) -> None:
    """A task's own `environment:` comes after the fork, and after the session that was prepared before it."""
    if warmed:
        warm(("sts",))
    monkeypatch.setenv("AWS_DEFAULT_REGION", "ap-south-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ENV")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    made = connector({})("sts")

    assert (made.meta.region_name, made._request_signer._credentials.access_key) == ("ap-south-1", "ENV")


@pytest.mark.parametrize(("options", "variable"), [({"profile": "ops"}, ""), ({}, "ops")])
def test_a_profile_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], variable: str
) -> None:
    warm(("sts",))
    if variable:
        monkeypatch.setenv("AWS_PROFILE", variable)
    (tmp_path / "config").write_text("[profile ops]\nregion = us-west-2\naws_access_key_id = P\naws_secret_access_key = x\n")
    made = connector(options)("sts")

    assert (made.meta.region_name, made._request_signer._credentials.access_key) == ("us-west-2", "P")


@pytest.mark.parametrize("options", [{"profile": "gone", **KEYS}, {**KEYS, "region": None}], ids=["profile", "region"])
def test_options_that_lead_nowhere_are_explained(options: dict[str, Any]) -> None:
    with pytest.raises(OperationError) as raised:
        connector(options)("dynamodb")

    assert not isinstance(raised.value, OutcomeUnknown)


def test_retries_are_chosen_and_not_left_to_botocore() -> None:
    assert config().retries == {"mode": "standard", "total_max_attempts": 10}
    assert config(attempts=1).retries == {"mode": "standard", "total_max_attempts": 1}


def test_every_wait_for_aws_has_an_end() -> None:
    assert 0 < config().connect_timeout <= 10
    assert 0 < config().read_timeout <= 60


@pytest.mark.parametrize(("options", "verify"), [
    ({}, True), ({"validate_certs": True}, True), ({"validate_certs": False}, False),
    ({"aws_ca_bundle": "/ca.pem"}, "/ca.pem"), ({"validate_certs": True, "aws_ca_bundle": "/ca.pem"}, "/ca.pem"),
    ({"validate_certs": False, "aws_ca_bundle": "/ca.pem"}, False),
])
def test_certificates_are_checked_unless_asked_otherwise(options: dict[str, Any], verify: Any) -> None:
    made = connector({**KEYS, **options})("sts")

    assert made._endpoint.http_session._verify == verify


def test_the_bundle_of_the_environment_holds_where_none_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", "/env.pem")

    assert connector({**KEYS, "validate_certs": True})("sts")._endpoint.http_session._verify == "/env.pem"


def test_an_endpoint_of_ones_own_is_called_by_its_own_name() -> None:
    made = connector({**KEYS, "endpoint_url": "http://127.0.0.1:5000"})("s3")

    assert made.meta.endpoint_url == "http://127.0.0.1:5000"
    assert made.meta.config.s3 == {"addressing_style": "path"}
    assert made.meta.config.inject_host_prefix is False
    assert connector(KEYS)("s3").meta.config.s3 != {"addressing_style": "path"}


def test_a_service_has_one_client_for_all_threads() -> None:
    connect = connector(KEYS)
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(connect("sts"))) for _number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 8
    assert len({id(made) for made in found}) == 1
    assert connect("dynamodb") is not connect("sts")


def test_connections_do_not_share_their_credentials() -> None:
    warm(("sts",))
    made = [connector({**KEYS, "access_key": key})("sts") for key in ("A", "B")]

    assert [one._request_signer._credentials.access_key for one in made] == ["A", "B"]


class Sts:
    """A session whose STS answers from here; all its other clients are real."""

    def __init__(self, error: Exception | None = None) -> None:
        self.requests: list[dict[str, Any]] = []
        self._error = error
        self._open = client.boto3.Session

    def __call__(self, **given: Any) -> Sts:
        self._session = self._open(**given)
        return self

    def client(self, service: str, **arguments: Any) -> Any:
        return self if service == "sts" else self._session.client(service, **arguments)

    def assume_role(self, **request: Any) -> dict[str, Any]:
        self.requests.append(request)
        if self._error:
            raise self._error
        return {"Credentials": {"AccessKeyId": "ROLE", "SecretAccessKey": "x", "SessionToken": "canary-token"}}


def assuming(monkeypatch: pytest.MonkeyPatch, sts: Sts, **options: Any) -> Any:
    monkeypatch.setattr(client.boto3, "Session", sts)
    return connector({**KEYS, "assume_role_arn": "arn:aws:iam::111122223333:role/ops", **options})


@pytest.mark.parametrize(("options", "external"), [({}, {}), ({"external_id": "e"}, {"ExternalId": "e"})])
def test_a_role_is_assumed_once(monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], external: dict[str, Any]) -> None:
    sts = Sts()
    connect = assuming(monkeypatch, sts, **options)
    made = [connect("dynamodb"), connect("lambda")]

    assert [one._request_signer._credentials.token for one in made] == ["canary-token"] * 2
    assert sts.requests == [{"RoleArn": "arn:aws:iam::111122223333:role/ops", "RoleSessionName": "opsbook", **external}]


def test_a_role_that_may_not_be_assumed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from botocore.exceptions import ClientError

    sts = Sts(ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "AssumeRole"))

    with pytest.raises(Denied, match=r"assume the role \(arn:aws:iam::111122223333:role/ops\)"):
        assuming(monkeypatch, sts)("dynamodb")


def alone(code: str, **environment: str) -> Any:
    """Run code in a process of its own and get what it prints as JSON."""
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=30,
                          env={**os.environ, **environment}, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_warming_reads_model_data_and_nothing_else(tmp_path: Path) -> None:
    """What a forked worker inherits must not be a secret, a connection or half a thread."""
    (tmp_path / "credentials").write_text("[default]\naws_access_key_id = canary\naws_secret_access_key = canary\n")
    touched = alone("""
        import json, socket, sys, threading
        touched = []

        def audit(event, arguments):
            if event.startswith("socket.") or event.startswith("_thread.start"):
                touched.append(event)
            if event == "open" and "credentials" in str(arguments[0]) and "botocore" not in str(arguments[0]):
                touched.append(str(arguments[0]))

        from ansible_collections.opsbook.runbooks.plugins.module_utils.aws import client
        sys.addaudithook(audit)
        client.warm(("lambda", "dynamodb", "sts"))
        touched += [thread.name for thread in threading.enumerate()][1:]
        if client._spare_session is not None and client._spare_session._credentials is not None:
            touched.append("credentials were loaded")
        print(json.dumps(touched))
    """, AWS_SHARED_CREDENTIALS_FILE=str(tmp_path / "credentials"), HOME=str(tmp_path))

    assert touched == []


def test_a_warmed_service_is_not_parsed_again() -> None:
    parsed = alone("""
        import json, sys
        from ansible_collections.opsbook.runbooks.plugins.module_utils.aws import client
        client.warm(("lambda",))
        opened = []
        sys.addaudithook(lambda event, arguments: opened.append(str(arguments[0])) if event == "open" else None)
        client.connector({"region": "eu-central-1", "access_key": "x", "secret_key": "x"})("lambda")
        print(json.dumps([path for path in opened if "/data/" in path]))
    """)

    assert parsed == []


def test_without_boto3_the_file_is_imported_and_a_connection_asks_for_it() -> None:
    assert alone("""
        import json, sys
        sys.modules["boto3"] = None
        from ansible_collections.opsbook.runbooks.plugins.module_utils.aws import client
        from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import MissingLibrary
        client.warm(("lambda",))
        try:
            client.connector({})
        except MissingLibrary as error:
            print(json.dumps([error.library, error.url]))
    """) == ["boto3", "https://pypi.org/project/boto3/"]


def test_a_missing_library_is_told_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "HAS_BOTO3", False)

    with pytest.raises(MissingLibrary):
        connector(KEYS)


def test_a_session_prepared_before_the_fork_is_used_once() -> None:
    warm(("sts",))
    spare = client._spare_session
    first, second = client._core_session(None), client._core_session(None)

    assert first is spare
    assert second is not spare
