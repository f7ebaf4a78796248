"""Export a rule as an algorithm box in LaTeX, which needs the package amsmath alone."""

import re

from learnerdsl import inspection
from learnerdsl.export.request import Request, Variant, listed, mathematics_of

_SPECIAL = {"&": r"\&", "%": r"\%", "#": r"\#", "_": r"\_", "~": r"\textasciitilde{}"}


def latex(request: Request) -> str:
    """Return a `tabular` with the inputs, the states and the lines of the rule."""
    name, rule = as_text(request.name), request.rule
    lines = [f"% {line}".rstrip() for line in request.notes]
    lines += [
        r"\begin{tabular}{@{}l@{}}",
        r"\hline",
        rf"\textbf{{Algorithm}} {name} \\",
        r"\hline",
        rf"\textbf{{Input:}} parameter ${rule.parameter}$, gradients ${rule.gradient}_t$ \\",
    ]
    lines += [row(f"\\quad {as_text(text)}") for text in request.arguments]
    lines += [row(rf"\textbf{{States:}} {as_text(', '.join(request.states) or 'none')}")]
    lines += [row(r"\textbf{for} $t = 1, 2, \dots$ \textbf{do}")]
    for variant, ndims in mathematics_of(request.variants, _mathematics):
        if ndims:
            lines.append(row(rf"\quad \textbf{{if}} {rule.parameter} has {listed(ndims)} axes:"))
        lines += [r"\quad $\displaystyle", _mathematics(variant), r"$ \\[1ex]"]
    if rule.evaluation is not None:
        lines.append(row(r"\textbf{evaluate} with other weights than those that are trained"))
    return "\n".join([*lines, r"\hline", r"\end{tabular}"]) + "\n"


def _mathematics(variant: Variant) -> str:
    """Return the lines of a rule as an aligned block."""
    return inspection.latex(variant.rule)


def row(text: str) -> str:
    """Return a row of the table."""
    return rf"{text} \\"


def as_text(text: str) -> str:
    """Return text with the characters that LaTeX would read otherwise."""
    return re.sub("[&%#_~]", lambda found: _SPECIAL[found[0]], text)
