"""Write the change of a parameter as an expression, without subtracting the old value."""

from dataclasses import replace
from typing import Any

import sympy

from learnerdsl.export.statements import Body, Statement
from learnerdsl.expr import Named, ParameterSymbol, Where, rebuilt, symbols_in


def separate_change(body: Body) -> sympy.Symbol | None:
    """Add a statement for new parameter minus old one; return its symbol, None if there is none.

    `p - lr*u` changes by `-lr*u`, and `c*p - lr*u` by `(c - 1)*p - lr*u`; both are free of the
    cancellation of `p_new - p`. The statement of the new parameter goes if nothing else uses it;
    else it adds the change.
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
    if own is None or place is None:
        return symbol
    body.statements.remove(own)
    if _is_used(new, own, body):
        total = sympy.Add(body.rule.parameter, symbol, evaluate=False)
        body.statements.insert(place + 1, replace(own, expression=total))
    _drop_unused(body, symbol)
    return symbol


def _minus_parameter(expression: Any, body: Body) -> Any:
    """Return an expression minus the parameter, or None if that is a plain subtraction."""
    p = body.rule.parameter
    if expression == p:
        return sympy.S.Zero
    if isinstance(expression, Named):
        own = _definition(expression, body)
        return None if own is None else _minus_parameter(own, body)
    if isinstance(expression, Where):
        branches = [_minus_parameter(branch, body) for branch in expression.args[1:]]
        if None in branches:
            return None
        return rebuilt(expression, (expression.args[0], *branches))
    if not isinstance(expression, sympy.Add):
        return _product_minus_parameter(expression, body)
    if p in expression.args:
        rest = [term for term in expression.args if term != p]
        return sympy.Add(*rest, evaluate=False) if len(rest) > 1 else rest[0]
    factors = [_factor_of_parameter(term, body) for term in expression.args]
    if sum(factor is not None for factor in factors) != 1:
        return None
    others = [t for t, factor in zip(expression.args, factors, strict=True) if factor is None]
    factor = next(factor for factor in factors if factor is not None)
    return sympy.Add(*others, _product(factor - 1, p), evaluate=False)


def _product_minus_parameter(expression: Any, body: Body) -> Any:
    """Return `c*p` or `c*(p + rest)` minus the parameter; None if it is something else."""
    p = body.rule.parameter
    factor = _factor_of_parameter(expression, body)
    if factor is not None:
        return _product(factor - 1, p)
    terms = expression.args if isinstance(expression, sympy.Mul) else ()
    written = [_definition(a, body) if isinstance(a, Named) else a for a in terms]
    inner = [a for a in written if isinstance(a, sympy.Add) and p in a.args]
    others = [a for a, own in zip(terms, written, strict=True) if own not in inner]
    if len(inner) != 1 or not all(map(body.is_scalar, others)):
        return None
    rest = sympy.Add(*(a for a in inner[0].args if a != p), evaluate=False)
    factor = sympy.Mul(*others)
    moved = sympy.Mul(factor, rest, evaluate=False)
    return sympy.Add(moved, _product(_with_definition(factor, body) - 1, p), evaluate=False)


def _definition(symbol: Any, body: Body) -> Any:
    """Return the expression of a value of elements with a name, None if it has none."""
    own = next((s for s in body.statements if s.symbol == symbol), None)
    is_kept = own is None or own.rounded or body.is_scalar(symbol)
    return None if own is None or is_kept else own.expression


def _factor_of_parameter(term: Any, body: Body) -> Any:
    """Return the scalar that the parameter is multiplied by in a term, None if it has none."""
    p = body.rule.parameter
    if term == p:
        return sympy.S.One
    if isinstance(term, Named):
        term = _definition(term, body)
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


def _drop_unused(body: Body, change: Any) -> None:
    """Take out the values that nothing uses now."""
    for statement in reversed(body.statements):
        if statement.symbol != change and not _is_used(statement.symbol, statement, body):
            body.statements.remove(statement)


def _is_used(new: Any, own: Statement, body: Body) -> bool:
    """Return whether something besides the parameter's new value takes a value."""
    others = [s.expression for s in body.statements if s is not own]
    others += [one.node for one in body.sums]
    stored = [value for target, value in body.new.items() if target != body.rule.parameter]
    return new in symbols_in(*others) or new in stored
