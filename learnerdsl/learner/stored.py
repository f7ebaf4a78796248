"""Convert between the states that an engine stores and their values, for all tensors."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from learnerdsl.expr import ObservedState, StateSymbol
from learnerdsl.interpret.codecs import decode_parameter
from learnerdsl.interpret.pieces import (
    decode_state,
    decode_states,
    encode_new_parameter,
    encode_state,
    encode_states,
)
from learnerdsl.storage import PARAMETER_REST, Precision
from learnerdsl.tracing import Rule

Lists = dict[str, Any]
"""Name -> an array for each tensor, None where its rule lacks it; one number for the model."""


class Stored:
    """The number types of a learner's arrays, and conversions to and from the values.

    Args:
        rules: the traced rule of each tensor.
        precisions: the number types of each tensor's arrays.
    """

    def __init__(self, rules: Sequence[Rule], precisions: Sequence[Precision]) -> None:
        self.rules = rules
        self.precisions = precisions
        self.is_plain = not any(
            p.states or p.master or p.parameter != p.arithmetic for p in precisions
        )

        symbols = {id(rule): _symbols(rule) for rule in rules}
        self.symbols = [symbols[id(rule)] for rule in rules]

    def is_coded(self, k: int, state: str) -> bool:
        """Return whether the array of a state of tensor `k` holds codes and not its values."""
        return bool(self.precisions[k].state(state).block)

    def is_signed(self, k: int, state: str) -> bool:
        """Return whether a state of tensor `k` may hold negative values."""
        return self.precisions[k].state(state).is_signed

    def decode_one(self, k: int, state: str, pieces: Mapping[str, Any]) -> Any:
        """Return the values of one state of tensor `k`."""
        return decode_state(self.precisions[k], self.symbols[k][state], pieces)

    def encode_one(self, k: int, state: str, values: Any) -> dict[str, Any]:
        """Return the stored form of one state of tensor `k`, rounded to nearest."""
        return encode_state(self.precisions[k], self.symbols[k][state], values)

    def rest_of(self, k: int, parameter: np.ndarray) -> dict[str, Any]:
        """Return the rest of a master weight that begins at a parameter, or nothing."""
        values = np.asarray(parameter).astype(self.precisions[k].arithmetic)
        return encode_new_parameter(self.precisions[k], values)[1]

    def decode(self, pieces: Mapping[str, Any]) -> Lists:
        """Return the values of the states, in the dtype of the arithmetic."""
        if self.is_plain:
            return dict(pieces)
        values: Lists = {n: v for n, v in pieces.items() if not isinstance(v, list)}
        for k, rule in enumerate(self.rules):
            for name, value in decode_states(rule, self.precisions[k], _of(pieces, k)).items():
                values.setdefault(name, [None] * len(self.rules))[k] = value
        return values

    def plain(self, pieces: Mapping[str, Any]) -> Lists:
        """Return the values of the states as float32 arrays; scalars stay float64."""
        found = self.decode(pieces)
        for k, symbols in enumerate(self.symbols):
            for name, symbol in symbols.items():
                if symbol.shape != "tensor":
                    found[name][k] = as_float32(found[name][k])
        return found

    def encode(self, values: Mapping[str, Any], parameters: Sequence[np.ndarray]) -> Lists:
        """Return the stored form of states, and rests of master weights for new parameters.

        Args:
            values: name -> values of the states.
            parameters: values of the parameters, in the dtype of the arithmetic.
        """
        if self.is_plain:
            return dict(values)
        pieces: Lists = {n: v for n, v in values.items() if not isinstance(v, list)}
        for k, rule in enumerate(self.rules):
            own = encode_states(rule, self.precisions[k], _of(values, k))
            own |= encode_new_parameter(self.precisions[k], parameters[k])[1]
            for name, array in own.items():
                pieces.setdefault(name, [None] * len(self.rules))[k] = array
        return pieces

    def values_of(
        self, parameters: Sequence[np.ndarray], pieces: Mapping[str, Any] | None = None
    ) -> list[np.ndarray]:
        """Return the values of the parameters, in the dtype of the arithmetic.

        Args:
            parameters: the parameters as they are stored.
            pieces: the stored states with the rests of master weights; without them the parameters
                alone count.
        """
        if self.is_plain:
            return list(parameters)
        rests = (pieces or {}).get(PARAMETER_REST, [None] * len(parameters))
        return [
            decode_parameter(precision, parameter, rest)
            if rest is not None
            else np.asarray(parameter).astype(precision.arithmetic)
            for precision, parameter, rest in zip(self.precisions, parameters, rests, strict=True)
        ]

    def parameters_of(self, values: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return values as parameters, rounded to nearest."""
        if self.is_plain:
            return list(values)
        return [
            encode_new_parameter(Precision.of(precision.parameter), value)[0]
            for precision, value in zip(self.precisions, values, strict=True)
        ]


def as_float32(values: np.ndarray) -> np.ndarray:
    """Return values as float32; those that are too large become infinite."""
    with np.errstate(over="ignore"):
        return np.asarray(values).astype(np.float32)


def _symbols(rule: Rule) -> dict[str, StateSymbol]:
    """Return name -> state of a tensor that users know, without those of the whole model."""
    symbols = [s.symbol for s in rule.states if not isinstance(s.symbol, ObservedState)]
    return {symbol.name: symbol for symbol in symbols if symbol.shape != "model"}


def _of(lists: Mapping[str, Any], k: int) -> dict[str, Any]:
    """Return name -> array of tensor `k`."""
    return {n: v[k] for n, v in lists.items() if isinstance(v, list) and v[k] is not None}
