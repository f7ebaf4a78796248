"""Check the arguments of a learner other than arrays and hyperparameters."""

import sys
from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from operator import itemgetter
from typing import Any

import numpy as np

from learnerdsl.errors import ArrayError, HyperparameterError, LearnerError, RuleError
from learnerdsl.numbers import quoted
from learnerdsl.runtime.absent import state_of_steps
from learnerdsl.runtime.arrays.host import Name
from learnerdsl.storage import BLOCK
from learnerdsl.tracing import Rule


def rules_for(rule: Any, shapes: Mapping[Name, tuple[int, ...]]) -> list[Rule]:
    """Return the rule of each parameter; equal rules are the same object."""
    known: dict[Rule, Rule] = {}
    if isinstance(rule, (list, tuple)):
        # Keyed by identity, since hashing a rule is slow.
        distinct = {id(own): known.setdefault(own, own) for own in rule}
        given = zip(rule, shapes.items(), strict=True)
        return [rule_for(distinct[id(own)], *one) for own, one in given]
    of_shapes: dict[tuple[int, ...], Rule] = {}
    for name, shape in shapes.items():
        if shape not in of_shapes:
            own = rule_for(rule, name, shape)
            of_shapes[shape] = known.setdefault(own, own)
    return [of_shapes[shape] for shape in shapes.values()]


def rule_for(rule: Any, name: Name, shape: tuple[int, ...]) -> Rule:
    """Return the rule of a parameter; an error in tracing it names the parameter."""
    if not callable(rule) and not isinstance(rule, Rule):
        msg = f"A learner needs a rule, got {quoted(rule)}; call a decorated function instead."
        raise RuleError(msg)
    try:
        own = rule if isinstance(rule, Rule) else rule(shape)
    except RuleError as error:
        error.args = (f"Parameter {name!r} of shape {shape}: {error}",)
        raise
    except Exception as error:  # of Python, in the function of the rule
        if sys.version_info >= (3, 11):
            error.add_note(f"It is the rule of parameter {name!r} of shape {shape}.")
        raise
    if not isinstance(own, Rule):
        msg = (
            f"{quoted(rule)} returned {quoted(own)} for the shape {shape}, which is not a traced "
            "rule; return what rule.trace(...) returns."
        )
        raise RuleError(msg)
    if own.ndim is not None and own.ndim != len(shape):
        msg = (
            f"Parameter {name!r} has {len(shape)} axes, but rule {own.name} was traced for "
            f"{own.ndim}; make the learner by calling the decorated function."
        )
        raise RuleError(msg)
    return own


def picker(names: list[Name]) -> Callable[[Any], tuple[Any, ...]]:
    """Return a function that takes a dict and returns its items as a tuple, ordered as `names`."""
    if len(names) > 1:
        return itemgetter(*names)
    only = names[0]
    return lambda gradients: (gradients[only],)


def checked_seed(seed: Any) -> int:
    """Return the seed as an int, or raise if it cannot be one."""
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**53:
        msg = f"seed must be a whole number, 0 or more and less than 2**53, got {quoted(seed)}."
        raise HyperparameterError(msg)
    return int(seed)


def check_takes_rows(rule: Rule, name: Name, has_blocks: bool = False) -> None:
    """Raise if the rule of a parameter, or its 8-bit states, cannot take a row-sparse gradient."""
    if has_blocks:
        msg = (
            f"{rule.name} has 8-bit states, whose scales belong to blocks of {BLOCK} elements, but "
            f"the gradient of {name!r} is row-sparse; pass gradient.to_dense(), or store the "
            "states in bfloat16."
        )
        raise ArrayError(msg)
    if rule.needs_whole_tensors:
        msg = (
            f"{rule.name} works on axes, matrices or past values of whole tensors, but the "
            f"gradient of {name!r} is row-sparse; pass gradient.to_dense()."
        )
        raise ArrayError(msg)
    if rule.needs_every_row:
        msg = (
            f"{rule.name} also changes the rows that a gradient leaves out, because it waits for "
            f"an update or averages weights, but the gradient of {name!r} is row-sparse; pass "
            "gradient.to_dense()."
        )
        raise ArrayError(msg)


def refuse_later_start(rules: Sequence[Rule], is_device: bool) -> None:
    """Raise if no parameter can begin later than others."""
    state = next(filter(None, map(state_of_steps, rules)), "")
    if state or is_device:
        why = (
            f"its model-wide state {state!r} depends on the step"
            if state
            else "on a GPU all parameters have one step count"
        )
        msg = (
            f"{rules[0].name} has done updates, and no parameter can begin later than the others: "
            f"{why}. Make a new learner without the frozen group instead."
        )
        raise LearnerError(msg)


def checked_samples(size: Any) -> float:
    """Return the number of samples of a minibatch as a float, or raise if it cannot be one."""
    if isinstance(size, Real) and not isinstance(size, (bool, np.bool_)):
        try:
            if 0 < float(size) < float("inf"):
                return float(size)
        except OverflowError:
            pass
    msg = f"minibatch_size must be a positive number of samples, got {quoted(size)}."
    raise HyperparameterError(msg)


def check_form(what: str, given: Any, is_mapping: bool) -> None:
    """Raise unless arrays come in the same form as the parameters: a dict or a sequence."""
    if is_mapping != isinstance(given, Mapping):
        form = "a dict" if is_mapping else "a list"
        msg = f"{what} must be {form}, as the parameters are, got {type(given).__name__}."
        raise ArrayError(msg)


def check_choice(what: str, value: Any, choices: tuple[str, ...]) -> None:
    """Raise unless the value is one of the choices."""
    if not isinstance(value, str) or value not in choices:
        msg = f"{what}={quoted(value)} is not known; choose one of {', '.join(map(repr, choices))}."
        raise HyperparameterError(msg)
