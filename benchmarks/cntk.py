"""CNTK's front end: a universal learner beside builtin ones; run by `python -m benchmarks.cntk`.

In CNTK 2.7 a universal RMSProp took 1.7 to 3.1 times as long as builtin Adam, and held about 16
arrays of the parameter's size. Here both are rules and compiled alike, so what counts is the bytes
they move: the last columns divide by those.
"""

import argparse
import functools
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

import learnerdsl.cntk as C
from benchmarks.peers import Peer
from benchmarks.timing import Effort, Timings, measure
from learnerdsl.cntk.learning.builtin import RuleLearner
from learnerdsl.learner import Learner

SIZES = (10_000, 1_000_000, 10_000_000)
COUNT = 8
RMSPROP = {"gamma": 0.9, "inc": 1.2, "dec": 0.75, "max": 10.0, "min": 0.1}


def universal_rmsprop(
    parameters: Sequence[C.Parameter], gradients: Sequence[C.Constant]
) -> C.Function:
    """The tutorial's RMSProp: p, g and one accumulator, as many bytes as momentum_sgd."""
    updates = []
    for p, g in zip(parameters, gradients, strict=True):
        a = C.constant(1e-6, shape=p.shape, dtype=p.dtype, name="a")
        a_new = C.assign(a, 0.999 * a + 0.001 * g * g)
        updates.append(C.assign(p, p - 0.01 * g / C.sqrt(a_new)))
    return C.combine(updates)


def universal_adam(
    parameters: Sequence[C.Parameter], gradients: Sequence[C.Constant]
) -> C.Function:
    """Adam without its corrections: as many bytes as the builtin."""
    updates = []
    for p, g in zip(parameters, gradients, strict=True):
        m, v = (C.constant(0, shape=p.shape, dtype=p.dtype, name=name) for name in "mv")
        m_new = C.assign(m, 0.9 * m + 0.1 * g)
        v_new = C.assign(v, 0.999 * v + 0.001 * g * g)
        updates.append(C.assign(p, p - 0.001 * m_new / (C.sqrt(v_new) + 1e-8)))
    return C.combine(updates)


RATE = C.learning_rate_schedule(0.01, C.UnitType.minibatch)
LEARNERS: dict[str, Callable[[list[C.Parameter]], RuleLearner]] = {
    "sgd": lambda p: C.sgd(p, RATE),
    "momentum_sgd": lambda p: C.momentum_sgd(p, RATE, 0.9),
    "adam": lambda p: C.adam(p, RATE, 0.9),
    "rmsprop": lambda p: C.rmsprop(p, RATE, **RMSPROP),
    "universal_rmsprop": lambda p: C.universal(universal_rmsprop, p),
    "universal_adam": lambda p: C.universal(universal_adam, p),
}
PAIRS = {"universal_rmsprop": "momentum_sgd", "universal_adam": "adam"}


@dataclass(frozen=True)
class Subject:
    """A learner at work on one parameter.

    Attributes:
        peer: what is timed.
        bytes_moved: memory traffic of an update.
        state_bytes: memory of the states.
        allocated: bytes that 10 updates left allocated, and the most that they held meanwhile.
    """

    peer: Peer
    bytes_moved: int
    state_bytes: int
    allocated: tuple[int, int]


def subject(name: str, size: int) -> Subject:
    """A learner on one float32 parameter, its gradient a NumPy array."""
    random = np.random.default_rng(0)
    parameter = C.parameter((size,), random.normal(size=size).astype(np.float32))
    learner = LEARNERS[name]([parameter])
    gradients = {parameter: random.normal(size=size).astype(np.float32)}
    update = functools.partial(learner.update, gradients, COUNT)
    update()
    tracemalloc.start()
    for _ in range(10):
        update()
    allocated = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    core: Learner = learner.runners[0].parts[0].learner
    states = [array.nbytes for s in learner.runners[0].states for array in s.values()]
    moved = size * core.plan().bytes_per_element
    peer = Peer(update, lambda: [parameter.value])
    return Subject(peer, moved, sum(states), allocated)


def report(size: int, subjects: dict[str, Subject], timings: Timings) -> None:
    """Print a table for one size."""
    print(f"\n{size:,} elements, times in microseconds, memory beyond parameter and gradient")
    print(f"{'learner':<18} {'time':>9} {'bytes/elem':>10} {'GB/s':>6} {'states':>12} {'peak':>9}")
    for name, one in subjects.items():
        seconds = timings.typical(name)
        print(
            f"{name:<18} {seconds * 1e6:9.1f} {one.bytes_moved // size:10d} "
            f"{one.bytes_moved / seconds / 1e9:6.1f} {one.state_bytes:12,d} {one.allocated[1]:9,d}"
        )
    for name, builtin in PAIRS.items():
        ratios = timings.ratios(name, builtin)
        middle = ratios[len(ratios) // 4], ratios[-1 - len(ratios) // 4]
        print(
            f"{name} / {builtin}, the same bytes: {timings.ratio(name, builtin):.2f} "
            f"(middle half {middle[0]:.2f} to {middle[1]:.2f})"
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """Time all learners at all sizes."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cntk", description=__doc__)
    parser.add_argument("--rounds", type=int, default=12, help="visits to each learner")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="elements")
    options = parser.parse_args(arguments)
    for size in options.sizes:
        subjects = {name: subject(name, size) for name in LEARNERS}
        peers = {name: one.peer for name, one in subjects.items()}
        report(size, subjects, measure(peers, range(options.rounds), Effort(options.rounds)))


if __name__ == "__main__":
    main()
