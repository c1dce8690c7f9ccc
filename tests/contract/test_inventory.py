"""Every environment declares its systems with the same keys, as the schema says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from ansible_collections.opsbook.runbooks.plugins.plugin_utils.declared import KEYS
from lab.accounts import SYSTEMS as LAB_SYSTEMS
from lab.accounts import place_of, role_arn
from lab.estate.metrics import metrics_of
from lab.estate.systems import ESTATES
from lab.folders import DEFAULT_SETTINGS
from tests.support.labs import ROOT

INVENTORY = ROOT / "inventory"
SCHEMA = json.loads((INVENTORY / "schema.json").read_text(encoding="utf-8"))
SYSTEMS = sorted(INVENTORY.glob("*/host_vars/*.yml"))
LAB = [path for path in SYSTEMS if path.parents[1].name == "lab"]
PRODUCTION = [path for path in SYSTEMS if path.parents[1].name == "production"]
# The lab has a name server of its own; production asks the usual one.
ONLY_IN_THE_LAB = {"dns_server"}


def merged(system: Path) -> dict[str, Any]:
    shared = yaml.safe_load((system.parents[1] / "group_vars" / "systems.yml").read_text(encoding="utf-8"))
    return {**shared, **yaml.safe_load(system.read_text(encoding="utf-8"))}


def named(path: Path) -> str:
    return f"{path.parents[1].name}/{path.stem}"


def test_the_guard_resolves_every_key_of_the_schema() -> None:
    assert set(KEYS) == {key for key in SCHEMA["properties"] if not key.startswith("ansible_")}


@pytest.mark.parametrize("system", SYSTEMS, ids=named)
def test_a_system_declares_what_the_schema_knows(system: Path) -> None:
    errors = [f"{'/'.join(map(str, error.absolute_path))}: {error.message}"
              for error in jsonschema.Draft202012Validator(SCHEMA).iter_errors(merged(system))]
    assert errors == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("ecs_servics", ["a typing error"]),
        ("expected_account_id", "12345"),
        ("maintenance_windows", [{"days": ["caturday"], "start": "02:00", "end": "04:00", "timezone": "UTC"}]),
        ("change_freezes", [{"name": "half declared", "start": "2026-12-01"}]),
        ("notice_channels", [{"name": "chat", "url": "slack://a-literal-secret"}]),
        ("opsbook_aws", {"region": "eu-west-1", "assume_role_arn": "opsbook-operations"}),
        ("opsbook_lock", {"lease_seconds": 4}),
        ("opsbook_lock", {"table": "locks", "postgres": {"login_host": "db", "login_db": "locks"}}),
        ("opsbook_postgres", {"login_host": "db", "login_db": "media", "login_password": "a-literal-secret"}),
        ("opsbook_postgres", {"login_host": "db", "login_db": "media", "ssl_mode": "perhaps"}),
        ("opsbook_redis", {"login_host": "cache", "login_password": "a-literal-secret"}),
        ("postgres_limits", {"maximum_connections_percent": 130}),
        ("postgres_limits", {"idle_in_transaction": "five minutes"}),
        ("redis_limits", {"maximum_memory": 90}),
        ("redis_limits", {"minimum_hit_rate_percent": 120}),
        ("redis_limits", {"minimum_hit_rate": 0.8}),
        ("opsbook_lock", {"postgres": {"login_host": "db", "login_db": "locks", "lock_timeout": 0}}),
        ("sqs_queues", [{"name": "jobs", "depth": 100}]),
        ("s3_backups", [{"name": "dumps"}]),
        ("s3_backups", [{"name": "dumps", "bucket": "backups", "max_age": "old"}]),
        ("s3_backups", [{"name": "dumps", "bucket": "backups", "pattern": ""}]),
        ("dynamodb_limits", {"idle": "fine"}),
        ("dynamodb_limits", {"maximum_used": 130}),
        ("target_groups", []),
    ],
)
def test_the_schema_refuses_what_is_wrong(key: str, value: Any) -> None:
    system = merged(SYSTEMS[0])
    assert list(jsonschema.Draft202012Validator(SCHEMA).iter_errors(system)) == []
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**system, key: value}, SCHEMA)


def test_a_database_of_the_run_lock_may_have_time_outs() -> None:
    connection = {"login_host": "db", "login_db": "locks", "connect_timeout": 3, "statement_timeout": 9, "lock_timeout": 1}
    system = {**merged(SYSTEMS[0]), "opsbook_lock": {"postgres": connection}}
    assert list(jsonschema.Draft202012Validator(SCHEMA).iter_errors(system)) == []


@pytest.mark.parametrize("path", [path for path in SYSTEMS if "postgres" in merged(path)["opsbook_lock"]], ids=named)
def test_who_only_looks_does_not_keep_the_lock(path: Path) -> None:
    system = merged(path)
    assert system["opsbook_lock"]["postgres"]["login_user"] != system["opsbook_postgres"]["login_user"]


@pytest.mark.parametrize(("name", "limits", "needed"), [
    ("analytics", "postgres_limits", "opsbook_postgres"), ("analytics", "redis_limits", "opsbook_redis"),
    ("reviews", "dynamodb_limits", "dynamodb_tables"),
])
def test_limits_need_what_they_are_of(name: str, limits: str, needed: str) -> None:
    system = merged(next(path for path in LAB if path.stem == name))
    assert limits in system
    system.pop(needed)
    with pytest.raises(jsonschema.ValidationError, match="dependency"):
        jsonschema.validate(system, SCHEMA)


def test_both_environments_have_the_five_systems() -> None:
    assert {path.stem for path in LAB} == {path.stem for path in PRODUCTION} == set(LAB_SYSTEMS)
    for environment in ("lab", "production"):
        hosts = yaml.safe_load((INVENTORY / environment / "hosts.yml").read_text(encoding="utf-8"))
        assert set(hosts["systems"]["hosts"]) == set(LAB_SYSTEMS)
        assert set(hosts["media_machines"]["hosts"]) == {"media-host-1"}
        machines = INVENTORY / environment / "group_vars" / "media_machines.yml"
        assert yaml.safe_load(machines.read_text(encoding="utf-8"))["system"] == "media"


def test_environments_of_one_system_have_the_same_safety_keys() -> None:
    for name in {path.name for path in SYSTEMS}:
        declared = [merged(path) for path in SYSTEMS if path.name == name]
        assert {system["opsbook_require_guard"] for system in declared} == {True}
        assert len({system["expected_account_id"] for system in declared}) == 1


@pytest.mark.parametrize("system", LAB_SYSTEMS)
def test_environments_declare_a_system_with_the_same_keys(system: str) -> None:
    lab, production = (merged(INVENTORY / name / "host_vars" / f"{system}.yml") for name in ("lab", "production"))
    assert set(lab) - ONLY_IN_THE_LAB == set(production)


@pytest.mark.parametrize("system", LAB_SYSTEMS)
def test_accounts_regions_and_roles_are_those_of_the_lab(system: str) -> None:
    place = place_of(system, DEFAULT_SETTINGS)
    production = merged(INVENTORY / "production" / "host_vars" / f"{system}.yml")
    assert production["expected_account_id"] == place.account
    assert production["opsbook_aws"] == {
        "region": place.region, **({"assume_role_arn": role} if (role := role_arn(system, DEFAULT_SETTINGS)) else {})}


@pytest.mark.parametrize("system", LAB, ids=named)
def test_every_system_has_an_error_rate_and_what_it_needs_for_one(system: Path) -> None:
    checks = merged(system)["metric_checks"]
    names = {metric["name"] for metric in checks["metrics"]}
    rates = [rate for rate in checks["rates"] if "maximum" in rate]
    assert rates
    assert all({rate["numerator"], rate["denominator"]} <= names for rate in rates)


@pytest.mark.parametrize("system", LAB, ids=named)
def test_the_lab_declares_the_parts_that_its_estate_has(system: Path) -> None:
    declared, estate = merged(system), ESTATES[system.stem]

    def plain(key: str) -> set[str]:
        entries = (entry["name"] if isinstance(entry, dict) else entry for entry in declared.get(key, []))
        return {entry for entry in entries if "*" not in entry}

    assert plain("ecs_services") == {service.name for service in estate.services}
    assert declared.get("ecs_cluster", "") == estate.cluster
    assert plain("target_groups") == {service.target_group for service in estate.services} - {""}
    assert plain("dynamodb_tables") == {table.name for table in estate.tables}
    assert plain("rds_instances") == {database.name for database in estate.databases}
    assert plain("elasticache_clusters") == {cache.group or cache.name for cache in estate.caches}
    assert plain("sqs_queues") == {queue.name for queue in estate.queues}
    assert plain("cloudfront_distributions") == {distribution.alias for distribution in estate.distributions}
    assert plain("rotated_secrets") <= {secret.name for secret in estate.secrets if secret.rotated is not None}
    dumped = {bucket.name for bucket in estate.buckets if bucket.dumps}
    assert {entry["bucket"] for entry in declared["s3_backups"]} <= dumped


@pytest.mark.parametrize("system", LAB, ids=named)
def test_the_metrics_that_are_checked_are_published(system: Path) -> None:
    published = {(metric.namespace, metric.name, tuple(sorted(metric.dimensions.items())))
                 for metric in metrics_of(ESTATES[system.stem]) if not metric.region}
    wanted = {(metric["namespace"], metric["metric"], tuple(sorted(metric["dimensions"].items())))
              for metric in merged(system)["metric_checks"]["metrics"]}
    assert wanted <= published
