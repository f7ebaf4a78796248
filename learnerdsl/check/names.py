"""Map names of learnerdsl and SymPy to their counterparts on arrays."""

from typing import Any

import sympy

from learnerdsl import expr, tracing
from learnerdsl.check import derivative, language, matrices, reductions
from learnerdsl.check import functions as f
from learnerdsl.check.symbolic import CLOCK_VALUES
from learnerdsl.check.values import Value, as_value
from learnerdsl.elementary import FUNCTIONS
from learnerdsl.tracing import composition, orientation

_LANGUAGE = {
    name: getattr(language, name)
    for name in (
        *("assign", "combine", "evaluate", "extra", "let", "ndim", "normal", "shape", "state"),
        "uniform",
    )
}
_OF_ELEMENTS = {
    **f.ELEMENTARY,
    **{
        name: getattr(f, name)
        for name in (
            *("clip", "equal", "isfinite", "isnan", "maximum", "minimum", "not_equal", "where"),
        )
    },
}
_OF_TENSORS = {
    **{
        name: getattr(reductions, name)
        for name in (*("all", "any", "count", "max", "mean", "min", "norm", "prod", "size", "sum"),)
    },
    **{
        name: getattr(matrices, name)
        for name in (
            *("cholesky", "diagonal", "diagonal_matrix", "eigenvalues", "eigenvectors"),
            *("first_columns", "identity", "inverse", "inverse_root", "matmul", "orthonormal"),
            *("put_rows", "solve", "solve_triangular", "take_rows", "top_rows", "trace"),
            *("transpose", "tril", "triu"),
        )
    },
}


def _itself(value: Any, *arguments: Any, **options: Any) -> Value:
    """Return a value unchanged, for functions that only rewrite an expression."""
    del arguments, options
    return as_value(value)


_REWRITING = (
    *("apart", "cancel", "collect", "expand", "factor", "nsimplify", "powsimp", "radsimp"),
    *("ratsimp", "simplify", "together", "trigsimp"),
)
"""Functions and methods that write an expression in another way."""

_OF_SYMPY: dict[str, Any] = {
    **{
        row.node.__name__: f.ELEMENTARY[row.name]
        for row in FUNCTIONS
        if row.node is not None and getattr(sympy, row.node.__name__, None) is row.node
    },
    "ln": f.log,
    "sqrt": f.sqrt,
    "atan2": f.atan2,
    "cbrt": lambda x: f.raised(x, 1 / 3),
    "root": lambda x, n: f.raised(x, 1 / as_value(n)),
    "real_root": lambda x, n: f.raised(x, 1 / as_value(n)),
    "Add": f.added,
    "Mul": f.multiplied,
    "Pow": f.raised,
    "Mod": f.modulo,
    "Max": f.maximum,
    "Min": f.minimum,
    "Piecewise": f.piecewise,
    "And": f.logical_and,
    "Or": f.logical_or,
    "Not": f.logical_not,
    "ITE": f.if_then_else,
    "Eq": f.equal,
    "Ne": f.not_equal,
    "Lt": f.less,
    "Le": f.less_equal,
    "Gt": f.greater,
    "Ge": f.greater_equal,
    "Equality": f.equal,
    "Unequality": f.not_equal,
    "diff": derivative.diff,
    **dict.fromkeys(("sympify", *_REWRITING), _itself),
}
Value.methods |= {"diff": derivative.diff, **dict.fromkeys(_REWRITING, _itself)}
_KEPT = ("Integer", "Rational", "Float", "Number", "S", "pi", "E", "oo", "nan", "Expr", "Basic")
"""Names of SymPy that make or are numbers, which values take as they are."""


def _table() -> dict[int, Any]:
    """Map the id of each function or symbol to its counterpart."""
    table: dict[int, Any] = {}
    for name, own in _OF_SYMPY.items():
        table[id(getattr(sympy, name))] = own
    for name, own in {**_OF_ELEMENTS, **_OF_TENSORS}.items():
        table[id(getattr(expr, name))] = own
    for name, own in _LANGUAGE.items():
        table[id(getattr(tracing, name))] = own
    table[id(composition.only_when)] = language.only_when
    table[id(orientation)] = matrices.orientation
    table |= {id(symbol): value for symbol, value in CLOCK_VALUES.items()}
    table[id(expr.expression)] = as_value
    return table


TABLE = _table()
KEPT = {id(getattr(sympy, name)) for name in _KEPT}
