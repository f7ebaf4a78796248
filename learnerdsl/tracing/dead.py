"""Drop the states of a rule that no longer have an effect, as hyperparameters became numbers."""

from dataclasses import replace
from typing import Any

import sympy

from learnerdsl.expr import LetValue, symbols_in
from learnerdsl.tracing.definition import Assignment, Rule
from learnerdsl.tracing.lines import replaced, without_unused


def without_dead_states(rule: Rule, full: Rule) -> Rule:
    """Return a rule without the states that have an effect in `full` only.

    A state has an effect if the parameter or the weights for evaluation depend on its old value. A
    state that has none in the full rule either is kept: its author wrote it to be looked at. The
    new value of a dropped state, if something uses it, keeps the name of the state.

    Args:
        rule: a rule some of whose hyperparameters are numbers.
        full: the same rule, in which they are symbols.
    """
    dead = _effective(full) - _effective(rule)
    if not dead:
        return rule
    kept = tuple(spec for spec in rule.states if spec.public not in dead)
    gone = {spec.symbol for spec in rule.states} - {spec.symbol for spec in kept}
    new: dict[Any, Any] = {}
    lines: list[Assignment] = []
    for line in rule.lines:
        value = replaced(line.expression, new)
        if line.target not in gone:
            lines.append(replace(line, expression=value))
        elif isinstance(value, sympy.Symbol) or value.is_Number:
            new[line.value] = value
        else:
            named = new[line.value] = LetValue(line.target.name, rule.name)
            lines.append(replace(line, target=named, value=named, expression=value))
    return replace(rule, states=kept, lines=tuple(without_unused(lines)))


def _effective(rule: Rule) -> set[str]:
    """Return the names of the states on whose old values parameter or evaluation depend."""
    by_value: dict[Any, Assignment] = {line.value: line for line in rule.lines}
    by_target: dict[Any, list[Assignment]] = {}
    for spec in rule.states:
        # The values of a ring live and die together, so they have one name.
        same = {other.symbol for other in rule.states if other.public == spec.public}
        by_target[spec.symbol] = [line for line in rule.lines if line.target in same]
    shown = () if rule.evaluation is None else (rule.evaluation,)
    first = [line.expression for line in rule.lines if line.target == rule.parameter]
    waiting, seen = list(symbols_in(*first, *shown)), set[Any]()
    while waiting:
        symbol = waiting.pop()
        if symbol in seen:
            continue
        seen.add(symbol)
        own = [by_value[symbol]] if symbol in by_value else []
        for line in (*own, *by_target.get(symbol, ())):
            waiting += symbols_in(line.expression)
    return {spec.public for spec in rule.states if spec.symbol in seen}
