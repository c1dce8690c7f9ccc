"""What may be bad in a system of the lab, for the length of a block; afterwards it is well again."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any

import redis

from tests.support.databases import superuser
from tests.support.labs import Lab
from tests.support.waiting import eventually

BATCH = 10
NUMBER = 7_003
"""Of the advisory lock that two sessions want."""


@contextmanager
def filled_queue(lab: Lab, system: str, queue: str, messages: int) -> Iterator[None]:
    """That many messages more wait in a queue."""
    client = lab.client("sqs", system)
    url = client.get_queue_url(QueueName=queue)["QueueUrl"]
    for first in range(0, messages, BATCH):
        numbers = range(first, min(first + BATCH, messages))
        client.send_message_batch(QueueUrl=url, Entries=[{"Id": str(number), "MessageBody": "{}"} for number in numbers])
    try:
        yield
    finally:
        client.purge_queue(QueueUrl=url)


@contextmanager
def ringing_alarm(lab: Lab, system: str, alarm: str) -> Iterator[None]:
    """An alarm is in the state ALARM."""
    client = lab.client("cloudwatch", system)
    client.set_alarm_state(AlarmName=alarm, StateValue="ALARM", StateReason="a test")
    try:
        yield
    finally:
        client.set_alarm_state(AlarmName=alarm, StateValue="OK", StateReason="a test")


@contextmanager
def sick_targets(lab: Lab, system: str, group: str) -> Iterator[None]:
    """All targets of a target group are unhealthy."""
    place = lab.status["accounts"][system]
    body = {"group": group, "target": "*", "account": place["account_id"], "region": place["region"]}
    lab.control("elb/targets", {**body, "state": "unhealthy"})
    try:
        yield
    finally:
        lab.control("elb/targets", {**body, "state": "healthy"})


@contextmanager
def sick_endpoint(lab: Lab, system: str, endpoint: str) -> Iterator[None]:
    """An endpoint of the web application says that it is degraded."""
    lab.control("health", {"system": system, "endpoint": endpoint, "status": "degraded"}, of="web")
    try:
        yield
    finally:
        lab.control("health", {"reset": True}, of="web")


@contextmanager
def full_redis(lab: Lab, system: str) -> Iterator[None]:
    """Redis has nearly no memory left. Its systems share one server: it is full for all of them."""
    place = lab.status["redis"][system]
    client = redis.Redis(host=place["host"], port=place["port"], password=place["password"])
    with closing(client):
        before = client.config_get("maxmemory")["maxmemory"]
        client.config_set("maxmemory", int(client.info("memory")["used_memory"] * 1.04))
        try:
            yield
        finally:
            client.config_set("maxmemory", before)


@contextmanager
def blocked_session(lab: Lab, system: str) -> Iterator[None]:
    """A session of the system's database waits for a lock that another one holds."""
    with superuser(lab, system) as holder, superuser(lab, system) as waiter, ThreadPoolExecutor(1) as pool:
        _ask(holder, f"SELECT pg_advisory_lock({NUMBER})")
        waiting = pool.submit(_ask, waiter, f"SELECT pg_advisory_lock({NUMBER})")
        try:
            eventually(lambda: _ask(holder, f"SELECT pg_blocking_pids({waiter.info.backend_pid})") != [([],)])
            yield
        finally:
            _ask(holder, f"SELECT pg_advisory_unlock({NUMBER})")
            waiting.result(timeout=30)


@contextmanager
def frozen_postgres(lab: Lab) -> Iterator[None]:
    """PostgreSQL takes connections and answers none; sessions that are open go on."""
    with superuser(lab, next(iter(lab.status["postgres"]))) as connection:
        pid = int(_ask(connection, "SELECT pg_read_file('postmaster.pid')")[0][0].splitlines()[0])
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def _ask(connection: Any, statement: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall())
