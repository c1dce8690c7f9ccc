"""Lambda: pages, protected versions, revision ids, provisioned concurrency."""

from __future__ import annotations

import io
import zipfile
from datetime import datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from .conftest import AwsLab


def archive() -> bytes:
    """The code of a function that does nothing."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as files:
        files.writestr("handler.py", "")
    return packed.getvalue()


def create(lab: AwsLab, name: str, versions: int = 0) -> Any:
    """A function with so many published versions; returns the client."""
    client = lab.client("lambda")
    client.create_function(
        FunctionName=name,
        Role="arn:aws:iam::123456789012:role/lambda",
        Runtime="python3.12",
        Handler="handler.run",
        Code={"ZipFile": archive()},
    )
    for _ in range(versions):
        publish(client, name)
    return client


def publish(client: Any, name: str) -> str:
    """Change the code and publish a version."""
    return str(client.update_function_code(FunctionName=name, ZipFile=archive(), Publish=True)["Version"])


def versions_of(client: Any, name: str) -> list[str]:
    """All versions of a function, over all pages."""
    pages = client.get_paginator("list_versions_by_function").paginate(FunctionName=name)
    return [version["Version"] for page in pages for version in page["Versions"]]


def code_of(error: pytest.ExceptionInfo[ClientError]) -> str:
    """The error code of a refusal."""
    return str(error.value.response["Error"]["Code"])


@pytest.fixture
def lab(clean_aws: AwsLab) -> AwsLab:
    """A clean server with a role for functions."""
    clean_aws.client("iam").create_role(RoleName="lambda", AssumeRolePolicyDocument="{}")
    return clean_aws


def test_lists_come_in_pages(lab: AwsLab) -> None:
    for name in ("c", "a", "b"):
        client = create(lab, name)
    first = client.list_functions(MaxItems=2)
    assert [function["FunctionName"] for function in first["Functions"]] == ["a", "b"]
    second = client.list_functions(MaxItems=2, Marker=first["NextMarker"])
    assert [function["FunctionName"] for function in second["Functions"]] == ["c"]
    assert "NextMarker" not in second


def test_a_page_has_at_most_fifty_however_many_are_asked_for(lab: AwsLab) -> None:
    client = create(lab, "busy", 52)
    page = client.list_versions_by_function(FunctionName="busy", MaxItems=10_000)
    assert len(page["Versions"]) == 50
    assert versions_of(client, "busy") == ["$LATEST", *map(str, range(1, 53))]


def test_a_page_survives_deletions_between_pages(lab: AwsLab) -> None:
    client = create(lab, "f", 6)
    first = client.list_versions_by_function(FunctionName="f", MaxItems=4)
    for version in ("2", "3"):
        client.delete_function(FunctionName="f", Qualifier=version)
    second = client.list_versions_by_function(FunctionName="f", MaxItems=4, Marker=first["NextMarker"])
    assert [version["Version"] for version in second["Versions"]] == ["4", "5", "6"]


def test_aliases_come_in_pages_and_by_version(lab: AwsLab) -> None:
    client = create(lab, "f", 2)
    for name, version in (("blue", "1"), ("green", "2"), ("live", "2")):
        client.create_alias(FunctionName="f", Name=name, FunctionVersion=version)
    first = client.list_aliases(FunctionName="f", MaxItems=2)
    rest = client.list_aliases(FunctionName="f", Marker=first["NextMarker"])
    assert [alias["Name"] for alias in first["Aliases"] + rest["Aliases"]] == ["blue", "green", "live"]
    of_two = client.list_aliases(FunctionName="f", FunctionVersion="2")["Aliases"]
    assert [alias["Name"] for alias in of_two] == ["green", "live"]


def test_lists_leave_the_state_out(lab: AwsLab) -> None:
    client = create(lab, "f", 1)
    (listed,) = client.list_functions()["Functions"]
    assert not {"State", "LastUpdateStatus"} & set(listed)
    assert not {"State", "LastUpdateStatus"} & set(client.list_versions_by_function(FunctionName="f")["Versions"][1])
    assert client.get_function(FunctionName="f")["Configuration"]["State"] == "Active"


@pytest.mark.parametrize("weights", [{}, {"1": 0.1}])
def test_versions_behind_an_alias_cannot_be_deleted(lab: AwsLab, weights: dict[str, float]) -> None:
    client = create(lab, "f", 3)
    routing = {"RoutingConfig": {"AdditionalVersionWeights": weights}} if weights else {}
    client.create_alias(FunctionName="f", Name="live", FunctionVersion="2", **routing)
    with pytest.raises(client.exceptions.ResourceConflictException, match=r"aliases reference it: \[live\]"):
        client.delete_function(FunctionName="f", Qualifier="1" if weights else "2")
    client.delete_function(FunctionName="f", Qualifier="3" if weights else "1")
    assert len(versions_of(client, "f")) == 3


def test_latest_cannot_be_deleted(lab: AwsLab) -> None:
    client = create(lab, "f", 1)
    with pytest.raises(client.exceptions.InvalidParameterValueException):
        client.delete_function(FunctionName="f", Qualifier="$LATEST")
    assert versions_of(client, "f") == ["$LATEST", "1"]


def test_deleting_a_version_twice_is_fine_but_not_of_a_missing_function(lab: AwsLab) -> None:
    client = create(lab, "f", 2)
    for _ in range(2):
        reply = client.delete_function(FunctionName="f", Qualifier="1")
        assert reply["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert versions_of(client, "f") == ["$LATEST", "2"]
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.delete_function(FunctionName="ghost", Qualifier="1")


def test_version_numbers_are_never_given_out_twice(lab: AwsLab) -> None:
    client = create(lab, "f", 3)
    client.delete_function(FunctionName="f", Qualifier="3")
    client.delete_function(FunctionName="f", Qualifier="2")
    assert publish(client, "f") == "4"


def test_each_change_has_a_new_revision(lab: AwsLab) -> None:
    client = create(lab, "f", 1)
    before = client.get_function_configuration(FunctionName="f")
    client.update_function_configuration(FunctionName="f", Timeout=9, RevisionId=before["RevisionId"])
    after = client.get_function_configuration(FunctionName="f")
    assert after["RevisionId"] != before["RevisionId"]
    assert client.get_function_configuration(FunctionName="f")["RevisionId"] == after["RevisionId"]
    with pytest.raises(ClientError) as error:
        client.update_function_configuration(FunctionName="f", Timeout=8, RevisionId=before["RevisionId"])
    assert code_of(error) == "PreconditionFailedException"
    assert client.get_function_configuration(FunctionName="f")["Timeout"] == 9


def test_aliases_have_revisions_too(lab: AwsLab) -> None:
    client = create(lab, "f", 2)
    first = client.create_alias(FunctionName="f", Name="live", FunctionVersion="1")["RevisionId"]
    client.update_alias(FunctionName="f", Name="live", FunctionVersion="2", RevisionId=first)
    with pytest.raises(ClientError) as error:
        client.update_alias(FunctionName="f", Name="live", FunctionVersion="1", RevisionId=first)
    assert code_of(error) == "PreconditionFailedException"
    assert client.get_alias(FunctionName="f", Name="live")["FunctionVersion"] == "2"


def test_provisioned_concurrency_of_versions(lab: AwsLab) -> None:
    client = create(lab, "f", 3)
    put = client.put_provisioned_concurrency_config(FunctionName="f", Qualifier="2", ProvisionedConcurrentExecutions=5)
    assert put["Status"] == "IN_PROGRESS"
    assert client.get_provisioned_concurrency_config(FunctionName="f", Qualifier="2")["Status"] == "READY"
    client.put_provisioned_concurrency_config(FunctionName="f", Qualifier="3", ProvisionedConcurrentExecutions=1)
    pages = client.get_paginator("list_provisioned_concurrency_configs").paginate(FunctionName="f", MaxItems=1)
    arns = [item["FunctionArn"] for page in pages for item in page["ProvisionedConcurrencyConfigs"]]
    assert [arn.rsplit(":", 1)[1] for arn in arns] == ["2", "3"]
    client.delete_provisioned_concurrency_config(FunctionName="f", Qualifier="2")
    with pytest.raises(client.exceptions.ProvisionedConcurrencyConfigNotFoundException):
        client.get_provisioned_concurrency_config(FunctionName="f", Qualifier="2")


def test_provisioned_concurrency_needs_a_published_version(lab: AwsLab) -> None:
    client = create(lab, "f", 1)
    for qualifier, expected in (("$LATEST", "InvalidParameterValueException"), ("9", "ResourceNotFoundException")):
        with pytest.raises(ClientError) as error:
            client.put_provisioned_concurrency_config(
                FunctionName="f", Qualifier=qualifier, ProvisionedConcurrentExecutions=1
            )
        assert code_of(error) == expected


def test_event_sources_are_found_by_exact_qualifier(lab: AwsLab) -> None:
    client = create(lab, "f", 3)
    lab.client("sqs").create_queue(QueueName="q")
    source = "arn:aws:sqs:us-east-1:123456789012:q"
    client.create_event_source_mapping(EventSourceArn=source, FunctionName="f:3")
    assert client.list_event_source_mappings(FunctionName="f")["EventSourceMappings"] == []
    (mapping,) = client.list_event_source_mappings(FunctionName="f:3")["EventSourceMappings"]
    assert mapping["FunctionArn"].endswith(":function:f:3")
    assert len(client.list_event_source_mappings(EventSourceArn=source)["EventSourceMappings"]) == 1
    assert len(client.list_event_source_mappings()["EventSourceMappings"]) == 1


def test_account_settings_count_what_is_reserved(lab: AwsLab) -> None:
    client = create(lab, "f")
    client.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=100)
    limit = client.get_account_settings()["AccountLimit"]
    assert (limit["ConcurrentExecutions"], limit["UnreservedConcurrentExecutions"]) == (1000, 900)


def test_versions_can_be_aged(lab: AwsLab) -> None:
    client = create(lab, "f", 2)
    before = [version["LastModified"] for version in client.list_versions_by_function(FunctionName="f")["Versions"]]
    lab.control("backdate", kind="lambda-version", name="f:1", days=30)
    after = [version["LastModified"] for version in client.list_versions_by_function(FunctionName="f")["Versions"]]
    days = [
        (datetime.fromisoformat(old) - datetime.fromisoformat(new)).days
        for old, new in zip(before, after, strict=True)
    ]
    assert days == [0, 30, 0]
    assert "there is no lambda version" in lab.control("backdate", kind="lambda-version", name="f:9", days=1)["error"]
