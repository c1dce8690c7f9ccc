"""The WSGI application: control routes, then fault injection, then moto; every AWS call leaves one audit line."""

from __future__ import annotations

import io
import json
import time
import traceback
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any

from moto.backends import list_of_moto_modules
from moto.core.base_backend import BackendDict
from moto.core.config import default_user_config
from moto.core.model_instances import reset_model_data
from moto.moto_api import state_manager
from moto.moto_server.werkzeug_app import DomainDispatcherApplication

from lab.accounts import Place
from lab.aws import backends
from lab.aws.audit import SEEDER_ACCESS_KEY, AuditLog
from lab.aws.call import Call, resolve_call
from lab.aws.callers import ACCOUNT_HEADER, caller_of
from lab.aws.control import ControlError, ControlRoutes
from lab.aws.fault_replies import Reply, deny_code, deny_message, error_reply, throttle_code
from lab.aws.faults import Fault, FaultBook, Injection
from lab.aws.late import extended
from lab.aws.locks import service_lock
from lab.aws.outcome import CONNECTION_DROPPED, outcome_of
from lab.aws.server import ConnectionDropped
from lab.aws.settings import Settings

StartResponse = Callable[[str, list[tuple[str, str]]], Any]
_CONTROL_PREFIX = "/lab/"
_MOTO_PAGES = "moto_api"


class Dispatcher(DomainDispatcherApplication):  # type: ignore[misc]  # moto is followed as Any
    """moto's choice of a backend, remembered: moto's own lists a folder and tries 200 patterns for each request."""

    def __init__(self) -> None:
        super().__init__(extended())
        self._backends: dict[str, str] = {}

    def get_backend_for_host(self, host: str | None) -> str | None:
        """The backend of a host; raises NotImplementedError for a service that moto does not know."""
        if host is None:
            return None
        if host not in self._backends:
            self._backends[host] = self._find(host)
        return self._backends[host]

    def _find(self, host: str) -> str:
        if host == _MOTO_PAGES or host in list_of_moto_modules():
            return host
        for backend, pattern in self.backend_url_patterns:
            if pattern.match(f"http://{host}"):
                return str(backend)
        raise NotImplementedError(f"moto has no service for {host}")


class LabApplication:
    """One lab's AWS: answers control routes itself and hands AWS calls to moto."""

    def __init__(self, folder: Path, settings: Settings, control: ControlRoutes) -> None:
        self._folder = folder
        self._settings = settings
        self._control = control
        self._moto = Dispatcher()
        self.audit = AuditLog(folder, settings)
        self.faults = FaultBook()
        self.audit.install(control)
        self.faults.install(control)
        control.route("ping")(lambda body: {"account_id": settings.account_id})
        control.route("reset")(lambda body: self._reset())
        configure_moto()

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> list[bytes]:
        """Answer one request."""
        body = _read_body(environ)
        path = environ.get("PATH_INFO", "")
        if path.startswith(_CONTROL_PREFIX) and "HTTP_AUTHORIZATION" not in environ:
            reply = self._answer_control(environ, path.removeprefix(_CONTROL_PREFIX), body)
        elif path.startswith("/moto-api"):
            reply = self._ask_moto(environ, body)
        else:
            reply = self._answer_call(environ, body)
        start_response(reply.status, reply.headers)
        return [reply.body]

    def _answer_control(self, environ: dict[str, Any], route: str, body: bytes) -> Reply:
        try:
            if environ["REQUEST_METHOD"] != "POST":
                raise ControlError("control routes are asked with POST")
            request = json.loads(body or b"{}")
            if not isinstance(request, dict):
                raise ControlError("the body of a control request is a JSON object")
            with backends.at(self._place(request)):
                answer, status = self._control.call(route, request), HTTPStatus.OK
        except (ControlError, json.JSONDecodeError) as error:
            answer, status = {"error": str(error)}, HTTPStatus.BAD_REQUEST
        return Reply(_status_line(status), [("Content-Type", "application/json")], json.dumps(answer).encode())

    def _place(self, request: dict[str, Any]) -> Place:
        """What a control request is about; the lab's own account and region where it does not say."""
        account, region = request.get("account"), request.get("region")
        return Place(str(account or self._settings.account_id), str(region or self._settings.region))

    def _answer_call(self, environ: dict[str, Any], body: bytes) -> Reply:
        started = time.perf_counter()
        call = resolve_call(environ, body)
        call.caller = caller_of(environ, call.access_key, self._settings.account_id)
        environ = {**environ, ACCOUNT_HEADER: call.caller.account}
        seeding = call.access_key == SEEDER_ACCESS_KEY
        injection = Injection() if seeding else self.faults.decide(call, self.audit.purpose(call))
        if injection.delay:
            time.sleep(injection.delay)
        failure = injection.failure
        executes = failure is None or (failure.kind == "drop" and failure.when == "after")
        reply = self._execute(call, environ, body) if executes else self._refuse(call, failure)
        outcome = outcome_of(reply.status, reply.headers, reply.body) if reply else CONNECTION_DROPPED
        self.audit.write(
            call, outcome=outcome, injected=failure is not None, milliseconds=(time.perf_counter() - started) * 1000
        )
        if reply is None or (failure is not None and failure.kind == "drop"):
            raise ConnectionDropped(f"{call.service}:{call.action}")
        return reply

    def _refuse(self, call: Call, fault: Fault | None) -> Reply | None:
        """The reply to a call that a fault keeps from being carried out; None where the connection is cut."""
        if fault is None or fault.kind == "drop":
            return None
        if fault.kind == "throttle":
            code, status = throttle_code(call)
            message = "Rate exceeded"
        else:
            code, status = deny_code(call)
            message = deny_message(call)
        return error_reply(call, fault.code or code, message, status)

    def _execute(self, call: Call, environ: dict[str, Any], body: bytes) -> Reply:
        """Let moto carry out the call; what it does not implement is answered as an error that clients understand."""
        try:
            with backends.at(Place(call.caller.account, call.region)), service_lock(call.service):
                reply = self._ask_moto(environ, body)
        except NotImplementedError as error:
            return self._not_implemented(call, str(error))
        except Exception as error:
            self._note_crash(call)
            return error_reply(call, "InternalFailure", f"the lab failed: {type(error).__name__}: {error}", 500)
        # A page instead of an answer, in which botocore finds neither code nor message: moto has no route.
        if reply.status.startswith("404") and reply.body.lower().startswith(b"<!doctype html>"):
            return self._not_implemented(call, "moto has no route for it")
        return reply

    def _not_implemented(self, call: Call, why: str) -> Reply:
        # 501 and not 500: botocore retries the latter.
        message = f"the lab does not implement {call.service}:{call.action} ({why})"
        return error_reply(call, "NotImplemented", message, HTTPStatus.NOT_IMPLEMENTED)

    def _ask_moto(self, environ: dict[str, Any], body: bytes) -> Reply:
        started: list[Any] = []
        environ = {**environ, "wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        chunks = self._moto(environ, lambda status, headers, exc_info=None: started.extend((status, headers)))
        return Reply(started[0], list(started[1]), b"".join(chunks))

    def _note_crash(self, call: Call) -> None:
        with (self._folder / "aws-errors.log").open("a", encoding="utf-8") as log:
            log.write(f"{call.service}:{call.action}\n{traceback.format_exc()}\n")

    def _reset(self) -> dict[str, Any]:
        BackendDict.reset()
        reset_model_data()
        configure_moto()
        self._control.reset()
        return {}


def configure_moto() -> None:
    """Settle what moto must do before its backends exist: functions without docker, tasks that keep running,
    distributions that are deployed at once."""
    default_user_config["lambda"] = {"use_docker": False}
    default_user_config["batch"] = {"use_docker": False}
    state_manager.set_transition("ecs::task", {"progression": "manual", "times": 10**9})
    state_manager.set_transition("cloudfront::distribution", {"progression": "immediate"})


def _read_body(environ: dict[str, Any]) -> bytes:
    """The whole body; what follows it on a kept connection belongs to the next request.

    Raises ConnectionDropped where less of it came: its client died on the way, and the call was never made.
    """
    stream = environ["wsgi.input"]
    if environ.get("wsgi.input_terminated"):
        return bytes(stream.read())
    length = int(environ.get("CONTENT_LENGTH") or 0)
    body = bytes(stream.read(length)) if length else b""
    if len(body) < length:
        raise ConnectionDropped(f"{len(body)} of {length} bytes of a request came")
    return body


def _status_line(status: HTTPStatus) -> str:
    return f"{status.value} {status.phrase}"
