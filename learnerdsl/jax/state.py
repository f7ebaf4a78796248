"""Make the state of a transformation: a tree like the parameters for each state of the rule."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import sympy

from learnerdsl.errors import ArrayError, DtypeError
from learnerdsl.expr import AxisState, MatrixState, StateSymbol, Where
from learnerdsl.jax.division import Division, Shard
from learnerdsl.jax.parts import named
from learnerdsl.jax.placing import filled, on_mesh
from learnerdsl.jax.programs import Model
from learnerdsl.jax.settings import dividing
from learnerdsl.tracing import Rule


class LearnerState(NamedTuple):
    """The state of a transformation.

    Attributes:
        count: number of updates done, int32.
        states: name of a state of the rule -> a tree like the parameters; `optax.MaskedNode()` for
            a parameter that does not have it. A state of elements has the parameter's shape; one of
            rows or columns keeps the other axes with length 1; a number of a tensor has shape ().
            They are float32, or float64 for float64 parameters; counters are int32.
        model: name of a state of the whole model -> a number of shape (), of the same types.
    """

    count: Any
    states: dict[str, Any]
    model: dict[str, Any]


def arithmetic(dtype: Any) -> Any:
    """Return the dtype in which elements of a parameter are computed: float32 or float64."""
    return jnp.dtype(jnp.float64 if dtype == jnp.float64 else jnp.float32)


def check_parameters(rule: str, leaves: Sequence[Any]) -> None:
    """Raise if a leaf of the tree of parameters is not an array of real numbers.

    Raises:
        LearnerError: what it is, and what to do.
    """
    for leaf in leaves:
        dtype = getattr(leaf, "dtype", None)
        if dtype is None:
            msg = (
                f"{rule} got a parameter that is a {type(leaf).__name__}, not an array; filter the "
                "tree first, as by equinox.filter(model, equinox.is_inexact_array)."
            )
            raise ArrayError(msg)
        if not jnp.issubdtype(dtype, jnp.floating):
            msg = (
                f"{rule} cannot update a parameter of {dtype}; leave it out by optax.masked, or "
                "split a complex one into its real and imaginary parts."
            )
            raise DtypeError(msg)


def start(
    model: Model,
    parameters: Sequence[Any],
    values: Sequence[Mapping[Any, Any]],
    storages: Mapping[str, Any],
    divisions: Sequence[Division | None],
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the states of each parameter, and those of the model, before the first update.

    Args:
        model: the rule.
        parameters: the arrays.
        values: for each parameter, symbol -> value of hyperparameters.
        storages: name of a state with a value per element -> its dtype.
        divisions: for each parameter, how it is divided, or None if it is whole.
    """
    own: list[dict[str, Any]] = []
    elements: list[Any] = []
    for k, p in enumerate(parameters):
        functions = model.of(k)
        rule, arguments = functions.rule, [values[k][s] for s in functions.start.arguments]
        shard = Shard(divisions[k], functions.has_matrices)
        element = shard.entered(p, rule.parameter).astype(arithmetic(p.dtype))
        with dividing(shard.inside):
            found = model.call(functions.start, element, *arguments)
        placed = {
            symbol: _placed(symbol, value, element, rule, storages)
            for symbol, value in zip(functions.start.results, found, strict=True)
        }
        own.append({symbol.name: shard.left(value, symbol) for symbol, value in placed.items()})
        elements.append(element)
    dtype = number_type(parameters)
    first = model.program.model_start
    shared = values[0] if values else {}
    arguments = [shared.get(symbol, 0.0) for symbol in first.arguments]
    numbers = model.call(first, elements, *arguments)
    shown = {
        symbol.name: jnp.asarray(value, jnp.int32 if is_whole(model.rule, symbol) else dtype)
        for symbol, value in zip(first.results, numbers, strict=True)
    }
    return own, shown


def number_type(parameters: Sequence[Any]) -> Any:
    """Return the dtype of scalar states of the model: float64 if a parameter has it."""
    is_wide = any(p.dtype == jnp.float64 for p in parameters)
    return jnp.float64 if is_wide else jnp.float32


def _placed(
    symbol: StateSymbol, value: Any, p: Any, rule: Rule, storages: Mapping[str, Any]
) -> Any:
    """Return a start value as an array of the state's shape, on the devices of the parameter."""
    if symbol.shape == "tensor":
        return jnp.asarray(value, jnp.int32 if is_whole(rule, symbol) else p.dtype).reshape(())
    dtype = storages.get(symbol.name, p.dtype) if symbol.shape == "element" else p.dtype
    shape = kept_shape(symbol, p.shape)
    if not isinstance(value, (int, float)) and value.ndim:
        value = filled(value, p) if shape == p.shape else jnp.broadcast_to(value, shape)
        own = jnp.array(value, dtype, copy=True)
        return on_mesh(own, p) if isinstance(symbol, MatrixState) else own
    if symbol.shape == "element":
        return jnp.full_like(p, value, dtype=dtype)
    if isinstance(symbol, MatrixState):
        return on_mesh(jnp.full(shape, value, dtype), p)
    if named(p):  # zeros like a part would be of the same axes of the mesh
        return jnp.full(shape, value, dtype)
    others = [axis for axis in range(p.ndim) if shape[axis] != p.shape[axis]]
    zeros = jnp.sum(jnp.zeros_like(p, dtype=dtype), others, keepdims=True)
    return zeros + jnp.asarray(value, dtype)


def kept_shape(symbol: StateSymbol, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of a state; axes that it does not range over have length 1."""
    return symbol.broadcast_shape(shape) if isinstance(symbol, AxisState) else shape


def is_whole(rule: Rule, state: StateSymbol) -> bool:
    """Return whether a scalar state is a counter: a whole number that whole numbers are added to.

    As float32 it would stop at 2**24.
    """
    init = next(s.init for s in rule.states if s.symbol == state)
    lines = [line.expression for line in rule.lines if line.target == state]
    return all(_is_whole(sympy.sympify(e), state) for e in (init, *lines))


def _is_whole(expression: Any, state: Any) -> bool:
    if expression == state or (expression.is_number and float(expression).is_integer()):
        return True
    if isinstance(expression, Where):
        return all(_is_whole(branch, state) for branch in expression.args[1:])
    is_sum = isinstance(expression, sympy.Add)
    return is_sum and all(_is_whole(term, state) for term in expression.args)
