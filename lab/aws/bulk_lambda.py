"""Many Lambda functions at once, each with versions of code of its own: equal code would make no new version."""

from __future__ import annotations

import base64
import io
import zipfile
from collections.abc import Mapping
from typing import Any

from moto.awslambda.exceptions import LambdaClientError
from moto.awslambda.models import LambdaBackend, LambdaFunction
from moto.awslambda_simple.models import lambda_simple_backends

from lab.aws import lambda_concurrency
from lab.aws.backends import here, regional
from lab.aws.control import ControlError

_ROLE = "lab-function"
_SOURCE = """# {name}, build {version}
def handler(event, context):
    return {version}
"""


def make_functions(body: Mapping[str, Any]) -> int:
    """`bulk/lambda` {"functions": [{name, versions, runtime?, timeout?, memory?, aliases?, provisioned?, role?}]}.

    Aliases are {name, version, weights?}. The role need not exist yet: roles and functions are seeded side by side.
    """
    backend: LambdaBackend = regional(lambda_simple_backends)
    for described in body["functions"]:
        try:
            _make(backend, described)
        except LambdaClientError as error:
            raise ControlError(f"function {described.get('name')!r}: {error}") from error
    return len(body["functions"])


def _make(backend: LambdaBackend, described: Mapping[str, Any]) -> None:
    name, versions = str(described["name"]), int(described.get("versions", 0))
    storage = backend._lambdas
    if name in storage._functions:
        raise ControlError(f"function {name!r} exists already")
    function = LambdaFunction(here().account, _specification(name, described), here().region, "$LATEST")
    # As storage.put_function, but for its look at the role.
    storage._functions[name] = {"latest": function, "versions": []}
    storage._arns[function.function_arn] = function
    for version in range(1, versions + 1):
        if version > 1:
            function.update_function_code({"ZipFile": code_of(name, version)})
        backend.publish_version(name)
    for alias in described.get("aliases", ()):
        weights = {str(number): float(weight) for number, weight in (alias.get("weights") or {}).items()}
        routing: Any = {"AdditionalVersionWeights": weights} if weights else {}
        backend.create_alias(str(alias["name"]), name, str(alias["version"]), "", routing)
    if described.get("provisioned"):
        lambda_concurrency.provision(function, str(described["provisioned"]), 1)


def _specification(name: str, described: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "FunctionName": name,
        "Runtime": described.get("runtime", "python3.12"),
        "Handler": "main.handler",
        "Role": described.get("role", f"arn:aws:iam::{here().account}:role/{_ROLE}"),
        "Timeout": int(described.get("timeout", 60)),
        "MemorySize": int(described.get("memory", 512)),
        "Code": {"ZipFile": code_of(name, 1)},
    }


def code_of(name: str, version: int) -> str:
    """A deployment package, as a request carries it."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr(zipfile.ZipInfo("main.py"), _SOURCE.format(name=name, version=version))
    return base64.b64encode(archive.getvalue()).decode()
