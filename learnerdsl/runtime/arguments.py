"""Checks of what a learner is made of, beside its arrays and hyperparameters."""

from collections.abc import Callable
from operator import itemgetter
from typing import Any

import numpy as np

from learnerdsl.errors import HyperparameterError, RuleError
from learnerdsl.rule import Rule
from learnerdsl.runtime.memory import Name


def rule_for(rule: Any, name: Name, shape: tuple[int, ...]) -> Rule:
    """The rule for a parameter, or an error that names it."""
    try:
        own = rule if isinstance(rule, Rule) else rule(shape)
    except RuleError as error:
        msg = f"Parameter {name!r} of shape {shape}: {error}"
        raise RuleError(msg) from None
    if own.ndim is not None and own.ndim != len(shape):
        msg = (
            f"Parameter {name!r} has {len(shape)} axes, but rule {own.name} was traced for "
            f"{own.ndim}; make the learner by calling the decorated function."
        )
        raise RuleError(msg)
    return own


def picker(names: list[Name]) -> Callable[[Any], tuple[Any, ...]]:
    """A function from a dict of gradients to a tuple in the order of the parameters."""
    if len(names) > 1:
        return itemgetter(*names)
    only = names[0]
    return lambda gradients: (gradients[only],)


def checked_seed(seed: Any) -> int:
    """A seed that random numbers can be counted from."""
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**53:
        msg = f"seed must be a whole number from 0 up to 2**53, got {seed!r}."
        raise HyperparameterError(msg)
    return int(seed)


def check_choice(what: str, value: Any, choices: tuple[str, ...]) -> None:
    """Raise unless the value is one of the choices."""
    if value not in choices:
        msg = f"{what}={value!r} is not known; choose one of {', '.join(map(repr, choices))}."
        raise HyperparameterError(msg)
