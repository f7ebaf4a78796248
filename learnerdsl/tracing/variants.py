"""Check that variants of a rule, for tensors of different shapes, agree on what is model-wide."""

from collections.abc import Iterable, Sequence
from typing import Any

import sympy

from learnerdsl.errors import RuleError
from learnerdsl.expr import Reduction, nodes, rebuilt, replaced, symbols_in
from learnerdsl.tracing.definition import Rule


def model_reductions(rule: Rule, expressions: Iterable[sympy.Basic]) -> list[Reduction]:
    """Return the reductions over the model in expressions, in the order they were written."""
    found: dict[Reduction, None] = {}
    for expression in expressions:
        own = {
            node: None
            for node in nodes([expression])
            if isinstance(node, Reduction) and node.over == "model"
        }
        found |= dict.fromkeys(node for node in rule.written if node in own) | own
    return list(found)


def starts(rule: Rule) -> list[sympy.Expr]:
    """Return the start values of a rule's states."""
    return [spec.init for spec in rule.states]


def values(rule: Rule) -> list[sympy.Expr]:
    """Return the right-hand sides of a rule's lines."""
    return [line.expression for line in rule.lines]


def shown(rule: Rule) -> list[sympy.Expr]:
    """Return the expression of the evaluation parameters in a list, empty if there is none."""
    return [] if rule.evaluation is None else [rule.evaluation]


def check_variants(rules: Sequence[Rule]) -> None:
    """Refuse variants whose extras, model-wide states or model-wide reductions differ.

    Raises:
        RuleError: something differs; the message says what, and where to write it instead.
    """
    what = difference(rules)
    if what:
        msg = (
            f"Rule {rules[0].name} has {what} that differ between tensors of different "
            "shapes; write them before the branches on ndim or shape."
        )
        raise RuleError(msg)


def difference(rules: Sequence[Rule]) -> str:
    """Return in words what is model-wide and differs between variants, or an empty string."""
    first, *others = dict.fromkeys(rules)
    for what, of in _SHARED.items():
        if any(of(first) != of(other) for other in others):
            return what
    return ""


def _model_states(rule: Rule) -> list[tuple[Any, Any]]:
    """Return the model-wide states and their start values."""
    numbers = _numbered(rule, starts(rule))
    model = [spec for spec in rule.states if spec.symbol.shape == "model"]
    return [(spec.symbol, replaced(spec.init, numbers, rebuilt)) for spec in model]


def _new_model_states(rule: Rule) -> dict[Any, Any]:
    """Return the new values of model-wide states, in terms of inputs and numbered reductions."""
    numbers = _numbered(rule, values(rule))
    new = {line.target: line.value for line in rule.lines}
    states = {state: new[state] for state, _ in _model_states(rule)}
    # Only what they are computed from: the iterations of a function of matrices, written out as one
    # expression, have so many paths that SymPy does not finish comparing them.
    own: list[tuple[Any, Any]] = []
    needed = set(states.values())
    for line in reversed(rule.lines):
        if line.value in needed:
            own.append((line.value, replaced(line.expression, numbers, rebuilt)))
            needed |= symbols_in(own[-1][1])
    resolved: dict[Any, Any] = {}
    for symbol, value in reversed(own):
        resolved[symbol] = replaced(value, resolved, rebuilt)
    return {state: resolved[symbol] for state, symbol in states.items()}


def _numbered(rule: Rule, expressions: list[sympy.Expr]) -> dict[Any, sympy.Symbol]:
    """Map each reduction over the model to a symbol for its position.

    What is reduced differs between variants, but the k-th reductions are added up together.
    """
    found = model_reductions(rule, expressions)
    return {node: sympy.Symbol(f"#{number}", real=True) for number, node in enumerate(found)}


def _operations(rule: Rule) -> list[Any]:
    """Return the kinds of reductions over the model, in order, and what they count."""
    places = [starts(rule), values(rule), shown(rule)]
    found = [model_reductions(rule, place) for place in places]
    return [[(type(node), node.of) for node in own] for own in found]


_SHARED = {
    "extras": lambda rule: [e for e in rule.extras if e.is_common],
    "reductions over the model": _operations,
    "states of the model": _model_states,
    "new values of states of the model": _new_model_states,
}
