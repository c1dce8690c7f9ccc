"""Which lines of a log tell of trouble: one condition, for Logs Insights, for FilterLogEvents, and for lines read here.

The patterns keep to what Insights and Python both read alike: no look-around, no flags but (?i) at the start, no slash
that is not escaped. A word counts where loggers write it as a level, an exception's type or a crash; "0 errors",
"error_count=0" and a path /errors are no trouble. FilterLogEvents knows neither groups nor spaces (CloudWatch Logs user
guide, "Supported regular expressions (regex) syntax"): what it brings is more, and is read again here.
"""

from __future__ import annotations

import re
from functools import lru_cache

from opsbook.evidence.log_queries import named
from opsbook.evidence.log_text import LEVEL_FIELDS, LogFields, is_request, plain_name

_LEVELS = "(error|err|critical|crit|fatal|panic|dpanic|alert|emergency|emerg|severe)"
_BEFORE, _AFTER = "(^|[^a-z0-9_])", "([^a-z0-9_]|$)"
_LEADS = r"(^|[\]:>|)] |z |:[0-9][0-9]([.,][0-9]+)? |\t)"
"""What stands before a level that is followed by a colon: nothing, a bracket, a time."""

_ANY_CASE = (
    rf"\[\s*([a-z0-9_.]+:)?{_LEVELS}\s*\]",  # nginx' [error], Apache's [core:error]
    rf"{_LEADS}(fatal error|error|fatal|panic|critical):\s+[^0-9\s]",  # Go, command line tools, console.error
    r"\t(error|fatal|panic|dpanic)\t",  # zap's console
    r"^(fail|crit): [a-z]",  # .NET's console
    r"(^|an |[:\]|] )error (has occurred|occurred|while|when|during|in|connecting|processing) ",
    r"php (fatal|parse) error", r"goroutine [0-9]+ \[", r"segmentation fault", r"out of memory:", r"oom-?kill",
    r"task timed out after [0-9]", r"runtime exited", r"process exited before", r"signal: killed",
)
_AS_WRITTEN = (
    r"(^|[^A-Za-z0-9_\/]|\[[0-9;]*m)(ERROR|ERR|CRITICAL|CRIT|FATAL|FTL|PANIC|SEVERE|EMERG)([^A-Za-z0-9_=]|$)",
    r"^[EF][0-9][0-9][0-9][0-9] [0-9][0-9]:",  # klog
    r'"s":\s*"[EF]"',  # mongod
    r"""[A-Za-z0-9_.](Error|Exception)(:\s|[ ().,;\]\\']|"\s*[,}\]]|$)""",
    r"(^|[^A-Za-z0-9_])Exception( in |: )", r"Traceback \(most recent", r"OutOfMemory", r"Runtime\.[A-Z]",
    r"thread '[^']*' panicked",  # Rust
)
_NEAR = (
    "[Ee][Rr][Rr]|[Cc][Rr][Ii][Tt]|[Ff][Aa][Tt][Aa][Ll]|FTL|[Pp][Aa][Nn][Ii][Cc]|[Aa][Ll][Ee][Rr][Tt]|"
    "[Ee][Mm][Ee][Rr][Gg]|[Ss][Ee][Vv][Ee][Rr][Ee]|Exception|Traceback|[Oo]ut.?[Oo]f.?[Mm]emory|[Oo][Oo][Mm]-?[Kk]ill|"
    "[Tt]imed.out.after|[Ee]xited|[Gg]oroutine|[Ss]egmentation|[Kk]illed|[Ff][Aa][Ii][Ll]:|Runtime|"
    "^[EF][0-9][0-9][0-9][0-9].|s.:.{0,2}[EF]."
)
"""What a line of trouble contains at the least, in the words of FilterLogEvents."""


def trouble(fields: LogFields) -> str:
    """Insights' condition of a line that tells of trouble and is no request's: those are counted elsewhere."""
    any_case, as_written = _patterns(fields)
    return f"not ({request(fields)}) and (@message like /(?i){any_case}/ or @message like /{as_written}/)"


def request(fields: LogFields) -> str:
    """Insights' condition of a line that tells of a whole request, as `is_request` reads it."""
    return f"ispresent({named(fields.status)}) and ispresent({named(fields.duration)})"


def trouble_events(fields: LogFields) -> str:
    """FilterLogEvents' pattern for lines that may tell of trouble; `is_trouble` says which of them do."""
    numbered = "|".join(f"{_last(name)}.{{1,5}}[56]0" for name in dict.fromkeys(("level", "lvl", fields.level)))
    return f"%{_NEAR}|{numbered}%"


def is_trouble(text: str, fields: LogFields) -> bool:
    """Whether a line tells of trouble and is no request's."""
    any_case, as_written = _compiled(fields)
    return bool(any_case.search(text) or as_written.search(text)) and not is_request(text, fields)


def _patterns(fields: LogFields) -> tuple[str, str]:
    names = "|".join(dict.fromkeys(re.escape(_last(name)) for name in (*LEVEL_FIELDS, fields.level)))
    levels = (rf'{_BEFORE}({names})\\?"?\s*[:=]\s*\\?"?{_LEVELS}{_AFTER}',
              rf'"({names})\\?"\s*:\s*[56]0([^0-9]|$)')  # pino and bunyan count: 50 is an error, 60 fatal
    return "|".join((*levels, *_ANY_CASE)), "|".join(_AS_WRITTEN)


@lru_cache(maxsize=8)
def _compiled(fields: LogFields) -> tuple[re.Pattern[str], re.Pattern[str]]:
    any_case, as_written = _patterns(fields)
    return re.compile(any_case, re.IGNORECASE), re.compile(as_written)


def _last(name: str) -> str:
    """A field's own name, without those of the objects that it stands in."""
    return plain_name(name).rpartition(".")[2]
