"""Every builtin in Numba's CUDA simulator: NUMBA_ENABLE_CUDASIM=1 pytest tests/simulator.

The very text of the generated kernels runs, thread by thread, over the tables of the engine.
"""

import sys

import numpy as np
import pytest
from numba import cuda
from support.battery import BUILTINS, TOLERANCE, assert_close
from support.families import ROUNDING
from support.following import STEPS, assert_same_states, run_both
from support.rules import clipped_adamw_ema
from support.small_rules import descent, every_state, gradients, parameters
from support.tiers import REPRESENTATIVES, in_float32_alone

import learnerdsl as ld
from learnerdsl.elementary import FUNCTIONS
from learnerdsl.learners import muon, noisy_sgd, shampoo
from learnerdsl.monoids import MONOIDS
from learnerdsl.runtime.arrays.interop import copy_to_host

# The threads of a block are threads of Python here, which meet often.
sys.setswitchinterval(1e-5)

SHAPES = ((), (0,), (7, 5), (3, 4, 2), (4_500,))
"""The last one has more than a chunk."""


def on_device(array):
    """A copy in the memory of the simulated device."""
    return cuda.to_device(np.array(array))


@pytest.mark.parametrize(("name", "dtype"), in_float32_alone(BUILTINS, REPRESENTATIVES))
def test_simulated_rule_follows_the_oracle(name, dtype):
    start, found, expected, learner, oracle = run_both(name, dtype, on_device, SHAPES)
    factor = ROUNDING.get(name, (1, ""))[0]
    assert_close(start, found, expected, factor * TOLERANCE[dtype])
    assert_same_states(learner, oracle, 20 * factor * TOLERANCE[dtype])
    assert learner.step_count == STEPS


@pytest.mark.parametrize("name", MONOIDS)
def test_simulated_reduction_follows_the_oracle(name):
    reduction = getattr(ld, name)

    @ld.rule
    def rule(p, g):
        kept = {
            "tensor": reduction(1 + g / 99),
            "model": reduction(1 + g / 99, over="model"),
            "rows": reduction(1 + g / 99, axis=-1),
            "cols": reduction(1 + g / 99, axis=0),
        }
        assigns = [ld.assign(ld.state(f"s_{k}", shape=k), value) for k, value in kept.items()]
        return ld.combine([*assigns, ld.assign(p, p + reduction(1 + g / 99, axis=0))])

    given = [np.random.default_rng(k).uniform(-1, 1, (n, 5)) for k, n in enumerate((7, 1, 900))]
    states = []
    for place, backend in ((on_device, "cuda"), (np.copy, "numpy")):
        params = [place(np.zeros_like(g)) for g in given]
        learner = rule(params, backend=backend)
        learner.update([place(g) for g in given])
        found = [learner.model_state["s_model"]]
        found += [copy_to_host(v) for k in range(3) for v in learner.state[k].values()]
        states.append([*found, *map(copy_to_host, params)])
    for simulated, oracle in zip(*states, strict=True):
        np.testing.assert_allclose(simulated, oracle, rtol=1e-12)


def test_simulated_elementary_functions_are_numpys():
    given = np.linspace(-0.9, 0.9, 37)

    @ld.rule
    def rule(p, g):
        values = [getattr(ld, r.name)(*(g, p)[: len(r.arguments)]) for r in FUNCTIONS]
        kept = [ld.assign(ld.state(f"s{k}"), value) for k, value in enumerate(values)]
        return ld.combine([*kept, ld.assign(p, p - g)])

    start = np.full_like(given, 0.4)
    learner = rule([on_device(start)])
    learner.update([on_device(given)])
    for k, row in enumerate(FUNCTIONS):
        with np.errstate(all="ignore"):
            expected = row.of_arrays(*(given, start)[: len(row.arguments)])
        found = copy_to_host(learner.state[0][f"s{k}"])
        np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_uniform_numbers_are_those_of_the_cpu():
    @ld.rule
    def walk(p, g):
        return ld.assign(p, p + ld.uniform())

    for dtype in (np.float32, np.float64):
        start = np.zeros(5_000, dtype)
        host, device = [start.copy()], [on_device(start)]
        for arrays, place in ((host, np.copy), (device, on_device)):
            learner = walk(arrays, seed=5)
            for _ in range(2):
                learner.update([place(np.ones_like(start))])
        np.testing.assert_array_equal(device[0].copy_to_host(), host[0])


def test_normal_numbers_are_those_of_the_cpu_but_for_rounding():
    start = np.zeros(100)
    host, device = [start.copy()], [on_device(start)]
    for arrays, place in ((host, np.copy), (device, on_device)):
        noisy_sgd(arrays, lr=1.0).update([place(start)])
    assert np.abs(host[0]).max() > 0
    np.testing.assert_allclose(device[0].copy_to_host(), host[0], rtol=1e-13)


@pytest.mark.parametrize("rule", [every_state, clipped_adamw_ema])
def test_skip_and_groups_work(rule):
    params = {name: on_device(a) for name, a in parameters("dict").items()}
    learner = rule(params, nonfinite="skip", groups=[{"params": ["b"], "lr": 0.5}])
    given = {name: on_device(a) for name, a in parameters("dict").items()}
    assert learner.update(given)
    before = params["w"].copy_to_host()
    given["w"] = on_device(np.full((3, 4), np.nan, np.float32))
    assert not learner.update(given)
    np.testing.assert_array_equal(params["w"].copy_to_host(), before)
    assert learner.step_count == 1


def test_functions_of_matrices_are_not_run_where_gradients_are_refused():
    learner = shampoo([on_device(np.ones((3, 4)))], nonfinite="skip")
    assert learner.update([on_device(np.full((3, 4), 0.5))])
    before = str(learner.state_dict())
    assert not learner.update([on_device(np.full((3, 4), np.inf))])
    assert str(learner.state_dict()) == before


def test_checkpoints_of_matrices_go_on_bitwise(tmp_path):
    rng = np.random.default_rng(2)
    start, *given = rng.standard_normal((4, 5, 3))
    first = muon([on_device(start)])
    first.update([on_device(given[0])])
    first.save(tmp_path / "checkpoint")
    second = muon([on_device(first.parameters[0].copy_to_host())])
    second.load(tmp_path / "checkpoint")
    for learner in (first, second):
        learner.update([on_device(given[1])])
    ends = [learner.parameters[0].copy_to_host() for learner in (first, second)]
    np.testing.assert_array_equal(*ends)


def test_simulated_products_are_those_of_the_oracle():
    numbers = np.random.default_rng(0)
    start, gradient = (numbers.standard_normal((7, 5)).astype(np.float32) for _ in range(2))
    own, judged = on_device(start), start.copy()
    muon([own], lr=0.1, products="bfloat16").update([on_device(gradient)])
    muon([judged], lr=0.1, products="bfloat16", backend="numpy").update([gradient])
    np.testing.assert_allclose(own.copy_to_host(), judged, rtol=0, atol=1e-6)
    assert (judged != start).any()


def test_parameters_of_the_simulator_are_recognised():
    learner = descent({n: on_device(a) for n, a in parameters("dict").items()})
    assert "backend cuda" in repr(learner)
    assert learner.threads == "CUDA simulator"
    learner.update({n: on_device(g) for n, g in gradients(descent(parameters("dict")), 0).items()})
    with pytest.raises(ld.ArrayError, match="memory of the host"):
        learner.update(parameters("dict"))


def test_simulated_extras_of_tensors_and_axes_follow_the_oracle():
    @ld.rule
    def scaled(p, g, lr=0.1):
        rate = ld.extra("rate", shape="tensor") * ld.extra("first", shape=(0,))
        if ld.ndim(p) > 1:
            rate = rate + ld.extra("of_cols", shape="cols")
        return ld.assign(p, p - lr * rate * g)

    shapes, rng = ((7, 5), (2, 3, 4), (6,)), np.random.default_rng(0)

    def draw(of):
        return [None if of(s) is None else rng.standard_normal(of(s)) for s in shapes]

    start = draw(lambda s: s)
    params, twins = [on_device(p) for p in start], [p.copy() for p in start]
    learner, oracle = scaled(params), scaled(twins, backend="numpy")
    for step in range(3):
        gradients = draw(lambda s: s)
        extras = {
            "rate": [float(r) for r in rng.standard_normal(3)],
            "first": draw(lambda s: s[:1]),
            "of_cols": draw(lambda s: (*s[:-2], s[-1]) if len(s) > 1 else None),
        }
        given = {**extras, "first": [on_device(a) for a in extras["first"]]} if step else extras
        learner.update([on_device(g) for g in gradients], **given)
        oracle.update(gradients, **extras)
    for p, twin in zip(params, twins, strict=True):
        np.testing.assert_allclose(copy_to_host(p), twin, rtol=1e-13, atol=1e-14)


def test_simulated_extras_that_are_matrices_follow_the_oracle():
    @ld.rule
    def between(p, g):
        left, right = ld.extra("left", shape=("rows", "rows")), ld.extra("right", shape=("cols", 2))
        return ld.assign(
            p, p - ld.matmul(left, ld.matmul(g, ld.matmul(right, ld.transpose(right))))
        )

    shapes, rng = ((7, 5), (2, 3, 4)), np.random.default_rng(0)
    start = [rng.standard_normal(s) for s in shapes]
    params, twins = [on_device(p) for p in start], [p.copy() for p in start]
    learner, oracle = between(params), between(twins, backend="numpy")
    for _ in range(2):
        gradients = [rng.standard_normal(s) for s in shapes]
        left = [rng.standard_normal((*s[:-2], s[-2], s[-2])) for s in shapes]
        right = [rng.standard_normal((*s[:-2], s[-1], 2)) for s in shapes]
        learner.update([on_device(g) for g in gradients], left=left, right=right)
        oracle.update(gradients, left=left, right=right)
    for p, twin in zip(params, twins, strict=True):
        np.testing.assert_allclose(copy_to_host(p), twin, rtol=1e-12, atol=1e-12)
