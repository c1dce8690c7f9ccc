"""The end state of the estate of each system, as plain data that two runs can be compared by, and what was done twice."""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from tests.support.audit import carried_out, read_audit
from tests.support.labs import Lab
from tests.support.locks import lock_row

IDENTIFIERS = ("service", "SecretId", "FunctionName", "Qualifier", "logGroupName", "logGroupIdentifier")

IDEMPOTENT = {"DeleteFunction", "PutRetentionPolicy", "DeleteLogGroup"}
"""Actions that a client library sends again by itself when no answer came: the second one finds it done."""


def end_state(lab: Lab) -> dict[str, Any]:
    """Everything that the weekly maintenance is there to bring about, by system, without ids, times and ages."""
    with ThreadPoolExecutor(len(lab.systems)) as pool:
        states = dict(zip(lab.systems, pool.map(partial(_of_system, lab), lab.systems), strict=True))
    return {**states, "terraform": _terraform(lab)}


def differences(expected: dict[str, Any], actual: dict[str, Any]) -> dict[str, Any]:
    """What is not as it should be, by the path to it; nested mappings are compared part by part."""
    found: dict[str, Any] = {}
    for name in expected.keys() | actual.keys():
        wanted, seen = expected.get(name), actual.get(name)
        if isinstance(wanted, dict) and isinstance(seen, dict):
            found.update({f"{name} > {path}": what for path, what in differences(wanted, seen).items()})
        elif wanted != seen:
            found[name] = {"expected": wanted, "actual": seen}
    return found


def done_twice(lab: Lab) -> dict[str, int]:
    """Changing calls of the work that were carried out more than once on the same resource, since the last reset.

    A request that was sent again with its own token after a lost answer is one request: AWS carries it out once. So is
    one that sets or deletes and was sent again because its answer was lost.
    """
    calls = [call for call in carried_out(read_audit(lab.folder)) if not (call["injected"] and call["action"] in IDEMPOTENT)]
    sent = {(_key(call), call["parameters"].get("ClientRequestToken") or number) for number, call in enumerate(calls)}
    counted = Counter(key for key, _token in sent)
    return {key: number for key, number in counted.items() if number > 1}


def _of_system(lab: Lab, system: str) -> dict[str, Any]:
    of = partial(lab.client, system=system)
    return {"services": _services(of("ecs")), "versions": _versions(of("lambda")), "secrets": _secrets(of("secretsmanager")),
            "log groups": _log_groups(of("logs")), "lock holder": lock_row(lab, system).get("run", "")}


def _key(call: dict[str, Any]) -> str:
    parameters = call["parameters"]
    resource = " ".join(str(parameters[name]) for name in IDENTIFIERS if name in parameters)
    return f"{call['account']} {call['action']} {resource}"


def _services(ecs: Any) -> dict[str, Any]:
    return {
        service["serviceName"]: {
            "task definition": service["taskDefinition"].rpartition("/")[2],
            "running": service["runningCount"],
            "deployments": [deployment["rolloutState"] for deployment in service["deployments"]],
            "deployed": len(ecs.list_service_deployments(
                cluster=cluster, service=service["serviceName"])["serviceDeployments"]),
        }
        for cluster in ecs.list_clusters()["clusterArns"]
        for page in ecs.get_paginator("list_services").paginate(cluster=cluster)
        for service in ecs.describe_services(cluster=cluster, services=page["serviceArns"])["services"]
    }


def _versions(client: Any) -> dict[str, list[str]]:
    functions = [function["FunctionName"] for page in client.get_paginator("list_functions").paginate()
                 for function in page["Functions"]]
    return {
        name: [version["Version"] for page in client.get_paginator("list_versions_by_function").paginate(FunctionName=name)
               for version in page["Versions"]]
        for name in functions
    }


def _secrets(client: Any) -> dict[str, list[list[str]]]:
    return {
        secret["Name"]: sorted(version.get("VersionStages", []) for version in client.list_secret_version_ids(
            SecretId=secret["Name"], IncludeDeprecated=True)["Versions"])
        for page in client.get_paginator("list_secrets").paginate() for secret in page["SecretList"]
    }


def _log_groups(client: Any) -> dict[str, int | None]:
    pages = client.get_paginator("describe_log_groups").paginate()
    return {group["logGroupName"]: group.get("retentionInDays") for page in pages for group in page["logGroups"]}


def _terraform(lab: Lab) -> list[Any]:
    states = sorted((lab.folder / "terraform").glob("*/terraform.tfstate"))
    return [sorted((resource["type"], resource["name"], json.dumps(instance.get("index_key")),
                    json.dumps(instance["attributes"].get("input"), sort_keys=True))
                   for resource in json.loads(path.read_text())["resources"] for instance in resource["instances"])
            for path in states]
