"""Write schedules as functions of jax.numpy."""

from typing import Any

import sympy

from learnerdsl.export.statements import Body
from learnerdsl.expr import adopted, mapped, rebuilt, step
from learnerdsl.passes.lower import over_one_divisor
from learnerdsl.xla.printer import XlaPrinter


def schedule_source(expression: sympy.Expr) -> str:
    """Return the text of a module with the function `schedule` of the step, a float64 array.

    Sums of whole numbers are divided last, so that a ramp ends exactly where it should.

    Args:
        expression: an expression whose only symbol is the step.
    """
    whole = mapped(adopted(expression), _divided_last)
    of_no_rule: Any = None  # nothing in a schedule belongs to a tensor
    printer = XlaPrinter({step: "step"}, Body(of_no_rule), is_guarded=False)
    text = printer(whole)
    imports = f"from learnerdsl.jax.operations import {', '.join(sorted(printer.used))}\n"
    head = "import jax\nimport jax.numpy as jnp\n" + (imports if printer.used else "")
    return f"{head}\n\ndef schedule(step):\n    return jnp.asarray({text}, jnp.float64)\n"


def _divided_last(node: Any, arguments: tuple[Any, ...]) -> Any:
    same = all(a is b for a, b in zip(arguments, node.args, strict=True))
    own = node if same else rebuilt(node, arguments)
    return over_one_divisor(own) if isinstance(own, sympy.Add) else own
