"""A large access log: the reader of investigations against grep, awk and sort, in turns and on one file.

`python -m tests.bench.access_log FILE` prints what the reader finds, in the words of `access-log.sh`.
"""

from __future__ import annotations

import random
import shutil
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from opsbook.evidence.access_logs import access_log
from tests.bench.measure import Cost, Failed, environment, measured
from tests.bench.report import Table, quotients, ratio, seconds
from tests.support.labs import ROOT

NAME = "access-log"
OURS, SHELL = "access_log (DuckDB)", "grep, awk and sort"
MEGABYTES = 1000
A_BLOCK = 20_000
START = datetime(2026, 11, 21, tzinfo=UTC)
NOTE = (
    "A log of {size:.2f} GB and {lines} lines in the combined format with the time at its end, made with a fixed seed; of "
    "these {strays} have stray quotes. Both tell the requests with a 5xx and the exact 95th percentile (nearest rank) by "
    "path; both as commands of their own, start of the interpreter included. The shell is {awk}. Their figures agree, and "
    "the reader says how many lines were rejects."
)
_ROUTES = ("/api/search", "/api/upload", "/api/media/{}", "/api/users/{}/items", "/api/health", "/login", "/static/app.js")
_AGENTS = ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36",
           "Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) AppleWebKit/605.1.15", "curl/8.4.0")
STRAYS = (
    '192.0.2.9 - - [21/Nov/2026:12:00:00 +0000] "GET /api/search?q="x" HTTP/1.1" 500 12 "-" "a "bad" agent" 0.100\n',
    '192.0.2.8 - - [21/Nov/2026:12:00:00 +0000] "GET /api/search HTTP/1.1" 500 12 "-" "unterminated 0.100\n',
)


def generate(path: Path, megabytes: float, seed: int = 1) -> int:
    """Write a log of that size; returns how many lines it has."""
    lines = size = 0
    with path.open("w", encoding="ascii") as file:
        for text, number in _blocks(seed):
            size += file.write(text)
            lines += number
            if size >= megabytes * 1e6:
                file.writelines(STRAYS)
                return lines + len(STRAYS)
    return lines


def _blocks(seed: int) -> Iterator[tuple[str, int]]:
    draw, number = random.Random(seed), 0
    while True:
        block = []
        for _line in range(A_BLOCK):
            moment = START + timedelta(milliseconds=16 * number)
            route = draw.choice(_ROUTES).format(draw.randrange(20))
            status = 500 + draw.randrange(4) if draw.random() < 0.004 else 200
            block.append(
                f'198.51.{draw.randrange(256)}.{draw.randrange(256)} - - [{moment:%d/%b/%Y:%H:%M:%S} +0000] "GET {route}?q='
                f'{draw.randrange(1000)} HTTP/1.1" {status} {draw.randrange(200, 48000)} "https://example.com/page/'
                f'{draw.randrange(100)}" "{draw.choice(_AGENTS)}" {draw.lognormvariate(-2.5, 0.8):.3f}\n')
            number += 1
        yield "".join(block), len(block)


def measure(folder: Path, rounds: int, megabytes: float = MEGABYTES) -> tuple[list[dict[str, Cost]], str]:
    """Both on one file, round by round, and what is to be known of it; the file is gone afterwards.

    :raises Failed: where their figures differ by more than the stray lines
    """
    folder.mkdir(parents=True, exist_ok=True)
    log, variables = folder / "access.log", {**environment(folder / "pyc"), "PYTHONPATH": f"{ROOT}:{ROOT / 'notebooks'}"}
    lines = generate(log, megabytes)
    size = log.stat().st_size / 1e9
    commands = {OURS: [sys.executable, "-m", "tests.bench.access_log", log],
                SHELL: [Path(__file__).parent / "access-log.sh", log]}
    found: list[dict[str, Cost]] = []
    try:
        measured([sys.executable, "-m", "tests.bench.access_log", "/dev/null"], folder, variables)  # compiled once
        for _round in range(rounds):
            costs, said = {}, {}
            for name, command in commands.items():
                costs[name] = measured(command, folder, variables)
                said[name] = (folder / "said.txt").read_text(encoding="utf-8")
            _refuse_difference(said[OURS], said[SHELL])
            found.append(costs)
    finally:
        log.unlink()
    awk = Path(shutil.which("awk") or "awk").resolve().name
    return found, NOTE.format(size=size, lines=f"{lines:,}", strays=len(STRAYS), awk=awk)


def table(found: tuple[list[dict[str, Cost]], str]) -> Table:
    """The medians of all rounds, and the shell's time by ours."""
    rounds, note = found
    rows = []
    for name in (OURS, SHELL):
        wall, cpu = [one[name].wall for one in rounds], [one[name].cpu for one in rounds]
        rows.append((name, seconds(wall), seconds(cpu), ratio(quotients(wall, [one[OURS].wall for one in rounds]))))
    return Table("An access log", ("read by", "wall s", "CPU s", "times ours"), rows, note)


def speeds(found: tuple[list[dict[str, Cost]], str]) -> list[float]:
    """How many times faster the reader was than the shell, round by round."""
    return quotients([one[SHELL].wall for one in found[0]], [one[OURS].wall for one in found[0]])


def _refuse_difference(ours: str, theirs: str) -> None:
    """The shell tears lines with stray quotes apart at their spaces, so that their path and time may be others."""
    known, other = (dict(line.rsplit(" ", 1) for line in said.splitlines()) for said in (ours, theirs))
    times = [name for name in other if name.startswith("p95") and name in known
             and abs(float(known[name]) - float(other[name])) > 0.0015]
    errors = [sum(int(value) for name, value in figures.items() if name.startswith("errors")) for figures in (known, other)]
    if times or errors[0] != errors[1] or "rejects" not in known:
        raise Failed(f"the figures differ: {times[:5]}, errors {errors}, rejects {known.get('rejects')}")


def main(file: str) -> int:
    """Print what the reader finds in a file."""
    piece = access_log([file])
    for group in piece.rows:
        path = group.values["path"]
        if group.errors:
            print(f"errors {path} {group.errors}")
        if group.p95_ms is not None:
            print(f"p95 {path} {group.p95_ms / 1000:.3f}")
    for gap in piece.coverage.missing:
        print(f"rejects {gap.resource.split()[0]}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
