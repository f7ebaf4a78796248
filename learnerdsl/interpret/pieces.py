"""The stored form of a tensor's parameter and states: narrow arrays, scales, rests of masters.

A piece is an array by its name: that of a state, a state's name with `SCALE` for the scales of its
blocks, or `PARAMETER_REST` for the second array of a master weight.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from learnerdsl.expr import RingState, StateSymbol
from learnerdsl.interpret.codecs import (
    decode,
    decode_parameter,
    encode,
    encode_parameter,
    noise_of,
)
from learnerdsl.storage import (
    PARAMETER_REST,
    SCALE,
    Precision,
    blocks_of,
    memory_dtype,
    noise_multiplier,
)
from learnerdsl.tracing import Rule

Pieces = dict[str, Any]


def empty_pieces(rule: Rule, precision: Precision, parameter: np.ndarray) -> Pieces:
    """Return the pieces of a tensor, of zeros; model-wide states are left out."""
    pieces: Pieces = {}
    for symbol in (spec.symbol for spec in rule.states):
        if symbol.shape == "tensor":
            pieces[symbol.name] = np.zeros(())
        elif symbol.shape != "model":
            shape = symbol.array_shape(parameter.shape)
            storage = precision.state(symbol.name)
            pieces[symbol.name] = np.zeros(shape, storage.numpy)
            if storage.block:
                pieces[symbol.name + SCALE] = np.zeros(blocks_of(shape), np.float32)
    if precision.master:
        pieces[PARAMETER_REST] = np.zeros(parameter.shape, memory_dtype(precision.rest))
    return pieces


def decode_states(rule: Rule, precision: Precision, pieces: Mapping[str, Any]) -> dict[str, Any]:
    """Return name -> values of the states of a tensor, in the dtype of the arithmetic."""
    return {
        spec.symbol.name: decode_state(precision, spec.symbol, pieces)
        for spec in rule.states
        if spec.symbol.shape != "model"
    }


def decode_state(precision: Precision, symbol: StateSymbol, pieces: Mapping[str, Any]) -> Any:
    """Return the values of a state of a tensor; a scalar is its own value."""
    if symbol.shape == "tensor":
        return pieces[symbol.name]
    scales = pieces.get(symbol.name + SCALE)
    return decode(precision.state(symbol.name), pieces[symbol.name], scales)


def encode_states(
    rule: Rule,
    precision: Precision,
    values: Mapping[str, Any],
    noise: np.ndarray | None = None,
    old: Mapping[str, Any] | None = None,
) -> Pieces:
    """Return the pieces of the states of a tensor; the inverse of `decode_states`.

    Args:
        rule: the rule of the tensor.
        precision: the number types of its arrays.
        values: name -> values of a state.
        noise: 32 random bits for each element, to round by chance; None to round to nearest.
        old: the pieces before an update, in which the values of a ring move up by one lag.
    """
    pieces: Pieces = {}
    for number, symbol in enumerate((spec.symbol for spec in rule.states), 1):
        if old is not None and isinstance(symbol, RingState):
            if symbol.lag > 1:
                pieces |= _moved(rule.states[number - 2].symbol, symbol, old)
                continue
            number += symbol.length - 1  # a kernel writes it to the array of the oldest value
        if symbol.shape != "model":
            bits = None
            if noise is not None and symbol.shape == "element":
                bits = noise_of(noise, noise_multiplier(number))
            pieces |= encode_state(precision, symbol, values[symbol.name], bits)
    return pieces


def _moved(younger: StateSymbol, symbol: StateSymbol, old: Mapping[str, Any]) -> Pieces:
    """Return the pieces of a value of a ring: those that were the next younger value's.

    Encoding its values again could change them.
    """
    ends = [end for end in ("", SCALE) if younger.name + end in old]
    return {symbol.name + end: old[younger.name + end] for end in ends}


def encode_state(
    precision: Precision, symbol: StateSymbol, values: Any, bits: np.ndarray | None = None
) -> Pieces:
    """Return the pieces of one state of a tensor; the inverse of `decode_state`.

    Args:
        precision: the number types of the tensor's arrays.
        symbol: the state.
        values: its values, in the dtype of the arithmetic.
        bits: 16 random bits for each value, to round by chance; None to round to nearest.
    """
    if symbol.shape == "tensor":
        return {symbol.name: values}
    stored, scales = encode(precision.state(symbol.name), np.asarray(values), bits)
    return {symbol.name: stored} | ({} if scales is None else {symbol.name + SCALE: scales})


def encode_new_parameter(
    precision: Precision, values: np.ndarray, noise: np.ndarray | None = None
) -> tuple[np.ndarray, Pieces]:
    """Return (parameter as it is stored, the piece of its second array, if it has one)."""
    bits = None if noise is None else noise_of(noise, noise_multiplier(0))
    stored, rest = encode_parameter(precision, values, bits)
    return stored, {} if rest is None else {PARAMETER_REST: rest}


def decode_tensor_parameter(
    precision: Precision, parameter: np.ndarray, pieces: Mapping[str, Any]
) -> np.ndarray:
    """Return the values of a parameter, in the dtype of the arithmetic."""
    return decode_parameter(precision, parameter, pieces.get(PARAMETER_REST))
