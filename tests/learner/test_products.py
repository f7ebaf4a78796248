"""Products of matrices with bfloat16 operands, and stacks of small matrices."""

import importlib.util
import subprocess
import sys

import numpy as np
import pytest

import learnerdsl as ld
from learnerdsl.learners import muon, shampoo, soap

needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="products on the CPU need PyTorch"
)
BACKENDS = [
    pytest.param("units", marks=needs_torch),
    pytest.param("no units", marks=needs_torch),
    "numpy",
]
"""Who multiplies: PyTorch, NumPy for a processor without units for bfloat16, or the oracle."""


@pytest.fixture
def backend(request, monkeypatch):
    """Return the backend for one of `BACKENDS`."""
    if request.param == "numpy":
        return "numpy"
    place = "learnerdsl.runtime.cpu.matrix_stage.has_bfloat16_units"
    monkeypatch.setattr(place, lambda torch: request.param == "units")
    return "cpu"


@ld.rule
def squared(p, g):
    """The parameter becomes the product of a symmetric product and the gradient."""
    return ld.assign(p, ld.matmul(ld.matmul(g, ld.transpose(g)), g))


@ld.rule
def summed(p, g):
    """The parameter becomes a sum of a product and one of its operands."""
    x = ld.let("x", 2.0 * g)
    y = ld.let("y", 0.25 * x + 3.0 * ld.matmul(ld.matmul(g, ld.transpose(g)), x))
    return ld.assign(p, ld.matmul(ld.matmul(y, ld.transpose(x)), x))


def bfloat16(values):
    """Round to 8 significant bits, ties to even."""
    mantissa, exponent = np.frexp(np.asarray(values, np.float64))
    return np.ldexp(np.rint(mantissa * 256), exponent - 8)


def integers(shape, largest=3):
    """Small whole numbers: sums of their products are exact in any order."""
    numbers = np.random.default_rng(0).integers(-largest, largest + 1, shape)
    return numbers.astype(np.float32)


def updated(rule, g, **arguments):
    """Return the parameter after an update."""
    p = np.zeros(g.shape, np.float32)
    rule([p], products="bfloat16", **arguments).update([g])
    return p


@pytest.mark.parametrize("backend", BACKENDS, indirect=True)
@pytest.mark.parametrize("shape", [(3, 5), (40, 70), (2, 3, 20, 30), (600, 50), (0, 4)])
def test_products_round_operands_and_results(backend, shape):
    g = integers(shape)
    gram = bfloat16(g.astype(np.float64) @ np.swapaxes(g, -1, -2))
    expected = bfloat16(gram @ g.astype(np.float64))
    assert np.array_equal(updated(squared, g, backend=backend), expected)
    if g.size > 1000:
        exact = g.astype(np.float64) @ np.swapaxes(g, -1, -2) @ g
        assert (exact != expected).any()


@pytest.mark.parametrize("backend", BACKENDS, indirect=True)
@pytest.mark.parametrize("shape", [(40, 70), (3, 20, 30)])
def test_sum_of_a_product_and_its_operand_is_rounded_once(backend, shape):
    g = integers(shape)
    wide = g.astype(np.float64)
    x = 2 * wide
    gram = bfloat16(wide @ np.swapaxes(wide, -1, -2))
    y = bfloat16(0.25 * x + 3 * (gram @ x))
    expected = bfloat16(bfloat16(y @ np.swapaxes(x, -1, -2)) @ x)
    assert np.array_equal(updated(summed, g, backend=backend), expected)
    twice = bfloat16(0.25 * x + 3 * bfloat16(gram @ x))
    assert (twice != y).any()


@ld.rule
def of_a_square(p, g):
    """A symmetric product is added to a matrix that is not symmetric."""
    q = ld.state("q", shape=("rows", "rows"))
    y = ld.let("y", 0.5 * q + ld.matmul(q, ld.transpose(q)))
    return ld.combine(
        [ld.assign(q, q + ld.matmul(g, ld.transpose(p))), ld.assign(p, ld.matmul(y, g))]
    )


@pytest.mark.parametrize("backend", BACKENDS[:2], indirect=True)
def test_half_of_a_sum_is_enough_only_if_both_are_symmetric(backend):
    g, start = integers((300, 8), largest=1).reshape(2, 300, 4)
    found = []
    for judge in (backend, "numpy"):
        p = start.copy()
        learner = of_a_square([p], products="bfloat16", backend=judge)
        learner.update([g])
        assert not p.any()
        learner.update([g])
        found.append(p)
    assert np.array_equal(*found)
    assert found[0].any()


def path_of(rule, shapes, **arguments):
    """Return how far parameters moved in three updates by normal gradients."""
    numbers = np.random.default_rng(1)
    start = [numbers.standard_normal(shape).astype(np.float32) for shape in shapes]
    params = [p.copy() for p in start]
    learner = rule(params, lr=0.1, **arguments)
    for _ in range(3):
        learner.update([numbers.standard_normal(shape).astype(np.float32) for shape in shapes])
    return [p - s for p, s in zip(params, start, strict=True)]


@needs_torch
@pytest.mark.parametrize(
    ("rule", "shape"),
    [(muon, (12, 30)), (muon, (300, 20)), (muon, (2, 9, 7)), (shampoo, (9, 9)), (soap, (9, 9))],
)
def test_products_are_those_of_the_oracle(rule, shape):
    """To some roundings to 8 bits, which small differences of sums turn to the other side."""
    (own,) = path_of(rule, [shape], products="bfloat16")
    (oracle,) = path_of(rule, [shape], products="bfloat16", backend="numpy")
    assert np.linalg.norm(own - oracle) < 0.01 * np.linalg.norm(oracle)


@needs_torch
@pytest.mark.parametrize("shape", [(12, 30), (300, 20), (2, 9, 7)])
def test_muon_moves_nearly_as_with_full_products(shape):
    (own,), (full,) = path_of(muon, [shape], products="bfloat16"), path_of(muon, [shape])
    assert 1e-3 < np.linalg.norm(own - full) / np.linalg.norm(full) < 0.03


SHAPES = [(16, 24)] * 5 + [(24, 16)] * 3 + [(5, 5), (2, 16, 24), (2, 16, 24), (300, 300)]


@pytest.mark.parametrize("products", ["full", pytest.param("bfloat16", marks=needs_torch)])
def test_stacks_of_small_matrices_are_bitwise_single_ones(products):
    together = path_of(muon, SHAPES, products=products)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("learnerdsl.runtime.cpu.matrix_stage._equal_shapes", lambda *_: iter(()))
        alone = path_of(muon, SHAPES, products=products)
    assert all(map(np.array_equal, together, alone))


def test_stacks_leave_out_tensors_without_a_gradient():
    params = [np.eye(4, dtype=np.float32) for _ in range(3)]
    learner = muon(params, lr=0.1)
    gradient = np.diag([1, 2, 3, 4]).astype(np.float32)
    learner.update([gradient, None, gradient])
    assert np.array_equal(params[1], np.eye(4))
    assert np.array_equal(params[0], params[2])
    assert (params[0] != np.eye(4)).any()


@needs_torch
def test_read_only_gradients_can_be_multiplied():
    g = integers((4, 6))
    g.setflags(write=False)
    assert np.array_equal(updated(squared, g), updated(squared, g, backend="numpy"))


@needs_torch
def test_products_are_no_part_of_a_checkpoint():
    params = [np.eye(4, dtype=np.float32)]
    learner = muon(params, products="bfloat16")
    learner.update([np.ones((4, 4), np.float32)])
    muon([params[0].copy()]).load_state_dict(learner.state_dict())


def test_products_are_shown():
    choices = {"shape": (4, 8), "products": "bfloat16"}
    assert muon.plan(**choices).dtype == "float32, bfloat16 products"
    source = muon.source(**choices)
    assert "gram_1 = xp.product(x_0, xp.swapaxes(x_0, -1, -2), is_symmetric=True)" in source
    assert "x_1 = xp.product(polynomial_1, x_0, 1, x_0, 3.4445)" in source
    assert "xp" not in muon.source(shape=(4, 8), products="full")
    assert str(muon.cost(**choices)) == str(muon.cost(shape=(4, 8)))


def test_products_need_torch():
    code = """
import sys
sys.modules["torch"] = None
import numpy as np
import learnerdsl as ld
from learnerdsl.learners import muon
weights = np.ones((3, 3), np.float32)
muon([weights], products="bfloat16", backend="numpy").update([weights.copy()])
try:
    muon([weights], products="bfloat16")
except ld.LearnerError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "needs PyTorch, since NumPy multiplies no bfloat16; install it" in done.stdout
