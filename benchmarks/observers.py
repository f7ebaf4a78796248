"""Time of updates with observers over those without: `python -m benchmarks.observers`.

Learners with none, two and five observers update the same number of elements in random turns, in
one process.
"""

import argparse
import random
import statistics
from collections.abc import Sequence
from time import perf_counter
from typing import Any

from benchmarks.export import arrays
from learnerdsl.learners import adam

TWO = ["grad_norm", "update_norm"]
FIVE = [*TWO, "param_norm", "update_ratio", "nonfinite"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the median of each learner's time, and of its ratio to that without observers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--elements", type=float, default=1e7)
    parser.add_argument("--rounds", type=int, default=80)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args(arguments)
    p, g, *_ = arrays(int(given.elements))
    learners = [adam([p.copy()], observe=names) for names in ([], TWO, FIVE)]
    turns = random.Random(0)
    for _ in range(given.repeats):
        rounds = [one_round(learners, g, turns) for _ in range(given.rounds + 3)][3:]
        for count, own in zip((0, 2, 5), zip(*rounds, strict=True), strict=True):
            ratio = statistics.median(t / first for t, (first, *_) in zip(own, rounds, strict=True))
            print(f"{count} observers: {1e3 * statistics.median(own):.2f} ms ({ratio:.3f})")
        print(flush=True)


def one_round(learners: Sequence[Any], gradient: Any, turns: random.Random) -> list[float]:
    """Return the seconds of one update of each learner, in a random order."""
    times = [0.0] * len(learners)
    for k in turns.sample(range(len(learners)), len(learners)):
        start = perf_counter()
        learners[k].update([gradient])
        times[k] = perf_counter() - start
    return times


if __name__ == "__main__":
    main()
