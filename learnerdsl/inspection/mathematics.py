"""Show a rule as mathematics."""

from collections.abc import Iterator
from typing import Any

import sympy
from sympy.printing.pretty.pretty import PrettyPrinter
from sympy.printing.pretty.pretty_symbology import pretty_use_unicode

from learnerdsl.expr import (
    CLOCK,
    AxisSize,
    Draw,
    NarrowDraw,
    NewValue,
    RingState,
    StateSymbol,
    nodes,
    step,
    tensor_size,
)
from learnerdsl.inspection.equations import Equation, equations
from learnerdsl.inspection.latex_printer import RulePrinter, Widths
from learnerdsl.inspection.letters import Letter, letters, step_letter
from learnerdsl.tracing import Rule

Line = tuple[str, str, str]
"""An equation in LaTeX: its left side, "=" or "is distributed as", and its right side."""

_DISTRIBUTIONS = {"normal": r"\mathcal{N}(0, 1)", "uniform": r"\mathcal{U}(0, 1)"}


class _Pretty(PrettyPrinter):
    """A printer that writes `p - step` rather than `-step + p`, as papers do."""

    def _as_ordered_terms(self, expr: Any, order: Any = None) -> list[Any]:
        terms = super()._as_ordered_terms(expr, order)
        return sorted(terms, key=lambda term: bool(term.could_extract_minus_sign()))


def latex(rule: Rule) -> str:
    r"""Return the rule as a LaTeX `aligned` block; old values have index t-1, new ones t."""
    lines = [f"{left} &{relation} {right}" for left, relation, right in latex_lines(rule)]
    return "\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}"


def latex_lines(rule: Rule) -> list[Line]:
    """Return the equations of a rule in LaTeX: random numbers, assignments, weights to evaluate."""
    given = equations(rule)
    names = _Names(rule, given)
    printer = RulePrinter(names.of, Widths((own.symbol, own.expression) for own in given))
    found: list[Line] = [
        (names.of[draw], r"\sim", _DISTRIBUTIONS[draw.distribution]) for draw in names.draws
    ]
    for own in given:
        printer.target = own.target
        found.append((names.of[own.symbol], "=", printer.doprint(own.expression)))
    if rule.evaluation is not None:
        printer.target = None
        printer.names.update(names.after_the_update())
        left = names.letter(rule.parameter).at(r"\mathrm{evaluation}")
        found.append((left, "=", printer.doprint(rule.evaluation)))
    return found


class _Names:
    """The LaTeX of the symbols of a rule.

    Attributes:
        of: symbol or random number -> LaTeX.
        draws: the random numbers.
    """

    def __init__(self, rule: Rule, given: list[Equation]) -> None:
        self.rule = rule
        self.symbols = dict.fromkeys(self._symbols(given))
        self.letters = letters(dict.fromkeys(_public(s) for s in self.symbols if s != step))
        self.time = step_letter(list(self.letters.values()))
        roots = [own.expression for own in given]
        if rule.evaluation is not None:
            roots.append(rule.evaluation)
        every = dict.fromkeys(nodes(roots))
        draws = [n for n in every if isinstance(n, (Draw, NarrowDraw))]
        self.draws = sorted(draws, key=lambda n: (n.stream, _range_of(n)))
        self.of: dict[Any, str] = {symbol: self._named(symbol) for symbol in self.symbols}
        for own in given:
            if isinstance(own.symbol, NewValue):
                self.of[own.symbol] = self.letter(own.target).at(self.time)
        noise = next(n for n in (r"\xi", r"\zeta", r"\mathrm{noise}") if n not in self._bases())
        self.of |= {draw: f"{noise}_{draw.stream}{_range_of(draw)}" for draw in self.draws}

    def _symbols(self, given: list[Equation]) -> Iterator[Any]:
        rule = self.rule
        yield from (rule.parameter, rule.gradient, *(spec.symbol for spec in rule.states))
        yield from (*rule.hyperparameters, *rule.extras, *CLOCK, tensor_size)
        yield from (own.symbol for own in given if not isinstance(own.symbol, NewValue))
        for node in nodes([own.expression for own in given]):
            if isinstance(node, AxisSize):
                yield node

    def _bases(self) -> set[str]:
        return {letter.base for letter in self.letters.values()}

    def letter(self, symbol: Any) -> Letter:
        """Return the letter of a symbol, without an index of time."""
        return self.letters[_public(symbol)]

    def _named(self, symbol: Any) -> str:
        if symbol == step:
            return self.time
        letter = self.letter(symbol)
        if symbol == self.rule.parameter or isinstance(symbol, StateSymbol):
            return letter.at(f"{self.time}-{getattr(symbol, 'lag', 1)}")
        changes = symbol == self.rule.gradient or symbol in self.rule.extras
        return letter.at(self.time) if changes else str(letter)

    def after_the_update(self) -> dict[Any, str]:
        """Return the names of states and parameter for an expression of their new values."""
        symbols = (self.rule.parameter, *(spec.symbol for spec in self.rule.states))
        lags = {symbol: getattr(symbol, "lag", 1) - 1 for symbol in symbols}
        return {
            symbol: self.letter(symbol).at(f"{self.time}-{lag}" if lag else self.time)
            for symbol, lag in lags.items()
        }


def _range_of(draw: Draw | NarrowDraw) -> str:
    """Return an upper index that says what there is one random number for; "" for an element."""
    return "" if isinstance(draw, Draw) else draw.upper_index


def _public(symbol: Any) -> str:
    """Return the name that users know: that of the ring, for a value of a ring."""
    if isinstance(symbol, RingState):
        return symbol.name.rpartition("_")[0]
    if isinstance(symbol, AxisSize) and symbol.axis < -2:
        return f"dim{-symbol.axis}_from_the_end"
    return symbol.name


def pretty(rule: Rule) -> str:
    """Return the rule as mathematics in plain text; new values are called `<name>_new`."""
    printer = _Pretty({"use_unicode": True, "wrap_line": False})
    lines = [sympy.Eq(o.symbol, o.expression, evaluate=False) for o in equations(rule)]
    # The setting alone does not reach SymPy's table of characters, which follows sys.stdout.
    before = pretty_use_unicode(True)
    try:
        return "\n\n".join(printer.doprint(line) for line in lines)
    finally:
        pretty_use_unicode(before)
