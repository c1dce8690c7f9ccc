"""Provisioned concurrency of Lambda versions and aliases, and the account's limits: moto has no routes for them.

The reply to a put says IN_PROGRESS, as on AWS; what was asked for is there at the next read.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from moto.awslambda import urls
from moto.awslambda.exceptions import InvalidParameterValueException, LambdaClientError
from moto.awslambda.models import LambdaFunction
from moto.awslambda.responses import LambdaResponse
from moto.core.responses import TYPE_RESPONSE

from lab.aws.paging import BadToken, page_of

_LARGEST_PAGE = 50
_ACCOUNT_CONCURRENCY = 1000
_CODE_STORAGE = 80 * 1024**3
_UPLOAD = 52_428_800


def install() -> None:
    """Add the routes and their actions to moto's Lambda."""
    prefix = r"{0}/(?P<api_version>[^/]+)"
    function = r"/functions/(?P<function_name>[\w_:%-]+)"
    urls.url_paths[prefix + function + "/provisioned-concurrency$"] = LambdaResponse.dispatch
    urls.url_paths[prefix + "/account-settings/?$"] = LambdaResponse.dispatch
    LambdaResponse.put_provisioned_concurrency_config = _put
    LambdaResponse.get_provisioned_concurrency_config = _get
    LambdaResponse.delete_provisioned_concurrency_config = _delete
    LambdaResponse.list_provisioned_concurrency_configs = _list
    LambdaResponse.get_account_settings = _account_settings


def forget(function: LambdaFunction, qualifier: str) -> None:
    """Drop the configuration of a version that was deleted."""
    _configurations(function).pop(qualifier, None)


def provision(function: LambdaFunction, qualifier: str, wanted: int) -> dict[str, Any]:
    """Configure a version or alias, and return its configuration."""
    moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")
    _configurations(function)[qualifier] = {"wanted": wanted, "moment": moment}
    return _configurations(function)[qualifier]


def _configurations(function: LambdaFunction) -> dict[str, dict[str, Any]]:
    """Configurations by version or alias, kept on the function (its `$LATEST`)."""
    found: dict[str, dict[str, Any]] = function.__dict__.setdefault("lab_provisioned", {})
    return found


def _target(self: LambdaResponse) -> tuple[LambdaFunction, str]:
    """The function and qualifier that a request is about; the qualifier must exist and be none but `$LATEST`."""
    name = unquote(self.uri_match["FunctionName"]).rsplit("function:", 1)[-1].split(":")[0]
    qualifier = self._get_param("Qualifier")
    if qualifier == "$LATEST":
        raise InvalidParameterValueException(
            "Provisioned Concurrency Configs cannot be applied to unpublished function versions."
        )
    self.backend.get_function(name, qualifier)
    return self.backend.get_function(name), str(qualifier)


def _put(self: LambdaResponse) -> TYPE_RESPONSE:
    function, qualifier = _target(self)
    shown = _shown(**provision(function, qualifier, int(self.json_body["ProvisionedConcurrentExecutions"])))
    shown |= {"AllocatedProvisionedConcurrentExecutions": 0, "AvailableProvisionedConcurrentExecutions": 0}
    return 202, {"status": 202}, json.dumps({**shown, "Status": "IN_PROGRESS"})


def _get(self: LambdaResponse) -> str:
    function, qualifier = _target(self)
    if qualifier not in _configurations(function):
        error = LambdaClientError(
            "ProvisionedConcurrencyConfigNotFoundException", "No Provisioned Concurrency Config found for this function"
        )
        error.code = 404
        raise error
    return json.dumps(_shown(**_configurations(function)[qualifier]))


def _delete(self: LambdaResponse) -> TYPE_RESPONSE:
    function, qualifier = _target(self)
    forget(function, qualifier)
    return 204, {"status": 204}, ""


def _list(self: LambdaResponse) -> str:
    name = unquote(self.uri_match["FunctionName"]).rsplit("function:", 1)[-1].split(":")[0]
    function = self.backend.get_function(name)
    items = [
        {"FunctionArn": f"{function.function_arn}:{qualifier}", **_shown(**configuration)}
        for qualifier, configuration in sorted(_configurations(function).items())
    ]
    size = min(int(self._get_param("MaxItems") or _LARGEST_PAGE), _LARGEST_PAGE)
    try:
        page, marker = page_of(items, size, self._get_param("Marker"), lambda item: str(item["FunctionArn"]))
    except BadToken as error:
        raise InvalidParameterValueException("Invalid Marker") from error
    return json.dumps({"ProvisionedConcurrencyConfigs": page, "NextMarker": marker})


def _shown(wanted: int, moment: str) -> dict[str, Any]:
    return {
        "RequestedProvisionedConcurrentExecutions": wanted,
        "AvailableProvisionedConcurrentExecutions": wanted,
        "AllocatedProvisionedConcurrentExecutions": wanted,
        "Status": "READY",
        "LastModified": moment,
    }


def _account_settings(self: LambdaResponse) -> str:
    functions = list(self.backend.list_functions())
    reserved = sum(int(function.reserved_concurrency or 0) for function in functions)
    return json.dumps({
        "AccountLimit": {
            "TotalCodeSize": _CODE_STORAGE,
            "CodeSizeUnzipped": 262_144_000,
            "CodeSizeZipped": _UPLOAD,
            "ConcurrentExecutions": _ACCOUNT_CONCURRENCY,
            "UnreservedConcurrentExecutions": _ACCOUNT_CONCURRENCY - reserved,
        },
        "AccountUsage": {
            "TotalCodeSize": sum(int(function.code_size) for function in functions),
            "FunctionCount": len(functions),
        },
    })
