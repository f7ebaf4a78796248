"""Set functions of the language as text, in which powers and fractions take several lines."""

from collections.abc import Iterable
from typing import Any

from sympy.printing.pretty.stringpict import prettyForm


def called(printer: Any, name: str, arguments: Iterable[Any]) -> prettyForm:
    """Return `name(a, b)` in the form of SymPy's `pretty`.

    Args:
        printer: the printer of SymPy, which sets the arguments.
        name: the name of the function.
        arguments: expressions, or what is set already.
    """
    inside = printer._print_seq(tuple(arguments), delimiter=", ")
    return prettyForm(*prettyForm(*inside.parens()).left(name))
