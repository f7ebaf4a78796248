"""Make functions with the arguments of a rule that return transformations."""

import inspect
import re
from collections.abc import Callable
from typing import Any

from learnerdsl.define import UpdateRule
from learnerdsl.errors import HyperparameterError
from learnerdsl.jax.transformation import Transformation, transformation

_OWN: dict[str, Any] = {
    "seed": None,
    "groups": None,
    "labels": None,
    "states": None,
    "sums": "float32",
    "axis_name": None,
    "specs": None,
    "reshape": None,
}


def _default(value: Any, rule: UpdateRule, name: str) -> Any:
    """Return the default of an argument in a signature.

    `optax.inject_hyperparams` takes whole numbers for hyperparameters and makes arrays of them, so
    those that are options have None, which stands for the default of the rule.
    """
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return None if is_number and name in rule._option_names else value


def _documentation(rule: UpdateRule) -> str:
    """Return what a rule says of itself, without its example, which makes a learner."""
    return re.sub(
        r"\n *Examples?:\n.*?(?=\n *References:|\Z)", "", rule.__doc__ or "", flags=re.DOTALL
    )


def factory(rule: UpdateRule) -> Callable[..., Transformation]:
    """Return a function that makes transformations by a rule, with its arguments and defaults.

    Args:
        rule: a rule or a chain.

    >>> from learnerdsl.learners import sgd
    >>> factory(sgd)(0.1)
    <optax transformation by sgd>
    """
    own = [
        p.replace(default=_default(p.default, rule, p.name))
        for p in inspect.signature(rule).parameters.values()
        if p.default is not inspect.Parameter.empty
    ]
    own = [p.replace(kind=inspect.Parameter.POSITIONAL_OR_KEYWORD) for p in own]
    names = [p.name for p in own]

    def make(*positional: Any, **named: Any) -> Transformation:
        if len(positional) > len(names):
            msg = f"{rule.name} takes {len(names)} arguments without a name: {', '.join(names)}."
            raise HyperparameterError(msg)
        given = dict(zip(names, positional, strict=False))
        twice = given.keys() & named.keys()
        if twice:
            msg = f"{rule.name} got {twice.pop()!r} twice, by its place and by its name."
            raise HyperparameterError(msg)
        options = rule._option_names
        values: dict[str, Any] = {
            n: v for n, v in {**given, **named}.items() if v is not None or n not in options
        }
        return transformation(rule, **values)

    more = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=value)
        for name, value in _OWN.items()
        if name not in names
    ]
    made: Any = make
    made.__signature__ = inspect.Signature([*own, *more], return_annotation=Transformation)
    made.__name__ = made.__qualname__ = rule.name
    made.__module__ = "learnerdsl.jax"
    made.__doc__ = _documentation(rule)
    made.rule = rule
    return made
