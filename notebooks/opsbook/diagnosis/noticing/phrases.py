"""Phrases for what is wrong: those of the SDKs of AWS and of Lambda, of PostgreSQL, Redis and common HTTP clients.

A phrase is a constant; nothing that a log holds becomes a pattern.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Phrase:
    """What a message says.

    :param own: the sign at the component that logs it; empty for none
    :param other: the sign at the component that it is about, where it is about another; empty for none
    :param kinds: the kinds of components that it can be about
    """

    pattern: re.Pattern[str]
    own: str = ""
    other: str = ""
    kinds: tuple[str, ...] = ()


DATABASES, CACHES = ("postgres", "rds_instance"), ("redis", "elasticache_cluster")
STORES = (*DATABASES, *CACHES, "dynamodb_table", "sqs_queue")
BLAMES = "blames-others"


def _phrase(own: str, other: str, kinds: tuple[str, ...], *words: str) -> Phrase:
    """A phrase in any of these wordings."""
    return Phrase(re.compile("|".join(words), re.IGNORECASE), own, other, kinds)


PHRASES = (
    # Lambda's own words (Lambda Developer Guide, troubleshooting invocation), and those of runtimes.
    _phrase("says-timed-out", "", (), r"task timed out after \d"),
    _phrase("says-killed", "", (), r"runtime\.exitederror", r"runtime exited with error: signal: killed",
            r"runtime\.outofmemory", r"out ?of ?memory ?error", r"java heap space", r"cannot allocate memory",
            r"javascript heap out of memory", r"\bmemoryerror\b", r"oom-?kill"),
    # AWS' error codes.
    _phrase("says-denied", "", (), r"accessdenied", r"not authorized to perform", r"unauthorizedoperation"),
    _phrase(BLAMES, "blamed", ("dynamodb_table",), r"provisionedthroughputexceeded", r"throughput (?:exceeds|for the table)",
            r"requestlimitexceeded", r"throttlingexception"),
    _phrase(BLAMES, "blamed", ("lambda_function",), r"toomanyrequestsexception", r"rate exceeded"),
    # PostgreSQL's messages, and those of its clients' pools: a pool is a client's own, the server may have plenty left.
    _phrase(BLAMES, "says-connections-out", DATABASES, r"too many (?:clients|connections)", r"remaining connection slots"),
    _phrase(BLAMES, "pool-exhausted", DATABASES, r"connection pool (?:exhausted|timeout|is full)", r"queuepool limit",
            r"timeout.{0,40}(?:acquir|obtain|get)\w* (?:a )?connection"),
    _phrase(BLAMES, "says-lock", DATABASES, r"lock timeout", r"deadlock detected", r"could not obtain lock",
            r"still waiting for \w+ ?lock"),
    _phrase(BLAMES, "blamed", DATABASES, r"statement timeout", r"canceling statement"),
    _phrase(BLAMES, "disk-filling", (*DATABASES, "host"), r"no space left on device", r"could not extend file",
            r"disk full"),
    # Redis' messages.
    _phrase(BLAMES, "says-no-memory", CACHES, r"oom command not allowed"),
    _phrase(BLAMES, "blamed", CACHES, r"max number of clients reached"),
    # Clients that do not come through.
    _phrase(BLAMES, "says-refused-connection", (*DATABASES, *CACHES), r"connection refused", r"econnrefused",
            r"could not connect", r"no route to host", r"host is unreachable", r"connect(?:ion)? ?timed? ?out",
            r"name or service not known", r"enotfound", r"server closed the connection", r"connection reset"),
    _phrase(BLAMES, "blamed", ("external", *STORES), r"bad gateway", r"service unavailable", r"gateway time-?out",
            r"upstream", r"\b50[234]\b", r"read ?timed? ?out", r"timeouterror", r"etimedout",
            r"circuit (?:breaker )?(?:is )?open", r"max retries exceeded", r"connection refused", r"connection reset"),
)
