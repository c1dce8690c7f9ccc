"""`make chaos`: many random kills on a bad day; each prints its seed and moment, so that one can be repeated alone."""

from __future__ import annotations

import argparse
import json
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

from lab.accounts import SYSTEMS
from tests.chaos.disturbance import Verdict, disturb, undisturbed
from tests.support.labs import running_lab

SLOWER_BY_FAULTS = 2.5
"""How much longer than an undisturbed run one with all faults takes, at most: any moment of it may be the last."""


def main() -> int:
    """Run the kills and return 1 when any of them ended badly."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--runs", type=int, default=50, help="how many kills")
    parser.add_argument("--minutes", type=float, default=None, help="begin no kill after as many minutes")
    parser.add_argument("--seed", type=int, default=None, help="seed of the first kill; the next ones count up")
    parser.add_argument("--signal", default="SIGKILL", choices=["SIGKILL", "SIGINT", "SIGTERM"])
    parser.add_argument("--systems", nargs="+", default=list(SYSTEMS), choices=SYSTEMS, help="default: all")
    parser.add_argument("--calm", action="store_true", help="no throttling, dropped connections and slow calls")
    options = parser.parse_args()
    first = options.seed if options.seed is not None else random.SystemRandom().randrange(10**6)
    verdicts: list[Verdict] = []
    with (tempfile.TemporaryDirectory(prefix="opsbook-chaos-") as folder,
          running_lab(Path(folder) / "lab", options.systems) as lab):
        reference = undisturbed(lab, Path(folder) / "undisturbed")
        print(f"undisturbed run: {reference.seconds:.1f} s", flush=True)
        begun = time.monotonic()
        for seed in range(first, first + options.runs):
            if options.minutes is not None and time.monotonic() - begun > options.minutes * 60:
                print(f"the time is up after {len(verdicts)} kills", flush=True)
                break
            moment = random.Random(seed).uniform(0.3, reference.seconds * (1 if options.calm else SLOWER_BY_FAULTS))
            verdict = disturb(lab, Path(folder) / str(seed), reference, moment, signal.Signals[options.signal],
                              None if options.calm else seed)
            verdicts.append(verdict)
            _say(f"seed {seed}: {options.signal} after {moment:.2f} s", verdict)
    well = sum(verdict.ok for verdict in verdicts)
    print(f"{well} of {len(verdicts)} ended as an undisturbed run does, {sum(verdict.runs > 1 for verdict in verdicts)}"
          " of them by one more run without faults")
    return 0 if well == len(verdicts) else 1


def _say(what: str, verdict: Verdict) -> None:
    print(f"{what}: {'ok' if verdict.ok else 'BAD'}, runs after it: {verdict.runs}", flush=True)
    if not verdict.ok:
        found = {"differences": verdict.differences, "done twice": verdict.twice, "unsealed": verdict.unsealed,
                 "unexplained": verdict.unexplained}
        print(json.dumps(found, indent=1))
        print(verdict.output[-4000:], flush=True)


if __name__ == "__main__":
    sys.exit(main())
