"""Compute an update by the functions of a rule: level by level, sums over the model in between."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp

from learnerdsl.errors import ArrayError
from learnerdsl.expr import MatrixState, RingState, step, tensor_number
from learnerdsl.jax.division import Division, Shard
from learnerdsl.jax.operations import cast, wide
from learnerdsl.jax.parts import named
from learnerdsl.jax.placing import alike, filled, whole
from learnerdsl.jax.programs import Model
from learnerdsl.jax.settings import dividing
from learnerdsl.jax.state import arithmetic
from learnerdsl.monoids import MONOIDS
from learnerdsl.xla import Function, VariantFunctions

Values = dict[Any, Any]
"""Symbol -> its value."""


class Update:
    """One update of all parameters.

    Args:
        model: the rule.
        parameters: the arrays, or arrays of the same shapes if the rule does not read them.
        gradients: arrays of the same shapes.
        groups: for each parameter, the index of its group.
        shared: for each group, symbol -> value of hyperparameters, clock and scalar extras.
        states: for each parameter, name -> value of a state; arrays or scalars.
        numbers: name -> value of a state of the model.
        extras: for each parameter, symbol -> value of an extra of its own.
        divisions: for each parameter, how it is divided inside shard_map; None if it is whole, or
            if that was not told.
    """

    def __init__(
        self,
        model: Model,
        parameters: Sequence[Any],
        gradients: Sequence[Any],
        groups: Sequence[int],
        shared: Sequence[Values],
        states: Sequence[Mapping[str, Any]],
        numbers: Mapping[str, Any],
        extras: Sequence[Values],
        divisions: Sequence[Division | None],
    ) -> None:
        self.model = model
        self.groups = groups
        self.now = shared[0][step]
        own = {spec.symbol: wide(numbers[spec.symbol.name]) for spec in model.model_states}
        self.shared: dict[tuple[int, int], Values] = {
            key: {**shared[key[0]], **own}
            for key in dict.fromkeys(zip(groups, model.variants, strict=True))
        }
        self.shards = [Shard(d, model.of(k).has_matrices) for k, d in enumerate(divisions)]
        self.elements = [
            self.entered(k, p, arithmetic(p.dtype), model.of(k).rule.parameter)
            for k, p in enumerate(parameters)
        ]
        self.states = states
        self.own = [self._inputs(k, gradient, extras[k]) for k, gradient in enumerate(gradients)]
        for k in range(len(gradients)):
            self._refuse_parts(k)

    def _refuse_parts(self, k: int) -> None:
        """Raise if a tensor is a part of a parameter, and its rule needs the whole.

        Raises:
            ArrayError: what the rule needs.
        """
        p, functions = self.elements[k], self.model.of(k)
        gradient = self.own[k][functions.rule.gradient]
        axes = named(p) or named(gradient)
        if axes and functions.has_axes and self.shards[k].division is None:
            what = "functions of whole matrices" if functions.has_matrices else "values of axes"
            msg = (
                f"{functions.rule.name} computes {what}, but shard_map splits a parameter over "
                f"{axes[0]!r}, so that an update sees a part of shape {p.shape}; say by specs= how "
                "parameters are divided, or call the update under jit with arrays that have a "
                "NamedSharding."
            )
            raise ArrayError(msg)

    def entered(self, k: int, x: Any, dtype: Any, symbol: Any) -> Any:
        """Return an array as the functions of a tensor see it."""
        return self.shards[k].entered(x, symbol).astype(dtype)

    def _inputs(self, k: int, gradient: Any, extras: Values) -> Values:
        """Return the values of a tensor before the update."""
        rule, dtype = self.model.of(k).rule, self.elements[k].dtype
        own = self.entered(k, gradient, dtype, rule.gradient)
        values: Values = {rule.gradient: own, tensor_number: k}
        for symbol, value in extras.items():
            is_number = symbol.shape == "tensor"
            values[symbol] = wide(value) if is_number else self.entered(k, value, dtype, symbol)
        for spec in rule.states:
            symbol = spec.symbol
            if symbol.shape == "tensor":
                values[symbol] = wide(self.states[k][symbol.name])
            elif symbol.shape != "model":
                value = self.entered(k, self.states[k][symbol.name], dtype, symbol)
                values[symbol] = whole(value) if isinstance(symbol, MatrixState) else value
        return values

    def run(self) -> None:
        """Compute all levels."""
        for level in range(len(self.model.program.variants[0].levels)):
            for key, values in self.shared.items():
                function = self.model.program.variants[key[1]].levels[level][0]
                arguments = [values[symbol] for symbol in function.arguments]
                found = self.model.call(function, *arguments)
                values |= dict(zip(function.results, found, strict=bool(found)))
            self.join([self.tensor(k, level) for k in range(len(self.elements))], level)

    def tensor(self, k: int, level: int) -> tuple[Any, ...]:
        """Compute a level of one tensor; return its parts of the sums over the model."""
        function = self.model.of(k).levels[level][1]
        values, p = self.own[k], self.elements[k]
        with dividing(self.shards[k].inside):
            found = self.model.call(function, p, *self.arguments(function, k))
        count = len(function.results)
        values |= dict(zip(function.results, found[:count], strict=bool(found)))
        return found[count:]

    def arguments(self, function: Function, k: int) -> list[Any]:
        """Return the arguments of a function of a tensor, some of them rounded."""
        p, wide_of = self.elements[k], self.model.of(k).wide
        return [
            cast(self.value(k, wide_of[s]), p) if s in function.rounded else self.value(k, s)
            for s in function.arguments
        ]

    def join(self, parts: Sequence[tuple[Any, ...]], level: int) -> None:
        """Join the parts of sums over the model, which later levels use."""
        names = self.model.program.variants[0].sums[level]
        for place, (name, _) in enumerate(names):
            total: Any = MONOIDS[name].identity
            if parts:
                total = _joined(name, jnp.stack([own[place] for own in parts]), self.now)
            for key, values in self.shared.items():
                symbol = self.model.program.variants[key[1]].sums[level][place][1]
                values[symbol] = total

    # Results.

    def value(self, k: int, symbol: Any) -> Any:
        """Return a value of a tensor or of the model."""
        if symbol == self.model.of(k).rule.parameter:
            return self.elements[k]
        own = self.own[k]
        if symbol in own:
            return own[symbol]
        return self.shared[self.groups[k], self.model.variants[k]][symbol]

    def change(self, k: int, dtype: Any) -> Any:
        """Return what is added to a parameter."""
        functions, p = self.model.of(k), self.elements[k]
        if functions.change is None:
            value = jnp.zeros_like(p, dtype=dtype)
        else:
            own = filled(jnp.asarray(self.value(k, functions.change)), p)
            value = self.placed(k, own, p).astype(dtype)
        return self.shards[k].left(value, functions.rule.parameter)

    def shown(self, k: int, dtype: Any) -> Any:
        """Return the values of a parameter to evaluate a model with."""
        functions, p = self.model.of(k), self.elements[k]
        value = p
        if functions.evaluation is not None:
            arguments = self.arguments(functions.evaluation, k)
            with dividing(self.shards[k].inside):
                (value,) = self.model.call(functions.evaluation, p, *arguments)
        return self.shards[k].left(filled(value, p), functions.rule.parameter).astype(dtype)

    def placed(self, k: int, value: Any, old: Any) -> Any:
        """Return a value split over devices as an old one, which whole matrices were not."""
        return alike(value, old) if self.model.of(k).has_matrices else value

    def new_states(self, k: int) -> dict[str, Any]:
        """Return name -> new value of the states of a tensor, with the types of the old ones."""
        functions = self.model.of(k)
        new = _with_rings(functions)
        found: dict[str, Any] = {}
        for symbol in (spec.symbol for spec in functions.rule.states):
            if symbol.shape == "model":
                continue
            old = self.states[k][symbol.name]
            if symbol not in new:
                found[symbol.name] = old
                continue
            value = jnp.asarray(self.value(k, new[symbol]))
            if symbol.shape == "tensor":
                found[symbol.name] = value.reshape(()).astype(old.dtype)
                continue
            value = self.shards[k].left(filled(value, self.own[k][symbol]), symbol)
            is_matrix = isinstance(symbol, MatrixState)
            placed = whole(value) if is_matrix else self.placed(k, value, old)
            found[symbol.name] = placed.astype(old.dtype)
        return found

    def new_numbers(self, old: Mapping[str, Any]) -> dict[str, Any]:
        """Return name -> new value of the states of the model, the same in all groups."""
        found = dict(old)
        if not self.shared:
            return found
        (_, variant), values = next(iter(self.shared.items()))
        new = self.model.program.variants[variant].new
        for symbol in (spec.symbol for spec in self.model.model_states):
            if symbol in new:
                dtype = old[symbol.name].dtype
                found[symbol.name] = jnp.asarray(values[new[symbol]]).astype(dtype)
        return found


def _joined(name: str, parts: Any, now: Any) -> Any:
    """Return the reduction of the parts of all tensors.

    XLA writes it again into the loop of each tensor that uses it, unless it ends in an operation
    that counts as expensive, and then compiles three times as long. So it is divided by 1, which
    XLA does not see if it is a quotient of the step.
    """
    return getattr(jnp, name)(parts) / (now / now)


def _with_rings(functions: VariantFunctions) -> dict[Any, Any]:
    """Return state -> symbol of its new value; the values of rings move up by one lag."""
    new = dict(functions.new)
    rings = [s.symbol for s in functions.rule.states if isinstance(s.symbol, RingState)]
    for oldest in [s for s in rings if s.lag == s.length and s in new]:
        end = rings.index(oldest) + 1
        own = rings[end - oldest.length : end]
        youngest = new.pop(oldest)
        new |= {own[0]: youngest, **dict(zip(own[1:], own[:-1], strict=True))}
    return new
