"""Write the change of a parameter as an expression, without subtracting the old value."""

from typing import Any

import sympy

from learnerdsl.export.statements import Body, Statement
from learnerdsl.expr import Named, ParameterSymbol, Where, rebuilt, symbols_in


def separate_change(body: Body) -> sympy.Symbol | None:
    """Add a statement for new parameter minus old one; return its symbol, None if there is none.

    `p - lr*u` changes by `-lr*u`, and `c*p - lr*u` by `(c - 1)*p - lr*u`; both are free of the
    cancellation of `p_new - p`. The statement of the new parameter goes if nothing else uses it.
    """
    new = body.new.get(body.rule.parameter)
    if new is None:
        return None
    place = next((k for k, s in enumerate(body.statements) if s.symbol == new), None)
    own = None if place is None else body.statements[place]
    expression = new if own is None else own.expression
    change = _minus_parameter(expression, body)
    if change is None:
        change = sympy.Add(new, -body.rule.parameter, evaluate=False)
        own = None
    symbol = ParameterSymbol("change", body.rule.name)
    statement = Statement(symbol, change)
    body.statements.insert(len(body.statements) if place is None else place + 1, statement)
    body.axes[symbol] = body.element
    if own is not None and not _is_used(new, own, body):
        body.statements.remove(own)
    return symbol


def _minus_parameter(expression: Any, body: Body) -> Any:
    """Return an expression minus the parameter, or None if that is a plain subtraction."""
    p = body.rule.parameter
    if expression == p:
        return sympy.S.Zero
    if isinstance(expression, Where):
        branches = [_minus_parameter(branch, body) for branch in expression.args[1:]]
        if None in branches:
            return None
        return rebuilt(expression, (expression.args[0], *branches))
    if not isinstance(expression, sympy.Add):
        factor = _factor_of_parameter(expression, body)
        return None if factor is None else _product(factor - 1, p)
    factors = [_factor_of_parameter(term, body) for term in expression.args]
    if sum(factor is not None for factor in factors) != 1:
        return None
    others = [t for t, factor in zip(expression.args, factors, strict=True) if factor is None]
    factor = next(factor for factor in factors if factor is not None)
    rest = [] if factor == 1 else [_product(factor - 1, p)]
    return sympy.Add(*others, *rest, evaluate=False) if rest or len(others) > 1 else others[0]


def _factor_of_parameter(term: Any, body: Body) -> Any:
    """Return the scalar that the parameter is multiplied by in a term, None if it has none."""
    p = body.rule.parameter
    if term == p:
        return sympy.S.One
    if not isinstance(term, sympy.Mul) or p not in term.args:
        return None
    others = [factor for factor in term.args if factor != p]
    if len(others) != len(term.args) - 1 or not all(map(body.is_scalar, others)):
        return None
    return _with_definition(sympy.Mul(*others), body)


def _with_definition(factor: Any, body: Body) -> Any:
    """Return a scalar with its definition, in which 1 may cancel, if it is a sum with a name."""
    if not isinstance(factor, Named):
        return factor
    own = next((s for s in body.statements if s.symbol == factor), None)
    is_sum = own is not None and isinstance(own.expression, sympy.Add) and not own.rounded
    return own.expression if own is not None and is_sum else factor


def _product(factor: Any, p: Any) -> Any:
    return sympy.Mul(factor, p, evaluate=False) if factor != -1 else -p


def _is_used(new: Any, own: Statement, body: Body) -> bool:
    """Return whether something besides the parameter takes its new value."""
    others = [s.expression for s in body.statements if s is not own]
    others += [one.node for one in body.sums]
    stored = [value for target, value in body.new.items() if target != body.rule.parameter]
    return new in symbols_in(*others) or new in stored
