"""Secret parameters: always a reference to where the value is kept, resolved by the runner alone."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import Refused
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.references import parse_reference, read_reference
from opsbook.runner.scrub import SHORTEST, refuse_short


def secret_parameters(specification: Mapping[str, Mapping[str, Any]], parameters: Mapping[str, Any]) -> dict[str, str]:
    """The references that were given for parameters with `no_log`, by parameter; an empty one means none.

    :raises Refused: for a value that is no reference: it would be in the shell's history already, and never in the record
    """
    given = {name: str(parameters[name]) for name, spec in specification.items()
             if spec.get("no_log") and parameters.get(name)}
    for name, value in given.items():
        try:
            parse_reference(value)
        except Refused as error:
            raise Refused("start the investigation", f"the parameter {name}", error.reason,
                          "It is a secret: say where it is kept, env:NAME, file:/path or secretsmanager:NAME[#field]."
                          ) from None
    return given


def resolve_secrets(references: Mapping[str, str], aws: Mapping[str, Any]) -> dict[str, str]:
    """The values behind references, by parameter.

    :param aws: the system's `opsbook_aws`
    :raises OperationError: where one leads nowhere, or to a value that is too short to be kept out of a record
    """
    values = {name: resolve_reference(reference, aws) for name, reference in references.items()}
    short = refuse_short(values)
    if short:
        raise Refused("start the investigation", f"the parameters {', '.join(short)}",
                      f"a secret of fewer than {SHORTEST} characters cannot be kept out of the record", "Use a longer one.")
    return values


def resolve_reference(reference: str, aws: Mapping[str, Any]) -> str:
    """The value behind one reference.

    :param aws: the system's `opsbook_aws`
    :raises OperationError: where it leads nowhere
    """

    def read_secret(name: str, field: str) -> str:
        # Only here: importing the AWS library takes longer than everything else before the kernel is ready.
        from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.client import connector
        from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.secret_values import read_secret_value

        return read_secret_value(connector(aws), name, field)

    return read_reference(parse_reference(reference), os.environ, read_secret)
