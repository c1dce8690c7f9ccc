"""Whether findings are as findings.json must be: the collection's JSON Schema, and what a schema cannot say."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

LIBRARY = "ansible_collections.opsbook.runbooks.plugins.module_utils.incident"
SCHEMA = "findings.schema.json"
MOST_FAULTS = 20


def findings_schema() -> dict[str, Any]:
    """The schema that the collection ships."""
    spec = importlib.util.find_spec(LIBRARY)
    places = list(spec.submodule_search_locations or ()) if spec else []
    schema: dict[str, Any] = json.loads((Path(places[0]) / SCHEMA).read_text(encoding="utf-8"))
    return schema


def faults_of(findings: Mapping[str, Any]) -> list[str]:
    """What is wrong with findings, each in one line; empty when nothing is."""
    errors = Draft202012Validator(findings_schema()).iter_errors(dict(findings))
    faults = sorted(f"{_place(error.absolute_path)}: {error.message[:200]}" for error in errors)[:MOST_FAULTS]
    return faults or [*_unfit_ranks(findings), *_unknown_evidence(findings), *_no_numbers(findings)]


def _place(path: Any) -> str:
    return ".".join(str(part) for part in path) or "findings"


def _unfit_ranks(findings: Mapping[str, Any]) -> list[str]:
    ranks = [suspect["rank"] for suspect in findings["suspects"]]
    return [] if ranks == list(range(1, len(ranks) + 1)) else [f"suspects: the ranks are {ranks}"]


def _unknown_evidence(findings: Mapping[str, Any]) -> list[str]:
    known = {piece["name"] for piece in findings["evidence"]}
    return [f"suspects.{place}: rests on evidence that is not there: {name}"
            for place, suspect in enumerate(findings["suspects"]) for side in ("for", "against")
            for reason in suspect[side] for name in reason["evidence"] if name not in known]


def _no_numbers(findings: Mapping[str, Any]) -> list[str]:
    try:
        json.dumps(findings, allow_nan=False)
    except ValueError:
        return ["findings: a number is none (NaN or infinite), which JSON does not know"]
    return []
