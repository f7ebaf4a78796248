"""Extra inputs that are matrices of other sides, such as the factors of K-FAC."""

import numpy as np
import pytest

import learnerdsl as ld

SHAPES = {"x": (3, 4), "y": (2, 3, 4), "z": (3, 4)}
BACKENDS = pytest.mark.parametrize("backend", ["cpu", "numpy"])


@ld.rule
def kfac(p, g, lr=0.1, decay=0.5, damping=0.1):
    """K-FAC: the gradient between the inverses of two matrices that the caller measures."""
    inputs = ld.state("inputs_mean", shape=("cols", "cols"))
    outputs = ld.extra("outputs", shape=("rows", "rows"))
    mean = ld.assign(
        inputs, decay * inputs + (1 - decay) * ld.extra("inputs", shape=("cols", "cols"))
    )
    left = ld.solve(outputs + damping * ld.identity("rows"), g)
    step = ld.solve(mean + damping * ld.identity("cols"), ld.transpose(left))
    return ld.assign(p, p - lr * ld.transpose(step))


def given(seed, dtype=np.float64):
    """Gradients and matrices by name."""
    rng = np.random.default_rng(seed)

    def definite(shape, side):
        half = rng.standard_normal((*shape[:-2], side, side))
        return np.array(half @ np.swapaxes(half, -1, -2) / side, dtype)

    gradients = {n: np.array(rng.standard_normal(s), dtype) for n, s in SHAPES.items()}
    outputs = {n: definite(s, s[-2]) for n, s in SHAPES.items()}
    return gradients, {
        "inputs": {n: definite(s, s[-1]) for n, s in SHAPES.items()},
        "outputs": outputs,
    }


def by_hand(start, count):
    """The parameters after some updates."""
    params, means = dict(start), dict.fromkeys(start, 0.0)
    for seed in range(count):
        gradients, extras = given(seed)
        for n, g in gradients.items():
            means[n] = 0.5 * means[n] + 0.5 * extras["inputs"][n]
            left = np.linalg.inv(extras["outputs"][n] + 0.1 * np.eye(3)) @ g
            params[n] = params[n] - 0.1 * left @ np.linalg.inv(means[n] + 0.1 * np.eye(4))
    return params


@BACKENDS
def test_updates_are_those_of_numpy(backend):
    start = {n: np.ones(s) for n, s in SHAPES.items()}
    params = {n: p.copy() for n, p in start.items()}
    learner = kfac(params, backend=backend)
    for seed in range(3):
        gradients, extras = given(seed)
        learner.update(gradients, **extras)
    for name, wanted in by_hand(start, 3).items():
        np.testing.assert_allclose(params[name], wanted, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_function_on_arrays_agrees(dtype):
    assert ld.check(kfac, [np.ones(s, dtype) for s in SHAPES.values()]).ok


def test_products_in_bfloat16_take_them():
    pytest.importorskip("torch")

    @ld.rule
    def turned(p, g):
        return ld.assign(p, p - ld.matmul(ld.extra("turn", shape=("rows", "rows")), g))

    turn = np.array([[0, 1], [2, 0]], np.float32)
    params = [np.zeros((2, 2), np.float32)]
    turned(params, products="bfloat16").update([np.eye(2, dtype=np.float32)], turn=[turn])
    np.testing.assert_array_equal(params[0], -turn)


@BACKENDS
def test_a_matrix_of_another_shape_is_refused_and_nothing_changes(backend):
    params = {n: np.ones(s) for n, s in SHAPES.items()}
    learner = kfac(params, backend=backend)
    gradients, extras = given(0)
    extras["inputs"]["y"] = extras["outputs"]["y"]
    message = r"inputs of 'y' has shape \(2, 3, 3\), but its rule asks for shape \(2, 4, 4\)"
    with pytest.raises(ld.ArrayError, match=message):
        learner.update(gradients, **extras)
    assert all((p == 1).all() for p in params.values())
    assert learner.step_count == 0


@BACKENDS
def test_sides_may_be_numbers_and_those_of_the_parameter(backend):
    @ld.rule
    def projected(p, g, lr=1.0, rank=2):
        basis = ld.extra("basis", shape=("rows", rank))
        scale = ld.extra("scale", shape=("rows", "cols"))
        step = ld.matmul(basis, ld.matmul(ld.transpose(basis), g))
        return ld.assign(p, p - lr * scale * step)

    rng = np.random.default_rng(0)
    params, g, basis = [np.zeros((4, 3))], rng.standard_normal((4, 3)), rng.standard_normal((4, 2))
    scale = rng.standard_normal((4, 3))
    learner = projected(params, backend=backend)
    learner.update([g], basis=[basis], scale=[scale])
    np.testing.assert_allclose(params[0], -scale * (basis @ (basis.T @ g)), rtol=1e-12)


def test_vectors_have_no_matrices():
    with pytest.raises(
        ld.RuleError, match="needs a tensor with at least 2 axes, but this one has 1"
    ):
        kfac([np.ones(3)])


def test_row_sparse_gradients_and_exports_of_loops_are_refused():
    params = {"x": np.ones((3, 4))}
    _, extras = given(0)
    own = {n: {"x": v["x"]} for n, v in extras.items()}
    with pytest.raises(ld.ArrayError, match="works on axes, matrices"):
        kfac(params).update({"x": ld.RowSparse([0], np.ones((1, 4)), (3, 4))}, **own)
    with pytest.raises(ld.RuleError, match="it uses functions of whole matrices"):
        kfac.export("numba")
    assert "outputs" in kfac.export("markdown")


def test_transformations_of_jax_take_them():
    jax = pytest.importorskip("jax")
    start = {n: np.ones(s, np.float32) for n, s in SHAPES.items()}
    transformation = kfac.optax()
    params = {n: jax.numpy.asarray(p) for n, p in start.items()}
    state = transformation.init(params)
    update = jax.jit(lambda g, s, p, extras: transformation.update(g, s, p, **extras))
    for seed in range(3):
        gradients, extras = given(seed, np.float32)
        changes, state = update(gradients, state, params, extras)
        params = {n: p + changes[n] for n, p in params.items()}
    for name, wanted in by_hand({n: np.ones(s) for n, s in SHAPES.items()}, 3).items():
        np.testing.assert_allclose(params[name], wanted, rtol=1e-4, atol=1e-5)
    with pytest.raises(ld.ArrayError, match="inputs of 'x' has shape"):
        transformation.update(gradients, state, params, inputs=gradients, outputs=extras["outputs"])


def test_optimizers_of_torch_take_them():
    torch = pytest.importorskip("torch")
    start = {n: np.ones(s) for n, s in SHAPES.items()}
    own = {n: torch.nn.Parameter(torch.tensor(p)) for n, p in start.items()}
    optimizer = kfac.torch(own.items())
    for seed in range(2):
        gradients, extras = given(seed)
        for name, p in own.items():
            p.grad = torch.tensor(gradients[name])
        tensors = {k: {n: torch.tensor(m) for n, m in v.items()} for k, v in extras.items()}
        optimizer.step(**tensors)
    for name, wanted in by_hand(start, 2).items():
        np.testing.assert_allclose(own[name].detach().numpy(), wanted, rtol=1e-11, atol=1e-12)
