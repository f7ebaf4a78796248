"""Times several peers against each other: peers in, seconds per update of every round out.

Peers take turns, so that a change of the machine's speed meets all of them alike, and every round
starts with another peer. What may be quoted is the ratio of two peers within one round, never a
time: the memory bandwidth of a shared machine moves by a third within minutes.
"""

import gc
import itertools
import math
import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.peers import Peer

DISTURBED = 0.03
"""Share of a block's time that our threads may wait for a core before it is timed again."""


@dataclass(frozen=True)
class Effort:
    """How long to measure.

    Attributes:
        rounds: number of visits to each peer of a case.
        block: seconds of updates that are timed in one visit, at least.
        rest: seconds of sleep before a visit, in which OpenMP workers of the peer before stop
            spinning.
        attempts: how often a disturbed block is timed at most; the one that waited least counts.
    """

    rounds: int = 12
    block: float = 0.005
    rest: float = 0.02
    attempts: int = 3


@dataclass
class Timings:
    """What was measured of one case.

    Attributes:
        seconds: peer -> seconds per update, one value a round.
        disturbed: peer -> number of rounds in which it waited for a core.
    """

    seconds: dict[str, list[float]] = field(default_factory=dict)
    disturbed: dict[str, int] = field(default_factory=dict)

    def add(self, other: "Timings") -> None:
        """Append the rounds of another measurement of the same peers."""
        for name, seconds in other.seconds.items():
            self.seconds.setdefault(name, []).extend(seconds)
            self.disturbed[name] = self.disturbed.get(name, 0) + other.disturbed[name]

    def typical(self, name: str) -> float:
        """Median seconds per update of a peer."""
        return statistics.median(self.seconds[name])

    def is_disturbed(self, *names: str) -> bool:
        """Whether one of the peers waited for a core in most of the rounds."""
        return any(2 * self.disturbed[name] > len(self.seconds[name]) for name in names)

    def ratios(self, name: str, reference: str) -> list[float]:
        """Time of a peer divided by the time of another in the same round, sorted."""
        pairs = zip(self.seconds[name], self.seconds[reference], strict=True)
        return sorted(peer / other for peer, other in pairs)

    def ratio(self, name: str, reference: str) -> float:
        """Median of `ratios`: how many times longer the peer takes than the reference."""
        return statistics.median(self.ratios(name, reference))


def measure(peers: Mapping[str, Peer], rounds: Iterable[int], effort: Effort) -> Timings:
    """Visit all peers in every round; the number of a round says which peer starts it."""
    counts = {name: updates_per_block(peer, effort.block) for name, peer in peers.items()}
    result = Timings({name: [] for name in peers}, dict.fromkeys(peers, 0))
    names = list(peers)
    for number in rounds:
        first = number % len(names)
        for name in [*names[first:], *names[:first]]:
            seconds, is_disturbed = visit(peers[name], counts[name], effort)
            result.seconds[name].append(seconds)
            result.disturbed[name] += is_disturbed
    return result


def updates_per_block(peer: Peer, block: float) -> int:
    """How many updates last at least `block` seconds; the first update also compiles."""
    run(peer, 1)
    count = 1
    while (seconds := run(peer, count)) < block:
        count = max(2 * count, math.ceil(0.5 * count * block / seconds))
    return max(1, math.ceil(1.25 * count * block / seconds))


def visit(peer: Peer, count: int, effort: Effort) -> tuple[float, bool]:
    """Rest, warm up and time one block.

    Returns:
        Seconds per update in the attempt that waited least, and whether the threads waited for a
        core in every attempt.
    """
    best = (math.inf, 0.0)
    for _ in range(effort.attempts):
        time.sleep(effort.rest)
        warm = max(1, count // 4)
        # A count found while something else ran may be too small now.
        count = max(count, math.ceil(effort.block * warm / run(peer, warm)))
        before = waited()
        seconds = run(peer, count)
        best = min(best, ((waited() - before) / seconds, seconds / count))
        if best[0] <= DISTURBED:
            break
    return best[1], best[0] > DISTURBED


def run(peer: Peer, count: int) -> float:
    """Seconds that `count` updates take together; Python's garbage collector is off meanwhile."""
    step = peer.step
    gc.disable()
    if peer.prepare is not None:
        seconds = sum(run_prepared(peer.prepare, step) for _ in range(count))
        gc.enable()
        return seconds
    start = time.perf_counter()
    for _ in itertools.repeat(None, count):
        step()
    peer.finish()
    seconds = time.perf_counter() - start
    gc.enable()
    return seconds


def run_prepared(prepare: Callable[[], object], step: Callable[[], object]) -> float:
    """Seconds that one update takes, without what comes before it."""
    prepare()
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def waited() -> float:
    """Seconds that all threads of this process together were ready but had no core (Linux)."""
    total = 0
    for file in Path("/proc/self/task").glob("*/schedstat"):
        try:
            total += int(file.read_text().split()[1])
        except (OSError, IndexError):
            continue  # the thread has ended
    return total * 1e-9
