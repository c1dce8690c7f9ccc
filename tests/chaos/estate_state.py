"""The end state of the commerce estate, as plain data that two runs can be compared by, and what was done twice."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from tests.support.audit import carried_out, read_audit
from tests.support.labs import Lab

IDENTIFIERS = ("service", "SecretId", "FunctionName", "Qualifier", "logGroupName", "logGroupIdentifier")


def end_state(lab: Lab) -> dict[str, Any]:
    """Everything that the weekly maintenance is there to bring about, without ids, times and ages."""
    return {
        "services": _services(lab), "versions": _versions(lab), "secrets": _secrets(lab), "log groups": _log_groups(lab),
        "terraform": _terraform(lab), "lock holder": _lock_holder(lab),
    }


def done_twice(lab: Lab) -> dict[str, int]:
    """Changing calls of the work that were carried out more than once on the same resource, since the last reset.

    A request that was sent again with its own token after a lost answer is one request: AWS carries it out once.
    """
    calls = carried_out(read_audit(lab.folder))
    sent = {(_key(call), call["parameters"].get("ClientRequestToken") or number) for number, call in enumerate(calls)}
    counted = Counter(key for key, _token in sent)
    return {key: number for key, number in counted.items() if number > 1}


def _key(call: dict[str, Any]) -> str:
    parameters = call["parameters"]
    return f"{call['action']} {' '.join(str(parameters[name]) for name in IDENTIFIERS if name in parameters)}"


def _services(lab: Lab) -> dict[str, Any]:
    ecs = lab.client("ecs")
    services = ecs.describe_services(cluster="production-cluster", services=["ingestion-api", "product-service"])
    return {
        service["serviceName"]: {
            "task definition": service["taskDefinition"].rpartition("/")[2],
            "running": service["runningCount"],
            "deployments": [deployment["rolloutState"] for deployment in service["deployments"]],
            "deployed": len(ecs.list_service_deployments(
                cluster="production-cluster", service=service["serviceName"])["serviceDeployments"]),
        }
        for service in services["services"]
    }


def _versions(lab: Lab) -> dict[str, list[str]]:
    client = lab.client("lambda")
    functions = [function["FunctionName"] for page in client.get_paginator("list_functions").paginate()
                 for function in page["Functions"]]
    return {
        name: [version["Version"] for page in client.get_paginator("list_versions_by_function").paginate(FunctionName=name)
               for version in page["Versions"]]
        for name in functions
    }


def _secrets(lab: Lab) -> dict[str, list[list[str]]]:
    client = lab.client("secretsmanager")
    return {
        secret["Name"]: sorted(version.get("VersionStages", []) for version in client.list_secret_version_ids(
            SecretId=secret["Name"], IncludeDeprecated=True)["Versions"])
        for secret in client.list_secrets()["SecretList"]
    }


def _log_groups(lab: Lab) -> dict[str, int | None]:
    pages = lab.client("logs").get_paginator("describe_log_groups").paginate()
    return {group["logGroupName"]: group.get("retentionInDays") for page in pages for group in page["logGroups"]}


def _terraform(lab: Lab) -> list[Any]:
    states = sorted((lab.folder / "terraform").glob("*/terraform.tfstate"))
    return [sorted((resource["type"], resource["name"], json.dumps(instance.get("index_key")),
                    json.dumps(instance["attributes"].get("input"), sort_keys=True))
                   for resource in json.loads(path.read_text())["resources"] for instance in resource["instances"])
            for path in states]


def _lock_holder(lab: Lab) -> str:
    item = lab.client("dynamodb").get_item(TableName="opsbook-locks", Key={"system": {"S": "commerce"}}).get("Item", {})
    return str(item.get("run", {}).get("S", ""))
