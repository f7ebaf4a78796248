"""Derive the rule that takes an update back: the old values from the new ones and the gradient.

Each assignment of a rule is an equation, in which the new value is known and old values are not.
An equation with one unknown is solved for it; then more equations have one unknown. Where none has,
one of its unknowns is written in terms of the others and put into the other equations.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import sympy

from learnerdsl.errors import RuleError
from learnerdsl.expr import (
    Clock,
    Hyperparameter,
    Maximum,
    NewValue,
    ObservedState,
    RingState,
    Where,
    brief,
    equal,
    rebuilt,
    replaced,
    step,
    symbols_in,
    where,
)
from learnerdsl.tracing.definition import Assignment, Rule
from learnerdsl.tracing.signs import is_nonnegative


@dataclass(frozen=True)
class Inverse:
    """The rule that takes an update back.

    Attributes:
        rule: the rule. Its parameter and states are those after the update, and it assigns those
            before it; the step and the other inputs are those of the update.
        divisors: what it divides by, in hyperparameters and the clock: it is wrong where one is 0.
    """

    rule: Rule
    divisors: tuple[sympy.Expr, ...]


def inverse(rule: Rule) -> Inverse:
    """Return the rule that takes an update back.

    Args:
        rule: a traced rule.

    Raises:
        RuleError: an old value does not follow from the new values and the gradient.
    """
    return _Solver(rule).solved()


class _NoInverse(Exception):
    """An expression that has no inverse; the message says why."""


class _Solver:
    """Solves the assignments of a rule for the old values.

    Attributes:
        lines: value of a line -> the line.
        equations: parameter or state with an unknown old value -> the line that assigns it.
        definitions: unknown old value -> what it is, in terms of what is known or defined.
        divisors: what the definitions divide by.
    """

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.lines: dict[Any, Assignment] = {line.value: line for line in rule.lines}
        self.equations: dict[Any, Assignment] = {
            line.target: line
            for line in rule.lines
            if line.target != line.value and not isinstance(line.target, ObservedState)
        }
        self.unknown: list[Any] = list(self.equations)
        self.starts = {spec.symbol: spec.init for spec in rule.states}
        self.definitions: dict[Any, sympy.Expr] = {}
        self.divisors: dict[sympy.Expr, None] = {}

    def solved(self) -> Inverse:
        """Solve all equations and return the rule."""
        rings = [s for s in self.equations if isinstance(s, RingState)]
        if rings:
            self.refuse(f"an update drops the oldest value of the ring of {rings[0]}")
        left = list(self.equations.values())
        while left:
            left.remove(self.solve_one(left))
        return Inverse(self.inverse_rule(), tuple(self.divisors))

    def refuse(self, reason: str) -> None:
        """Raise: the rule has no inverse."""
        msg = (
            f"An update of {self.rule.name} cannot be undone: {reason}. Keep a copy instead: "
            "put_back = learner.snapshot() before the update."
        )
        raise RuleError(msg)

    def refuse_lost(self, line: Assignment) -> None:
        """Raise: there is an equation without an unknown, and so one unknown without equation."""
        undefined = [s for s in self.unknown if s not in self.definitions]
        lost = line.target if line.target in undefined else undefined[0]
        becomes = brief(self.equations[lost].expression)
        self.refuse(f"the old value of {lost} is not kept, as {lost} becomes {becomes}")

    # Solve equations.

    def solve_one(self, left: Iterable[Assignment]) -> Assignment:
        """Define an unknown by one of the equations that are left; return the equation."""
        reasons: list[str] = []
        expanded = [(line, self.expanded(line.expression)) for line in left]
        for line, value in sorted(expanded, key=lambda pair: len(self.unknown_in(pair[1]))):
            unknown = self.unknown_in(value)
            if not unknown:
                self.refuse_lost(line)
            for symbol in unknown:
                try:
                    self.define(symbol, line, value)
                except _NoInverse as error:
                    reasons.append(str(error))
                else:
                    return line
        self.refuse(reasons[0])
        raise AssertionError

    def unknown_in(self, value: Any) -> list[Any]:
        """Return the unknown old values in an expression without values that depend on some."""
        own = symbols_in(value)
        return [s for s in self.unknown if s in own and s not in self.definitions]

    def expanded(self, value: Any) -> sympy.Expr:
        """Return an expression with what depends on unknown values written out."""
        known: dict[Any, Any] = {}
        for line in self.rule.lines:
            if isinstance(line.value, NewValue):
                continue
            own = self.written_out(line.expression, known)
            if self.unknown_in(own) and not line.rounded:
                known[line.value] = own
            elif self.unknown_in(own):
                self.refuse(f"{line.value} is rounded, and depends on {self.unknown_in(own)[0]}")
        return self.written_out(value, known)

    def written_out(self, value: Any, known: dict[Any, Any]) -> Any:
        """Return an expression with these values and the open definitions written out."""
        opened = {
            symbol: own
            for symbol, own in self.definitions.items()
            if any(s in self.unknown and s not in self.definitions for s in self.reached(own))
        }
        for _ in range(1 + len(opened)):
            value = replaced(value, {**known, **opened}, _simplified)
        return value

    def reached(self, value: Any) -> set[Any]:
        """Return the symbols in an expression and in the definitions of old values in it."""
        found = symbols_in(value)
        waiting = [s for s in found if s in self.definitions]
        while waiting:
            new = symbols_in(self.definitions[waiting.pop()]) - found
            found |= new
            waiting += [s for s in new if s in self.definitions]
        return found

    def define(self, symbol: Any, line: Assignment, value: sympy.Expr) -> None:
        """Solve `line.value == value` for a symbol."""
        new: Any = line.value
        first = self.first_value(symbol, value)
        if first is not None:
            value = value.otherwise  # type: ignore[attr-defined]
        factor, rest = self.linear(symbol, value)
        divisors = list(self.divisors_of(symbol, factor))
        solution = (new - rest) / factor
        if first is not None:
            solution = where(equal(step, 1), first, solution)
        if symbol is not self.rule.parameter and is_nonnegative(self.rule, symbol):
            solution = Maximum(0, solution)  # rounding may leave a negative number instead of 0
        self.divisors |= dict.fromkeys(divisors)
        self.definitions[symbol] = solution

    def first_value(self, symbol: Any, value: Any) -> Any:
        """Return the start value of a state of which the first update keeps nothing, or None."""
        is_choice = isinstance(value, Where) and value.condition == equal(step, 1)
        start = self.starts.get(symbol)
        if not is_choice or start is None or symbol in symbols_in(value.then):
            return None
        return None if symbols_in(start) else start

    def linear(self, symbol: Any, value: Any) -> tuple[Any, Any]:
        """Return a and b such that the value is a*symbol + b."""
        if symbol not in symbols_in(value):
            return sympy.S.Zero, value
        if value == symbol:
            return sympy.S.One, sympy.S.Zero
        if isinstance(value, sympy.Add):
            pairs = [self.linear(symbol, term) for term in value.args]
            return sympy.Add(*(a for a, _ in pairs)), sympy.Add(*(b for _, b in pairs))
        if isinstance(value, sympy.Mul):
            inside = [a for a in value.args if symbol in symbols_in(a)]
            if len(inside) == 1:
                others = sympy.Mul(*(a for a in value.args if a is not inside[0]))
                factor, rest = self.linear(symbol, inside[0])
                return others * factor, others * rest
        if isinstance(value, Where) and symbol not in symbols_in(value.condition):
            (a, b), (c, d) = (self.linear(symbol, one) for one in (value.then, value.otherwise))
            return _chosen(value.condition, a, c), _chosen(value.condition, b, d)
        what = brief(value)
        msg = f"the old value of {symbol} does not follow from {what}, which is not linear in it"
        raise _NoInverse(msg)

    def divisors_of(self, symbol: Any, factor: Any) -> Iterable[sympy.Expr]:
        """Yield what must not be 0 so that a symbol follows from its product with a factor.

        Raises:
            _NoInverse: the factor may be 0, and only the values of elements would tell.
        """
        if isinstance(factor, sympy.Symbol) and factor in self.lines:
            factor = self.lines[factor].expression
        if isinstance(factor, Where):
            for branch, case in ((factor.then, "where"), (factor.otherwise, "unless")):
                if branch.is_zero:
                    msg = f"the old value of {symbol} is not kept {case} {factor.condition}"
                    raise _NoInverse(msg)
                yield from self.divisors_of(symbol, branch)
        elif isinstance(factor, sympy.Mul):
            for part in factor.args:
                yield from self.divisors_of(symbol, part)
        elif factor.is_zero or sympy.expand(factor).is_zero:
            msg = f"the old value of {symbol} is not kept"
            raise _NoInverse(msg)
        elif not factor.is_number:
            written = self.of_scalars(factor)
            if not all(isinstance(s, (Hyperparameter, Clock)) for s in symbols_in(written)):
                msg = (
                    f"the old value of {symbol} would be divided by {brief(factor)}, which may be 0"
                )
                raise _NoInverse(msg)
            yield written

    def of_scalars(self, value: Any) -> Any:
        """Return an expression with the values that lines name written out."""
        known: dict[Any, Any] = {}
        for line in self.rule.lines:
            known[line.value] = replaced(line.expression, known, rebuilt)
        return replaced(value, known, rebuilt)

    # Write the rule.

    def inverse_rule(self) -> Rule:
        """Return the rule of the definitions."""
        old = {symbol: self.named_old(symbol) for symbol in self.unknown}
        new: dict[Any, Any] = {self.equations[symbol].value: symbol for symbol in self.unknown}
        translation = {**new, **old}
        lines = [
            replace(line, target=line.value if s is None else s, value=old.get(s, line.value))
            for s, line in self.ordered()
        ]
        lines = [
            replace(line, expression=replaced(line.expression, translation, rebuilt))
            for line in lines
        ]
        observed = [s.symbol for s in self.rule.states if isinstance(s.symbol, ObservedState)]
        lines += [
            Assignment(symbol, NewValue(f"{symbol}_new", self.rule.name), symbol)
            for symbol in observed
        ]
        return replace(self.rule, lines=tuple(lines), evaluation=None, **self.written(translation))

    def named_old(self, symbol: Any) -> NewValue:
        """Return the symbol of an old value, which is what the inverse assigns."""
        taken = {s.name for s in (*self.lines, *self.unknown, *symbols_in(*self.values()))}
        name = f"{symbol}_before"
        while name in taken:
            name += "_"
        return NewValue(name, self.rule.name)

    def values(self) -> list[Any]:
        """Return the right-hand sides of the rule."""
        return [line.expression for line in self.rule.lines]

    def ordered(self) -> list[tuple[Any, Assignment]]:
        """Return the lines of the inverse after those they need, each with the old value it gives.

        The old value is None for intermediate values, which are those of the rule.
        """
        found: dict[Any, tuple[Any, Assignment]] = {}

        def visit(symbol: Any) -> None:
            if symbol in found:
                return
            if symbol in self.definitions:
                line = replace(self.equations[symbol], expression=self.definitions[symbol])
                entry = symbol, line
            elif symbol in self.lines and not isinstance(symbol, NewValue):
                entry = None, self.lines[symbol]
            else:
                return
            for needed in sorted(symbols_in(entry[1].expression), key=str):
                visit(needed)
            found[symbol] = entry

        for symbol in self.definitions:
            visit(symbol)
        return list(found.values())

    def written(self, translation: dict[Any, Any]) -> dict[str, Any]:
        """Return the reductions over the model and what wrote them, as fields of the rule."""
        pairs = zip(self.rule.written, self.rule.writers, strict=True)
        own = {replaced(node, translation, rebuilt): writer for node, writer in pairs}
        return {"written": tuple(own), "writers": tuple(own.values())}


def _simplified(node: Any, arguments: tuple[Any, ...]) -> Any:
    if isinstance(node, (sympy.Add, sympy.Mul, sympy.Pow)):
        return node.func(*arguments)
    return rebuilt(node, arguments)


def _chosen(condition: Any, then: Any, otherwise: Any) -> Any:
    return then if then == otherwise else where(condition, then, otherwise)
