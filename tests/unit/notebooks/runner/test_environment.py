"""What of the environment a kernel gets, and which of its values are never kept."""

from __future__ import annotations

import pytest

from opsbook.runner.environment import environment_credentials, kernel_environment

VALUE = "canary-hunter2"


def found(environ: dict[str, str], signing_key: str = "", there: str = "") -> dict[str, str]:
    return environment_credentials(environ, signing_key, lambda path: path == there)


def test_a_kernel_gets_neither_the_signing_key_nor_opsbook_s_own_variables() -> None:
    environ = {"PATH": "/bin", "AWS_PROFILE": "ops", "MYKEY": VALUE, "OPSBOOK_SIGNING_KEY": "env:MYKEY",
               "OPSBOOK_SHOP_POSTGRES_PASSWORD": VALUE}

    assert kernel_environment(environ, "env:MYKEY") == {"PATH": "/bin", "AWS_PROFILE": "ops"}
    assert kernel_environment({"MYKEY": VALUE}, "file:MYKEY") == {"MYKEY": VALUE}


@pytest.mark.parametrize("name", [
    "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "PGPASSWORD", "GITHUB_TOKEN", "MYSQL_PWD", "REDISCLI_AUTH", "API_KEY",
    "DEPLOY_KEY_2", "SHOP_CLIENT_SECRET", "client_secret", "DB_PASS", "VAULT_PASSPHRASE", "REGISTRY_PASSWORD2",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN", "OPSBOOK_SHOP_REDIS_PASSWORD",
])
def test_a_variable_whose_name_says_so_is_a_credential(name: str) -> None:
    assert found({name: VALUE}) == {f"the variable {name}": VALUE}


@pytest.mark.parametrize("name", [
    "PATH", "PWD", "OLDPWD", "AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE", "ANSIBLE_VAULT_PASSWORD_FILE",
    "SSH_AUTH_SOCK", "KEYBOARD", "MONKEY", "TOKENIZERS_PARALLELISM", "AWS_PROFILE", "SECRET_NAME", "AUTHOR", "COMPASS",
    "AWS_CREDENTIAL_EXPIRATION", "SECRETS_BACKEND",
])
def test_a_variable_that_only_says_where_or_what_is_none(name: str) -> None:
    assert found({name: VALUE}) == {}


@pytest.mark.parametrize("value", [
    "/etc/ssl/key.pem", "~/key.pem", "./key.pem", "file:/etc/key", "env:OTHER", "abc", "secret",
])
def test_a_place_a_reference_and_what_stands_everywhere_are_none(value: str) -> None:
    assert found({"TLS_KEY": value}, there="/etc/ssl/key.pem") == {}


def test_a_key_that_begins_like_a_path_is_one() -> None:
    assert list(found({"AWS_SECRET_ACCESS_KEY": "/cana/ry+of=base64"}).values()) == ["/cana/ry+of=base64"]


def test_the_password_inside_of_an_address_is_one() -> None:
    assert found({"DATABASE_URL": f"postgres://shop:{VALUE}@db/shop", "HOME_URL": "https://host/"}) == {
        "the variable DATABASE_URL": VALUE}


def test_what_signs_records_is_one_under_any_name() -> None:
    assert found({"PLAIN": VALUE}, "env:PLAIN") == {"the variable PLAIN": VALUE}
    assert found({"PLAIN": VALUE}) == {}
