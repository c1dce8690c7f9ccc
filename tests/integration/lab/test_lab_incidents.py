"""Incidents in a whole lab: what an investigator would see is there, and afterwards nothing of it is left."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import psycopg2
import pytest
import redis
from botocore.exceptions import ClientError

from ansible_collections.opsbook.runbooks.plugins.module_utils.http.tls import expiry_of, presented_certificate
from lab.databases.contents import DATABASES, connected
from lab.folders import LabError
from lab.scenario.components import service_map
from lab.scenario.injection import clear, current, inject
from lab.scenario.model import load_scenario, load_scenarios
from tests.support.labs import Lab, lab_command, running_lab
from tests.support.waiting import eventually

SCENARIOS = [scenario.name for scenario in load_scenarios()]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab of all systems."""
    systems = ("commerce", "analytics", "metering", "media", "reviews")
    with running_lab(tmp_path_factory.mktemp("incidents") / "lab", systems=systems) as running:
        yield running


@pytest.fixture
def calm(lab: Lab) -> Iterator[Lab]:
    """The lab, in no incident afterwards."""
    yield lab
    clear(lab.folder)


def happen(lab: Lab, name: str) -> None:
    inject(lab.folder, load_scenario(name))


def ask(lab: Lab, system: str, statement: str) -> list[Any]:
    """As the database's superuser, who always gets in."""
    with connected(lab.status["postgres"][system]["port"], system) as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall())


def monitor(lab: Lab, system: str) -> Any:
    place = lab.status["postgres"][system]
    return psycopg2.connect(host=place["host"], port=place["port"], dbname=place["database"], user=place["user"],
                            password=place["password"], connect_timeout=3)  # fmt: skip


def cache(lab: Lab, system: str) -> Any:
    place = lab.status["redis"][system]
    return redis.Redis(host="127.0.0.1", port=place["port"], db=place["database"], password=place["password"])


def page(lab: Lab, path: str) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(f"{lab.status['endpoints']['web']}/{path}", timeout=10) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as refusal:
        return refusal.code, json.load(refusal)


# --- nothing is left -------------------------------------------------------------------------------------------------


def aws_state(lab: Lab, system: str) -> dict[str, Any]:
    """What incidents change in AWS, as far as it has a state."""
    clients = {name: lab.client(name, system) for name in ("cloudwatch", "dynamodb", "ecs", "elbv2", "lambda", "sqs")}
    state: dict[str, Any] = {
        "alarms": {each["AlarmName"]: each["StateValue"] for page in
                   clients["cloudwatch"].get_paginator("describe_alarms").paginate() for each in page["MetricAlarms"]},
        "functions": {each["FunctionName"]: (each["Timeout"], each["LastModified"], each["CodeSha256"]) for page in
                      clients["lambda"].get_paginator("list_functions").paginate() for each in page["Functions"]},
        "health": [each["TargetHealth"] for group in clients["elbv2"].describe_target_groups()["TargetGroups"]
                   for each in clients["elbv2"].describe_target_health(TargetGroupArn=group["TargetGroupArn"])[
                       "TargetHealthDescriptions"]],
        "queues": {url: clients["sqs"].get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"][
                       "ApproximateNumberOfMessages"] for url in clients["sqs"].list_queues().get("QueueUrls", [])},
        "tables": {name: clients["dynamodb"].describe_table(TableName=name)["Table"]["ProvisionedThroughput"]
                   for name in clients["dynamodb"].list_tables()["TableNames"]},
        "metrics": sum(len(page["Metrics"]) for page in clients["cloudwatch"].get_paginator("list_metrics").paginate()),
    }  # fmt: skip
    for cluster in clients["ecs"].list_clusters()["clusterArns"]:
        names = clients["ecs"].list_services(cluster=cluster)["serviceArns"]
        described = clients["ecs"].describe_services(cluster=cluster, services=names)["services"] if names else []
        state[cluster] = [(each["deployments"], each["runningCount"], each["pendingCount"]) for each in described]
    return state


def data_state(lab: Lab) -> dict[str, Any]:
    """What incidents change in PostgreSQL and Redis."""
    state: dict[str, Any] = {}
    for system in ("analytics", "media"):
        usual = [name for name, _ in DATABASES[system].applications]
        listed = ", ".join(f"'{name}'" for name in usual)
        own = f"SELECT count(*) FROM pg_stat_activity WHERE usename = '{system}'"
        state[system] = {
            "usual": ask(lab, system, f"{own} AND application_name IN ({listed})"),
            "others": ask(lab, system, f"{own} AND application_name NOT IN ({listed})"),
            "options": ask(lab, system, "SELECT relname, reloptions FROM pg_class WHERE reloptions IS NOT NULL"),
            "policy": cache(lab, system).config_get("maxmemory*", "slowlog*", "bind"),
            "size": cache(lab, system).dbsize(),
        }
    return state


def streams(lab: Lab, system: str) -> set[str]:
    """The log streams of a component of the system."""
    group = next(each["log_group"] for each in service_map(system) if each.get("log_group"))
    found = lab.client("logs", system).describe_log_streams(logGroupName=group)["logStreams"]
    return {each["logStreamName"] for each in found}


def pages_state(lab: Lab) -> list[tuple[int, Any]]:
    paths = ("commerce/api/health", "analytics/health/ready", "media/api/health", "providers/stripe/status")
    return [page(lab, path) for path in paths]


@pytest.mark.parametrize("name", SCENARIOS)
def test_an_incident_shows_and_leaves_nothing_behind(calm: Lab, name: str) -> None:
    scenario = load_scenario(name)
    before = aws_state(calm, scenario.system), data_state(calm), pages_state(calm)
    noted = inject(calm.folder, scenario)
    assert current(calm.folder) == noted
    assert noted["scenario"] == name
    assert streams(calm, scenario.system) == {"main", "application"}
    assert clear(calm.folder) == name
    assert current(calm.folder) is None
    assert streams(calm, scenario.system) == {"main"}
    assert (aws_state(calm, scenario.system), pages_state(calm)) == (before[0], before[2])
    eventually(lambda: data_state(calm) == before[1], 10)


def test_reset_ends_an_incident_too(calm: Lab) -> None:
    happen(calm, "analytics-migration-holds-lock")
    lab_command("reset", "--folder", str(calm.folder))
    assert current(calm.folder) is None
    assert ask(calm, "analytics", "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'psql'") == [(0,)]
    assert clear(calm.folder) is None


def test_one_incident_takes_the_place_of_another(calm: Lab) -> None:
    happen(calm, "media-webhooks-fail-at-stripe")
    assert page(calm, "providers/stripe/status")[0] == 503
    happen(calm, "control-media-nightly-work")
    assert page(calm, "providers/stripe/status")[0] == 200
    assert (current(calm.folder) or {})["scenario"] == "control-media-nightly-work"


def test_faults_that_somebody_asked_for_stay(calm: Lab) -> None:
    lab_command("fault", "add", "deny", "--service", "sqs", "--system", "media", "--folder", str(calm.folder))
    happen(calm, "control-reviews-evidence-denied")
    assert "logs" in lab_command("fault", "list", "--folder", str(calm.folder))
    clear(calm.folder)
    left = lab_command("fault", "list", "--folder", str(calm.folder))
    assert "sqs" in left
    assert "logs" not in left
    lab_command("fault", "clear", "--folder", str(calm.folder))


def test_a_system_that_the_lab_has_not_is_refused(tmp_path: Path) -> None:
    with running_lab(tmp_path / "small") as small, pytest.raises(LabError, match="no system 'reviews'"):
        inject(small.folder, load_scenario("reviews-upload-denied"))


# --- what an investigator sees ---------------------------------------------------------------------------------------


def test_leaked_connections_fill_the_server_all_but_a_few(calm: Lab) -> None:
    happen(calm, "analytics-connections-leaked")
    states = dict(ask(calm, "analytics", "SELECT state, count(*) FROM pg_stat_activity "
                                         "WHERE application_name = 'backend-service-export' GROUP BY state"))  # fmt: skip
    assert states["idle"] == 62
    assert states["idle in transaction"] > 20
    monitor(calm, "analytics").close()


def test_workers_take_every_connection_that_there_is(calm: Lab) -> None:
    happen(calm, "media-workers-hold-connections")
    with pytest.raises(psycopg2.OperationalError, match="remaining connection slots"):
        monitor(calm, "media")


def test_a_forgotten_migration_blocks_a_chain_of_sessions(calm: Lab) -> None:
    happen(calm, "analytics-migration-holds-lock")
    blocked = ask(calm, "analytics", "SELECT count(*) FROM pg_stat_activity WHERE cardinality(pg_blocking_pids(pid)) > 0")
    assert blocked == [(19,)]
    holder = ask(calm, "analytics", "SELECT state FROM pg_stat_activity WHERE application_name = 'psql'")
    assert holder == [("idle in transaction",)]


def test_a_slow_statement_stands_out_in_the_statistics(calm: Lab) -> None:
    happen(calm, "media-search-scans-the-table")
    slow = "SELECT sum(calls) FROM pg_stat_statements WHERE query LIKE '%sum(c.cost)%' AND mean_exec_time > 800"
    eventually(lambda: (ask(calm, "media", slow)[0][0] or 0) >= 6, 15)
    assert ask(calm, "media", "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'media-api' "
                              "AND query LIKE '%sum(c.cost)%'") == [(6,)]  # fmt: skip


def test_a_table_that_is_not_vacuumed_holds_more_dead_rows_than_living_ones(calm: Lab) -> None:
    happen(calm, "media-items-bloated")
    (row,) = ask(calm, "media", "SELECT n_dead_tup > n_live_tup, reloptions FROM pg_stat_user_tables "
                                "JOIN pg_class ON relid = pg_class.oid WHERE pg_class.relname = 'media_items'")  # fmt: skip
    assert row == (True, ["autovacuum_enabled=false"])


def test_a_database_that_is_shut_off_lets_nobody_in(calm: Lab) -> None:
    happen(calm, "analytics-database-shut-off")
    with pytest.raises(psycopg2.OperationalError, match="not currently accepting connections"):
        monitor(calm, "analytics")
    monitor(calm, "media").close()
    clear(calm.folder)
    monitor(calm, "analytics").close()


def test_a_full_cache_throws_out_what_it_may(calm: Lab) -> None:
    happen(calm, "analytics-cache-evicts")
    facts = cache(calm, "analytics").info()
    assert facts["evicted_keys"] > 1000
    assert facts["used_memory"] > 0.95 * facts["maxmemory"]


def test_a_full_cache_without_anything_to_throw_out_refuses_writes(calm: Lab) -> None:
    happen(calm, "media-cache-out-of-memory")
    with pytest.raises(redis.exceptions.OutOfMemoryError):
        cache(calm, "media").set("media:session:new", "x")
    assert cache(calm, "media").info("errorstats")["errorstat_OOM"]["count"] >= 400


def test_slow_commands_are_in_the_slow_log(calm: Lab) -> None:
    happen(calm, "media-cache-keys-command")
    commands = [entry["command"].decode() for entry in cache(calm, "media").slowlog_get(50)]
    assert sum(command.startswith("KEYS media:session:") for command in commands) > 20


def test_a_cache_that_is_not_reached_refuses_connections(calm: Lab) -> None:
    happen(calm, "media-cache-refuses-connections")
    with pytest.raises(redis.exceptions.ConnectionError):
        cache(calm, "media").ping()
    clear(calm.folder)
    assert cache(calm, "media").ping()


def test_an_expired_certificate_is_presented(calm: Lab) -> None:
    happen(calm, "analytics-certificate-expired")
    place = urlsplit(calm.status["endpoints"]["tls"])
    expired = presented_certificate(str(place.hostname), int(place.port or 0), 5)
    assert expired is not None
    assert expiry_of(expired) < datetime.now(UTC)
    clear(calm.folder)
    good = presented_certificate(str(place.hostname), int(place.port or 0), 5)
    assert good is not None
    assert (expiry_of(good) - datetime.now(UTC)).days in (89, 90)


def test_pages_over_tls_are_the_same(calm: Lab) -> None:
    authority = calm.folder / "tls.pem"
    address = calm.status["endpoints"]["tls"]
    place = urlsplit(address)
    presented_certificate(str(place.hostname), int(place.port or 0), 5)
    context = ssl.create_default_context(cafile=str(authority))
    with urllib.request.urlopen(f"{address}/media/api/health", timeout=10, context=context) as reply:
        assert json.load(reply) == page(calm, "media/api/health")[1]


def test_denied_evidence_is_denied_in_that_system_only(calm: Lab) -> None:
    happen(calm, "control-reviews-evidence-denied")
    operator = calm.status["credentials"]
    def metrics_of(system: str) -> Any:
        place = calm.status["accounts"][system]
        session = boto3.Session(operator["access_key"], operator["secret_key"], region_name=place["region"])
        keys: dict[str, str] = {}
        if place["role_arn"]:
            sts = session.client("sts", endpoint_url=calm.status["endpoints"]["aws"])
            given = sts.assume_role(RoleArn=place["role_arn"], RoleSessionName="test")["Credentials"]
            keys = {"aws_access_key_id": given["AccessKeyId"], "aws_secret_access_key": given["SecretAccessKey"],
                    "aws_session_token": given["SessionToken"]}  # fmt: skip
        client = session.client("cloudwatch", endpoint_url=calm.status["endpoints"]["aws"], **keys)
        return client.list_metrics()["Metrics"]

    assert metrics_of("commerce")
    with pytest.raises(ClientError, match="AccessDenied"):
        metrics_of("reviews")


def test_the_command_lists_injects_and_clears(calm: Lab) -> None:
    folder = ("--folder", str(calm.folder))
    listed = lab_command("inject", "--list", *folder)
    assert all(name in listed for name in SCENARIOS)
    assert "table-throttled in reviews-ratings-prod" in lab_command("inject", "--list", "--label", *folder)
    assert "high-latency" in lab_command("inject", "commerce-viral-link", *folder)
    assert "commerce-viral-link is over" in lab_command("inject", "--clear", *folder)
    assert "There was no incident" in lab_command("inject", "--clear", *folder)
