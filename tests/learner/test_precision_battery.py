"""Builtins with the choices of number types that they allow: compiled = interpreted."""

import os
import subprocess
import sys
import zlib

import numpy as np
import pytest
from support import ROOT
from support.battery import BUILTINS, RULES, TOLERANCE
from support.families import ROUNDING
from support.precisions import CHOICES, arguments, both, copied, differences, numpy_type
from support.tiers import FEW, REPRESENTATIVES, costly, slow, slow_for_shared

FIRST = {
    "adam": ("bfloat16 parameters", "8-bit states", "stochastic 8 bits", "kahan"),
    "lion": ("split8", "split16", "stochastic"),
    "lamb": ("stochastic", "8-bit states"),
    "momo": ("bfloat16 states",),
    "adafactor": ("float16 parameters",),
    "came": ("bfloat16 states",),
    "adashift": ("stochastic 8 bits",),
    "noisy_sgd": ("float32 master",),
    "sophia": ("stochastic float16",),
    "muon": ("bfloat16 parameters",),
}
"""Builtin -> choices that `make test` compiles: each structure of sweeps, each storage."""
IN_PYTHON = ("adam", "lamb", "adafactor", "adashift")


def cases():
    """Return every choice for few builtins, some for representatives, and one for each other.

    Which ones follows from the name. The structures of sweeps are those of the few. Of few and
    representatives a third of the choices runs in CI.
    """
    found = []
    for name in BUILTINS:
        number = zlib.crc32(name.encode())  # so that a new builtin changes nothing for the others
        apart = 1 if name in FEW else 4 if name in REPRESENTATIVES else len(CHOICES)
        own = [*list(CHOICES)[number % apart :: apart], *FIRST.get(name, ())]
        own = dict.fromkeys(own)
        quick, in_ci = FIRST.get(name, ()), list(CHOICES)[number % 3 :: 3]
        for choice in own:
            is_left = name in REPRESENTATIVES and choice not in in_ci
            left = costly if is_left else slow_for_shared
            found.append((name, choice) if choice in quick else left(name, choice))
    return found


def assert_follows_the_oracle(name, choice):
    if arguments(RULES[name], choice) is None:
        pytest.skip("the rule does not allow it")
    tolerance = ROUNDING.get(name, (1, ""))[0] * TOLERANCE["float32"]
    for step, own, oracle, before in both(name, choice):
        assert differences(own, oracle, before, tolerance) == [], step


@pytest.mark.parametrize(("name", "choice"), cases())
def test_compiled_rule_follows_the_oracle(name, choice):
    assert_follows_the_oracle(name, choice)


def test_most_choices_are_allowed():
    allowed = {name: [c for c in CHOICES if arguments(RULES[name], c)] for name in BUILTINS}
    assert allowed["adam"] == allowed["lion"] == allowed["lamb"] == list(CHOICES)
    assert all(choice in allowed[name] for name, choices in FIRST.items() for choice in choices)
    without_states = {name for name, own in allowed.items() if "bfloat16 states" not in own}
    assert len(without_states) < 20
    assert all(len(own) >= 7 for own in allowed.values())


LARGE = ((70_001,), (200, 100), (5,))
"""Shapes of several chunks, at whose ends blocks and packs end too."""


@pytest.mark.parametrize("choice", [slow(c) if "16" in c else c for c in CHOICES])
@pytest.mark.parametrize("name", ["adam", slow("lamb"), costly("adashift")])
def test_large_tensors_follow_the_oracle(name, choice):
    tolerance = ROUNDING.get(name, (1, ""))[0] * TOLERANCE["float32"]
    for step, own, oracle, before in both(name, choice, 2, LARGE):
        assert differences(own, oracle, before, tolerance) == [], step


@pytest.mark.parametrize("choice", [c if "stochastic" in c else slow(c) for c in CHOICES])
@pytest.mark.parametrize("name", ["adam", slow("lamb"), costly("adashift")])
def test_serial_and_parallel_launches_agree_bitwise(name, choice):
    dtype, given = arguments(RULES[name], choice)
    ends = []
    for is_parallel in (False, True):
        rng = np.random.default_rng(5)
        params = [rng.standard_normal(shape).astype(numpy_type(dtype)) for shape in LARGE]
        learner = RULES[name](params, seed=2, **given)
        learner._engine.use_threads(is_parallel)
        for _ in range(3):
            learner.update([rng.standard_normal(s).astype(numpy_type(dtype)) for s in LARGE])
        ends.append([*params, *(a for own in copied(learner).values() for a in own)])
    for serial, parallel in zip(*ends, strict=True):
        assert serial.tobytes() == parallel.tobytes()


FALLING = ("bfloat16 parameters", "8-bit states", "split16", "kahan", "stochastic float16")


@pytest.mark.parametrize("choice", [c if c in FALLING else slow(c) for c in CHOICES])
@pytest.mark.parametrize("name", ["adam", costly("lion"), slow("lamb"), costly("yogi")])
def test_nonfinite_gradients_reach_the_same_places_as_in_the_oracle(name, choice):
    dtype, given = arguments(RULES[name], choice)
    for bad in (np.nan, np.inf, -np.inf, 1e30):
        ends = []
        for backend in ("cpu", "numpy"):
            params = [
                np.linspace(-1, 1, 300).astype(numpy_type(dtype)),
                np.ones((), numpy_type(dtype)),
            ]
            learner = RULES[name](params, backend=backend, seed=1, **given)
            for step in range(3):
                gradient = np.linspace(1, 2, 300).astype(np.float32)
                gradient[[0, 17, 280]] = bad if step == 1 else 1.0
                with np.errstate(all="ignore"):
                    learner.update([gradient.astype(params[0].dtype), params[1].copy()])
            states = learner._stored.decode(copied(learner))
            masters = learner.master_parameters().values()
            ends.append([*params, *masters, *(a for own in states.values() for a in own)])
        for one, other in zip(*ends, strict=True):
            one, other = (np.asarray(a).astype(np.float32) for a in (one, other))
            np.testing.assert_array_equal(np.isnan(one), np.isnan(other))
            np.testing.assert_array_equal(np.isposinf(one), np.isposinf(other))
            np.testing.assert_array_equal(np.isneginf(one), np.isneginf(other))


@pytest.mark.slow
@pytest.mark.parametrize("name", IN_PYTHON)
def test_generated_source_runs_in_python_as_it_does_compiled(name):
    code = (
        "from support.precisions import CHOICES\n"
        "from learner.test_precision_battery import *\n"
        f"for choice in CHOICES:\n    if arguments(RULES[{name!r}], choice):\n"
        f"        assert_follows_the_oracle({name!r}, choice)\n"
    )
    path = os.pathsep.join((str(ROOT), str(ROOT / "tests")))
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": path}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=600)
