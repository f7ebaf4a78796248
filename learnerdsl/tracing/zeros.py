"""Take hyperparameters that are zero out of a rule, so that nothing is computed with them."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import sympy

from learnerdsl.expr import Comparison, Power, Where, nodes, rebuilt, replaced
from learnerdsl.tracing.definition import Rule

_NO_VALUES = (sympy.zoo, sympy.nan, sympy.oo, -sympy.oo)


def without(rule: Rule, names: Iterable[str]) -> Rule:
    """Return a rule in which hyperparameters are the number 0.

    Terms and factors vanish with them: `g + 0*p` would read p again in each update. One that
    divides stays a symbol, as the quotient is not a number.

    Args:
        rule: a traced rule.
        names: names of the hyperparameters.
    """
    for name in names:
        symbol = next((h for h in rule.hyperparameters if h.name == name), None)
        changed = None if symbol is None else _with_zero(rule, symbol)
        rule = rule if changed is None else changed
    return rule


def _with_zero(rule: Rule, symbol: sympy.Symbol) -> Rule | None:
    """Return a rule in which a symbol is 0, or None if a value would be no number."""
    zero = {symbol: sympy.S.Zero}

    def change(expression: Any) -> Any:
        return replaced(expression, zero, _folded)

    lines = tuple(replace(line, expression=change(line.expression)) for line in rule.lines)
    states = tuple(replace(spec, init=change(sympy.sympify(spec.init))) for spec in rule.states)
    evaluation = None if rule.evaluation is None else change(rule.evaluation)
    before = [line.expression for line in rule.lines] + [spec.init for spec in rule.states]
    after = [line.expression for line in lines] + [spec.init for spec in states]
    if _without_value(after) - _without_value(before):
        return None
    written = tuple(map(change, rule.written))
    return replace(rule, lines=lines, states=states, evaluation=evaluation, written=written)


def _folded(node: Any, arguments: tuple[Any, ...]) -> Any:
    """Return a node with other arguments, some of which may be 0, without what vanishes."""
    if isinstance(node, sympy.Mul):
        return sympy.S.Zero if 0 in arguments else rebuilt(node, arguments)
    if isinstance(node, sympy.Add):
        rest = tuple(a for a in arguments if a != 0)
        return sympy.S.Zero if not rest else rest[0] if len(rest) == 1 else rebuilt(node, rest)
    if isinstance(node, (sympy.Pow, Power)) and 0 in arguments:
        return _power_with_zero(node, arguments)
    if isinstance(node, Comparison) and all(getattr(a, "is_Number", False) for a in arguments):
        return sympy.true if _holds(node, arguments) else sympy.false
    if isinstance(node, Where) and arguments[0] in (sympy.true, sympy.false):
        return arguments[1] if arguments[0] == sympy.true else arguments[2]
    return rebuilt(node, arguments)


def _power_with_zero(node: Any, arguments: tuple[Any, ...]) -> Any:
    exponent = arguments[1]
    if exponent == 0:
        return sympy.S.One
    if exponent.is_positive:
        return sympy.S.Zero
    return sympy.zoo if exponent.is_negative else rebuilt(node, arguments)


def _holds(node: Comparison, arguments: tuple[Any, ...]) -> bool:
    """Return whether a comparison of two numbers is true."""
    left, right = map(float, arguments)
    return bool(
        {
            "<": left < right,
            "<=": left <= right,
            ">": left > right,
            ">=": left >= right,
            "==": left == right,
            "!=": left != right,
        }[node.sign]
    )


def _without_value(expressions: Iterable[Any]) -> set[Any]:
    """Return the infinities and the like in expressions."""
    return {node for node in nodes(list(map(sympy.sympify, expressions))) if node in _NO_VALUES}
