"""Error replies in the words and the wire format of each service, so that botocore reads code and message from them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from xml.sax.saxutils import escape

from lab.aws.call import Call
from lab.aws.callers import arn_of

_DYNAMODB_DATA_ACTIONS = {
    "BatchGetItem", "BatchWriteItem", "DeleteItem", "GetItem", "PutItem", "Query", "Scan", "TransactGetItems",
    "TransactWriteItems", "UpdateItem",
}  # fmt: skip
_IAM_PREFIXES = {"elbv2": "elasticloadbalancing", "elb": "elasticloadbalancing", "stepfunctions": "states"}
_IAM_ACTIONS = {
    ("lambda", "Invoke"): "InvokeFunction",
    ("lambda", "ListVersionsByFunction"): "ListVersionsByFunction",
    ("s3", "ListObjects"): "ListBucket",
    ("s3", "ListObjectsV2"): "ListBucket",
    ("s3", "HeadBucket"): "ListBucket",
    ("s3", "HeadObject"): "GetObject",
    ("s3", "ListBuckets"): "ListAllMyBuckets",
}


@dataclass(frozen=True)
class Reply:
    """A complete HTTP reply."""

    status: str
    headers: list[tuple[str, str]]
    body: bytes


def throttle_code(call: Call) -> tuple[str, int]:
    """Error code and HTTP status with which a service throttles this call."""
    if call.service == "s3":
        return "SlowDown", 503
    if call.service == "lambda":
        return "TooManyRequestsException", 429
    if call.service == "dynamodb" and call.action in _DYNAMODB_DATA_ACTIONS:
        return "ProvisionedThroughputExceededException", 400
    if call.protocol == "ec2":
        return "RequestLimitExceeded", 503
    return ("Throttling" if _speaks_query(call) else "ThrottlingException"), 400


def deny_code(call: Call) -> tuple[str, int]:
    """Error code and HTTP status with which a service denies this call."""
    if call.protocol == "ec2":
        return "UnauthorizedOperation", 403
    if _speaks_query(call) or call.protocol == "rest-xml":
        return "AccessDenied", 403
    return "AccessDeniedException", 403 if call.protocol == "rest-json" else 400


def deny_message(call: Call) -> str:
    """What IAM says about a denied call."""
    prefix = _IAM_PREFIXES.get(call.service, call.service)
    action = _IAM_ACTIONS.get((call.service, call.action), call.action)
    return (
        f"User: {arn_of(call.caller)} is not authorized to perform: {prefix}:{action} because no identity-based policy "
        f"allows the {prefix}:{action} action"
    )


def error_reply(call: Call, code: str, message: str, status: int) -> Reply:
    """The reply that carries one error in the call's protocol."""
    if call.protocol in ("json", "rest-json"):
        body = json.dumps({"__type": code, "message": message})
        headers = [("Content-Type", "application/x-amz-json-1.1"), ("x-amzn-ErrorType", code)]
        if call.model is not None and "awsQueryCompatible" in call.model.metadata:
            headers.append(("x-amzn-query-error", f"{code};{'Receiver' if status >= 500 else 'Sender'}"))
    else:
        body, headers = _xml_error(call, code, message), [("Content-Type", "text/xml")]
    return Reply(f"{status} Error", [*headers, ("x-amzn-RequestId", "lab-injected")], body.encode())


def _xml_error(call: Call, code: str, message: str) -> str:
    error = f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
    if call.service == "s3":
        inner = f"<Error>{error}<RequestId>lab-injected</RequestId></Error>"
    elif call.protocol == "ec2":
        inner = f"<Response><Errors><Error>{error}</Error></Errors><RequestID>lab-injected</RequestID></Response>"
    else:
        inner = (
            f"<ErrorResponse><Error><Type>Sender</Type>{error}</Error>"
            "<RequestId>lab-injected</RequestId></ErrorResponse>"
        )
    return f'<?xml version="1.0" encoding="UTF-8"?>{inner}'


def _speaks_query(call: Call) -> bool:
    """Whether the service is, or was until it also spoke JSON, a query service, with their error codes."""
    if call.model is None:
        return call.protocol == "query"
    return "query" in call.model.metadata.get("protocols", [call.protocol])
