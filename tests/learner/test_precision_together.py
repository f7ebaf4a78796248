"""Number types beside all else that a learner takes: rows, groups, chains, schedules, threads."""

import numpy as np
import pytest
from support.precisions import (
    BACKENDS,
    BFLOAT16,
    BITS,
    assert_equal_bits,
    averaged,
    held,
    normal,
    numpy_type,
)

import learnerdsl as ld
from learnerdsl import schedules, transforms
from learnerdsl.learners import adam, sgd
from learnerdsl.storage import MASTERS


@ld.rule
def noisy(p, g, lr=0.1, mu=0.9):
    """A rule with a sum over the model, states of elements and a draw."""
    m = ld.state("m")
    v = ld.state("v")
    m_new = ld.assign(m, mu * m + g)
    v_new = ld.assign(v, mu * v + g**2)
    step = lr * m_new / (1 + ld.norm(g, over="model") + ld.sqrt(v_new))
    return ld.combine([m_new, v_new, ld.assign(p, p - step)])


EVERYTHING = {
    "a": ("bfloat16", (20, 30)),
    "b": ("float32", (7,)),
    "c": ("float64", (4, 4)),
    "d": ("bfloat16", (70_000,)),
    "e": ("float16", ()),
}
ALL_STATES = {"bfloat16": "bfloat16", "float32": "float32", "eight": {"m": "int8", "v": "uint8"}}


def everything(backend, states, is_parallel=None, dtypes=None):
    """What several updates leave, with everything at once in one learner."""
    rng = np.random.default_rng(9)
    chosen = {n: (t, s) for n, (t, s) in EVERYTHING.items() if dtypes is None or t in dtypes}
    params = {n: normal(rng, s, t) for n, (t, s) in chosen.items()}
    learner = ld.chain(transforms.clip_by_global_norm, noisy)(
        params,
        backend=backend,
        states=states,
        rounding="stochastic",
        lr=schedules.cosine(0.1, steps=10),
        groups=[{"params": ["d"], "mu": 0.5}],
        nonfinite="skip",
        missing="skip",
        seed=5,
    )
    if is_parallel is not None:
        learner._engine.use_threads(is_parallel)
    done = []
    for step in range(6):
        gradients = {n: normal(rng, s, t) for n, (t, s) in chosen.items()}
        if step == 1:
            del gradients["a"]
        if step == 2:
            gradients["b"] = gradients["b"].astype(np.float64)
        if step == 3:
            gradients["d"][3] = np.nan
        done.append(bool(learner.update(gradients)))
    assert done == [True, True, True, False, True, True]
    return learner, held(learner)


NARROW = ("bfloat16", "float32", "float16")


@pytest.mark.parametrize("states", ["bfloat16", {"m": "int8", "v": "uint8"}])
def test_everything_at_once_is_the_same_on_any_number_of_threads(states):
    one, serial = everything("cpu", states, False, NARROW)
    other, parallel = everything("cpu", states, True, NARROW)
    assert serial == parallel
    assert one.step_count == other.step_count == 5


@pytest.mark.parametrize("dtypes", [NARROW, None])
def test_everything_at_once_follows_the_oracle(dtypes):
    states = {"m": "float32"} if dtypes is None else "bfloat16"
    ends = [everything(backend, states, dtypes=dtypes)[0] for backend in BACKENDS]
    for name, p in ends[0].parameters.items():
        one, other = (np.asarray(end.parameters[name], np.float64) for end in ends)
        step = np.ldexp(1.0, np.frexp(np.abs(other))[1] - BITS[p.dtype.name])
        assert (np.abs(one - other) <= 2 * step + 1e-5 * np.abs(other)).all()
        assert p.dtype.itemsize > 2 or np.mean(one != other) < 0.02


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("choice", [{}, {"states": "bfloat16", "rounding": "stochastic"}])
def test_rows_of_narrow_arrays_are_updated_alone(choice, backend):
    rng = np.random.default_rng(10)
    p = normal(rng, (9, 5), "bfloat16")
    twin = p.copy()
    one, dense = (sgd_like([a], backend=backend, **choice) for a in (p, twin))
    rows = np.array([7, 2])
    for given in ("bfloat16", "float32"):
        values = normal(rng, (2, 5), given)
        before = p.copy()
        one.update([ld.RowSparse(rows, values, p.shape)])
        whole = np.zeros(p.shape, values.dtype)
        whole[rows] = values
        dense.update([whole])
        assert_equal_bits(p[rows], twin[rows])
        others = np.setdiff1d(np.arange(9), rows)
        assert_equal_bits(p[others], before[others])
        twin[...] = p
        for name, state in one.state[0].items():
            dense.state[0][name] = state


@ld.rule
def sgd_like(p, g, lr=0.1, mu=0.9):
    m = ld.state("m")
    m_new = ld.assign(m, mu * m + g)
    return ld.combine([m_new, ld.assign(p, p - lr * m_new)])


@pytest.mark.parametrize("master", MASTERS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_rows_of_master_weights_are_updated_alone(master, backend):
    p = np.ones((6, 3), BFLOAT16)
    learner = sgd_like([p], lr=1e-3, master=master, backend=backend)
    for _ in range(10):
        learner.update([ld.RowSparse(np.array([1]), np.ones((1, 3), BFLOAT16), p.shape)])
    weights = learner.master_parameters()[0]
    np.testing.assert_array_equal(weights[[0, 2, 3, 4, 5]], 1.0)
    assert (weights[1] < 0.97).all()


@pytest.mark.parametrize("backend", BACKENDS)
def test_rows_and_8_bit_states_do_not_go_together(backend):
    p = np.ones((6, 300), np.float32)
    learner = sgd_like([p], states="int8", backend=backend)
    learner.update([np.ones_like(p)])
    before = held(learner)
    with pytest.raises(ld.ArrayError, match=r"blocks of 256 .* row-sparse; pass .*to_dense"):
        learner.update([ld.RowSparse(np.array([1]), np.ones((1, 300), np.float32), p.shape)])
    assert held(learner) == before
    learner.update([np.ones_like(p)])
    assert learner.step_count == 2


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("storage", ["bfloat16", "float16"])
def test_states_of_axes_are_stored_narrow(storage, backend):
    rng = np.random.default_rng(11)
    p = normal(rng, (12, 9), "bfloat16")
    learner = averaged([p], states={"r": storage, "m": "float32"}, backend=backend)
    exact = np.zeros(12)
    for _ in range(4):
        gradient = normal(rng, p.shape, "bfloat16")
        learner.update([gradient])
        exact = 0.9 * exact + gradient.astype(np.float64).mean(axis=1)
    r = learner.state[0]["r"]
    assert r.dtype == numpy_type(storage)
    assert r.shape == (12,)
    np.testing.assert_allclose(r.astype(np.float64), exact, atol=0.02)


SWEEPS_OF_ONE = {"states": {"m": "int8", "v": "uint8"}}


@pytest.mark.parametrize("backend", BACKENDS)
def test_states_of_8_bits_can_be_read_and_written(backend):
    rng = np.random.default_rng(12)
    p = normal(rng, 600)
    learner = adam([p], backend=backend, **SWEEPS_OF_ONE)
    twin = adam([p.copy()], backend=backend, **SWEEPS_OF_ONE)
    gradients = [normal(rng, 600) for _ in range(3)]
    for g in gradients:
        learner.update([g])
    own = learner.state[0]
    assert own["m"].dtype == own["v"].dtype == np.float32
    with pytest.raises(ValueError, match="read-only"):
        own["m"][0] = 1.0
    for g in gradients:
        twin.update([g])
    wanted = rng.standard_normal(600).astype(np.float32)
    v = own["v"].copy()
    learner.state[0]["m"] = wanted
    stored = learner.state[0]["m"]
    for block in range(0, 600, 256):
        part = wanted[block : block + 256]
        error = np.abs(stored[block : block + 256] - part).max()
        assert error <= 0.0081 * np.abs(part).max()
    np.testing.assert_array_equal(learner.state[0]["v"], v)
    learner.state[0]["m"] = twin.state[0]["m"]  # codes of decoded values are the same codes
    assert held(learner) == held(twin)
    for each in (learner, twin):
        each.update([gradients[0]])
    assert held(learner) == held(twin)


@pytest.mark.parametrize("backend", BACKENDS)
def test_narrow_states_are_views(backend):
    p = np.ones(4, BFLOAT16)
    learner = sgd_like([p], states="bfloat16", lr=1.0, mu=1.0, backend=backend)
    learner.update([np.zeros(4, BFLOAT16)])
    learner.state[0]["m"][2] = 0.5
    learner.update([np.zeros(4, BFLOAT16)])
    np.testing.assert_array_equal(p.astype(np.float32), [1.0, 1.0, 0.5, 1.0])


@pytest.mark.parametrize("master", MASTERS)
def test_reset_begins_masters_again_at_the_parameters(master):
    p = np.ones(4, BFLOAT16)
    learner = sgd([p], lr=1e-3, master=master)
    for _ in range(5):
        learner.update([np.ones(4, BFLOAT16)])
    p[:] = 0.5
    learner.reset()
    np.testing.assert_array_equal(learner.master_parameters()[0], 0.5)
