"""Which AWS actions change something: only what somebody has looked at counts as a read."""

from __future__ import annotations

import re

import botocore.session
import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.action_effects import READS, is_changing

READING_VERB = re.compile(r"(Get|List|Describe|Head|BatchGet|Lookup|Filter|Test)[A-Z]|Query$|Scan$")
DECIDED = {("sts", "AssumeRole"), ("logs", "StartQuery"), ("logs", "StopQuery")}


@pytest.mark.parametrize("service", sorted(READS))
def test_every_listed_action_exists_under_this_name(service: str) -> None:
    known = botocore.session.get_session().get_service_model(service).operation_names

    assert READS[service] <= set(known)


def test_a_read_whose_name_does_not_say_so_was_decided_on() -> None:
    unclear = {(service, action) for service, actions in READS.items() for action in actions
               if not READING_VERB.match(action)}

    assert unclear == DECIDED


@pytest.mark.parametrize(("service", "action"), [
    ("lambda", "Invoke"), ("ecs", "ExecuteCommand"), ("ecs", "UpdateService"), ("secretsmanager", "RotateSecret"),
    ("dynamodb", "PutItem"), ("sts", "AssumeRoleWithSAML"), ("logs", "PutRetentionPolicy"), ("iam", "GetRole"),
    ("ecs", "describeservices"), ("", ""), ("lambda", "GetObject"),
])
def test_what_is_not_listed_counts_as_changing(service: str, action: str) -> None:
    assert is_changing(service, action)


@pytest.mark.parametrize(("service", "action"), [
    ("ecs", "DescribeServices"), ("sts", "AssumeRole"), ("logs", "StartQuery"), ("secretsmanager", "GetRandomPassword"),
])
def test_a_listed_read_changes_nothing(service: str, action: str) -> None:
    assert not is_changing(service, action)
