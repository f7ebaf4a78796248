"""With NUMBA_DISABLE_JIT=1 kernels are Python functions, and do the same."""

import os
import subprocess
import sys

import numpy as np
import pytest
from support import ROOT, TESTS
from support.rules import clipped_adamw_ema, largest_gradients
from support.tiers import FEW, slow

from learnerdsl import learners

PROGRAM = """
import sys
import numpy as np
from support.rules import clipped_adamw_ema, largest_gradients
from runtime.cpu.test_stepping import trained
np.savez(sys.argv[1], *trained())
"""


def trained():
    """Parameters and states after some updates by two rules with reductions."""
    rng = np.random.default_rng(0)
    found = []
    for rule in (clipped_adamw_ema, largest_gradients):
        params = [np.array(rng.standard_normal(s), np.float32) for s in ((40, 3), (), (0,))]
        learner = rule(params, groups=[{"params": [1], "lr": 0.5}], nonfinite="skip")
        for step in range(3):
            gradients = [np.array(rng.standard_normal(p.shape), np.float32) for p in params]
            if step == 1:
                gradients[1][...] = np.nan
            assert learner.update(gradients) == (step != 1)
        found += [*params, *(a for s in learner.state.values() for a in s.values())]
        found += [np.array(v) for v in learner.model_state.values()]
    return found


def test_kernels_without_compilation_do_the_same(tmp_path):
    environment = {
        **os.environ,
        "NUMBA_DISABLE_JIT": "1",
        "PYTHONPATH": os.pathsep.join([str(TESTS), str(ROOT)]),
    }
    path = tmp_path / "arrays.npz"
    subprocess.run([sys.executable, "-c", PROGRAM, path], env=environment, check=True)
    with np.load(path) as stepped:
        for compiled, name in zip(trained(), stepped.files, strict=True):
            np.testing.assert_allclose(stepped[name], compiled, rtol=1e-6)


SCALARS = """
import numpy as np
from support import ROOT, TESTS

import learnerdsl as ld

@ld.rule
def rule(p, g):
    t = ld.state("t", shape="tensor")
    low = ld.minimum(t, 0)
    new = ld.assign(t, 2 / low + 1 // ld.where(t > 0, 1, 0) + low**-1)
    return ld.combine([new, ld.assign(p, g * (low - 1) ** 0.3)])

p = np.ones(2)
learner = rule([p])
learner.update([p.copy()])
assert np.isinf(learner.state[0]["t"]) and np.isnan(p).all(), (learner.state[0], p)
"""


def test_scalars_without_compilation_are_infinite_or_nan_as_compiled_ones():
    compiled = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    for environment in (compiled, {**compiled, "NUMBA_DISABLE_JIT": "1"}):
        command = [sys.executable, "-W", "error", "-c", SCALARS]
        subprocess.run(command, env=environment, check=True)


@pytest.mark.parametrize("names", [sorted(FEW), slow(learners.__all__)], ids=["few", "all"])
def test_generated_code_does_not_depend_on_the_hash_seed(names):
    program = (
        "from learnerdsl import learners; from support.rules import clipped_adamw_ema as r;"
        f"print([getattr(learners, n).source() for n in {names}], r.source(), r.latex())"
    )
    texts = set()
    for seed in ("1", "2"):
        environment = {
            **os.environ,
            "PYTHONHASHSEED": seed,
            "PYTHONPATH": os.pathsep.join([str(TESTS), str(ROOT)]),
        }
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, check=True
        )
        texts.add(done.stdout)
    assert len(texts) == 1
