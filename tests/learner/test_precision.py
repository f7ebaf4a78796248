"""Number types in memory: what a learner is asked for, and what it is given in an update."""

import numpy as np
import pytest
import torch
from support.precisions import BFLOAT16, BITS, copied, numpy_type

import learnerdsl as ld
from learnerdsl import learners, schedules, transforms
from learnerdsl.learners import adam, adamw, lion, sgd

BACKENDS = ("cpu", "numpy")
SPLIT = {"master": "split16"}


@ld.rule
def averaged(p, g, lr=0.1, mu=0.9):
    """A rule with states of elements, rows and the tensor."""
    m = ld.state("m")
    r = ld.state("r", shape="rows") if ld.ndim(p) == 2 else ld.state("r")
    n = ld.state("n", shape="tensor")
    m_new = ld.assign(m, mu * m + g)
    r_new = ld.assign(r, mu * r + (ld.mean(g, axis=-1) if ld.ndim(p) == 2 else g))
    n_new = ld.assign(n, n + ld.norm(g))
    return ld.combine([m_new, r_new, n_new, ld.assign(p, p - lr * (m_new + r_new) / n_new)])


def normal(rng, shape, dtype="float32"):
    return np.array(rng.standard_normal(shape)).astype(numpy_type(dtype))


def bits(array):
    return np.asarray(array).view(f"u{array.dtype.itemsize}")


def assert_equal_bits(one, other):
    assert one.dtype == other.dtype
    np.testing.assert_array_equal(bits(one), bits(other))


def held(learner):
    """Everything that an update changes, as bytes."""
    arrays = [*learner.parameters.values()]
    arrays += [a for own in copied(learner).values() for a in own if a is not None]
    return [a.tobytes() for a in arrays], learner.step_count, repr(learner.model_state)


@pytest.mark.parametrize(
    ("rule", "arguments"),
    [
        (adamw, {"lr": 1e-3, "weight_decay": 0.1}),
        (lion, {"lr": 1e-4, "weight_decay": 0.1}),
        (sgd, {"lr": 1e-2}),
    ],
)
def test_split16_trains_as_float32_does_bit_for_bit(rule, arguments):
    rng = np.random.default_rng(1)
    start = [normal(rng, shape, "bfloat16") for shape in ((70, 9), (300,), ())]
    wide = [p.astype(np.float32) for p in start]
    narrow = rule(start, master="split16", **arguments)
    plain = rule(wide, **arguments)
    for _ in range(1000):
        gradients = [normal(rng, p.shape) for p in wide]
        plain.update(gradients)
        narrow.update(gradients)
    for k, p in enumerate(wide):
        assert_equal_bits(narrow.master_parameters()[k], p)
        error = np.abs(start[k].astype(np.float64) - p)
        assert (error <= np.abs(p) * 2.0**-8).all()
        for name, state in plain.state[k].items():
            assert_equal_bits(narrow.state[k][name], state)


@pytest.mark.parametrize("master", ["float32", "split16"])
def test_exact_masters_agree_on_the_weights(master):
    rng = np.random.default_rng(2)
    start = normal(rng, 500, "bfloat16")
    wide = start.astype(np.float32)
    learner, plain = adam([start], master=master), adam([wide])
    for _ in range(20):
        gradient = normal(rng, 500, "bfloat16")
        learner.update([gradient])
        plain.update([gradient.astype(np.float32)])
    assert_equal_bits(learner.master_parameters()[0], wide)


def as_torch(array):
    return torch.from_numpy(array.view(np.int16).copy()).view(torch.bfloat16)


@pytest.mark.parametrize("is_levelled", [True, False])
def test_bfloat16_stays_beside_fused_adamw_of_torch(is_levelled):
    rng = np.random.default_rng(3)
    start = normal(rng, 4096, "bfloat16")
    theirs = as_torch(start).requires_grad_()
    judge = torch.optim.AdamW([theirs], lr=1e-2, weight_decay=0.1, fused=True)
    learner = adamw([start], lr=1e-2, weight_decay=0.1, states="bfloat16")
    largest = np.abs(start.astype(np.float64))
    for _ in range(10):
        gradient = normal(rng, 4096, "bfloat16")
        theirs.grad = as_torch(gradient)
        judge.step()
        learner.update([gradient])
        other = theirs.detach().float().numpy()
        error = np.abs(start.astype(np.float32) - other)
        # An element that goes towards zero keeps the rounding of the values it went through.
        largest = np.maximum(largest, np.abs(other))
        ulps = error / np.ldexp(1.0, np.frexp(largest)[1] - 8)
        # A first moment in the middle of two numbers is rounded either way, which the next steps
        # show; without that, one step is off by one.
        assert ulps.max() <= (1 if is_levelled else 2)
        assert np.mean(ulps > 0) < 0.005
        assert np.mean(ulps > 1) < 0.001
        if is_levelled:
            for name, own in (("m", "exp_avg"), ("v", "exp_avg_sq")):
                learner.state[0][name] = judge.state[theirs][own].float().numpy()
            start[...] = other.astype(BFLOAT16)


MASTERS = ("float32", "split16", "split8", "kahan")


@pytest.mark.parametrize("master", MASTERS)
def test_a_master_weight_keeps_steps_that_bfloat16_loses(master):
    p = np.ones(5, BFLOAT16)
    lost = np.ones(5, BFLOAT16)
    learner, plain = sgd([p], lr=1e-4, master=master), sgd([lost], lr=1e-4)
    ones = np.ones(5, BFLOAT16)
    for _ in range(100):
        learner.update([ones])
        plain.update([ones])
    np.testing.assert_array_equal(lost.astype(np.float32), 1.0)
    weight = learner.master_parameters()[0]
    assert weight.dtype == np.float32
    np.testing.assert_allclose(weight, 0.99, atol=8e-4 if master == "split8" else 1e-4)
    np.testing.assert_array_equal(p.astype(np.float32), np.float32(0.98828125))


@pytest.mark.parametrize("backend", BACKENDS)
def test_stochastic_rounding_moves_the_mean_by_steps_that_nearest_loses(backend):
    p = np.ones(20_000, BFLOAT16)
    learner = sgd([p], lr=1e-4, rounding="stochastic", backend=backend)
    for _ in range(20):
        learner.update([np.ones_like(p)])
    assert set(p.astype(np.float32).tolist()) <= {1.0, *(1 - k / 256 for k in range(1, 9))}
    assert abs(p.astype(np.float64).mean() - 0.998) < 5 * 0.0028 / np.sqrt(p.size)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("given", ["float32", "float64", "bfloat16", "float16"])
def test_gradients_may_have_another_type_than_their_parameters(given, dtype):
    rng = np.random.default_rng(4)
    start = [normal(rng, shape, dtype) for shape in ((7, 5), (40,), ())]
    ends = []
    for backend in BACKENDS:
        params = [p.copy() for p in start]
        learner = adamw(params, backend=backend)
        draws = np.random.default_rng(5)
        for _ in range(3):
            learner.update([normal(draws, p.shape, given) for p in params])
        ends.append(params)
    wide = [p.astype(np.float32) for p in start]
    exact = adamw(wide, master=None)
    draws = np.random.default_rng(5)
    learner = adamw(split := [p.copy() for p in start], master="float32")
    for _ in range(3):
        gradients = [normal(draws, p.shape, given) for p in wide]
        exact.update([g.astype(np.float32) for g in gradients])
        learner.update(gradients)
    for k, p in enumerate(wide):
        assert_equal_bits(ends[0][k], ends[1][k])
        assert_equal_bits(learner.master_parameters()[k], p)
        assert split[k].dtype == start[k].dtype


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_types_of_gradients_may_change_between_updates(dtype, backend):
    rng = np.random.default_rng(6)
    shapes = ((7, 5), (40,))
    params = [normal(rng, shape, dtype) for shape in shapes]
    start = [p.copy() for p in params]
    learner = adam(params, backend=backend)
    twin = adam(start, backend=backend)
    arithmetic = np.float64 if dtype == "float64" else np.float32
    for given in (
        ("bfloat16", "bfloat16"),
        ("float32", "float32"),
        ("float16", "bfloat16"),
        ("float32", "float64"),
        ("bfloat16", "bfloat16"),
        ("float64", "float64"),
    ):
        gradients = [normal(rng, s, g) for s, g in zip(shapes, given, strict=True)]
        again = [g.astype(arithmetic) for g in gradients]
        for _ in range(2):  # the second time with the arrays of the first
            learner.update(gradients)
            twin.update(again)
        for one, other in zip(params, start, strict=True):
            assert_equal_bits(one, other)


def test_refilled_arrays_of_another_type_are_read_again():
    p, twin = np.ones(4, BFLOAT16), np.ones(4, BFLOAT16)
    learner, other = sgd([p], lr=0.5), sgd([twin], lr=0.5)
    gradient = np.ones(4, np.float32)
    learner.update([gradient])
    gradient[:] = 3.0
    learner.update([gradient])
    for value in (1.0, 3.0):
        other.update([np.full(4, value, BFLOAT16)])
    assert_equal_bits(p, twin)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("given", ["float32", "float64", "bfloat16"])
def test_extras_may_have_another_type(given, backend):
    rng = np.random.default_rng(7)
    p = normal(rng, (6, 5), "bfloat16")
    twin = p.copy()
    one, other = (learners.sophia([a], backend=backend) for a in (p, twin))
    for _ in range(3):
        gradient, hessian = normal(rng, p.shape, "bfloat16"), np.abs(normal(rng, p.shape))
        hessian = hessian.astype(BFLOAT16)
        one.update([gradient], hessian_diag=[hessian.astype(numpy_type(given))])
        other.update([gradient], hessian_diag=[hessian])
    assert_equal_bits(p, twin)


CLIPPED = ld.chain(transforms.clip_by_global_norm, sgd)
TYPES = ("float32", "bfloat16", "float64", "float16")


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("types", [TYPES, TYPES[1::-1], ("bfloat16", "bfloat16", "float64")])
def test_tensors_of_several_types_have_one_norm(types, backend):
    rng = np.random.default_rng(8)
    shapes = ((7, 5), (300,), (), (3, 4, 2))[: len(types)]
    params = [normal(rng, s, t) for s, t in zip(shapes, types, strict=True)]
    start = [p.astype(np.float64) for p in params]
    learner = CLIPPED(params, max_norm=1.0, lr=0.5, backend=backend)
    gradients = [normal(rng, p.shape, t) for p, t in zip(params, types, strict=True)]
    learner.update(gradients)
    wide = [g.astype(np.float64) for g in gradients]
    norm = np.sqrt(sum(np.sum(g**2) for g in wide))
    for p, before, g in zip(params, start, wide, strict=True):
        exact = before - 0.5 * g / norm
        with np.errstate(all="ignore"):
            wanted = exact.astype(p.dtype)
        ulp = np.spacing(np.abs(wanted)).astype(np.float64)
        assert (np.abs(p.astype(np.float64) - wanted.astype(np.float64)) <= 2 * ulp + 1e-7).all()


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
