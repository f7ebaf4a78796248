"""Show a rule as mathematics."""

from typing import Any

import sympy
from sympy.printing.latex import LatexPrinter
from sympy.printing.pretty.pretty import PrettyPrinter

from learnerdsl.expr import CLOCK, NewValue, step, tensor_size
from learnerdsl.tracing import Rule


class _PositiveFirst:
    """Printers that write `p - step` rather than `-step + p`, as papers do."""

    def _as_ordered_terms(self, expr: Any, order: Any = None) -> list[Any]:
        terms = super()._as_ordered_terms(expr, order)  # type: ignore[misc]
        return sorted(terms, key=lambda term: bool(term.could_extract_minus_sign()))


class _Latex(_PositiveFirst, LatexPrinter):
    pass


class _Pretty(_PositiveFirst, PrettyPrinter):
    pass


def latex(rule: Rule) -> str:
    r"""Return the rule as a LaTeX `aligned` block; old values have index t-1, new ones t."""
    names: dict[sympy.Basic, str] = {step: "t"}
    for symbol in (rule.parameter, *(spec.symbol for spec in rule.states)):
        names[symbol] = f"{_letter(symbol.name)}_{{t-1}}"
    names[rule.gradient] = f"{_letter(rule.gradient.name)}_t"
    for line in rule.lines:
        is_new = isinstance(line.value, NewValue)
        names[line.value] = f"{_letter(line.target.name)}_t" if is_new else _letter(line.value.name)
    for symbol in (*rule.hyperparameters, *rule.extras, *CLOCK[1:], tensor_size):
        names[symbol] = _letter(symbol.name)
    printer = _Latex({"symbol_names": names})
    lines = [f"{names[line.value]} &= {printer.doprint(line.expression)}" for line in rule.lines]
    return "\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}"


_LETTERS = {"lr": r"\eta", "eps": r"\epsilon", "weight_decay": r"\lambda", "momentum": r"\mu"}


def _letter(name: str) -> str:
    """Return a name in LaTeX: the letter papers use, a Greek letter, or an upright word."""
    if name in _LETTERS:
        return _LETTERS[name]
    text = sympy.latex(sympy.Symbol(name))
    plain = len(name) == 1 or "\\" in text
    return text if plain else rf"\mathrm{{{name.replace('_', chr(92) + '_')}}}"


def pretty(rule: Rule) -> str:
    """Return the rule as mathematics in plain text; new values are called `<name>_new`."""
    printer = _Pretty({"use_unicode": True, "wrap_line": False})
    lines = [sympy.Eq(line.value, line.expression, evaluate=False) for line in rule.lines]
    return "\n\n".join(printer.doprint(line) for line in lines)
