"""ECS as it behaves: services roll out over time, tasks start, fail and stop, deployments can be looked back at.

moto 5.2.5 keeps the records (clusters, task definitions, tags, tasks of RunTask) and validates requests; what moves is
ours: ecs_rollout.py and ecs_scheduler.py decide, ecs_services.py, ecs_tasks.py and ecs_history_actions.py answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from moto.core.responses import ActionResult
from moto.ecs.models import ecs_backends
from moto.ecs.responses import EC2ContainerServiceResponse as EcsResponse

from lab.aws.backdate import register_backdate
from lab.aws.backends import here, regional
from lab.aws.control import ControlError, ControlRoutes
from lab.aws.ecs_history_actions import HistoryActions
from lab.aws.ecs_incidents import EcsIncidents
from lab.aws.ecs_rollout import RolloutError
from lab.aws.ecs_services import ServiceActions
from lab.aws.ecs_state import EcsService, EcsState
from lab.aws.ecs_tasks import TaskActions
from lab.aws.locks import service_lock

_SECONDS_A_DAY = 86400.0
Action = Callable[[EcsResponse], ActionResult]


def install(control: ControlRoutes, state: EcsState | None = None) -> None:
    """Rebind moto's ECS actions and register the control routes and the kind `ecs-deployment` of `backdate`."""
    state = state or EcsState()
    for actions in (ServiceActions(state), TaskActions(state), HistoryActions(state)):
        for name in vars(type(actions)):
            if not name.startswith("_"):
                setattr(EcsResponse, name, _locked(getattr(actions, name)))
    routes = EcsControl(state)
    control.route("ecs/failing-images")(routes.failing_images)
    control.route("ecs/settings")(routes.settings)
    control.route("ecs/settle")(routes.settle)
    control.route("incident/ecs")(EcsIncidents(state).change)
    register_backdate("ecs-deployment", routes.backdate)
    control.on_reset(state.reset)


def _locked(action: Action) -> Action:
    def answer(response: EcsResponse) -> ActionResult:
        with service_lock("ecs"):
            return action(response)

    return answer


class EcsControl:
    """The control routes."""

    def __init__(self, state: EcsState) -> None:
        self._state = state

    def failing_images(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """`{"image": name or pattern, "reason": text}`: deployments that start from now fail; reason null heals.

        With `account`, only those of that account.
        """
        image, reason, account = body.get("image"), body.get("reason"), body.get("account")
        if not isinstance(image, str) or not image or "reason" not in body or not isinstance(reason, str | None):
            raise ControlError('ecs/failing-images needs "image" (text) and "reason" (text, or null to heal)')
        with service_lock("ecs"):
            images = self._state.images_of(str(account)) if account else self._state.images
            known = images.failures()
            if reason is None and image not in known:
                raise ControlError(f"image {image!r} does not fail; failing: {', '.join(sorted(known)) or 'none'}")
            self._state.advance()
            images.fail(image, reason)
            return {"failing": images.failures()}

    def settings(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """`{"task_seconds": number}`: how long a task takes to start; it stays so until told otherwise."""
        seconds = body.get("task_seconds")
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds <= 0:
            raise ControlError(f'ecs/settings needs "task_seconds", a number above 0, not {seconds!r}')
        with service_lock("ecs"):
            self._state.advance()
            self._state.timing.task_seconds = float(seconds)
        return {"task_seconds": float(seconds)}

    def settle(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """`{"cluster", "service", "age_days"}`: end the rollout at once, and make it so old."""
        missing = sorted({"cluster", "service", "age_days"} - set(body))
        if missing:
            raise ControlError(f"ecs/settle needs {', '.join(missing)}")
        try:
            age = float(body["age_days"]) * _SECONDS_A_DAY
        except (TypeError, ValueError) as error:
            raise ControlError(f"age_days must be a number, not {body['age_days']!r}") from error
        with service_lock("ecs"):
            service = self._find(str(body["cluster"]), str(body["service"]))
            try:
                service.rollout.settle(self._state.clock(), age)
            except RolloutError as error:
                raise ControlError(str(error)) from error
            return {"deployment": service.rollout.primary.id, "running": len(service.rollout.pool.running())}

    def backdate(self, name: str, age: timedelta) -> None:
        """Make the deployments of `<cluster>/<service>`, and all that belongs to them, so much older."""
        cluster, _, service = name.partition("/")
        if not service:
            raise ControlError(f"name an ecs-deployment as <cluster>/<service>, not {name!r}")
        with service_lock("ecs"):
            rollout = self._find(cluster, service).rollout
            rollout.shift(-age.total_seconds())
            rollout.advance(self._state.clock())

    def _find(self, cluster: str, name: str) -> EcsService:
        found = self._state.find(regional(ecs_backends), cluster, name)
        if found is not None and found.rollout.deployments:
            return found
        place = here()
        keys = [key for key in self._state.services if key[:2] == (place.account, place.region)]
        known = ", ".join(sorted(f"{key[2]}/{key[3]}" for key in keys)) or "none"
        raise ControlError(f"no ECS service {cluster}/{name}; known: {known}")
