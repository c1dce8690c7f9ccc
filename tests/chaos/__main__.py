"""`make chaos`: many random kills; each prints its seed and moment, so that one can be repeated alone."""

from __future__ import annotations

import argparse
import json
import random
import signal
import sys
import tempfile
from pathlib import Path

from tests.chaos.disturbance import disturb, undisturbed
from tests.support.labs import running_lab


def main() -> int:
    """Run the kills and return how many ended badly."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--runs", type=int, default=50, help="how many kills")
    parser.add_argument("--seed", type=int, default=None, help="seed of the first kill; the next ones count up")
    parser.add_argument("--signal", default="SIGKILL", choices=["SIGKILL", "SIGINT", "SIGTERM"])
    options = parser.parse_args()
    first = options.seed if options.seed is not None else random.SystemRandom().randrange(10**6)
    bad = 0
    with tempfile.TemporaryDirectory(prefix="opsbook-chaos-") as folder, running_lab(Path(folder) / "lab") as lab:
        records = Path(folder) / "records"
        reference = undisturbed(lab, records)
        print(f"undisturbed run: {reference.seconds:.1f} s", flush=True)
        for seed in range(first, first + options.runs):
            moment = random.Random(seed).uniform(0.3, reference.seconds)
            verdict = disturb(lab, records, reference, moment, signal.Signals[options.signal])
            print(f"seed {seed}: {options.signal} after {moment:.2f} s: {'ok' if verdict.ok else 'BAD'}", flush=True)
            if not verdict.ok:
                bad += 1
                print(json.dumps({"differences": verdict.differences, "done twice": verdict.twice}, indent=1))
                print(verdict.output[-4000:], flush=True)
    print(f"{options.runs - bad} of {options.runs} ended as an undisturbed run does")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
