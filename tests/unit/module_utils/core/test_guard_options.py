"""Option specifications of the guard: what is left out is never the less careful choice."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.guard_options import GUARD, RELEASE


def test_an_environment_without_a_name_is_production() -> None:
    result = ArgumentSpecValidator(GUARD).validate({"system": "commerce", "procedure": {}})

    assert not result.error_messages
    assert result.validated_parameters["environment_name"] == "production"


@pytest.mark.parametrize(("spec", "given"), [
    (GUARD, {"system": "commerce"}), (GUARD, {"procedure": {}}), (RELEASE, {}),
    (RELEASE, {"system": "commerce", "token": "forged"}),
])
def test_refuses_too_little_and_too_much(spec: dict[str, Any], given: dict[str, Any]) -> None:
    assert ArgumentSpecValidator(spec).validate(given).error_messages
