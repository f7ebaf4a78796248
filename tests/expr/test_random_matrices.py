"""Random matrices of any sides: the same numbers on every target, and at every start."""

import jax
import numpy as np
import pytest
from support.exported import Problem, loaded
from support.rules_of_matrices import run, sketched
from support.teams import Parts

import learnerdsl as ld
from learnerdsl import jax as ldj
from learnerdsl.kernels import linalg
from learnerdsl.runtime.torch_matrices import TorchMatrices

torch = pytest.importorskip("torch")

SEED = 2**24 + 1
"""Not a number of float32."""


def drawn(draw, shape, state_shape, backend="cpu", dtype="float64", seed=3):
    """What the first draw of a rule gives in its first update."""

    @ld.rule
    def rule(p, g):
        kept = ld.assign(ld.state("kept", shape=state_shape), draw())
        return ld.combine([kept, ld.assign(p, p - g)])

    params = [np.ones(2, dtype), np.ones(shape, dtype)]

    @ld.rule
    def other(p, g):
        return ld.assign(p, p - g)

    choose = ld.by_parameter(lambda name, own: rule if len(own) > 1 else other)
    learner = choose(params, backend=backend, seed=seed)
    learner.update([np.ones(2, dtype), np.ones(shape, dtype)])
    return np.array(learner.state[1]["kept"])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("backend", ["cpu", "numpy"])
@pytest.mark.parametrize("name", ["normal", "uniform"])
def test_entries_are_the_numbers_of_elements_at_the_same_places(name, backend, dtype):
    of_elements = drawn(lambda: getattr(ld, name)(), (4, 6), "element", "numpy", dtype)
    sides = ld.sides(3, 8)
    of_matrix = drawn(lambda: getattr(ld, name)(shape=sides), (4, 6), sides, backend, dtype)
    assert of_matrix.dtype == dtype
    np.testing.assert_allclose(of_matrix.ravel(), of_elements.ravel(), rtol=1e-6)
    swapped = drawn(lambda: getattr(ld, name)(shape=("cols", "rows")), (4, 6), ("cols", "rows"))
    assert swapped.shape == (6, 4)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shapes", [((5, 4), (4, 4)), ((2, 3, 4),), ((0, 3), (3, 0))], ids=str)
def test_compiled_rule_follows_the_oracle(shapes, dtype):
    ends = [run(sketched, shapes, dtype, backend, seed=11) for backend in ("cpu", "numpy")]
    for compiled, oracle in zip(*ends, strict=True):
        np.testing.assert_allclose(
            compiled, oracle, rtol=0, atol={"float32": 1e-5}.get(dtype, 1e-12)
        )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_target_draws_the_same(dtype):
    own = Problem(sketched, dtype, shapes=((5, 3), (3, 5), (2, 3, 4)), steps=4)
    allowed = 1e-4 if dtype == np.float32 else 1e-12
    expected, _ = own.path_of_rule(seed=SEED)
    with jax.enable_x64(dtype == np.float64):
        path, _ = own.path_of_jax(ldj.transformation(sketched, seed=SEED))
    assert own.error(path, expected) <= allowed
    made = loaded(sketched.export("torch"))
    path, _ = own.path_of_torch(lambda params: made.Sketched(params, seed=SEED))
    assert own.error(path, expected) <= allowed
    path, _ = own.path_of_numpy(loaded(sketched.export("numpy")), seed=SEED)
    assert own.error(path, expected) <= allowed


@pytest.mark.parametrize("kind", ["normal", "uniform"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_pytorch_draws_what_numpy_draws(kind, dtype):
    namespace = TorchMatrices(torch)
    namespace.array(torch.zeros(1, dtype=getattr(torch, dtype)))
    places = (2**53 - 5, 2**33 + 7, 9)
    expected = linalg.drawn((2, 3, 4), np.dtype(dtype), kind, 2, *places)
    for own in (places, [torch.tensor(float(place), dtype=torch.float64) for place in places]):
        found = namespace.drawn((2, 3, 4), getattr(torch, dtype), kind, 2, *own)
        assert found.dtype == getattr(torch, dtype)
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-6)


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
def test_seeds_tensors_steps_and_draws_differ_and_starts_are_repeated(backend):
    params = [np.ones((3, 3)), np.ones((3, 3))]
    learner = sketched(params, backend=backend, seed=1, every=1)
    zero = [np.zeros((3, 3))] * 2
    seen = []
    for _ in range(2):
        learner.update(zero)
        seen += [np.array(learner.state[k][name]) for k in (0, 1) for name in ("q", "s")]
    q, s, q_other, s_other, q_later, s_later, *_ = seen
    np.testing.assert_array_equal(q, q_later)
    assert np.abs([q - q_other, s - s_other, s - s_later, q - s]).min() > 0
    learner.reset()
    learner.update(zero)
    np.testing.assert_array_equal(learner.state[0]["q"], q)
    reseeded = sketched([p.copy() for p in params], backend=backend, seed=2)
    reseeded.update(zero)
    assert np.abs(reseeded.state[0]["q"] - q).min() > 0


def test_a_resumed_learner_draws_on(tmp_path):
    whole = np.ones((4, 3))
    learner = sketched([whole], seed=4)
    gradients = np.random.default_rng(1).standard_normal((5, 4, 3))
    for k, g in enumerate(gradients):
        if k == 2:
            learner.save(tmp_path / "state")
            parted = whole.copy()
        learner.update([g])
    resumed = sketched([parted], seed=4)
    resumed.load(tmp_path / "state")
    for g in gradients[2:]:
        resumed.update([g])
    np.testing.assert_array_equal(whole, parted)


@ld.rule
def projected(p, g, lr=0.1, rank=2):
    """A random projection of the columns."""
    q = ld.state("q", init=ld.normal(shape=("cols", rank)), shape=("cols", rank))
    p_new = ld.assign(p, p - lr * ld.matmul(ld.matmul(g, q), ld.transpose(q)))
    return ld.combine([ld.assign(q, q), p_new])


@pytest.mark.parametrize("axis", [0, 1])
def test_parts_of_tensors_draw_the_matrices_of_whole_ones(axis):
    rng = np.random.default_rng(7)
    start = {"a": rng.standard_normal((7, 6)), "b": rng.standard_normal((3, 4))}
    updates = [({n: rng.standard_normal(a.shape) for n, a in start.items()}, {}) for _ in range(3)]
    whole = {n: a.copy() for n, a in start.items()}
    learner = projected(whole)
    for gradients, _ in updates:
        learner.update(gradients)
    found, _ = Parts(projected, start, dict.fromkeys(start, axis), 2).train(updates)
    for name, array in whole.items():
        np.testing.assert_allclose(found[name], array, rtol=1e-12)


def test_the_function_on_arrays_agrees():
    ld.check(sketched, dtype="both", updates=3).raise_if_wrong()


def test_vectors_have_no_random_matrices():
    @ld.rule
    def rule(p, g):
        return ld.assign(p, p - g * ld.norm(ld.normal(shape=("cols", 2))))

    with pytest.raises(ld.RuleError, match="needs a tensor with at least 2 axes"):
        rule([np.ones(3)])


def test_random_starts_and_matrices_are_shown():
    text = sketched.latex()
    assert r"\mathcal{N}_{1}^{\mathrm{cols} \times \mathrm{3}}" in text
    assert "normal_1(shape=('cols', 3))" in sketched.pretty().replace("\n", "")
