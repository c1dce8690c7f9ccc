"""HTTP APIs whose ids follow from their names: metrics carry them as dimensions, and an inventory must name those."""

from __future__ import annotations

from typing import Any

from moto.apigatewayv2.models import Api

from lab.aws.finishing import after_init
from lab.identifiers import api_id


def install() -> None:
    """Finish every new API."""
    after_init(Api, _name)


def _name(api: Any) -> None:
    drawn, api.api_id = api.api_id, api_id(api.name)
    api.api_endpoint = api.api_endpoint.replace(drawn, api.api_id)
