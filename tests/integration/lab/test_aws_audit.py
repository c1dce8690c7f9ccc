"""The audit log: one line for each call, whatever its protocol and its end, and no secret in any."""

from __future__ import annotations

import io
import zipfile

import pytest
from botocore.exceptions import ClientError

from .conftest import AwsLab

ROLE_DOCUMENT = '{"Version": "2012-10-17", "Statement": []}'


@pytest.mark.parametrize(
    ("service", "method", "arguments", "action", "parameters"),
    [
        ("ecs", "list_clusters", {}, "ListClusters", {}),
        ("iam", "list_roles", {"PathPrefix": "/x/"}, "ListRoles", {"PathPrefix": "/x/"}),
        ("ec2", "describe_vpcs", {}, "DescribeVpcs", {}),
        ("cloudwatch", "describe_alarms", {"AlarmNames": ["a"]}, "DescribeAlarms", {"AlarmNames": ["a"]}),
        ("lambda", "list_functions", {"MaxItems": 5}, "ListFunctions", {"MaxItems": 5}),
        ("s3", "list_buckets", {}, "ListBuckets", {}),
        ("route53", "list_hosted_zones", {}, "ListHostedZones", {}),
        ("elbv2", "describe_load_balancers", {}, "DescribeLoadBalancers", {}),
    ],
)
def test_every_protocol_gets_exactly_one_line(
    clean_aws: AwsLab, service: str, method: str, arguments: dict, action: str, parameters: dict
) -> None:
    getattr(clean_aws.client(service), method)(**arguments)
    (line,) = clean_aws.audit()
    assert (line["service"], line["action"], line["parameters"]) == (service, action, parameters)
    assert (line["outcome"], line["injected"], line["principal"]) == ("ok", False, "LABOPERATOR")
    assert line["milliseconds"] > 0


def test_failed_calls_say_why(clean_aws: AwsLab) -> None:
    calls = [
        ("lambda", "get_function", {"FunctionName": "none"}),
        ("iam", "get_role", {"RoleName": "none"}),
        ("s3", "get_object", {"Bucket": "none", "Key": "none"}),
        ("s3", "head_bucket", {"Bucket": "none"}),
        ("dynamodb", "describe_table", {"TableName": "none"}),
        ("ecs", "execute_command", {"task": "none", "command": "ls", "interactive": True}),
    ]
    for service, method, arguments in calls:
        with pytest.raises(ClientError):
            getattr(clean_aws.client(service), method)(**arguments)
    assert [line["outcome"] for line in clean_aws.audit()] == [
        "ResourceNotFoundException",
        "NoSuchEntity",
        "NoSuchBucket",
        "HTTP 404",
        "ResourceNotFoundException",
        "NotImplemented",
    ]


def test_lock_table_and_record_bucket_are_control_calls(clean_aws: AwsLab) -> None:
    dynamodb, s3 = clean_aws.client("dynamodb"), clean_aws.client("s3")
    for table in ("opsbook-locks", "products"):
        dynamodb.create_table(
            TableName=table,
            KeySchema=[{"AttributeName": "system", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "system", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        dynamodb.put_item(TableName=table, Item={"system": {"S": "commerce"}})
    for bucket in ("opsbook-records", "elsewhere"):
        s3.create_bucket(Bucket=bucket)
        s3.put_object(Bucket=bucket, Key="deep/key.json", Body=b"{}")
    lines = clean_aws.audit()
    assert [line["purpose"] for line in lines] == ["control", "control", "work", "work"] * 2
    assert all(line["changing"] for line in lines)


def test_reads_are_not_changing(clean_aws: AwsLab) -> None:
    clean_aws.client("ecs").list_clusters()
    clean_aws.client("ecs").create_cluster(clusterName="c")
    assert [line["changing"] for line in clean_aws.audit()] == [False, True]


def test_secrets_leave_no_trace(clean_aws: AwsLab) -> None:
    canary = "canary-4711"
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as files:
        files.writestr("handler.py", "")
    secrets, iam, functions = (clean_aws.client(name) for name in ("secretsmanager", "iam", "lambda"))
    secrets.create_secret(Name="s", SecretString=canary, ClientRequestToken="0" * 32)
    role = iam.create_role(RoleName="r", AssumeRolePolicyDocument=ROLE_DOCUMENT)["Role"]["Arn"]
    iam.create_user(UserName="u")
    iam.create_login_profile(UserName="u", Password=canary)
    functions.create_function(
        FunctionName="f",
        Role=role,
        Runtime="python3.12",
        Handler="handler.run",
        Code={"ZipFile": archive.getvalue()},
        Environment={"Variables": {"API_KEY": canary}},
    )
    functions.invoke(FunctionName="f", Payload=f'{{"password": "{canary}"}}'.encode())
    clean_aws.client("ecs").register_task_definition(
        family="f",
        containerDefinitions=[
            {"name": "c", "image": "i", "memory": 64, "environment": [{"name": "API_KEY", "value": canary}]}
        ],
    )
    text = (clean_aws.folder / "audit.jsonl").read_text()
    assert canary not in text
    lines = {line["action"]: line["parameters"] for line in clean_aws.audit()}
    assert lines["CreateSecret"]["SecretString"] == "***"
    assert lines["CreateSecret"]["ClientRequestToken"] == "0" * 32
    assert lines["CreateFunction"]["Environment"] == {"Variables": {"API_KEY": "***"}}
    assert lines["CreateFunction"]["Code"]["ZipFile"].endswith(" bytes>")
    assert lines["RegisterTaskDefinition"]["containerDefinitions"][0]["environment"] == [
        {"name": "API_KEY", "value": "***"}
    ]


def test_assumed_roles_are_named(clean_aws: AwsLab) -> None:
    clean_aws.client("iam").create_role(RoleName="runner", AssumeRolePolicyDocument=ROLE_DOCUMENT)
    credentials = clean_aws.client("sts").assume_role(
        RoleArn="arn:aws:iam::123456789012:role/runner", RoleSessionName="maintenance"
    )["Credentials"]
    client = clean_aws.client(
        "ecs", credentials["AccessKeyId"], aws_session_token=credentials["SessionToken"]
    )
    client.list_clusters()
    assert clean_aws.audit()[-1]["principal"] == "assumed-role/runner/maintenance"


def test_seeding_and_control_routes_leave_no_line(clean_aws: AwsLab) -> None:
    clean_aws.client("ecs", "LABSEEDER").list_clusters()
    clean_aws.control("faults", faults=[])
    assert clean_aws.audit() == []
