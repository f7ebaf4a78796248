"""Print rules as code to take away: one readable file that needs nothing of this package."""

from collections.abc import Callable

from learnerdsl.errors import HyperparameterError, RuleError, suggestion
from learnerdsl.export.c import c as c
from learnerdsl.export.jax import jax as jax
from learnerdsl.export.latex import latex as latex
from learnerdsl.export.local_names import local_names as local_names
from learnerdsl.export.markdown import markdown as markdown
from learnerdsl.export.numba import numba as numba
from learnerdsl.export.numpy import numpy as numpy
from learnerdsl.export.request import SHAPES as SHAPES
from learnerdsl.export.request import Request as Request
from learnerdsl.export.request import Variant as Variant
from learnerdsl.export.request import distinguished as distinguished
from learnerdsl.export.request import variants_of as variants_of
from learnerdsl.export.torch import torch as torch

FORMATS: dict[str, Callable[[Request], str]] = {
    "numpy": numpy,
    "torch": torch,
    "numba": numba,
    "c": c,
    "jax": jax,
    "latex": latex,
    "markdown": markdown,
}
"""Format -> function that returns the text of the file."""


_TEXTS = ("latex", "markdown")
"""Formats for people, which only name the extras of a rule."""


def _refuse_extras(format: str, request: Request) -> None:
    """Raise for an extra of another shape than "model" and "element"."""
    for extra in (e for variant in request.variants for e in variant.rule.extras):
        if not extra.is_common:
            msg = (
                f"{request.name} takes {extra.name}, an extra of shape {extra.shape!r}, which an "
                f"export to {format!r} cannot have; export to {' or '.join(map(repr, _TEXTS))}, "
                "or give the extra the shape 'model' or 'element'."
            )
            raise RuleError(msg)


def written(format: str, request: Request) -> str:
    """Return a rule as the text of a file in one of `FORMATS`.

    Raises:
        HyperparameterError: the format is unknown.
        RuleError: the rule cannot be written in this format.
    """
    if str(format) not in FORMATS:
        hint = suggestion(str(format), FORMATS) or f"choose from {', '.join(FORMATS)}."
        msg = f"There is no export to {format!r}; {hint}"
        raise HyperparameterError(msg)
    if str(format) not in _TEXTS:
        _refuse_extras(str(format), request)
    return FORMATS[str(format)](request)
