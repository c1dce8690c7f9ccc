"""Seed the queues, each with its dead-letter queue and the messages that wait in it."""

from __future__ import annotations

import json

from lab.estate.connection import Aws
from lab.estate.model import Estate, Queue

_ATTEMPTS = 5
_MOST_A_BATCH = 10


def seed_queues(aws: Aws, estate: Estate) -> None:
    """Create the queues; dead-letter queues stay empty."""
    for queue in estate.queues:
        _create(aws, queue)
        for first in range(0, queue.messages, _MOST_A_BATCH):
            numbers = range(first, min(first + _MOST_A_BATCH, queue.messages))
            aws.clients["sqs"].send_message_batch(
                QueueUrl=_address(aws, queue.name),
                Entries=[{"Id": str(number), "MessageBody": json.dumps({"job": number})} for number in numbers],
            )


def _create(aws: Aws, queue: Queue) -> None:
    sqs, attributes = aws.clients["sqs"], {}
    if queue.dead_letters:
        sqs.create_queue(QueueName=queue.dead_letter_queue)
        target = f"arn:aws:sqs:{aws.region}:{aws.account}:{queue.dead_letter_queue}"
        attributes["RedrivePolicy"] = json.dumps({"deadLetterTargetArn": target, "maxReceiveCount": _ATTEMPTS})
    sqs.create_queue(QueueName=queue.name, Attributes=attributes)


def _address(aws: Aws, name: str) -> str:
    return f"{aws.endpoint}/{aws.account}/{name}"
