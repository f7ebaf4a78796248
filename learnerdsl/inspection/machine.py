"""Measure this machine once: what memory, launches and functions of matrices can do."""

import json
import math
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from typing import Any

import numpy as np

from learnerdsl.inspection.arithmetic import EIGEN_FLOPS
from learnerdsl.kernels import places
from learnerdsl.runtime.backends import cpu_module
from learnerdsl.tracing import Rule, assign, state, trace

NewLearner = Callable[[Rule, list[Any]], Any]
"""Makes a learner of a rule and arrays. This module lies below learners."""


def traffic_only(p: Any, g: Any) -> Any:
    """The arrays that Adam reads and writes, and only additions: the time the memory needs.

    Values stay bounded: both states alternate between 0 and the gradient, and cancel in `p`.
    """
    a, b = state("a"), state("b")
    a_new = assign(a, g - a)
    b_new = assign(b, g - b)
    return assign(p, p + a_new - b_new)


TRAFFIC = 28
"""Bytes that `traffic_only` reads and writes for each float32 element."""

MEMORY = 16
"""Bytes of its arrays for each element."""

SIZES = (1 << 12, 1 << 15, 1 << 18, 1 << 21, 1 << 23)
"""Elements of the tensors that it is measured with, from 64 kB of arrays to 128 MB."""


@dataclass(frozen=True)
class Machine:
    """What was measured of a machine.

    Attributes:
        processor: its name.
        threads: number of threads of updates.
        date: when it was measured, in UTC.
        launch: seconds of an update of one element.
        bandwidths: bytes of the arrays -> bytes per second that updates read and write.
        products: operations per second of products of float32 matrices.
        decompositions: operations per second of eigendecompositions of float32 matrices.
    """

    processor: str
    threads: int
    date: str
    launch: float
    bandwidths: tuple[tuple[int, float], ...]
    products: float
    decompositions: float

    @property
    def bandwidth(self) -> float:
        """Bytes per second of memory: that of the largest arrays."""
        return self.bandwidths[-1][1]

    def bandwidth_for(self, memory: float) -> float:
        """Return the bandwidth for arrays of so many bytes; small ones fit into caches."""
        sizes, rates = zip(*self.bandwidths, strict=True)
        return float(np.interp(math.log(max(memory, 1)), np.log(sizes), rates))

    def fits_caches(self, memory: float) -> bool:
        """Return whether arrays of so many bytes are moved faster than memory allows."""
        return self.bandwidth_for(memory) > 1.3 * self.bandwidth


LONGEST = 0.5
"""Seconds after which no further repeat begins, if there are three: other programs may be busy."""


def seconds_of(run: Callable[[], Any], repeats: int = 7, block: float = 0.004) -> list[float]:
    """Return the seconds of one call in each of several blocks of calls, after a warm-up."""
    run()
    start = time.perf_counter()
    run()
    count = max(1, round(block / max(time.perf_counter() - start, 1e-7)))
    found: list[float] = []
    begin = time.perf_counter()
    while len(found) < repeats:
        start = time.perf_counter()
        if len(found) >= 3 and start - begin > LONGEST:
            break
        for _ in range(count):
            run()
        found.append((time.perf_counter() - start) / count)
    return found


def this_machine(new_learner: NewLearner) -> Machine:
    """Return the measurements of this machine; the first call takes some seconds.

    They are kept in the cache directory, apart for each processor and number of threads. To measure
    again, remove the file `machine-….json`.
    """
    processor = _processor()
    threads = cpu_module("threads").get_num_threads()
    key = f"machine 4 {processor} {threads}"
    name = f"machine-{places.file_name(processor)}-{threads}.json"
    content = places.kept_checked(name, key)
    if content is None:
        machine = _measured(processor, threads, new_learner)
        places.keep_checked(name, key, json.dumps(asdict(machine), indent=1).encode())
        return machine
    kept = json.loads(content)
    pairs = tuple((int(size), float(rate)) for size, rate in kept.pop("bandwidths"))
    return Machine(bandwidths=pairs, **kept)


def _processor() -> str:
    """Return the name of the processor."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.partition(":")[2] for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return (names[0] if names else platform.processor() or platform.machine()).strip()


def _measured(processor: str, threads: int, new_learner: NewLearner) -> Machine:
    rule = trace(traffic_only, 1, {}, (1,))
    # The fastest repeat: a machine can do what it has done once, whatever else was running.
    launch = min(_seconds_of_traffic(rule, 1, new_learner))
    bandwidths = []
    for size in SIZES:
        seconds = min(_seconds_of_traffic(rule, size, new_learner))
        # If the launch was disturbed, it must not explain more than half of the time.
        moving = max(seconds - launch, seconds / 2)
        bandwidths.append((MEMORY * size, TRAFFIC * size / moving))
    # Caches are not slower than memory; a smaller size that was has met another program.
    for k in range(len(bandwidths) - 2, -1, -1):
        size, rate = bandwidths[k]
        bandwidths[k] = size, max(rate, bandwidths[k + 1][1])
    n = 256
    a = np.random.default_rng(0).normal(size=(n, n)).astype(np.float32)
    m = 128
    symmetric = a[:m, :m] + a[:m, :m].T
    products = 2 * n**3 / min(seconds_of(lambda: a @ a))
    roots = EIGEN_FLOPS * m**3 / min(seconds_of(lambda: np.linalg.eigh(symmetric)))
    date = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M")
    return Machine(processor, threads, date, launch, tuple(bandwidths), products, roots)


def _seconds_of_traffic(rule: Rule, size: int, new_learner: NewLearner) -> list[float]:
    learner = new_learner(rule, [np.zeros(size, np.float32)])
    gradients = [np.ones(size, np.float32)]
    return seconds_of(lambda: learner.update(gradients), repeats=15)
