"""The server: starts, serves many clients on kept connections, answers control routes, says what it cannot do."""

from __future__ import annotations

import http.client
import json
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from .conftest import AwsLab


def test_says_where_it_listens(aws: AwsLab) -> None:
    said = json.loads((aws.folder / "aws.json").read_text())
    assert str(said["port"]) in aws.endpoint
    os.kill(said["pid"], 0)


def test_keeps_a_connection_open(aws: AwsLab) -> None:
    connection = http.client.HTTPConnection(urlsplit(aws.endpoint).netloc)
    for _ in range(3):
        connection.request("POST", "/lab/ping", b"{}")
        assert json.load(connection.getresponse()) == {"account_id": "123456789012"}
        assert connection.sock is not None, "the server closed the connection"


def test_a_request_whose_client_died_on_the_way_was_never_made(clean_aws: AwsLab) -> None:
    connection = http.client.HTTPConnection(urlsplit(clean_aws.endpoint).netloc)
    connection.putrequest("POST", "/")
    for name, value in {"X-Amz-Target": "DynamoDB_20120810.UpdateItem", "Content-Length": "200", "Authorization":
                        "AWS4-HMAC-SHA256 Credential=LABOPERATOR/20261122/us-east-1/dynamodb/aws4_request"}.items():
        connection.putheader(name, value)
    connection.endheaders(b'{"TableName": ')
    assert connection.sock is not None
    connection.sock.shutdown(socket.SHUT_WR)
    with pytest.raises(http.client.RemoteDisconnected):
        connection.getresponse()
    assert clean_aws.audit() == []


def test_serves_many_clients_at_once(clean_aws: AwsLab) -> None:
    def work(number: int) -> str:
        queue = clean_aws.client("sqs").create_queue(QueueName=f"queue-{number}")["QueueUrl"]
        clean_aws.client("sqs").send_message(QueueUrl=queue, MessageBody="x" * 10_000)
        return str(queue)

    with ThreadPoolExecutor(16) as executor:
        queues = list(executor.map(work, range(32)))
    assert len(set(queues)) == 32
    assert len(clean_aws.audit()) == 64


def test_unimplemented_actions_are_errors_a_client_understands(aws: AwsLab) -> None:
    with pytest.raises(ClientError) as error:
        aws.client("accessanalyzer").list_analyzers()
    assert error.value.response["Error"]["Code"] == "NotImplemented"
    with pytest.raises(ClientError) as error:
        aws.client("cloudformation").detect_stack_drift(StackName="x")
    assert error.value.response["Error"]["Code"] == "NotImplemented"
    assert "cloudformation:DetectStackDrift" in error.value.response["Error"]["Message"]


def test_control_routes_refuse_what_they_do_not_know(aws: AwsLab) -> None:
    assert "unknown control route" in aws.control("no/such/route")["error"]
    assert "knows no kind" in aws.control("backdate", kind="teapot", name="x", days=1)["error"]
    assert "needs days, name" in aws.control("backdate", kind="log-group")["error"]
    assert "days must be a number" in aws.control("backdate", kind="log-group", name="x", days="old")["error"]
    assert "there is no log group" in aws.control("backdate", kind="log-group", name="x", days=1)["error"]


def test_reset_forgets_everything_in_aws(aws: AwsLab) -> None:
    aws.client("sqs").create_queue(QueueName="forgotten")
    aws.control("faults", faults=[{"kind": "deny"}])
    aws.control("reset")
    assert "QueueUrls" not in aws.client("sqs").list_queues()


def test_ages_access_keys_and_objects(clean_aws: AwsLab) -> None:
    iam, s3 = clean_aws.client("iam"), clean_aws.client("s3")
    iam.create_user(UserName="robot")
    key = iam.create_access_key(UserName="robot")["AccessKey"]["AccessKeyId"]
    s3.create_bucket(Bucket="archive")
    s3.put_object(Bucket="archive", Key="a/b.txt", Body=b"text")
    young = s3.head_object(Bucket="archive", Key="a/b.txt")["LastModified"]
    clean_aws.control("backdate", kind="access-key", name=key, days=100)
    clean_aws.control("backdate", kind="s3-object", name="archive/a/b.txt", days=2)
    listed = iam.list_access_keys(UserName="robot")["AccessKeyMetadata"][0]
    assert (young - listed["CreateDate"]).days in (99, 100)
    assert (young - s3.head_object(Bucket="archive", Key="a/b.txt")["LastModified"]).days == 2
