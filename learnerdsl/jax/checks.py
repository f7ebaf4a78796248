"""Check the arguments of a transformation that are not hyperparameters."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from learnerdsl.errors import HyperparameterError, UnknownNameError
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


def checked_storages(rule: str, given: Any, states: Mapping[str, str]) -> dict[str, Any]:
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
                'of real numbers such as "bfloat16" or "float32".'
            )
            raise HyperparameterError(msg)
    return found
