"""Lines as real loggers write them: which tell of trouble, by Insights, by FilterLogEvents and read here alike."""

from __future__ import annotations

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import Refused
from lab.aws.filter_patterns import pattern_of
from lab.aws.insights_evaluation import evaluate
from lab.aws.insights_grammar import Grammar
from lab.aws.insights_values import discovered
from opsbook.evidence.log_text import LogFields
from opsbook.evidence.trouble_words import is_trouble, trouble, trouble_events

FIELDS = LogFields()
PINO = LogFields(level="lvl", status="res.statusCode", duration="responseTime", message="msg")

TROUBLE = [
    ("zap", '{"level":"error","ts":1795291200.1,"caller":"api/main.go:7","msg":"no stock"}'),
    ("zap, in development", "2026-11-21T20:00:00.000Z\tERROR\tapi/main.go:7\tno stock"),
    ("zap's console, small", "2026-11-21T20:00:00.000Z\terror\tapi/main.go:7\tno stock"),
    ("logrus, JSON", '{"level":"fatal","msg":"gone","time":"2026-11-21T20:00:00Z"}'),
    ("logrus, text", 'time="2026-11-21T20:00:00Z" level=error msg="no stock" sku=5'),
    ("structlog", '{"event": "no stock", "level": "error", "timestamp": "2026-11-21T20:00:00Z"}'),
    ("pino", '{"level":50,"time":1795291200000,"pid":1,"msg":"no stock"}'),
    ("bunyan, fatal", '{"name":"api","v":0,"level":60,"msg":"gone"}'),
    ("pino in a line that is a text of JSON", r'{"log":"{\"level\":50,\"msg\":\"no stock\"}"}'),
    ("winston, plain", "error: no stock left"),
    ("winston with a time", "2026-11-21T20:00:00.123Z error: no stock left"),
    ("Google's severity", '{"severity":"CRITICAL","message":"gone"}'),
    ("Elastic's names", '{"@timestamp":"2026-11-21T20:00:00Z","log.level":"ERROR","message":"gone"}'),
    ("Serilog, compact", '{"@t":"2026-11-21T20:00:00Z","@l":"Error","@m":"gone"}'),
    (".NET, JSON", '{"EventId":0,"LogLevel":"Critical","Message":"gone"}'),
    (".NET, console", "fail: Shop.Cart[0]\n      no stock"),
    ("Serilog, console", "[20:00:00 ERR] no stock"),
    ("Python's logging", "ERROR:shop.cart:no stock"),
    ("loguru", "2026-11-21 20:00:00.1 | ERROR    | shop:cart:7 - no stock"),
    ("logback", "20:00:00.1 [main] ERROR shop.Cart - no stock"),
    ("java.util.logging", "SEVERE: no stock"),
    ("Rust's tracing with colours", "\x1b[2m2026-11-21T20:00:00Z\x1b[0m \x1b[31mERROR\x1b[0m shop: no stock"),
    ("Rust's panic", "thread 'main' panicked at src/main.rs:2:5:"),
    ("klog", "E1121 20:00:00.123456       1 controller.go:114] no stock"),
    ("mongod", '{"t":{"$date":"2026-11-21T20:00:00Z"},"s":"E",  "c":"NETWORK","msg":"gone"}'),
    ("nginx", "2026/11/21 20:00:00 [error] 7#7: *1 upstream timed out (110), client: 10.0.0.1"),
    ("nginx, worse", "2026/11/21 20:00:00 [emerg] 1#1: no host"),
    ("Apache", "[Sat Nov 21 20:00:00 2026] [core:error] [pid 7] AH00037: link not allowed"),
    ("PostgreSQL", "2026-11-21 20:00:00 UTC [7] ERROR:  deadlock detected"),
    ("PHP", "PHP Fatal error:  Uncaught Exception: no stock in /app/cart.php:7"),
    ("Ruby", "E, [2026-11-21T20:00:00.1 #7] ERROR -- : no stock"),
    ("JavaScript's exception", "TypeError: Cannot read properties of undefined (reading 'id')"),
    ("Node's refused connection", "Error: connect ECONNREFUSED 10.0.0.1:5432"),
    ("Python's exception without words", "KeyError: 0"),
    ("Python's traceback", "Traceback (most recent call last):\n  File \"a.py\", line 1"),
    ("Java's exception", 'Exception in thread "main" java.lang.IllegalStateException: no stock'),
    ("an exception as a field", '{"message":"order failed","exception":"ValueError"}'),
    ("Elixir", "** (RuntimeError) no stock"),
    ("Go's panic", "panic: runtime error: index out of range [5] with length 3"),
    ("Go's runtime", "fatal error: all goroutines are asleep - deadlock!"),
    ("Lambda's time-out", "2026-11-21T20:00:00Z 5e1f Task timed out after 3.00 seconds"),
    ("Lambda's end", "RequestId: 5e1f Error: Runtime exited with error: signal: killed"),
    ("JavaScript's memory", "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory"),
    ("JVM's memory", "java.lang.OutOfMemoryError: Java heap space"),
    ("an error with a duration", '{"level":"error","message":"query failed","duration_ms":5021}'),
    ("an error with a status", '{"level":"error","message":"provider failed","status":503}'),
    ("psql", "psql: error: connection to server failed"),
]
NO_TROUBLE = [
    ("no errors counted", "done: 120 rows, 0 errors"),
    ("no error", "finished with no error"),
    ("a count", "error_count=0 panic_count=0"),
    ("a count with a colon", "rows: 12, error: 0, fatal: 0"),
    ("a JSON count", '{"level":"info","message":"batch","errors":0,"error_count":0,"error":null}'),
    ("a path", '{"level":"info","message":"GET /errors","path":"/errors"}'),
    ("a path in capitals", "GET /ERROR/ 200"),
    ("an access line", '10.0.0.1 - - [21/Nov/2026:20:00:00 +0000] "GET /api/errors?level=5 HTTP/1.1" 200 512'),
    ("pino, info", '{"level":30,"time":1795291200000,"msg":"took 50"}'),
    ("pino, warning", '{"level":40,"msg":"slow","code":50}'),
    ("logfmt, info", "level=info msg=\"retry policy on error loaded\" max_errors=5"),
    ("klog, info", "I1121 20:00:00.123456       1 controller.go:114] synced"),
    ("mongod, info", '{"s":"I", "c":"NETWORK","msg":"connected"}'),
    ("nginx, notice", "2026/11/21 20:00:00 [notice] 1#1: start worker process 7"),
    ("a word that begins likewise", "erroneous entries are terrorised, alerting is on, criticality low"),
    ("a request", '{"level":"error","status":500,"duration_ms":3,"message":"ERROR"}'),
    ("a metric's name", '{"level":"info","UserErrorCount":0,"ServerError":0}'),
    ("an id that holds 50", '{"level":"info","id":"a50","count":50}'),
    ("Insights' own log", "START RequestId: 5e1f Version: $LATEST"),
]


def by_insights(text: str, fields: LogFields) -> bool:
    row = {**discovered(text), "@message": text, "@timestamp": "2026-11-21 20:00:00.000", "@ptr": "1"}
    return bool(evaluate(Grammar(f"filter {trouble(fields)}").commands(), [row]).rows)


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in TROUBLE])
def test_lines_of_trouble_are_found_every_way(text: str) -> None:
    assert is_trouble(text, FIELDS)
    assert by_insights(text, FIELDS)
    assert pattern_of(trouble_events(FIELDS))(text)


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in NO_TROUBLE])
def test_other_lines_are_no_trouble_either_way(text: str) -> None:
    assert not is_trouble(text, FIELDS)
    assert not by_insights(text, FIELDS)


@pytest.mark.parametrize(("text", "is_one"), [
    ('{"lvl":50,"msg":"no stock"}', True),
    ('{"lvl":50,"res":{"statusCode":500},"responseTime":7}', False),
    ('{"lvl":50,"res":{"statusCode":500}}', True),
    ('{"lvl":50,"status":500,"duration_ms":7}', True),
])
def test_fields_by_other_names_are_told_the_same_way(text: str, is_one: bool) -> None:
    assert is_trouble(text, PINO) is is_one
    assert by_insights(text, PINO) is is_one
    assert pattern_of(trouble_events(PINO))(text)


def test_a_level_by_a_name_of_its_own_counts() -> None:
    fields = LogFields(level="labels.how-bad")
    text = '{"labels":{"how-bad":"critical"},"say":"gone"}'
    assert is_trouble(text, fields)
    assert by_insights(text, fields)
    assert not is_trouble(text, FIELDS)


def test_the_pattern_for_events_keeps_to_what_aws_allows() -> None:
    pattern = trouble_events(PINO)
    assert len(pattern) <= 1024
    assert not set(pattern.strip("%")) & set('()"\' !<>&%')


@pytest.mark.parametrize("field", ["a/b", "x) or (1=1", "a b"])
def test_a_field_that_could_be_more_than_a_name_comes_into_no_query(field: str) -> None:
    for fields in (LogFields(level=field), LogFields(status=field)):
        with pytest.raises(Refused, match="no name of a field"):
            trouble(fields)


def test_a_line_of_megabytes_is_read_in_one_go() -> None:
    assert not is_trouble("[a" * 300_000 + "\t: \x1b[" + "1" * 300_000, FIELDS)
