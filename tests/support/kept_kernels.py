"""What the tests of the cache share: rules as text, and learners of them, as in a new process."""

from pathlib import Path

import numpy as np
from numba.core.ccallback import CFunc

import learnerdsl as ld
from learnerdsl.runtime import cache

# The same text here and in other processes, so that all of them need the same kernels.
RULES = '''
import learnerdsl as ld

@ld.rule
def kept_on_disk(p, g, lr=0.5):
    """A pass over the elements, and a scalar before it."""
    a = ld.state("a")
    a_new = ld.assign(a, a / 2 + g * ld.abs(g))
    return ld.assign(p, p - lr * a_new / ld.step)

@ld.rule
def kept_too(p, g, lr=0.25):
    """Another rule, so that processes meet in more than one file."""
    return ld.assign(p, p - lr * g)
'''
namespace: dict[str, ld.UpdateRule] = {}
exec(RULES, namespace)
kept_on_disk = namespace["kept_on_disk"]


def result_of(learner):
    """The parameters after three updates, which depend on every function of the kernel."""
    (weights,) = learner.parameters.values()
    for step in range(3):
        learner.update([np.linspace(-1, step, weights.size, dtype=np.float32)])
    return weights.tobytes()


def new_learner():
    return kept_on_disk([np.linspace(1, 2, 7, dtype=np.float32)])


def expected_result():
    """What kept_on_disk computes, by NumPy."""
    weights, a = np.linspace(1, 2, 7, dtype=np.float32), np.zeros(7, np.float32)
    for step in range(3):
        g = np.linspace(-1, step, 7, dtype=np.float32)
        a = a / 2 + g * np.abs(g)
        weights = weights - np.float32(0.5 / (step + 1)) * a
    return weights.tobytes()


EXPECTED = expected_result()


def module_of(learner):
    """The module with the learner's kernels."""
    return cache._loaded[Path(learner.source_file)]


def functions(module):
    """The compiled functions of a module of kernels."""
    return [value for value in vars(module).values() if isinstance(value, CFunc)]


FORGOTTEN = []


def hits(learner):
    """Whether its functions were loaded from disk (True), compiled (False), or some of both."""
    loaded = {bool(function.cache_hits) for function in functions(module_of(learner))}
    return loaded.pop() if len(loaded) == 1 else "some"


def forget(learner):
    """Make the next learner load the kernels as a new process would; those here stay alive."""
    FORGOTTEN.append(cache._loaded.pop(Path(learner.source_file)))


def kept_code(directory):
    """The files with the machine code of kernels."""
    return sorted(path for path in directory.glob("*.nbc") if not path.name.startswith("launch-"))
