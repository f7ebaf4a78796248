"""Rule -> Kernel: every assignment and every reduction becomes a block of its own.

Assumes a valid Rule. Afterwards no expression contains a Reduction, every value has one symbol, and
the blocks are in dependency order.
"""

from typing import Any

import sympy

from learnerdsl.expr import Named, Reduction
from learnerdsl.ir import Block, Compute, Kernel, Reduce, Store, as_expr, rebuild
from learnerdsl.rule import Assignment, Rule, model_reductions
from learnerdsl.rule.checks import is_kept_in_ring


def lower(rule: Rule) -> Kernel:
    """One block for each statement of the rule."""
    reductions: dict[Reduction, sympy.Symbol] = {}
    blocks: list[Block] = []
    used = {symbol for line in rule.lines for symbol in line.expression.free_symbols}
    for line in rule.lines:
        if line.expression == line.target and line.value not in used:
            continue  # A state that keeps its value.
        for reduction in model_reductions(rule, [line.expression]):
            # In the order of the rule: variants of a rule find each other's sums by it.
            _extract_reductions(_normalise(reduction), rule.name, reductions, blocks)
        expression = _normalise(line.expression)
        bare = _extract_reductions(expression, rule.name, reductions, blocks)
        blocks.append(_statement(line, as_expr(bare)))
    return Kernel(
        name=rule.name,
        parameter=rule.parameter,
        gradient=rule.gradient,
        hyperparameters=rule.hyperparameters,
        extras=rule.extras,
        states=tuple(spec.symbol for spec in rule.states),
        blocks=tuple(blocks),
        ndim=rule.ndim,
        constants=_constants(rule),
    )


def _constants(rule: Rule) -> tuple[sympy.Symbol, ...]:
    """States that no update writes."""
    unchanged = [line.target for line in rule.lines if line.expression == line.target]
    return (*unchanged, *(spec.symbol for spec in rule.states if is_kept_in_ring(spec.symbol)))


def _statement(line: Assignment, expression: sympy.Expr) -> Block:
    compute = Compute(
        line.value, expression, note=f"{line.target} <- {expression}", rounded=line.rounded
    )
    # A state that keeps its value is not written.
    unchanged = line.value == line.target or expression == line.target
    stores = () if unchanged else (Store(line.target, line.value),)
    return Block(None, computes=(compute,), stores=stores)


def _normalise(expression: sympy.Expr) -> sympy.Expr:
    """Write `x**2.0` as `x**2` and `x**0.5` as a root: floats hide what a power is."""

    def exact(power: Any) -> sympy.Expr:
        return power.base ** sympy.Rational(float(power.exp))

    def is_binary_fraction(node: sympy.Basic) -> bool:
        exponent = node.exp if isinstance(node, sympy.Pow) else None
        return isinstance(exponent, sympy.Float) and float(exponent * 8).is_integer()

    return as_expr(expression.replace(is_binary_fraction, exact))


def _extract_reductions(
    expression: sympy.Basic,
    rule_name: str,
    known: dict[Reduction, sympy.Symbol],
    blocks: list[Block],
) -> sympy.Basic:
    """Replace each reduction by a symbol, innermost first, and append its block."""
    if not expression.has(Reduction):
        return expression
    if isinstance(expression, Reduction):
        argument = _extract_reductions(expression.argument, rule_name, known, blocks)
        bare = expression.func(argument, expression.over, expression.block)
        if bare not in known:
            known[bare] = _reduction_symbol(rule_name, len(known) + 1, bare)
            blocks.append(Block(None, reduces=(_reduce(known[bare], bare),)))
        return known[bare]
    arguments = [_extract_reductions(a, rule_name, known, blocks) for a in expression.args]
    return rebuild(expression, arguments)


def _reduction_symbol(rule_name: str, number: int, reduction: Reduction) -> sympy.Symbol:
    assumptions = {"nonnegative": True} if reduction.is_nonnegative else {}
    return Named(f"{reduction.operation}_{number}", rule_name, **assumptions)


def _reduce(symbol: sympy.Symbol, reduction: Reduction) -> Reduce:
    operation, over = reduction.operation, reduction.over
    return Reduce(symbol, operation, over, reduction.argument, reduction.block)
