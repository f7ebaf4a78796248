"""Evaluate what a user minimises: a function of nested arrays, its gradients, and extras."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from learnerdsl.errors import ArrayError, LearnerError
from learnerdsl.numbers import quoted
from learnerdsl.runtime.arrays.interop import copy_to_host
from learnerdsl.runtime.arrays.nested import paths_of, rebuilt_with

SINGLE = "x"
"""Name of weights that are one array."""


class Evaluation(NamedTuple):
    """The loss at some weights, its gradients by path, and the extras of the rule."""

    loss: float
    gradients: dict[str, Any]
    extras: dict[str, Any]

    @property
    def largest(self) -> float:
        """The largest absolute value in the gradients; NaN if one is NaN."""
        found = [np.max(np.abs(_on_host(g)), initial=0.0) for g in self.gradients.values()]
        return float(np.max(found, initial=0.0))


class Objective:
    """A function to minimise, over weights of some form.

    Args:
        fun: returns (loss, gradients) at weights of the form of `template`, or with a dict of
            extras after them; or the loss alone, if there is `jac`.
        jac: None, or a function that returns the gradients.
        args: further arguments of both.
        template: one array, or a container of arrays.
    """

    def __init__(
        self,
        fun: Callable[..., Any],
        jac: Callable[..., Any] | None,
        args: Sequence[Any],
        template: Any,
    ) -> None:
        self.fun, self.jac, self.args = fun, jac, tuple(args)
        self.template = template
        self.is_single = hasattr(template, "shape")
        self.names = list(self.paths(template))
        self.evaluations = 0

    def paths(self, given: Any) -> dict[str, Any]:
        """Return path -> array; one array alone is called x."""
        return {SINGLE: given} if self.is_single else paths_of(given)

    def in_form(self, arrays: Mapping[str, Any]) -> Any:
        """Return weights in the form of the template."""
        if self.is_single:
            return arrays.get(SINGLE)
        return rebuilt_with(self.template, arrays)

    def __call__(self, arrays: Mapping[str, Any]) -> Evaluation:
        """Evaluate the function and its gradients.

        Raises:
            LearnerError: the function does not return what is needed.
        """
        x = self.in_form(arrays)
        self.evaluations += 1
        result = self.fun(x, *self.args)
        if self.jac is not None:
            result = result, self.jac(x, *self.args)
        if not isinstance(result, tuple) or len(result) not in (2, 3):
            msg = (
                f"The function to minimise returned {quoted(result)}; it must return the loss and "
                "the gradients, (loss, gradients), or the loss alone, with jac=gradient."
            )
            raise LearnerError(msg)
        loss, gradients, *more = result
        return Evaluation(_number(loss), self.named(gradients), dict(*more))

    def named(self, gradients: Any) -> dict[str, Any]:
        """Return gradients by path."""
        if self.is_single and np.isscalar(gradients):
            gradients = np.asarray(gradients)
        found = self.paths(gradients)
        is_alike = hasattr(gradients, "shape") or not self.is_single
        if not is_alike:
            msg = f"The gradient must be one array, as the weights are, got {quoted(gradients)}."
            raise ArrayError(msg)
        if set(found) != set(self.names):
            wanted, got = (", ".join(map(repr, sorted(n))) for n in (self.names, found))
            msg = f"Gradients must have the form of the weights: expected {wanted}, got {got}."
            raise ArrayError(msg)
        return {name: found[name] for name in self.names}


def _on_host(array: Any) -> Any:
    return copy_to_host(getattr(array, "values", array))


def _number(loss: Any) -> float:
    """Return a loss as a float; a tensor or an array of one value is a number too."""
    try:
        return float(loss)
    except (TypeError, ValueError):
        msg = f"The loss must be a number, got {quoted(loss)}."
        raise LearnerError(msg) from None
