# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A procedure's front matter (`vars: opsbook_procedure:`) and its parameters, validated by ansible-core's own validator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.parameters import remove_values

from ..module_utils.core.durations import parse_duration
from ..module_utils.core.errors import Refused

FRONT_MATTER: dict[str, Any] = {
    "ids": {"type": "list", "elements": "str", "required": True},
    "class": {"type": "str", "choices": ["routine", "emergency"], "required": True},
    "title": {"type": "str", "required": True},
    "purpose": {"type": "str", "required": True},
    "changes": {"type": "bool", "required": True},
    # A routine that may run outside of windows and in a freeze, since it alters nothing that the system lives on: a backup.
    "any_time": {"type": "bool", "default": False},
    "risk": {"type": "str", "choices": ["low", "medium", "high"], "required": True},
    "duration": {"type": "str", "required": True},
    "undo": {"type": "str", "required": True},
    "parameters": {"type": "dict", "default": {}},
}
"""The one schema of front matter, for playbooks and notebooks."""

NOTEBOOK_FRONT_MATTER: dict[str, Any] = {
    **{name: spec for name, spec in FRONT_MATTER.items() if name != "any_time"},
    "question": {"type": "str", "required": True},
    "permissions": {"type": "list", "elements": "str", "default": []},
    # Of the whole run, and of one cell: lengths of time as "5m".
    "deadline": {"type": "str", "default": "10m"},
    "cell_timeout": {"type": "str", "default": "5m"},
}
"""What a notebook's `metadata.runbook` holds: the same, and what only an investigation has."""

RUN_PARAMETERS: dict[str, Any] = {
    "confirm": {"type": "str", "default": ""},
    "override_reason": {"type": "str", "default": ""},
    "approved_plan": {"type": "path"},
    "take_over": {"type": "str", "default": ""},
    "opsbook_direct": {"type": "bool"},
}
"""What every procedure takes from the command line besides its own parameters."""

AWX_PREFIXES = ("awx_", "tower_")
RAW = "_raw_params"
"""Where Ansible puts words of -e that have no name."""


PARAMETER: dict[str, Any] = {
    "type": {"type": "str", "default": "str",
             "choices": ["str", "bool", "int", "float", "path", "list", "dict", "raw", "json", "jsonarg"]},
    "elements": {"type": "str"},
    "required": {"type": "bool"},
    "default": {"type": "raw"},
    "choices": {"type": "list"},
    "description": {"type": "raw"},
    "no_log": {"type": "bool"},
    "options": {"type": "dict"},
}
"""What a parameter's specification may hold, in argument_specs syntax."""


def validate_front_matter(front: Any) -> dict[str, Any]:
    """The front matter with defaults filled in.

    :raises Refused: naming every fault
    """
    if not isinstance(front, Mapping):
        raise Refused("read the front matter", "opsbook_procedure", "the playbook declares none",
                      "Add `vars: opsbook_procedure:` to its first play (CONTRIBUTING.md shows one).")
    title = str(front.get("title", "opsbook_procedure"))
    validated = _validated(FRONT_MATTER, dict(front), "read the front matter", title)
    _refuse_wrong_parameters(title, validated["parameters"])
    return validated


def validate_notebook(front: Any, notebook: str) -> dict[str, Any]:
    """A notebook's front matter (`metadata.runbook`) with defaults filled in.

    :param notebook: its name, for the message
    :raises Refused: naming every fault
    """
    if not isinstance(front, Mapping):
        raise Refused("read the front matter", notebook, "its metadata has no `runbook`",
                      "Write one; docs/investigations.md says what it holds.")
    validated = _validated(NOTEBOOK_FRONT_MATTER, dict(front), "read the front matter", notebook)
    for name in ("deadline", "cell_timeout"):
        if parse_duration(validated[name]).total_seconds() <= 0:
            raise Refused("read the front matter", notebook, f"{name} leaves no time", "Give a length of time as 5m.")
    if validated["changes"]:
        raise Refused("read the front matter", notebook, "it says that it changes things; an investigation only reads",
                      "Make it a procedure, or set changes to false.")
    _refuse_wrong_parameters(notebook, validated["parameters"])
    return validated


def _refuse_wrong_parameters(title: str, parameters: Mapping[str, Any]) -> None:
    for name, spec in parameters.items():
        if name in RUN_PARAMETERS or name.startswith(AWX_PREFIXES):
            raise Refused("read the front matter", title, f"the parameter {name} is one that every procedure has",
                          "Give it another name.")
        if not isinstance(spec, Mapping):
            raise Refused("read the front matter", title, f"the parameter {name} has no specification",
                          "Declare its type, as argument_specs does.")
        _validated(PARAMETER, dict(spec), f"read the parameter {name}", title)


def validate_investigation(front: Mapping[str, Any], notebook: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of an investigation with defaults filled in.

    :param front: validated front matter of the notebook
    :param given: what was given on the command line, in a file or by a task
    :raises Refused: for a name the notebook does not know, a wrong type or a missing value
    """
    spec = front["parameters"]
    unknown = sorted(set(given) - set(spec))
    if unknown:
        raise Refused("start the investigation", notebook, f"unknown parameters: {', '.join(unknown)}",
                      f"It takes {', '.join(sorted(spec)) or 'none'}; everything else belongs into the inventory.")
    return _validated(spec, dict(given), "start the investigation", notebook)


def validate_parameters(front: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """A procedure's parameters with defaults filled in.

    :param front: validated front matter
    :param given: the command line's extra variables; AWX's own are passed over
    :raises Refused: for a name the procedure does not know, a wrong type or a missing value
    """
    spec = {**RUN_PARAMETERS, **front["parameters"]}
    own = {name: value for name, value in given.items() if not name.startswith(AWX_PREFIXES)}
    if RAW in own:
        raise Refused("start the procedure", str(front["title"]), f"{own[RAW]!r} belongs to no parameter",
                      "A value with blanks needs quotes of its own: -e 'override_reason=\"two words\"'.")
    unknown = sorted(set(own) - set(spec))
    if unknown:
        raise Refused("start the procedure", str(front["title"]), f"unknown parameters: {', '.join(unknown)}",
                      f"It takes {', '.join(sorted(spec))}; everything else belongs into the inventory.")
    return _validated(spec, own, "start the procedure", str(front["title"]))


def _validated(spec: dict[str, Any], given: dict[str, Any], attempted: str, resource: str) -> dict[str, Any]:
    result = ArgumentSpecValidator(spec).validate(given)
    if result.error_messages:
        secrets = {str(given[name]) for name, option in spec.items() if option.get("no_log") and name in given}
        said = remove_values("; ".join(result.error_messages), secrets)
        raise Refused(attempted, resource, str(said), "Correct it and start again.")
    return dict(result.validated_parameters)
