"""The pages of the systems: which path is whose, and what each answers in the condition that the health book tells."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from lab.web.health import Condition, HealthBook
from lab.web.reply import Reply, json_reply
from lab.web.systems import Endpoint, System

# From this depth on a queue is overloaded (procedure 003-13).
_OVERLOADED = 1000
_PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
# Upper bounds in seconds, and which part of the requests is answered within them.
_BUCKETS = ((0.05, 0.42), (0.1, 0.71), (0.25, 0.93), (0.5, 0.985), (1.0, 0.998), (2.5, 1.0))
_MEAN_SECONDS = 0.094
_REQUESTS_A_FAILURE = 2000
_EXECUTIONS = 10

Page = Callable[[], Reply]


class Site:
    """All pages of all systems."""

    def __init__(self, systems: Mapping[str, System], book: HealthBook, clock: Callable[[], float] = time.time) -> None:
        self._book = book
        self._clock = clock
        self._started = clock()
        self._pages = {f"{name}/{path}": page for name, system in systems.items() for path, page in self._of(name, system)}

    def answer(self, method: str, path: str) -> Reply:
        """The reply to a request for a path without its first slash."""
        page = self._pages.get(path)
        if page is None:
            return json_reply(404, {"error": "not found"})
        return page() if method in ("GET", "HEAD") else json_reply(405, {"error": "method not allowed"})

    def _of(self, name: str, system: System) -> Iterator[tuple[str, Page]]:
        """Path and page of everything that one system serves."""
        for key, endpoint in system.endpoints.items():
            yield from self._of_endpoint(name, key, endpoint)
        if system.jobs:
            yield system.jobs_page, lambda: self._jobs_page(name, system)
            for job in system.jobs:
                yield f"{system.jobs_page}/{job}/executions", partial(self._executions_page, name, system, job)
        if system.queues:
            yield system.queues_page, lambda: self._queues(name)
        if system.requests:
            yield system.metrics_page, lambda: self._metrics(system)

    def _of_endpoint(self, name: str, key: str, endpoint: Endpoint) -> Iterator[tuple[str, Page]]:
        if endpoint.health:
            yield endpoint.health, lambda: self._health(endpoint, self._book.condition(name, key), not endpoint.ready)
        if endpoint.ready:
            yield endpoint.ready, lambda: self._health(endpoint, self._book.condition(name, key), True)
        for path, body in endpoint.pages.items():
            yield path, partial(json_reply, 200, body)
        for path, body in endpoint.served.items():
            yield path, partial(self._served, name, key, body)
        if endpoint.site is not None:
            yield endpoint.site, lambda: _cached(self._book.condition(name, key), name, endpoint)

    def _health(self, endpoint: Endpoint, condition: Condition, with_checks: bool) -> Reply:
        body: dict[str, Any] = {"status": condition.status}
        if endpoint.dated:
            body["timestamp"] = _said(self._now(), "milliseconds")
        body.update({**endpoint.facts, "version": endpoint.version})
        if with_checks and endpoint.checks:
            body["checks"] = dict(condition.checks)
        return json_reply(condition.code, body)

    def _served(self, name: str, key: str, body: Any) -> Reply:
        condition = self._book.condition(name, key)
        return json_reply(condition.code, {"error": condition.status} if condition.failing else body)

    def _jobs_page(self, name: str, system: System) -> Reply:
        jobs = self._jobs(name, system)
        wrong = [job for job in jobs if job["status"] != "active" or job["last_status"] != "success"]
        return json_reply(200, {"status": "degraded" if wrong else "ok", "wrong": len(wrong), "jobs": jobs})

    def _jobs(self, name: str, system: System) -> list[dict[str, Any]]:
        course = self._book.course(name)
        return [
            {
                "id": job,
                "platform": described.platform,
                "interval_minutes": described.interval_minutes,
                "status": "active" if course.scheduler == "running" else "stalled",
                "last_status": course.jobs.get(job, "success"),
                "last_run": self._executions(name, system, job)[0]["started_at"],
            }
            for job, described in system.jobs.items()
        ]

    def _executions(self, name: str, system: System, job: str) -> list[dict[str, Any]]:
        """The newest executions first; without its scheduler a job has not run since the lab started."""
        course, interval = self._book.course(name), system.jobs[job].interval_minutes * 60
        last = self._clock() if course.scheduler == "running" else self._started - 24 * 3600
        started = [last - last % interval - number * interval for number in range(_EXECUTIONS)]
        return [
            {
                "id": f"{job}-{int(moment)}",
                "status": course.jobs.get(job, "success") if number == 0 else "success",
                "started_at": _said(datetime.fromtimestamp(moment, UTC)),
                "finished_at": _said(datetime.fromtimestamp(moment, UTC) + timedelta(seconds=11)),
            }
            for number, moment in enumerate(started)
        ]

    def _executions_page(self, name: str, system: System, job: str) -> Reply:
        return json_reply(200, self._executions(name, system, job))

    def _queues(self, name: str) -> Reply:
        depths = self._book.course(name).queues
        states = {queue: "overloaded" if depth > _OVERLOADED else "ok" for queue, depth in depths.items()}
        queues = {
            queue: {"status": states[queue], "waiting": depth, "active": min(depth, 4), "delayed": 0, "failed": 0}
            for queue, depth in depths.items()
        }
        overall = "overloaded" if "overloaded" in states.values() else "ok"
        return json_reply(200, {"status": overall, "total": sum(depths.values()), "queues": queues})

    def _metrics(self, system: System) -> Reply:
        """What Prometheus reads: counters since a day before the lab started."""
        seconds = self._clock() - self._started + 24 * 3600
        counts = {route: int(rate * seconds) for route, rate in system.requests.items()}
        text = "\n".join([*_counters(counts), *_histograms(counts), ""])
        return Reply(200, text.encode(), _PROMETHEUS)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)


def _cached(condition: Condition, name: str, endpoint: Endpoint) -> Reply:
    """A page for people as CloudFront hands it out; an error comes from the origin."""
    title = f"{name} {endpoint.version}"
    text = condition.status if condition.failing else f"<!doctype html><title>{title}</title><h1>{title}</h1>"
    origin = "Error" if condition.failing else "Hit"
    headers = {"x-cache": f"{origin} from cloudfront", "via": "1.1 cloudfront.example.com (CloudFront)", "age": "240"}
    return Reply(condition.code, text.encode(), "text/html; charset=utf-8", headers)


def _counters(counts: Mapping[str, int]) -> Iterator[str]:
    yield "# HELP http_requests_total Requests by route and status."
    yield "# TYPE http_requests_total counter"
    for route, count in counts.items():
        failed = count // _REQUESTS_A_FAILURE
        for status, number in (("200", count - failed), ("500", failed)):
            yield f"http_requests_total{_labels(route=route, status=status)} {number}"


def _histograms(counts: Mapping[str, int]) -> Iterator[str]:
    yield "# HELP http_request_duration_seconds Time to answer by route."
    yield "# TYPE http_request_duration_seconds histogram"
    for route, count in counts.items():
        for bound, part in _BUCKETS:
            yield f"http_request_duration_seconds_bucket{_labels(route=route, le=f'{bound:g}')} {int(count * part)}"
        yield f"http_request_duration_seconds_bucket{_labels(route=route, le='+Inf')} {count}"
        yield f"http_request_duration_seconds_sum{_labels(route=route)} {count * _MEAN_SECONDS:.3f}"
        yield f"http_request_duration_seconds_count{_labels(route=route)} {count}"


def _labels(**labels: str) -> str:
    return "{" + ",".join(f"{name}={json.dumps(value)}" for name, value in labels.items()) + "}"


def _said(moment: datetime, detail: str = "seconds") -> str:
    return moment.isoformat(timespec=detail).replace("+00:00", "Z")
