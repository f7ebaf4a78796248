"""Factorizations of matrices: against NumPy, on every target, and where there is no result."""

import jax
import numpy as np
import pytest
from support.exported import Problem, loaded
from support.rules_of_matrices import run
from support.tiers import slow

import learnerdsl as ld
from learnerdsl import jax as ldj
from learnerdsl.kernels import linalg
from learnerdsl.runtime.torch_matrices import TorchMatrices

torch = pytest.importorskip("torch")


@ld.rule
def factorizing(p, g, lr=0.1):
    """Every factorization, of matrices with one result."""
    left = ld.state("left", init=ld.identity("rows"), shape=("rows", "rows"))
    q = ld.state("q", init=ld.transpose(p), shape=("cols", "rows"))
    spread = ld.state("spread", shape=("rows", 1))
    gram = ld.let("gram", ld.matmul(g, ld.transpose(g)) + ld.identity("rows"))
    left_new = ld.assign(left, left / 2 + gram)
    root = ld.let("root", ld.cholesky(left_new))
    y = ld.solve_triangular(root, g) + ld.solve_triangular(ld.transpose(root), p, lower=False)
    z = ld.solve(left_new, y) + ld.matmul(ld.inverse(gram), g)
    spread_new = ld.assign(spread, spread / 2 + ld.eigenvalues(gram) / ld.trace(gram))
    main = ld.first_columns(gram, 2)
    gram = gram + ld.matmul(main, ld.transpose(main))
    scaled = ld.matmul(ld.diagonal_matrix(ld.sqrt(ld.diagonal(gram))), z * spread_new)
    basis = ld.let("basis", ld.orthonormal(q))
    turned = basis * ld.sign(ld.sum(basis * q, axis=-2))
    q_new = ld.assign(q, turned + ld.transpose(scaled) / 9)
    kept = ld.matmul(ld.matmul(scaled, turned), ld.transpose(q_new))
    kept = kept + ld.matmul(ld.tril(gram), g) / 9 - ld.matmul(ld.triu(gram), p) / 9
    return ld.assign(p, p - lr * (kept + scaled / 4))


SHAPES = [((4, 5),), ((5, 3), (3, 3)), ((2, 3, 4), (1, 2)), ((0, 3), (3, 0)), ((0, 2, 3),)]
TOLERANCE = {"float32": 1e-3, "float64": 1e-10}


@pytest.mark.parametrize("dtype", [slow("float32"), "float64"])
@pytest.mark.parametrize("shapes", SHAPES, ids=str)
def test_compiled_rule_follows_the_oracle(shapes, dtype):
    ends = [run(factorizing, shapes, dtype, backend) for backend in ("cpu", "numpy")]
    for compiled, oracle in zip(*ends, strict=True):
        assert (compiled.dtype, compiled.shape) == (oracle.dtype, oracle.shape)
        scale = max(1.0, np.nanmax(np.abs(oracle), initial=0))
        np.testing.assert_allclose(compiled, oracle, rtol=0, atol=TOLERANCE[dtype] * scale)


def problem():
    return Problem(factorizing, shapes=((5, 3), (3, 5), (2, 3, 4)), steps=4)


def test_exports_and_transformations_follow_the_oracle():
    own = problem()
    expected, _ = own.path_of_rule()
    path, _ = own.path_of_numpy(loaded(factorizing.export("numpy")))
    assert own.error(path, expected) <= 1e-10
    path, _ = own.path_of_torch(loaded(factorizing.export("torch")).Factorizing)
    assert own.error(path, expected) <= 1e-10
    with jax.enable_x64(True):
        path, _ = own.path_of_jax(loaded(factorizing.export("jax")).factorizing())
        assert own.error(path, expected) <= 1e-10
        path, _ = own.path_of_jax(ldj.transformation(factorizing))
        assert own.error(path, expected) <= 1e-10


def test_the_function_on_arrays_agrees():
    ld.check(factorizing, dtype="both", updates=3).raise_if_wrong()


GOOD = np.array([[4.0, 1.0], [1.0, 3.0]])
RIGHT = np.array([[1.0, 2.0], [3.0, 5.0]])
SQUARE, COLUMN = ("rows", "rows"), ("rows", 1)
FUNCTIONS = {
    "inverse": (lambda a, b: ld.inverse(a), lambda a, b: np.linalg.inv(a), SQUARE),
    "cholesky": (lambda a, b: ld.cholesky(a), lambda a, b: np.linalg.cholesky(a), SQUARE),
    "solve": (lambda a, b: ld.solve(a, b), np.linalg.solve, "element"),
    "solve_lower": (
        lambda a, b: ld.solve_triangular(a, b),
        lambda a, b: np.linalg.solve(np.tril(a), b),
        "element",
    ),
    "solve_upper": (
        lambda a, b: ld.solve_triangular(a, b, lower=False),
        lambda a, b: np.linalg.solve(np.triu(a), b),
        "element",
    ),
    "orthonormal": (
        lambda a, b: ld.abs(ld.orthonormal(a)),
        lambda a, b: np.abs(np.linalg.qr(a)[0]),
        SQUARE,
    ),
    "eigenvalues": (
        lambda a, b: ld.eigenvalues(a),
        lambda a, b: np.linalg.eigvalsh(a)[::-1, None],
        COLUMN,
    ),
    "trace": (lambda a, b: ld.trace(a), lambda a, b: np.trace(a).reshape(1, 1), ld.sides(1, 1)),
    "diagonal": (lambda a, b: ld.diagonal(a), lambda a, b: np.diag(a)[:, None], COLUMN),
    "diagonal_matrix": (
        lambda a, b: ld.diagonal_matrix(ld.diagonal(a)),
        lambda a, b: np.diag(np.diag(a)),
        SQUARE,
    ),
    "tril": (lambda a, b: ld.tril(a), lambda a, b: np.tril(a), SQUARE),
    "triu": (lambda a, b: ld.triu(a), lambda a, b: np.triu(a), SQUARE),
    "first_columns": (lambda a, b: ld.first_columns(b, 1), lambda a, b: b[:, :1], ("rows", 1)),
    "more_columns": (
        lambda a, b: ld.first_columns(b, 3),
        lambda a, b: np.pad(b, ((0, 0), (0, 1))),
        ("rows", 3),
    ),
}
"""Name -> the function, what it is in NumPy, and the shape of the result."""


def outcome(name, a, b, target):
    """What a function gives for a square state that starts from `a`, and a gradient `b`."""
    value, _, shape = FUNCTIONS[name]

    @ld.rule
    def of_matrices(p, g):
        own = ld.state("own", init=p, shape=SQUARE)
        kept = ld.assign(ld.state("kept", shape=shape), value(own, g))
        return ld.combine([ld.assign(own, own), kept, ld.assign(p, p - g)])

    if target in ("cpu", "numpy"):
        learner = of_matrices([a.copy()], backend=target)
        learner.update([b])
        return learner.state[0]["kept"]
    if target == "jax":
        with jax.enable_x64(True):
            made = ldj.transformation(of_matrices)
            params = [jax.numpy.asarray(a)]
            _, state = made.update([jax.numpy.asarray(b)], made.init(params), params)
            return np.asarray(state.states["kept"][0])
    module = loaded(of_matrices.export("torch"))
    p = torch.tensor(a, requires_grad=True)
    p.grad = torch.tensor(b)
    optimizer = module.OfMatrices([p])
    optimizer.step()
    return optimizer.state[p]["kept"].numpy()


TARGETS = ["cpu", "numpy", "jax", "torch"]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_are_those_of_numpy(name, target):
    _, expected, _ = FUNCTIONS[name]
    found = outcome(name, GOOD, RIGHT, target)
    np.testing.assert_allclose(found, expected(GOOD, RIGHT), rtol=1e-12, atol=1e-14)


FACTORIZED = ["inverse", "cholesky", "solve", "solve_lower", "solve_upper", "orthonormal"]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", FACTORIZED)
def test_a_matrix_without_a_result_gives_nan_and_leaves_the_others_alone(name, target):
    _, expected, _ = FUNCTIONS[name]
    zero, bad = np.zeros((2, 2)), GOOD.copy()
    bad[0, 0] = np.nan
    bad[1, 1] = np.inf
    a, b = np.stack([GOOD, zero, bad, GOOD]), np.stack([RIGHT] * 4)
    found = outcome(name, a, b, target)
    for k in (0, 3):
        np.testing.assert_allclose(found[k], expected(GOOD, RIGHT), rtol=1e-12)
    assert np.isnan(found[2]).all()
    assert name == "orthonormal" or np.isnan(found[1]).all()


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
def test_negative_definite_matrices_have_no_factor(backend):
    found = outcome("cholesky", -GOOD, RIGHT, backend)
    assert np.isnan(found).all()


@pytest.mark.parametrize("shape", [(5, 2), (2, 5), (3, 3, 2), (0, 2), (2, 0)], ids=str)
def test_a_basis_has_orthonormal_columns_and_zeros_for_those_that_are_too_many(shape):
    a = np.random.default_rng(1).standard_normal(shape)
    n, k = shape[-2:]
    namespace = TorchMatrices(torch)
    bases = [linalg.orthonormal(a), namespace.orthonormal(torch.tensor(a)).numpy()]
    for backend in ("cpu", "numpy"):

        @ld.rule
        def of_matrix(p, g):
            return ld.assign(p, ld.orthonormal(p) + 0 * g)

        bases.append(a.copy())
        of_matrix([bases[-1]], backend=backend).update([a])
    for basis in bases:
        assert basis.shape == shape
        gram = np.swapaxes(basis, -1, -2) @ basis
        expected = np.eye(k) * (np.arange(k) < n)
        np.testing.assert_allclose(gram, np.broadcast_to(expected, gram.shape), atol=1e-12)


@pytest.mark.parametrize(
    ("name", "operands"),
    [
        *((name, (GOOD,)) for name in ("inverse", "cholesky", "eigenvalues", "diagonal")),
        ("solve", (GOOD, RIGHT)),
        ("solve_triangular", (GOOD, RIGHT, True)),
        ("solve_triangular", (GOOD, RIGHT, False)),
        ("diagonal_matrix", (RIGHT[:, :1],)),
        *(("first_columns", (RIGHT, count)) for count in (1, 2, 4)),
        *(("reduced", (RIGHT, kind, (-1,))) for kind in ("sum", "mean", "norm", "max", "prod")),
        ("reduced", (RIGHT, "min", None)),
    ],
)
def test_pytorch_does_what_numpy_does(name, operands):
    namespace = TorchMatrices(torch)
    namespace.array(torch.zeros(1, dtype=torch.float64))
    is_array = [isinstance(a, np.ndarray) for a in operands]
    stacked = [
        np.stack([a, a * 0, a + np.nan, a]) if own else a
        for own, a in zip(is_array, operands, strict=True)
    ]
    expected = getattr(linalg, name)(*stacked)
    given = [torch.tensor(a) if isinstance(a, np.ndarray) else a for a in stacked]
    np.testing.assert_allclose(getattr(namespace, name)(*given).numpy(), expected, rtol=1e-12)


BAD = {
    "it must be square": lambda p, g: ld.inverse(p),
    "takes diagonal": lambda p, g: p * ld.trace(p),
    "it must be a column": lambda p, g: ld.diagonal_matrix(p),
    "transpose the second": lambda p, g: ld.solve(ld.identity("cols"), p),
    "write True or False": lambda p, g: ld.solve_triangular(ld.identity("rows"), p, lower=0),
    "which has 2 columns; write 2 or less": lambda p, g: (
        p * ld.sum(ld.first_columns(ld.first_columns(p, 2), 3))
    ),
    "first_columns\\(..., 0\\) is not defined": lambda p, g: ld.first_columns(p, 0),
    "first_columns\\(..., 'rows'\\) is not defined": lambda p, g: ld.first_columns(p, "rows"),
    "first_columns\\(..., True\\) is not defined": lambda p, g: ld.first_columns(p, True),
    "which is not a matrix": lambda p, g: ld.cholesky(ld.norm(p)),
}


@pytest.mark.parametrize("message", BAD)
def test_what_does_not_fit_is_refused(message):
    @ld.rule
    def bad(p, g):
        return ld.assign(p, BAD[message](p, g))

    with pytest.raises(ld.RuleError, match=message):
        bad([np.ones((3, 4))])


def test_the_matrix_of_equations_is_in_brackets_where_an_exponent_would_not_be_its_own():
    @ld.rule
    def rule(p, g, lr=0.1):
        q = ld.state("q", shape=("rows", "rows"), init=ld.identity("rows"))
        by_transpose = ld.solve(ld.transpose(q), g)
        by_product = ld.solve(ld.matmul(q, q), g)
        return ld.combine([ld.assign(q, q), ld.assign(p, p - lr * by_transpose - by_product)])

    text = rule.latex()
    assert r"\left(q_{t-1}^\top\right)^{-1} \, g_t" in text
    assert r"\left(q_{t-1} \, q_{t-1}\right)^{-1} \, g_t" in text
