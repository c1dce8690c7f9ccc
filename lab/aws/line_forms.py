"""How lines look: an application's JSON, a Lambda function's START to REPORT, an access log, PostgreSQL's and Redis' own."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

FORMS = ("service", "function", "access", "nginx", "postgres", "redis")
_SAID = ("method", "path", "route", "status", "duration_ms", "trace_id", "client", "az", "version")
Line = tuple[int, str]


def request(form: str, at: int, told: Mapping[str, Any], draw: random.Random) -> Iterator[Line]:
    """The lines of one request in a form."""
    if form == "function":
        yield from _function(at, told, draw)
    elif form == "access":
        yield at, _access(at, told, draw)
    elif form == "nginx":
        yield at, _nginx(at, told, draw)
    else:
        yield from _errors(at, told)
        yield at, _json(at, told)


def other(form: str, at: int, line: Mapping[str, Any]) -> str:
    """A line that is no request's."""
    moment = datetime.fromtimestamp(at / 1000, UTC)
    if form == "postgres":
        return f"{moment:%Y-%m-%d %H:%M:%S} UTC:{line['logger']}:{line['level']}:  {line['message']}"
    if form == "redis":
        return f"1:M {moment:%d %b %Y %H:%M:%S}.{at % 1000:03d} {'*' if line['level'] == 'INFO' else '#'} {line['message']}"
    if form == "nginx":
        return f"{moment:%Y/%m/%d %H:%M:%S} [{str(line['level']).lower()}] {line['message']}"
    said = {"timestamp": _said(at), "level": line["level"], "logger": line["logger"], "message": line["message"]}
    return _dumped({**said, **_exception(line)})


def _json(at: int, told: Mapping[str, Any]) -> str:
    status = told["status"]
    level = "ERROR" if status >= 500 else "WARN" if status == 429 else "INFO"
    said: dict[str, Any] = {
        "timestamp": _said(at), "level": level, "logger": told["logger"],
        "message": "request failed" if status >= 500 else "request served",
    }  # fmt: skip
    said |= {name: told[name] for name in _SAID if told[name] != ""}
    if told["rate"] < 1:
        said["sample_rate"] = round(told["rate"], 4)
    return _dumped(said)


def _errors(at: int, told: Mapping[str, Any]) -> Iterator[Line]:
    for error in told["errors"]:
        said = {"timestamp": _said(at), "level": error.get("level", "ERROR"), "logger": error["logger"]}
        said |= {"message": error["message"], **_exception(error), "trace_id": told["trace_id"], "version": told["version"]}
        yield at, _dumped(said)


def _exception(line: Mapping[str, Any]) -> dict[str, Any]:
    return {name: line[name] for name in ("exception", "stack") if line.get(name)}


def _function(at: int, told: Mapping[str, Any], draw: random.Random) -> Iterator[Line]:
    """As Lambda writes about an invocation; `at` is when it ends."""
    bits = f"{draw.getrandbits(128):032x}"
    identity = "-".join((bits[:8], bits[8:12], bits[12:16], bits[16:20], bits[20:]))
    milliseconds = float(told["duration_ms"])
    begun, killed = at - int(milliseconds), told["timed_out"]
    yield begun, f"START RequestId: {identity} Version: {told['version']}"
    for _, text in _errors(at, told):
        yield at, _dumped({**json.loads(text), "request_id": identity})
    if killed:
        yield at, f"{_said(at)} {identity} Task timed out after {milliseconds / 1000:.2f} seconds"
    else:
        yield at, _dumped({**json.loads(_json(at, told)), "request_id": identity})
    yield at, f"END RequestId: {identity}"
    used = int(told["memory"] * draw.uniform(0.28, 0.44))
    yield at, (
        f"REPORT RequestId: {identity}\tDuration: {milliseconds:.2f} ms\tBilled Duration: {int(milliseconds) + 1} ms\t"
        f"Memory Size: {told['memory']} MB\tMax Memory Used: {used} MB\t" + ("Status: timeout" if killed else "")
    )


def _access(at: int, told: Mapping[str, Any], draw: random.Random) -> str:
    """API Gateway's access log in JSON."""
    said: dict[str, Any] = {"timestamp": _said(at), "request_id": f"{draw.getrandbits(60):015x}="}
    said.update({name: told[name] for name in _SAID if name not in ("az", "version")})
    said["integration_ms"] = round(float(told["duration_ms"]) * draw.uniform(0.86, 0.97), 1)
    return _dumped({**said, **({"sample_rate": round(told["rate"], 4)} if told["rate"] < 1 else {})})


def _nginx(at: int, told: Mapping[str, Any], draw: random.Random) -> str:
    """The combined format with the time to answer at its end."""
    moment = datetime.fromtimestamp(at / 1000, UTC)
    address = f"198.51.100.{draw.randrange(1, 255)}"
    return (f'{address} - - [{moment:%d/%b/%Y:%H:%M:%S +0000}] "{told["method"]} {told["path"]} HTTP/1.1" {told["status"]} '
            f'{draw.randrange(200, 48000)} "-" "{told["client"]}" {float(told["duration_ms"]) / 1000:.3f}')


def _said(at: int) -> str:
    return f"{datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%dT%H:%M:%S}.{at % 1000:03d}Z"


def _dumped(value: Mapping[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"))
