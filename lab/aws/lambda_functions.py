"""Lambda as AWS has it: pages, revision ids, versions that aliases protect, and lists that leave states out.

Sources: AWS Lambda API reference (ListFunctions, ListVersionsByFunction, DeleteFunction, PublishVersion); the texts of
refusals are those that AWS sends.
"""

from __future__ import annotations

import copy
import json
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote

from moto.awslambda.exceptions import (
    InvalidParameterValueException,
    LambdaClientError,
    PreconditionFailedException,
    UnknownFunctionException,
)
from moto.awslambda.models import LambdaAlias, LambdaFunction, LambdaStorage
from moto.awslambda.responses import LambdaResponse
from moto.awslambda_simple.models import lambda_simple_backends
from moto.core.responses import TYPE_RESPONSE

from lab.aws import lambda_concurrency
from lab.aws.backdate import register_backdate
from lab.aws.backends import regional
from lab.aws.control import ControlError, ControlRoutes
from lab.aws.paging import BadToken, page_of

# AWS gives at most 50 in a page, however many are asked for.
_LARGEST_PAGE = 50
_LARGEST_MAPPING_PAGE = 100
# Fields that only GetFunction and GetFunctionConfiguration return.
_NOT_IN_LISTS = ("State", "StateReason", "StateReasonCode", "LastUpdateStatus", "LastUpdateStatusReason")
_MOMENT = "%Y-%m-%dT%H:%M:%S.%f"


def install(control: ControlRoutes) -> None:
    """Rebind moto's Lambda and let versions be aged."""
    _install_revisions()
    LambdaStorage.publish_version = _publish_version
    LambdaResponse.list_functions = _list_functions
    LambdaResponse.list_versions_by_function = _list_versions_by_function
    LambdaResponse.list_aliases = _list_aliases
    LambdaResponse.list_event_source_mappings = _list_event_source_mappings
    LambdaResponse.delete_function = _delete_function
    lambda_concurrency.install()
    register_backdate("lambda-version", _backdate_version)


# --- lists -----------------------------------------------------------------------------------------------------------


def _list_functions(self: LambdaResponse) -> str:
    functions = list(self.backend.list_functions(self._get_param("FunctionVersion")))
    functions.sort(key=lambda function: (function.function_name, _number(function)))
    return _page(self, "Functions", functions, _listed, lambda function: str(function.function_arn))


def _list_versions_by_function(self: LambdaResponse) -> str:
    name = _function_name(self)
    _existing(self, name)
    versions = list(self.backend.list_versions_by_function(name))
    return _page(self, "Versions", versions, _listed, lambda function: f"{_number(function):09d}")


def _list_aliases(self: LambdaResponse) -> TYPE_RESPONSE:
    name = _function_name(self)
    _existing(self, name)
    aliases = list(self.backend.list_aliases(name))
    version = self._get_param("FunctionVersion")
    if version:
        aliases = [alias for alias in aliases if version in _served_versions(alias)]
    return 200, {}, _page(self, "Aliases", aliases, LambdaAlias.to_json, lambda alias: str(alias.name))


def _list_event_source_mappings(self: LambdaResponse) -> str:
    """As on AWS, asking for a function finds its unqualified mappings; those of a version need its qualifier."""
    mappings = list(self.backend.list_event_source_mappings(self._get_param("EventSourceArn"), ""))
    wanted = self._get_param("FunctionName")
    if wanted:
        mappings = [mapping for mapping in mappings if _split(mapping.function_name) == _split(wanted)]
    mappings.sort(key=lambda mapping: str(mapping.uuid))
    return _page(
        self,
        "EventSourceMappings",
        mappings,
        lambda mapping: {**mapping.get_configuration(), "FunctionArn": _mapped_arn(mapping)},
        lambda mapping: str(mapping.uuid),
        largest=_LARGEST_MAPPING_PAGE,
    )


def _page(
    self: LambdaResponse,
    name: str,
    items: Sequence[Any],
    show: Callable[[Any], dict[str, Any]],
    key: Callable[[Any], str],
    largest: int = _LARGEST_PAGE,
) -> str:
    size = min(int(self._get_param("MaxItems") or largest), largest)
    try:
        page, marker = page_of(items, size, self._get_param("Marker"), key)
    except BadToken as error:
        raise InvalidParameterValueException("Invalid Marker") from error
    return json.dumps({name: [show(item) for item in page], "NextMarker": marker})


def _listed(function: LambdaFunction) -> dict[str, Any]:
    return {name: value for name, value in function.get_configuration().items() if name not in _NOT_IN_LISTS}


def _number(function: LambdaFunction) -> int:
    """Order of versions: `$LATEST`, then by number."""
    return int(function.version) if str(function.version).isdigit() else 0


# --- names -----------------------------------------------------------------------------------------------------------


def _split(name_or_arn: str) -> tuple[str, str | None]:
    """Function name and qualifier of a name, a name with qualifier, a partial ARN or an ARN."""
    name, _, qualifier = name_or_arn.rsplit("function:", 1)[-1].partition(":")
    return name, qualifier or None


def _function_name(self: LambdaResponse) -> str:
    return _split(unquote(self.uri_match["FunctionName"]))[0]


def _existing(self: LambdaResponse, name: str) -> LambdaFunction:
    return self.backend.get_function(name)


def _mapped_arn(mapping: Any) -> str:
    """A mapping names the alias it was made for; moto names the version behind it."""
    _, qualifier = _split(mapping.function_name)
    function_arn = ":".join(mapping.function_arn.split(":")[:7])
    return function_arn if qualifier is None else f"{function_arn}:{qualifier}"


# --- deletion --------------------------------------------------------------------------------------------------------


def _delete_function(self: LambdaResponse) -> TYPE_RESPONSE:
    name, qualifier = _split(unquote(self.uri_match["FunctionName"]))
    qualifier = qualifier or self._get_param("Qualifier")
    function = _existing(self, name)
    if qualifier is None:
        self.backend.delete_function(name)
        return 204, {"status": 204}, ""
    if qualifier == "$LATEST":
        raise InvalidParameterValueException("$LATEST version cannot be deleted without deleting the function.")
    if not qualifier.isdigit():
        raise InvalidParameterValueException("Deletion of aliases is not currently supported.")
    aliases = sorted(alias.name for alias in self.backend.list_aliases(name) if qualifier in _served_versions(alias))
    if aliases:
        raise _conflict(f"Unable to delete version because the following aliases reference it: [{', '.join(aliases)}]")
    try:
        self.backend.delete_function(name, qualifier)
    except UnknownFunctionException:
        # A version that is gone already is no error on AWS.
        return 204, {"status": 204}, ""
    lambda_concurrency.forget(function, qualifier)
    return 204, {"status": 204}, ""


def _served_versions(alias: LambdaAlias) -> set[str]:
    """The versions an alias sends requests to: its own, and those it gives a weight."""
    routing = alias.routing_config if isinstance(alias.routing_config, dict) else {}
    return {alias.function_version, *(routing.get("AdditionalVersionWeights") or {})}


def _conflict(message: str) -> LambdaClientError:
    error = LambdaClientError("ResourceConflictException", message)
    error.code = 409
    return error


# --- versions and revisions ------------------------------------------------------------------------------------------


def _publish_version(self: LambdaStorage, name_or_arn: str, description: str = "") -> LambdaFunction:
    """As moto's, but a number is never given out twice: not even after the newest versions were deleted."""
    function = self.get_function_by_name_or_arn_forbid_qualifier(name_or_arn)
    published = self._functions[function.function_name]["versions"]
    if published and not function.code_or_config_updated:
        return published[-1]
    function.code_or_config_updated = False
    number = getattr(function, "lab_published", 0) + 1
    function.lab_published = number
    version = copy.copy(function)
    version.set_version(number)
    _renew_revision(version)
    if description:
        version.description = description
    published.append(version)
    self._arns[version.function_arn] = version
    return version


def _install_revisions() -> None:
    """Give functions a RevisionId that changes with each change, and refuse changes based on an older one."""
    show, configure, code = (
        LambdaFunction.get_configuration,
        LambdaFunction.update_configuration,
        LambdaFunction.update_function_code,
    )

    def get_configuration(self: LambdaFunction, on_create: bool = False) -> dict[str, Any]:
        return {**show(self, on_create), "RevisionId": _revision(self)}

    def update_configuration(self: LambdaFunction, config_updates: dict[str, Any]) -> dict[str, Any]:
        _check_revision(self, config_updates.get("RevisionId"))
        configure(self, config_updates)
        _renew_revision(self)
        return get_configuration(self)

    def update_function_code(self: LambdaFunction, updated_spec: dict[str, Any]) -> dict[str, Any]:
        # moto calls this twice for one request; the second time must not meet its own new revision.
        _check_revision(self, updated_spec.pop("RevisionId", None))
        code(self, updated_spec)
        _renew_revision(self)
        return get_configuration(self)

    LambdaFunction.get_configuration = get_configuration
    LambdaFunction.update_configuration = update_configuration
    LambdaFunction.update_function_code = update_function_code
    _install_alias_revisions()


def _install_alias_revisions() -> None:
    respond, change = LambdaResponse.update_alias, LambdaAlias.update

    def update_alias(self: LambdaResponse) -> TYPE_RESPONSE:
        alias = self.backend.get_alias(self.uri_match["Name"], _function_name(self))
        stale = self.json_body.get("RevisionId")
        if stale and stale != alias.revision_id:
            raise PreconditionFailedException(_STALE)
        return respond(self)

    def update(self: LambdaAlias, *arguments: Any) -> None:
        change(self, *arguments)
        self.revision_id = str(uuid.uuid4())

    LambdaResponse.update_alias = update_alias
    LambdaAlias.update = update


_STALE = (
    "The RevisionId provided does not match the latest RevisionId. Call the GetFunction/GetAlias API to retrieve "
    "the latest RevisionId"
)


def _revision(function: LambdaFunction) -> str:
    return str(function.__dict__.setdefault("lab_revision", str(uuid.uuid4())))


def _renew_revision(function: LambdaFunction) -> None:
    function.lab_revision = str(uuid.uuid4())
    function.last_modified = datetime.now(UTC).strftime(_MOMENT)[:-3] + "+0000"


def _check_revision(function: LambdaFunction, revision: str | None) -> None:
    if revision and revision != _revision(function):
        raise PreconditionFailedException(_STALE)


def _backdate_version(name: str, age: timedelta) -> None:
    """Age `function:version`, or the function itself without a version."""
    function_name, qualifier = _split(name)
    try:
        function = regional(lambda_simple_backends).get_function(function_name, qualifier)
    except UnknownFunctionException as error:
        raise ControlError(f"there is no lambda version {name!r}") from error
    moment = datetime.strptime(function.last_modified[:23].rstrip("Z"), _MOMENT) - age
    function.last_modified = moment.strftime(_MOMENT)[:-3] + "+0000"
