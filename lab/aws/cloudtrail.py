"""CloudTrail's LookupEvents: the calls that this lab really answered, newest first.

As on AWS only management events are found; reading and writing items, objects and log events are data events, which
LookupEvents never returns. Unlike on AWS an event is there at once, not after some minutes.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from moto.cloudtrail.responses import CloudTrailResponse
from moto.core.exceptions import JsonRESTError
from moto.core.responses import ActionResult

from lab.aws.audit import AuditLog
from lab.aws.backends import here
from lab.aws.callers import Caller, arn_of
from lab.aws.outcome import CONNECTION_DROPPED

_DATA_EVENTS: dict[str, frozenset[str]] = {
    "cloudwatch": frozenset({"GetMetricData", "PutMetricData"}),
    "dynamodb": frozenset({
        "BatchGetItem", "BatchWriteItem", "DeleteItem", "GetItem", "PutItem", "Query", "Scan", "TransactGetItems",
        "TransactWriteItems", "UpdateItem",
    }),
    "lambda": frozenset({"Invoke"}),
    "logs": frozenset({"FilterLogEvents", "GetLogEvents", "PutLogEvents"}),
    "s3": frozenset({"CopyObject", "DeleteObject", "DeleteObjects", "GetObject", "HeadObject", "PutObject"}),
    "sqs": frozenset({"DeleteMessage", "ReceiveMessage", "SendMessage"}),
}  # fmt: skip
_WORLDWIDE = frozenset({"cloudfront", "iam", "route53"})
_WORLDWIDE_REGION = "us-east-1"
_SOURCES = {"cloudwatch": "monitoring", "elbv2": "elasticloadbalancing"}
# Parameters that name what a call is about, with the resource type CloudTrail gives.
_RESOURCE_TYPES = {
    "alarmnames": "AWS::CloudWatch::Alarm",
    "backuparn": "AWS::DynamoDB::Backup",
    "bucket": "AWS::S3::Bucket",
    "cluster": "AWS::ECS::Cluster",
    "functionname": "AWS::Lambda::Function",
    "loggroupname": "AWS::Logs::LogGroup",
    "rolename": "AWS::IAM::Role",
    "secretid": "AWS::SecretsManager::Secret",
    "service": "AWS::ECS::Service",
    "tablename": "AWS::DynamoDB::Table",
    "taskdefinition": "AWS::ECS::TaskDefinition",
    "username": "AWS::IAM::User",
}
_ATTRIBUTES = (
    "AccessKeyId", "EventId", "EventName", "EventSource", "ReadOnly", "ResourceName", "ResourceType", "Username",
)  # fmt: skip
EARLIER: list[dict[str, Any]] = []
"""Calls that an incident says were made, as lines of the audit log."""
_HISTORY = timedelta(days=90)
_LARGEST_PAGE = 50


def install(audit: AuditLog) -> None:
    """Give moto's CloudTrail the action LookupEvents, fed by the audit log: the events of one account and region."""

    def lookup_events(self: CloudTrailResponse) -> ActionResult:
        request = json.loads(self.body or "{}")
        entries = sorted([*EARLIER, *audit.entries()], key=lambda entry: str(entry["time"]), reverse=True)
        events = [event_of(entry) for entry in entries if _is_management(entry) and _is_here(entry)]
        return ActionResult(select_events(events, request))

    CloudTrailResponse.lookup_events = lookup_events


def event_of(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The CloudTrail event of one line of the audit log."""
    source = f"{_SOURCES.get(entry['service'], entry['service'])}.amazonaws.com"
    principal = str(entry["principal"])
    moment = datetime.fromisoformat(entry["time"])
    event_id = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{entry['time']}:{entry['action']}"))
    detail = {
        "eventVersion": "1.11",
        "eventID": event_id,
        "eventTime": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "eventName": entry["action"],
        "eventSource": source,
        "eventType": "AwsApiCall",
        "eventCategory": "Management",
        "managementEvent": True,
        "readOnly": not entry["changing"],
        "awsRegion": _region(entry),
        "recipientAccountId": entry["account"],
        "sourceIPAddress": "127.0.0.1",
        "userIdentity": _identity(Caller(entry["account"], principal)),
        "requestParameters": entry["parameters"] or None,
    }
    if entry["outcome"] != "ok":
        detail["errorCode"] = entry["outcome"]
    return {
        "EventId": event_id,
        "EventName": entry["action"],
        "EventSource": source,
        "EventTime": moment,
        "ReadOnly": "false" if entry["changing"] else "true",
        "Username": principal.rsplit("/", 1)[-1],
        "AccessKeyId": principal,
        "Resources": _resources(entry["parameters"]),
        "CloudTrailEvent": json.dumps(detail, default=str),
    }


def select_events(events: list[dict[str, Any]], request: Mapping[str, Any]) -> dict[str, Any]:
    """The page of events that a LookupEvents request asks for.

    Raises JsonRESTError as AWS refuses: more than one attribute, an unknown one, an upside-down range, a bad page.
    """
    since, until = _range(request)
    wanted = request.get("LookupAttributes") or []
    if len(wanted) > 1:
        raise JsonRESTError("InvalidLookupAttributesException", "You can specify only one lookup attribute.")
    found = [event for event in events if since <= event["EventTime"] <= until]
    for attribute in wanted:
        found = [event for event in found if _has(event, attribute["AttributeKey"], attribute["AttributeValue"])]
    size = request.get("MaxResults", _LARGEST_PAGE)
    if not 1 <= size <= _LARGEST_PAGE:
        raise JsonRESTError("InvalidMaxResultsException", f"MaxResults must be between 1 and {_LARGEST_PAGE}.")
    start = _position(request.get("NextToken"), found)
    page: dict[str, Any] = {"Events": found[start : start + size]}
    if start + size < len(found):
        page["NextToken"] = f"after-{found[start + size - 1]['EventId']}"
    return page


def _is_management(entry: Mapping[str, Any]) -> bool:
    if entry["outcome"] == CONNECTION_DROPPED:
        # It never reached AWS.
        return False
    return entry["action"] not in _DATA_EVENTS.get(entry["service"], frozenset())


def _is_here(entry: Mapping[str, Any]) -> bool:
    return (entry["account"], _region(entry)) == (here().account, here().region)


def _region(entry: Mapping[str, Any]) -> str:
    """Where the event is recorded: those of worldwide services are in us-east-1."""
    return _WORLDWIDE_REGION if entry["service"] in _WORLDWIDE else str(entry["region"])


def _identity(caller: Caller) -> dict[str, Any]:
    if caller.principal.startswith("assumed-role/"):
        return {"type": "AssumedRole", "arn": arn_of(caller), "accountId": caller.account}
    name = caller.principal
    return {"type": "IAMUser", "userName": name, "accessKeyId": name, "accountId": caller.account}


def _resources(parameters: Mapping[str, Any]) -> list[dict[str, str]]:
    found = []
    for name, value in parameters.items():
        kind = _RESOURCE_TYPES.get(name.lower())
        values = value if isinstance(value, list) else [value]
        found += [{"ResourceType": kind, "ResourceName": str(item)} for item in values] if kind else []
    return found


def _range(request: Mapping[str, Any]) -> tuple[datetime, datetime]:
    now = datetime.now(UTC)
    until = _moment(request["EndTime"]) if request.get("EndTime") else now
    since = _moment(request["StartTime"]) if request.get("StartTime") else now - _HISTORY
    if since > until:
        raise JsonRESTError("InvalidTimeRangeException", "The start time must be before the end time.")
    return since, until


def _moment(value: float) -> datetime:
    return datetime.fromtimestamp(float(value), UTC)


def _has(event: Mapping[str, Any], key: str, value: str) -> bool:
    if key not in _ATTRIBUTES:
        raise JsonRESTError("InvalidLookupAttributesException", f"{key} is not a lookup attribute.")
    if key in ("ResourceName", "ResourceType"):
        return any(resource[key] == value for resource in event["Resources"])
    return bool(event[key] == value)


def _position(token: str | None, found: list[dict[str, Any]]) -> int:
    """Where a page starts; by event, so that calls made meanwhile do not shift it."""
    if token is None:
        return 0
    for number, event in enumerate(found):
        if token == f"after-{event['EventId']}":
            return number + 1
    raise JsonRESTError("InvalidNextTokenException", "The next token is invalid.")
