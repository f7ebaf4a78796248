"""Print choices and extremes of whole arrays as calls of functions of a namespace such as `np`."""

from typing import Any

import sympy

from learnerdsl.codegen.printer import Printer
from learnerdsl.expr import Maximum


class NamespacePrinter(Printer):
    """A printer of expressions of arrays, whose functions are those of a namespace.

    Attributes:
        xp: the name of the namespace in the text.
    """

    xp: str

    def is_choice_of_python(self, condition: Any) -> bool:
        """Return whether a condition is one for all elements, so that Python may choose."""
        raise NotImplementedError

    def choice(self, expr: Any) -> str:
        """Return a choice; if Python chooses, only one branch is computed."""
        if self.is_choice_of_python(expr.condition):
            return super().choice(expr)
        return f"{self.xp}.where({', '.join(self(argument) for argument in expr.args)})"

    def extreme(self, expr: sympy.Basic) -> str:
        """Return nested calls of `maximum` or `minimum`, which propagate NaN."""
        name = f"{self.xp}.{'maximum' if isinstance(expr, Maximum) else 'minimum'}"
        texts = [self(argument) for argument in expr.args]
        result = texts[0]
        for text in texts[1:]:
            result = f"{name}({result}, {text})"
        return result
