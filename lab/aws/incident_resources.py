"""Control routes of incidents in what AWS holds: functions that were changed, tables, queues, targets, and who did it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from lab.aws import cloudtrail
from lab.aws.backends import here, regional
from lab.aws.bulk_lambda import code_of
from lab.aws.control import ControlError, ControlRoutes
from lab.aws.late import extend
from lab.aws.locks import service_lock
from lab.aws.undo import remember

_MOMENT = "%Y-%m-%dT%H:%M:%S.%f"


def install(control: ControlRoutes) -> None:
    """Register the routes."""
    for name, service, function in (
        ("functions", "lambda", _change_function),
        ("tables", "dynamodb", _change_table),
        ("queues", "sqs", _fill_queue),
        ("targets", "elbv2", _change_targets),
        ("listeners", "elbv2", _remove_listeners),
        ("events", "cloudtrail", _tell_event),
    ):
        control.route(f"incident/{name}")(_each(name, service, function))
    control.on_reset(cloudtrail.EARLIER.clear)


def _each(name: str, service: str, function: Callable[[Mapping[str, Any]], None]) -> Callable[[Mapping[str, Any]], Any]:
    def change(body: Mapping[str, Any]) -> dict[str, Any]:
        try:
            with service_lock(service):
                for described in body[name]:
                    function(described)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            if isinstance(error, ControlError):
                raise
            raise ControlError(f"incident/{name} cannot use what it was given: {error!r}") from error
        return {name: len(body[name])}

    return change


def _later(service: str, step: Callable[[], None]) -> None:
    def undo() -> None:
        with service_lock(service):
            step()

    remember(undo)


# --- Lambda ----------------------------------------------------------------------------------------------------------


def _change_function(described: Mapping[str, Any]) -> None:
    """{name, minutes_ago, timeout?, memory?, deploy?, concurrency?}: `deploy` publishes a version and moves `live` to it.

    What else changes, changes for the newest version and for what is not published yet.
    """
    from moto.awslambda_simple.models import lambda_simple_backends

    backend, name = regional(lambda_simple_backends), str(described["name"])
    storage = backend._lambdas
    entry = storage._functions.get(name)
    if entry is None:
        raise ControlError(f"there is no function {name!r}")
    _remember_function(storage, entry)
    function = entry["latest"]
    moment = (datetime.now(UTC) - timedelta(minutes=float(described["minutes_ago"]))).strftime(_MOMENT)[:-3] + "+0000"
    if described.get("deploy"):
        function.update_function_code({"ZipFile": code_of(name, len(entry["versions"]) + 1)})
        version = str(backend.publish_version(name).version)
        for alias in storage._aliases[function.function_arn].values():
            if alias.name == "live":
                alias.function_version, alias.routing_config = version, {}
    changed = {"timeout": "timeout", "memory_size": "memory", "reserved_concurrency": "concurrency"}
    values = {each: described[option] for each, option in changed.items() if described.get(option) is not None}
    for each in (function, *entry["versions"][-1:]):
        _set(each, {**values, "last_modified": moment})


def _remember_function(storage: Any, entry: dict[str, Any]) -> None:
    function, versions = entry["latest"], list(entry["versions"])
    before = [(each, {**vars(each), "code": dict(each.code)}) for each in (function, *versions[-1:])]
    aliases = {name: copy.copy(alias) for name, alias in storage._aliases[function.function_arn].items()}

    def undo() -> None:
        for published in entry["versions"][len(versions):]:
            storage._arns.pop(published.function_arn, None)
        entry["versions"] = versions
        for each, values in before:
            vars(each).clear()
            vars(each).update(values)
        storage._aliases[function.function_arn] = aliases

    _later("lambda", undo)


def _set(thing: Any, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        setattr(thing, name, value)


# --- DynamoDB, SQS, targets ------------------------------------------------------------------------------------------


def _change_table(described: Mapping[str, Any]) -> None:
    """{name, read, write}: the table's provisioned capacity, in units a second."""
    from moto.dynamodb.models import dynamodb_backends

    tables = regional(dynamodb_backends).tables
    if described["name"] not in tables:
        raise ControlError(f"there is no table {described['name']!r}")
    table = tables[str(described["name"])]
    before = dict(table.throughput)
    _later("dynamodb", lambda: _set(table, {"throughput": before}))
    table.throughput = {**before, "ReadCapacityUnits": int(described["read"]), "WriteCapacityUnits": int(described["write"])}


def _fill_queue(described: Mapping[str, Any]) -> None:
    """{name, messages, minutes_ago}: so many messages more, the oldest of them so old."""
    from moto.sqs.models import Message, sqs_backends

    queue = regional(sqs_backends).queues.get(str(described["name"]))
    if queue is None:
        raise ControlError(f"there is no queue {described['name']!r}")
    before, count = list(queue._messages), int(described["messages"])
    oldest = float(described["minutes_ago"]) * 60_000
    added = []
    for number in range(count):
        message = Message(f"{here().account}-{number}", json.dumps({"job": number}), {})
        message.mark_sent()
        message.sent_timestamp -= int(oldest * (1 - number / count))
        added.append(message)
    ours = set(map(id, added))

    def undo() -> None:
        queue._messages = [message for message in queue._messages if id(message) not in ours]

    _later("sqs", undo)
    queue._messages = [*added, *before]


def _change_targets(described: Mapping[str, Any]) -> None:
    """{group, state, reason?, description?, count?}: so many targets of a group (all) are in a state."""
    balancing = extend("elb")
    group = balancing._group(str(described["group"]))
    told = balancing._told(group)
    before = dict(told)

    def undo() -> None:
        told.clear()
        told.update(before)

    _later("elbv2", undo)
    targets = list(group.targets)[: int(described.get("count") or len(group.targets))]
    for target in targets:
        balancing.set_health({**described, "target": target})


def _remove_listeners(described: Mapping[str, Any]) -> None:
    """{balancer}: it listens no more."""
    from moto.elbv2.models import elbv2_backends

    extend("elb")
    balancers = regional(elbv2_backends).load_balancers.values()
    balancer = next((each for each in balancers if each.name == described["balancer"]), None)
    if balancer is None:
        raise ControlError(f"there is no load balancer {described['balancer']!r}")
    before = balancer.listeners
    _later("elbv2", lambda: _set(balancer, {"listeners": before}))
    balancer.listeners = type(before)()


# --- CloudTrail ------------------------------------------------------------------------------------------------------


def _tell_event(described: Mapping[str, Any]) -> None:
    """{service, action, minutes_ago, principal, parameters, changing?, outcome?}: somebody called AWS."""
    place = here()
    entry = {
        "time": (datetime.now(UTC) - timedelta(minutes=float(described["minutes_ago"]))).isoformat(timespec="microseconds"),
        "service": str(described["service"]), "action": str(described["action"]), "principal": str(described["principal"]),
        "account": place.account, "region": place.region, "changing": bool(described.get("changing", True)),
        "parameters": dict(described.get("parameters") or {}), "outcome": str(described.get("outcome", "ok")),
    }  # fmt: skip
    cloudtrail.EARLIER.append(entry)
    _later("cloudtrail", lambda: cloudtrail.EARLIER.remove(entry))
