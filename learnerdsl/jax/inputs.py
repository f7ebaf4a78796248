"""Read what an update gets besides gradients: extra inputs, and the size of the minibatch."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from learnerdsl.errors import HyperparameterError
from learnerdsl.expr import ExtraArray, minibatch_size, samples
from learnerdsl.jax.programs import Model
from learnerdsl.tracing import Rule


def extra_inputs(
    rule: Rule, tree: Any, given: Mapping[str, Any]
) -> tuple[dict[Any, list[Any]], dict[Any, Any]]:
    """Return the extra inputs of a rule: symbol -> an array for each leaf, and symbol -> number.

    Args:
        rule: a traced rule.
        tree: the structure of the parameters.
        given: the extra arguments of an update. Those that the rule does not have are for others.
            The `value` of optax is the `loss` of a rule.

    Raises:
        HyperparameterError: one is missing.
    """
    arrays: dict[Any, list[Any]] = {}
    scalars: dict[Any, Any] = {}
    for symbol in rule.extras:
        name = symbol.name
        value = given.get(name)
        if value is None and name == "loss":
            value = given.get("value")
        if value is None:
            msg = (
                f"{rule.name} needs {name!r} in each update; call "
                f"update(updates, state, params, {name}=...)."
            )
            raise HyperparameterError(msg)
        if isinstance(symbol, ExtraArray):
            arrays[symbol] = tree.flatten_up_to(value)
        else:
            with jax.enable_x64(True):
                scalars[symbol] = jnp.asarray(value, jnp.float64)
    return arrays, scalars


def of_minibatch(model: Model, seen: Any, given: Mapping[str, Any]) -> dict[Any, Any]:
    """Return the size of the minibatch and the number of samples before it, if a rule uses them.

    Args:
        model: the rule.
        seen: the number of samples, from the state.
        given: the extra arguments of an update.

    Raises:
        HyperparameterError: the size is not given.
    """
    if not model.counts_samples:
        return {}
    size = given.get("minibatch_size")
    if size is None:
        msg = (
            f"{model.rule.name} depends on the number of samples in a minibatch; call "
            "update(updates, state, params, minibatch_size=...)."
        )
        raise HyperparameterError(msg)
    return {minibatch_size: jnp.asarray(size, jnp.float64), samples: seen.astype(jnp.float64)}
