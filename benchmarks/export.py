"""Time of exported loops beside that of the learner: `python -m benchmarks.export`.

The learner, the export to Numba and, where there is a compiler, the export to C update the same
number of elements in random turns, in one process. Each has arrays of its own. The turns are
random, as who follows itself finds a part of its arrays in the cache.
"""

import argparse
import ctypes
import random
import shutil
import statistics
import subprocess
import tempfile
import types
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from learnerdsl.learners import adam

FLAGS = ("-std=c99", "-O3", "-march=native", "-fopenmp", "-ffp-contract=off", "-fno-math-errno")

Update = Callable[[int], Any]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the medians and their ratios to that of the learner."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--elements", type=float, default=1e7)
    parser.add_argument("--rounds", type=int, default=41)
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args(arguments)
    size = int(given.elements)
    with tempfile.TemporaryDirectory() as folder:
        updates = {"learner": of_learner(size), "numba": of_numba(size)}
        if shutil.which("cc"):
            updates["c"] = of_c(size, Path(folder))
        for _ in range(given.repeats):
            print(line(updates, given.rounds), flush=True)


def line(updates: dict[str, Update], rounds: int) -> str:
    """Return the medians of some rounds, in which every update runs once, as text."""
    times: dict[str, list[float]] = {name: [] for name in updates}
    for step in range(1, rounds + 4):
        for name in random.sample(list(updates), len(updates)):
            start = perf_counter()
            updates[name](step)
            times[name].append(perf_counter() - start)
    medians = {name: statistics.median(own[3:]) for name, own in times.items()}
    first = medians["learner"]
    return ", ".join(
        f"{name} {1e3 * own:.3f} ms ({own / first:.3f})" for name, own in medians.items()
    )


def arrays(size: int) -> tuple[np.ndarray, ...]:
    """Return a parameter, a gradient, and states of zeros, float32."""
    rng = np.random.default_rng(0)
    p, g = (rng.standard_normal(size, np.float32) for _ in range(2))
    return p, g, np.zeros_like(p), np.zeros_like(p)


def of_learner(size: int) -> Update:
    """Return an update by the learner."""
    p, g, *_ = arrays(size)
    learner = adam([p])
    return lambda step: learner.update([g])


def of_numba(size: int) -> Update:
    """Return an update by the module exported for Numba."""
    module: Any = types.ModuleType("exported")
    exec(adam.export("numba"), vars(module))
    own = arrays(size)
    return lambda step: module.adam_update(*own, step)


def of_c(size: int, folder: Path) -> Update:
    """Return an update by the file exported to C."""
    source, library = folder / "adam.c", folder / "adam.so"
    source.write_text(f"#define ADAM_IMPLEMENTATION\n{adam.export('c')}")
    command = ["cc", *FLAGS, "-shared", "-fPIC", "-o", str(library), str(source), "-lm"]
    subprocess.run(command, check=True)
    function = ctypes.CDLL(str(library)).adam_update
    own = arrays(size)
    pointers = [ctypes.c_void_p(array.ctypes.data) for array in own]
    hyper = (ctypes.c_double * 5)(0.001, 0.9, 0.999, 1e-8, 0.0)

    def update(step: int, kept: Any = own) -> None:
        del kept
        function(ctypes.c_int64(size), *pointers, ctypes.c_double(step), hyper)

    return update


if __name__ == "__main__":
    main()
