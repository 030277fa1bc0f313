"""``python -m tests.world SEED`` replays the world of a seed; with ``--worlds N`` that many from it on."""

import argparse
import sys
import time

from tests.world.run import Outcome, run


def main() -> int:
    """Run what is asked for; return 1 where a rule was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.world", description=__doc__)
    parser.add_argument("seed", type=int)
    parser.add_argument("--worlds", type=int, default=1, help="how many seeds, from this one on")
    asked = parser.parse_args()
    if asked.worlds == 1:
        return _replay(run(asked.seed))
    return _many(range(asked.seed, asked.seed + asked.worlds))


def _replay(outcome: Outcome) -> int:
    print(outcome.options)
    print("\n".join(outcome.trace))
    print(f"hash {outcome.hash}")
    print(f"broken: {outcome.broken[0]}" if outcome.broken else "no rule broken")
    return bool(outcome.broken)


def _many(seeds: range) -> int:
    began, answers, broken, lived = time.process_time(), 0, 0, 0.0
    for seed in seeds:
        outcome = run(seed)
        answers += outcome.answers
        options = outcome.options
        lived += options.members * (options.duration + options.bound)
        if outcome.broken:
            broken += 1
            print(f"seed {seed}: {outcome.broken[0]}")
    took = time.process_time() - began
    years = lived / (365.25 * 86400)
    print(
        f"{len(seeds)} worlds, {answers} verdicts seen, {years:.4f} member-years,"
        f" {broken} broken, {took:.1f} s of CPU"
    )
    return bool(broken)


sys.exit(main())
