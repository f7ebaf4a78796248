"""Number types in memory: what a learner is asked for, and what it is given in an update."""

import numpy as np
import pytest
import torch
from support.precisions import (
    BACKENDS,
    BFLOAT16,
    assert_equal_bits,
    normal,
    numpy_type,
)

import learnerdsl as ld
from learnerdsl import learners, transforms
from learnerdsl.learners import adam, adamw, lion, sgd


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
