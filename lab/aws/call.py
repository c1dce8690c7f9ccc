"""What a request asks for: service, action, caller and parameters, whatever the service's wire protocol is."""

from __future__ import annotations

import io
import json
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from botocore.exceptions import UnknownServiceError
from moto.core.model import OperationModel, ServiceModel
from moto.core.parse import PROTOCOL_PARSERS
from moto.core.request import Request, determine_request_protocol
from moto.core.routing import get_service_router
from moto.core.utils import get_service_model
from werkzeug.exceptions import HTTPException

from lab.aws.callers import Caller

# Services whose boto3 name differs from the name in a request's credential scope.
_BOTO3_NAMES = {
    "monitoring": "cloudwatch",
    "elasticloadbalancing": "elbv2",
    "email": "ses",
    "states": "stepfunctions",
    "tagging": "resourcegroupstaggingapi",
    "api.ecr": "ecr",
    "access-analyzer": "accessanalyzer",
}
_CREDENTIAL = re.compile(r"Credential=([^/]+)/\d+/([^/]*)/([^/]+)/aws4_request")
# Services without regions sign for this one, and so do requests that nobody signed.
_FIRST_REGION = "us-east-1"
_CLASSIC_BALANCER_VERSION = "2012-06-01"


@dataclass
class Call:
    """One AWS call, as the client meant it."""

    service: str
    action: str
    protocol: str
    access_key: str
    parameters: dict[str, Any] = field(default_factory=dict)
    model: ServiceModel | None = None
    region: str = _FIRST_REGION
    caller: Caller = field(default_factory=lambda: Caller("", ""))


def resolve_call(environ: dict[str, Any], body: bytes) -> Call:
    """Find out which call a request is; who makes it is filled in by the application.

    A request that fits no operation of its service gets the action "Unknown"; that is for moto to refuse.
    """
    access_key, region, service = _credential_scope(environ)
    service = _boto3_name(service, environ, body)
    try:
        model = get_service_model(service)
    except UnknownServiceError:
        target = environ.get("HTTP_X_AMZ_TARGET", "Unknown").rsplit(".", 1)[-1]
        return Call(service, target, "json", access_key, _json_object(body), region=region)
    protocol = _protocol(model, environ)
    call = Call(service, "Unknown", protocol, access_key, model=model, region=region)
    if "HTTP_X_AMZ_TARGET" in environ:
        call.action = environ["HTTP_X_AMZ_TARGET"].rsplit(".", 1)[-1]
        call.parameters = _json_object(body)
        return call
    _route(call, model, _request(environ, body), body)
    return call


def _credential_scope(environ: dict[str, Any]) -> tuple[str, str, str]:
    """Access key, region and signing name, from the Authorization header or a presigned query."""
    match = _CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", ""))
    if match:
        return match.group(1), match.group(2) or _FIRST_REGION, match.group(3).lower()
    presigned = parse_qs(environ.get("QUERY_STRING", "")).get("X-Amz-Credential", [""])[0].split("/")
    if len(presigned) == 5:
        return presigned[0], presigned[2] or _FIRST_REGION, presigned[3].lower()
    return "anonymous", _FIRST_REGION, "s3"


def _boto3_name(signing_name: str, environ: dict[str, Any], body: bytes) -> str:
    path = environ.get("PATH_INFO", "")
    if signing_name == "elasticloadbalancing" and f"Version={_CLASSIC_BALANCER_VERSION}".encode() in body:
        return "elb"
    if signing_name == "apigateway" and path.startswith("/v2/"):
        return "apigatewayv2"
    if signing_name == "ses" and path.startswith("/v2/"):
        return "sesv2"
    if signing_name == "s3" and path.startswith("/v20180820/"):
        return "s3control"
    if signing_name == "dynamodb" and environ.get("HTTP_X_AMZ_TARGET", "").startswith("DynamoDBStreams"):
        return "dynamodbstreams"
    return _BOTO3_NAMES.get(signing_name, signing_name)


def _protocol(model: ServiceModel, environ: dict[str, Any]) -> str:
    try:
        return str(determine_request_protocol(model, environ.get("CONTENT_TYPE")))
    except NotImplementedError:
        # An unexpected content type: answer in the service's own protocol.
        return str(model.protocol)


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body or b"{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _request(environ: dict[str, Any], body: bytes) -> Request:
    """A request object of its own, so that reading its form leaves the body unread for moto."""
    return Request({**environ, "wsgi.input": io.BytesIO(body)})


def _route(call: Call, model: ServiceModel, request: Request, body: bytes) -> None:
    """Fill in action and parameters of a query or REST request, from botocore's model of the service."""
    try:
        operation, uri_parameters = get_service_router(call.service).match(request)
    except (HTTPException, NotImplementedError):
        call.action = request.values.get("Action", "Unknown")
        return
    call.action = operation.name
    call.parameters = _parse(operation, call.protocol, request, dict(uri_parameters), body)


def _parse(
    operation: OperationModel, protocol: str, request: Request, uri_parameters: dict[str, Any], body: bytes
) -> dict[str, Any]:
    parser = PROTOCOL_PARSERS[protocol](operation, map_type=dict)
    try:
        parsed = parser.parse({
            "method": request.method,
            "values": request.values,
            "headers": request.headers,
            "body": body,
            "url_path": request.path,
            "url_params": uri_parameters,
        })
    except Exception as error:
        # A malformed body is the caller's fault and moto's to refuse; the audit line still names what it can.
        return {**uri_parameters, "unparsed": type(error).__name__}
    return {name: value for name, value in {**uri_parameters, **parsed}.items() if value is not None}
