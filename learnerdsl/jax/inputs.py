"""Read what an update gets besides gradients: extra inputs, and the size of the minibatch."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from learnerdsl.errors import ArrayError, HyperparameterError
from learnerdsl.expr import (
    AxisExtra,
    ExtraScalar,
    MatrixExtra,
    TensorExtra,
    minibatch_size,
    samples,
)
from learnerdsl.jax.placing import whole
from learnerdsl.jax.programs import Model
from learnerdsl.tracing import Rule


def extra_inputs(
    rules: Sequence[Rule], tree: Any, given: Mapping[str, Any]
) -> tuple[dict[Any, list[Any]], dict[Any, Any]]:
    """Return the extra inputs of rules: symbol -> a value for each leaf, and symbol -> number.

    Args:
        rules: the different traced rules of the parameters.
        tree: the structure of the parameters.
        given: the extra arguments of an update. Those that no rule has are for others. The `value`
            of optax is the `loss` of a rule.

    Raises:
        HyperparameterError: one is missing.
    """
    arrays: dict[Any, list[Any]] = {}
    scalars: dict[Any, Any] = {}
    wanted = {symbol: rule for rule in reversed(rules) for symbol in rule.extras}
    for symbol, rule in wanted.items():
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
        if not isinstance(symbol, ExtraScalar):
            arrays[symbol] = tree.flatten_up_to(value)
        else:
            with jax.enable_x64(True):
                scalars[symbol] = jnp.asarray(value, jnp.float64)
    return arrays, scalars


def extras_of_tensor(
    rule: Rule,
    name: str,
    shape: tuple[int, ...],
    values: Mapping[Any, Any],
    matrix_shape: tuple[int, ...],
) -> dict[Any, Any]:
    """Return those of the extra inputs of a parameter that its rule has: symbol -> value.

    A value over some axes gets length 1 along the others, so that it broadcasts.

    Args:
        rule: the rule of the parameter.
        name: its path in the tree, for error messages.
        shape: the shape in which the rule sees it.
        values: symbol -> its value for this leaf; None where there is none.
        matrix_shape: the same with whole matrices, if `shape` is a part of the parameter.

    Raises:
        ArrayError: one is missing or has another shape than the rule asks for.
    """
    found: dict[Any, Any] = {}
    for symbol in rule.extras:
        if isinstance(symbol, ExtraScalar):
            continue
        value = values[symbol]
        if not isinstance(symbol, (TensorExtra, AxisExtra)):
            found[symbol] = value if jnp.shape(value) == shape else jnp.reshape(value, shape)
            continue
        wanted = symbol.array_shape(matrix_shape if isinstance(symbol, MatrixExtra) else shape)
        if value is None or jnp.shape(value) != wanted:
            given = "is missing" if value is None else f"has shape {jnp.shape(value)}"
            msg = f"The {symbol.name} of {name!r} {given}, but its rule asks for shape {wanted}."
            raise ArrayError(msg)
        with jax.enable_x64(True):
            own = jnp.asarray(value)
        if isinstance(symbol, MatrixExtra):
            own = whole(own)
        elif isinstance(symbol, AxisExtra):
            own = own.reshape(symbol.broadcast_shape(shape))
        found[symbol] = own
    return found


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
