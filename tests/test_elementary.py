"""Every row of the table of functions: its values, its derivative, its documentation."""

import numpy as np
import pytest
import sympy

import learnerdsl as ld
from learnerdsl.elementary import BY_NODE, FUNCTIONS

X, Y = sympy.symbols("x y", real=True)
SMALL = np.array([-0.9, -0.4, -1e-9, 1e-9, 0.3, 0.8])


def operands(row):
    return (SMALL, SMALL[::-1] + 0.05)[: len(row.arguments)]


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("row", FUNCTIONS, ids=lambda row: row.name)
def test_function_is_numpys(row, dtype, backend):
    function = getattr(ld, row.name)

    def rule(p, g):
        return ld.assign(p, function(*(g, p)[: len(row.arguments)]))

    given = [np.asarray(a, dtype) for a in operands(row)]
    p = np.array(given[-1], dtype)
    ld.rule(rule)([p], backend=backend).update([given[0]])
    with np.errstate(invalid="ignore"):
        expected = row.of_arrays(*given)
    np.testing.assert_allclose(p, expected, rtol=8 * np.finfo(dtype).eps)


@pytest.mark.parametrize("row", list(BY_NODE.values()), ids=lambda row: row.name)
def test_function_keeps_the_dtype_of_arrays(row):
    for dtype in ("float32", "float64"):
        given = [np.abs(np.asarray(a, dtype)) for a in operands(row)]
        assert row.of_arrays(*given).dtype == dtype


SMOOTH = [row for row in BY_NODE.values() if row.name not in ("ceil", "floor")]


@pytest.mark.parametrize("row", SMOOTH, ids=lambda row: row.name)
def test_derivative_is_that_of_the_values(row):
    symbols = (X, Y)[: len(row.arguments)]
    node = getattr(ld, row.name)(*symbols)
    at = [0.37, 0.61][: len(symbols)]
    for k, symbol in enumerate(symbols):
        slope = float(node.diff(symbol).doit().subs(dict(zip(symbols, at, strict=True))))
        step = 1e-6 * np.eye(len(symbols))[k]
        ends = [float(row.of_arrays(*(np.array(at) + sign * step))) for sign in (1, -1)]
        assert slope == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-7, abs=1e-9)


@pytest.mark.parametrize("row", list(BY_NODE.values()), ids=lambda row: row.name)
def test_definition_of_sympy_has_the_same_values(row):
    node = row.node(*(X, Y)[: len(row.arguments)])
    values = [0.37, 0.61][: len(row.arguments)]
    exact = float(node.doit().subs({X: 0.37, Y: 0.61}).evalf())
    assert exact == pytest.approx(float(row.of_arrays(*values)), rel=1e-14)
    assert sympy.latex(node)


@pytest.mark.parametrize("row", FUNCTIONS, ids=lambda row: row.name)
def test_function_has_a_signature_and_a_sentence(row):
    function = getattr(ld, row.name)
    assert function.__doc__.startswith(row.summary.split(";")[0].rstrip("."))
    with pytest.raises(TypeError):
        function()


@ld.rule
def elementary(p, g):
    """Steps by every function of the table."""
    total = sum(getattr(ld, row.name)(*(g, p)[: len(row.arguments)]) for row in FUNCTIONS)
    return ld.assign(p, p - total)


@pytest.mark.parametrize("target", ["cpu", "cuda"])
def test_code_of_every_function_is_the_golden_file(target, golden):
    golden(elementary.source(target))


# SymPy's cbrt is the principal root, a power.
OF_SYMPY = [r for r in BY_NODE.values() if hasattr(sympy, r.node.__name__) and r.name != "cbrt"]


@pytest.mark.parametrize("row", OF_SYMPY, ids=lambda row: row.name)
def test_sympys_own_function_is_taken(row):
    own = getattr(sympy, row.node.__name__)
    arguments = (X, Y)[: len(row.arguments)]

    def rule(p, g):
        given = dict(zip((X, Y), (p, g), strict=True))
        return ld.assign(p, own(*(given[symbol] for symbol in arguments)))

    written = ld.rule(rule).trace().lines[-1].expression
    assert isinstance(written, row.node)


def test_the_table_is_in_order():
    assert [row.name for row in FUNCTIONS] == sorted(row.name for row in FUNCTIONS)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [(np.nan, [1, 0]), (np.inf, [0, 0]), (-np.inf, [0, 0]), (3e38, [0, 1]), (-0.0, [0, 1])],
)
@pytest.mark.parametrize("backend", ["cpu", "numpy"])
def test_nan_and_finite_are_conditions(value, wanted, backend):
    def rule(p, g):
        is_nan, is_finite = ld.where(ld.isnan(g), 1, 0), ld.where(ld.isfinite(g), 1, 0)
        return ld.combine([ld.assign(p, is_nan), ld.assign(ld.state("s"), is_finite)])

    p = np.full(1, 7, np.float32)
    learner = ld.rule(rule)([p], backend=backend)
    learner.update([np.full(1, value, np.float32)])
    assert [p[0], learner.state[0]["s"][0]] == wanted


@pytest.mark.parametrize("row", list(BY_NODE.values()), ids=lambda row: row.name)
def test_third_judge_knows_the_function_and_its_derivative(row):
    function = getattr(ld, row.name)

    def rule(p, g):
        inner = ld.tanh(g) / 2
        value = function(*(inner, p)[: len(row.arguments)])
        return ld.assign(p, p - value)

    ld.check(ld.rule(rule), [np.full(3, 0.3)]).raise_if_wrong()
