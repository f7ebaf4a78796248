"""Print rules as code to take away: one readable file that needs nothing of this package."""

from collections.abc import Callable

from learnerdsl.errors import HyperparameterError, suggestion
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
    return FORMATS[str(format)](request)
