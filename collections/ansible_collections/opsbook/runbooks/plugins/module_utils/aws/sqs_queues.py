# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""SQS queues: how many messages wait, how old the oldest is, and what lies in dead-letter queues.

Sources, SQS API reference and developer guide (ListQueues, GetQueueAttributes, Available CloudWatch metrics):

* ListQueues ends after 1000 queues without a word unless MaxResults is given.
* A dead-letter queue is in the same account and region as the queues that send to it.
* ApproximateAgeOfOldestMessage is published only while the queue holds a message: without messages there is no age,
  whatever the last data point before they went says.
"""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any

from ..core.coverage import Collected, Coverage, merge_coverage
from ..core.durations import parse_duration, say_duration
from ..core.evidence import Evidence
from ..core.run import Run
from .calls import all_pages
from .client import Connect
from .errors import explaining
from .gathering import gather
from .listings import Found, absences, choose
from .metrics import MINUTE, Metric, Reading, collect_metrics

KIND = "sqs-queue"
QUEUES_A_PAGE = 1000
MAXIMUM_DEPTH = 1000
# SQS publishes every minute, up to 15 minutes late for a queue that nobody used for hours.
LOOK_BACK = timedelta(minutes=15)
COUNTS = {
    "visible": "ApproximateNumberOfMessages",
    "in_flight": "ApproximateNumberOfMessagesNotVisible",
    "delayed": "ApproximateNumberOfMessagesDelayed",
}


@dataclass(frozen=True)
class Wanted:
    """What is right for a queue, or for those that a pattern chooses.

    :param maximum_depth: how many messages may wait
    :param maximum_age: how old the oldest may be; None when that does not matter
    """

    name: str
    maximum_depth: int = MAXIMUM_DEPTH
    maximum_age: timedelta | None = None


@dataclass(frozen=True)
class Queue:
    """One queue.

    :param visible: messages that wait to be received
    :param in_flight: messages received and not deleted yet
    :param delayed: messages that cannot be received yet
    :param dead_letter_queue: where messages go that nobody could work on; empty where there is none
    :param maximum_receives: how often a message is received before it goes there
    :param dead_letter_for: the queues that send theirs here, asked for only while it holds messages
    """

    name: str
    url: str
    visible: int
    in_flight: int
    delayed: int
    dead_letter_queue: str = ""
    maximum_receives: int | None = None
    dead_letter_for: tuple[str, ...] = ()

    @property
    def messages(self) -> int:
        """All that are in it."""
        return self.visible + self.in_flight + self.delayed


@dataclass(frozen=True)
class Queues:
    """The queues chosen and what belongs to them.

    :param dead_letters: messages by the name of the dead-letter queue, None where no such queue exists; one that could
        not be read is in the coverage instead
    :param ages: of the queues whose age matters, by name
    """

    found: Found[Queue]
    dead_letters: Mapping[str, int | None] = field(default_factory=dict)
    ages: Mapping[str, Reading] = field(default_factory=dict)

    def age(self, queue: Queue) -> float | None:
        """Seconds since the oldest message came, 0 without messages; None where it is not known, or nobody asked."""
        reading = self.ages.get(queue.name)
        if reading is None:
            return None
        return reading.newest if queue.messages else 0.0


def wanted_of(given: Sequence[Mapping[str, Any]]) -> tuple[Wanted, ...]:
    """The queues from a module's options.

    :raises Refused: for an age that is no length of time
    """
    return tuple(Wanted(one["name"], one["maximum_depth"],
                        parse_duration(one["maximum_age"]) if one.get("maximum_age") else None) for one in given)


def limits_for(name: str, wanted: Sequence[Wanted]) -> Wanted:
    """What is right for a queue: the entry of its own name, else the first whose pattern fits."""
    own = [one for one in wanted if one.name == name]
    fitting = [one for one in wanted if fnmatch.fnmatchcase(name, one.name)]
    return (own or fitting or [Wanted(name)])[0]


def collect_queues(
    connect: Connect, run: Run, wanted: Sequence[Wanted], allow_dead_letters: bool = False
) -> Collected[Queues]:
    """Read the queues meant by names and patterns, and their dead-letter queues; none given means all of the region.

    :param allow_dead_letters: messages in dead-letter queues do not matter, so nobody asks which queues are such
    """
    urls: dict[str, str] = {}

    def list_queues() -> Mapping[str, str]:
        # All of them, since a dead-letter queue may have any name.
        with explaining("list SQS queues", ", ".join(one.name for one in wanted) or "all"):
            pages = all_pages(connect("sqs"), "list_queues", "QueueUrls", MaxResults=QUEUES_A_PAGE)
            urls.update({str(url).rpartition("/")[2]: str(url) for url in pages})
        return {name: name for name in urls}

    names, listing = choose(KIND, [one.name for one in wanted], list_queues)
    queues, coverage = gather(run, KIND, names.items, lambda name: _read_queue(
        connect, name, urls[name], sources=not allow_dead_letters))
    dead_letters, more = _read_dead_letters(connect, run, queues, urls)
    ages, measured = _read_ages(connect, run, [
        queue.name for queue in queues if limits_for(queue.name, wanted).maximum_age is not None])
    state = Queues(Found(tuple(queues), names.absent), dead_letters, ages)
    return Collected(state, run.now(), merge_coverage([listing, coverage, more, measured]))


def evaluate_queues(
    collected: Collected[Queues], wanted: Sequence[Wanted], allow_dead_letters: bool = False
) -> list[Evidence]:
    """A queue is right when few enough messages wait, the oldest is young enough, and no dead letters lie anywhere."""
    state = collected.state
    evidence = absences(KIND, state.found.absent)
    for queue in state.found.items:
        limits = limits_for(queue.name, wanted)
        evidence.append(Evidence(
            "messages waiting", f"{KIND}:{queue.name}", f"at most {limits.maximum_depth}",
            f"{queue.visible} waiting, {queue.in_flight} in flight, {queue.delayed} delayed",
            queue.visible <= limits.maximum_depth))
        if limits.maximum_age is not None and queue.name in state.ages:
            evidence.append(_age(queue, limits.maximum_age, state.age(queue)))
    return evidence + [_dead(name, messages, state, allow_dead_letters) for name, messages in state.dead_letters.items()]


def describe_queues(collected: Collected[Queues]) -> Mapping[str, Any]:
    """The queues as plain data, under `queues`."""
    state = collected.state
    return {"queues": [
        {**asdict(queue), "dead_letter_queue": queue.dead_letter_queue or None,
         "dead_letter_for": list(queue.dead_letter_for), "oldest_age_seconds": state.age(queue),
         "dead_letters": state.dead_letters.get(queue.dead_letter_queue)}
        for queue in state.found.items]}


def _read_queue(connect: Connect, name: str, url: str, sources: bool) -> Queue:
    with explaining("read an SQS queue", name):
        reply = connect("sqs").get_queue_attributes(
            QueueUrl=url, AttributeNames=[*COUNTS.values(), "RedrivePolicy"])["Attributes"]
        queue = _queue(name, url, reply)
        if not (sources and queue.messages):
            return queue
        sending = all_pages(connect("sqs"), "list_dead_letter_source_queues", "queueUrls", QueueUrl=url,
                            MaxResults=QUEUES_A_PAGE)
        return _queue(name, url, reply, tuple(sorted(str(one).rpartition("/")[2] for one in sending)))


def _queue(name: str, url: str, reply: Mapping[str, str], sources: tuple[str, ...] = ()) -> Queue:
    redrive = json.loads(reply.get("RedrivePolicy") or "{}")
    receives = redrive.get("maxReceiveCount")
    return Queue(
        name=name, url=url, **{key: int(reply.get(attribute) or 0) for key, attribute in COUNTS.items()},
        dead_letter_queue=str(redrive.get("deadLetterTargetArn") or "").rpartition(":")[2],
        maximum_receives=None if receives is None else int(receives), dead_letter_for=sources)


def _read_dead_letters(
    connect: Connect, run: Run, queues: Sequence[Queue], urls: Mapping[str, str]
) -> tuple[dict[str, int | None], Coverage]:
    """The messages in each dead-letter queue of these queues, those among them that are one included."""
    known = {queue.name: queue.messages for queue in queues}
    targets = sorted({queue.dead_letter_queue for queue in queues if queue.dead_letter_queue}
                     | {queue.name for queue in queues if queue.dead_letter_for})
    others, coverage = gather(run, KIND, [name for name in targets if name in urls and name not in known],
                              lambda name: _read_queue(connect, name, urls[name], sources=False))
    known.update({queue.name: queue.messages for queue in others})
    return {name: known.get(name) for name in targets if name in known or name not in urls}, coverage


def _read_ages(connect: Connect, run: Run, names: Sequence[str]) -> tuple[dict[str, Reading], Coverage]:
    metrics = [Metric(f"ApproximateAgeOfOldestMessage of {name}", "AWS/SQS", "ApproximateAgeOfOldestMessage",
                      {"QueueName": name}, "Maximum") for name in names]
    measured = collect_metrics(connect, run, metrics, None, LOOK_BACK, MINUTE)
    return {reading.metric.dimensions["QueueName"]: reading for reading in measured.state.readings}, measured.coverage


def _age(queue: Queue, maximum: timedelta, seconds: float | None) -> Evidence:
    seen = f"no data point in {say_duration(LOOK_BACK)}, while it holds {queue.messages}"
    if seconds is not None:
        seen = say_duration(timedelta(seconds=seconds)) if queue.messages else "no message"
    return Evidence("age of the oldest message", f"{KIND}:{queue.name}", f"at most {say_duration(maximum)}", seen,
                    None if seconds is None else seconds <= maximum.total_seconds())


def _dead(name: str, messages: int | None, state: Queues, allowed: bool) -> Evidence:
    sources = {queue.name for queue in state.found.items if queue.dead_letter_queue == name}
    sources.update(*(queue.dead_letter_for for queue in state.found.items if queue.name == name))
    origin = ", ".join(sorted(sources))
    if messages is None:
        return Evidence("existence", f"{KIND}:{name}", f"exists, as dead-letter queue of {origin}", "does not exist", False)
    return Evidence("dead letters", f"{KIND}:{name}", "any number" if allowed else "none", f"{messages} of {origin}",
                    allowed or messages == 0)
