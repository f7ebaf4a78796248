"""Check the arguments of a transformation that are not hyperparameters."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from learnerdsl.errors import HyperparameterError, UnknownNameError
from learnerdsl.jax.settings import Settings
from learnerdsl.numbers import quoted


def check_options(rule: str, options: Mapping[str, Any]) -> None:
    """Raise if an option is a value that JAX traces."""
    for name, value in options.items():
        if isinstance(value, jax.Array):
            msg = (
                f"The option {name!r} of {rule} chooses what is compiled, so it cannot be an "
                f"array; give {name} as a plain value, and to optax.inject_hyperparams as "
                f"static_args={name!r}."
            )
            raise HyperparameterError(msg)


def checked_sums(sums: Any) -> str:
    """Return how sums are computed, or raise."""
    if sums not in ("float32", "float64"):
        msg = f'sums must be "float32" or "float64", got {quoted(sums)}.'
        raise HyperparameterError(msg)
    return sums


def checked_axes(rule: str, given: Any, divided: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the axes over which parameters are split, or raise.

    Args:
        rule: name of the rule.
        given: what was written.
        divided: the axes in the specs of the transformation.
    """
    given = divided if given is None else given
    names = () if given is None else (given,) if isinstance(given, str) else given
    if not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names):
        msg = (
            f"axis_name of {rule} must be the name of an axis of jax.shard_map or several, such as "
            f'"data" or ("data", "model"), got {quoted(given)}.'
        )
        raise HyperparameterError(msg)
    missing = [name for name in divided if name not in names]
    if missing:
        msg = (
            f"specs of {rule} divide parameters over {missing[0]!r}, which axis_name={given!r} "
            "does not name; name it, or leave axis_name out."
        )
        raise HyperparameterError(msg)
    return tuple(dict.fromkeys(names))


def checked_reshape(rule: str, given: Any, settings: Settings) -> Any:
    """Return the function that says in which shapes a rule sees parameters, or raise."""
    if given is not None and settings.axes:
        msg = (
            f"{rule} sees parts of parameters, as axis_name or specs say, which cannot be "
            "reshaped; call the update under jit with arrays that have a NamedSharding."
        )
        raise HyperparameterError(msg)
    return given


def checked_storages(rule: str, given: Any, states: Sequence[str]) -> dict[str, Any]:
    """Return name -> dtype of the states that are not stored in the dtype of the arithmetic."""
    if given is None:
        return {}
    asked = given if isinstance(given, Mapping) else dict.fromkeys(states, given)
    found: dict[str, Any] = {}
    for name, dtype in asked.items():
        if name not in states:
            msg = f"{rule} has no state {name!r}; it has: {', '.join(states) or 'none'}."
            raise UnknownNameError(msg)
        try:
            found[name] = jnp.dtype(dtype)
        except TypeError:
            found[name] = None
        if found[name] is None or not jnp.issubdtype(found[name], jnp.floating):
            msg = (
                f"The state {name!r} of {rule} cannot be stored as {quoted(dtype)}; write a dtype "
                'of real numbers such as "bfloat16" or "float32". Only a learner has states of 8 '
                "bits, whose blocks have scales."
            )
            raise HyperparameterError(msg)
    return found
