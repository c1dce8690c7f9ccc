"""CloudTrail's events: who did what, without what may be secret."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.cloudtrail_events import changing_events, event_of, shown
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.run import Run

NOW = datetime(2026, 11, 21, 20, tzinfo=UTC)


def entry(detail: Any, **rest: Any) -> dict[str, Any]:
    return {"EventTime": NOW, "EventName": "UpdateService", "EventSource": "ecs.amazonaws.com", "Username": "somebody",
            "CloudTrailEvent": detail if isinstance(detail, str) else json.dumps(detail), **rest}


def test_an_event_says_who_what_and_on_what() -> None:
    event = event_of(entry({"requestParameters": {"service": "api", "cluster": "prod", "networkConfiguration": {"x": 1}}},
                           Resources=[{"ResourceName": "api"}, {"ResourceType": "AWS::ECS::Service"}]))
    assert (event.time, event.source, event.name, event.user, event.error) == (NOW, "ecs", "UpdateService", "somebody", "")
    assert event.resources == ("api",)
    assert event.parameters == {"service": "api", "cluster": "prod"}


def test_a_refused_call_changed_nothing_and_says_so() -> None:
    assert event_of(entry({"errorCode": "AccessDenied"})).error == "AccessDenied"


@pytest.mark.parametrize(("detail", "user"), [
    ({"userIdentity": {"invokedBy": "ecs.amazonaws.com"}}, "ecs.amazonaws.com"),
    ({"userIdentity": {"type": "AWSService"}}, "AWSService"), ({}, ""), ({"userIdentity": "odd"}, ""),
])
def test_without_a_user_the_service_is_named(detail: dict[str, Any], user: str) -> None:
    assert event_of(entry(detail, Username=None)).user == user


@pytest.mark.parametrize("detail", ["no json", "[1]", '{"requestParameters": "text"}', '{"requestParameters": null}'])
def test_a_detail_that_is_none_is_left_out(detail: str) -> None:
    assert event_of(entry(detail)).parameters == {}


@pytest.mark.parametrize("name", ["password", "secretString", "SecretId", "authToken", "masterUserPassword", "environment"])
def test_what_may_be_secret_is_not_shown(name: str) -> None:
    assert shown({name: "hidden", "service": "api"}) == {"service": "api"}


def test_values_are_cut() -> None:
    assert len(shown({"description": "x" * 5000})["description"]) == 200


def test_pages_have_a_bound_and_the_cut_is_told() -> None:
    client = boto3.client("cloudtrail", region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")
    with Stubber(client) as stubber:
        for number in range(2):
            stubber.add_response("lookup_events", {
                "Events": [{"EventTime": NOW, "EventName": f"E{number}"}], "NextToken": "more"})
        trail = changing_events(lambda service: client, Run(), NOW, NOW + timedelta(hours=1), pages=2)
    assert [event.name for event in trail.events] == ["E0", "E1"]
    assert "only the newest 2 events were read" in trail.cut
