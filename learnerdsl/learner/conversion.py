"""Take arrays of a checkpoint into a learner whose arrays may have other number types.

Arrays of the same number type are copied, bit for bit. Others are converted through their values:
exactly where the learner's type holds them, else rounded to nearest.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from learnerdsl.errors import CheckpointError
from learnerdsl.interpret.codecs import decode, decode_parameter
from learnerdsl.interpret.pieces import encode_new_parameter
from learnerdsl.learner.stored import Stored
from learnerdsl.numbers import quoted
from learnerdsl.storage import (
    MASTERS,
    PARAMETER_REST,
    SCALE,
    STORAGES,
    Precision,
    Storage,
    blocks_of,
)

Pieces = dict[str, Any]


@dataclass(frozen=True)
class Saved:
    """What a checkpoint holds of one parameter.

    Attributes:
        name: name of the parameter.
        kind: its number type.
        pieces: its states as they are stored, and the rest of its master weight.
        value: its array, or None if the learner's parameter stays as it is.
    """

    name: Any
    kind: str
    pieces: Mapping[Any, Any]
    value: Any = None


class Conversion:
    """Converts what a checkpoint holds into a learner's own number types.

    Args:
        stored: the number types of the learner.
        names: the names of its parameters.
        own: its present states as they are stored, of each parameter.
        shapes: the shapes of its parameters.
        parameters: returns its parameters; called only if they are needed.
    """

    def __init__(
        self,
        stored: Stored,
        names: Sequence[Any],
        own: Sequence[Mapping[str, np.ndarray]],
        shapes: Sequence[tuple[int, ...]],
        parameters: Callable[[], Sequence[np.ndarray]],
    ) -> None:
        self.stored = stored
        self.names = names
        self.own = own
        self.shapes = shapes
        self._read = parameters

    @cached_property
    def parameters(self) -> Sequence[np.ndarray]:
        """The present parameters."""
        return self._read()

    def take(self, k: int, saved: Saved) -> tuple[Pieces, np.ndarray | None]:
        """Return the pieces of parameter `k` and its new value, in the learner's number types.

        Raises:
            CheckpointError: names, shapes or dtypes do not fit, or bits would be lost.
        """
        names = [name for name in self.own[k] if name in self.stored.symbols[k]]
        check_names(f"states of {saved.name!r}", saved.pieces, _wanted(names, saved.pieces))
        pieces: Pieces = {}
        for name in names:
            pieces |= self._state(k, name, saved)
        rest, value = self._parameter(k, saved)
        return pieces | rest, value

    def _state(self, k: int, name: str, saved: Saved) -> Pieces:
        own = self.own[k]
        what = f"State {name!r} of {saved.name!r}"
        array = as_array(what, saved.pieces[name])
        if array.dtype == own[name].dtype:
            found = {name: checked_array(what, array, own[name])}
            if name + SCALE in own:
                found[name + SCALE] = self._scales(name, saved, own[name].shape)
            return found
        storage = self._readable(k, name, array.dtype)
        if storage is None or array.shape != own[name].shape:
            raise _mismatch(what, array, own[name])
        scales = self._scales(name, saved, array.shape) if storage.block else None
        with np.errstate(over="ignore"):
            values = decode(storage, array, scales).astype(self.stored.precisions[k].arithmetic)
        return self.stored.encode_one(k, name, values)

    def _scales(self, name: str, saved: Saved, shape: tuple[int, ...]) -> np.ndarray:
        like = np.empty(blocks_of(shape), np.float32)
        return checked_array(
            f"{name + SCALE!r} of {saved.name!r}", saved.pieces[name + SCALE], like
        )

    def _readable(self, k: int, name: str, dtype: np.dtype[Any]) -> Storage | None:
        """Return the number type of a saved state that the learner can convert, or None."""
        storage = STORAGES.get(dtype.name)
        is_scalar = self.stored.symbols[k][name].shape == "tensor"
        if storage is None or is_scalar or storage.numpy != dtype:
            return None
        return storage if widens(storage, self.stored.precisions[k].arithmetic) else None

    def _parameter(self, k: int, saved: Saved) -> tuple[Pieces, np.ndarray | None]:
        """Return the rest of a master weight, if the learner keeps one, and the new parameter."""
        precision, own = self.stored.precisions[k], self.own[k]
        master = _master_of(saved)
        what = f"Parameter {saved.name!r}"
        if saved.value is None:
            if (master, saved.kind) == (precision.master, precision.parameter):
                return self._same_rest(k, saved), None
            if master:
                msg = (
                    f"The checkpoint has {what.lower()} as {saved.kind} with master={master!r}, "
                    f"this learner as {_described(precision)}. Its master weights are converted "
                    "with the parameters: write save(path, parameters=True) and load(path, "
                    "parameters=True)."
                )
                raise CheckpointError(msg)
            return self.stored.rest_of(k, self.parameters[k]), None
        like = np.empty(self.shapes[k], STORAGES[saved.kind].numpy)
        value = checked_array(what, saved.value, like)
        if (master, saved.kind) == (precision.master, precision.parameter):
            return self._same_rest(k, saved), value
        rest = None
        if master:
            dtype = as_array(what, saved.pieces[PARAMETER_REST]).dtype
            rest = _checked_rest(saved, np.empty(like.shape, dtype))
        values = decode_parameter(Precision(saved.kind, saved.kind, (), master), value, rest)
        value, pieces = encode_new_parameter(precision, values.astype(precision.arithmetic))
        return {name: piece for name, piece in pieces.items() if name in own}, value

    def _same_rest(self, k: int, saved: Saved) -> Pieces:
        own = self.own[k]
        if PARAMETER_REST not in own:
            return {}
        return {PARAMETER_REST: _checked_rest(saved, own[PARAMETER_REST])}


def widens(storage: Storage, arithmetic: str) -> bool:
    """Return whether values of a number type are exact in an arithmetic."""
    return storage.arithmetic in (arithmetic, "float32")


def check_names(what: str, given: Any, own: Any) -> None:
    """Raise unless a dict of a checkpoint has these keys and no others."""
    if not isinstance(given, Mapping):
        msg = f"The checkpoint has {quoted(given)} for its {what}; expected a dict."
        raise CheckpointError(msg)
    missing = ", ".join(quoted(name) for name in own if name not in given)
    extra = ", ".join(quoted(name) for name in given if name not in own)
    if missing or extra:
        parts = [f"missing {missing}"] * bool(missing) + [f"not known here {extra}"] * bool(extra)
        msg = f"The checkpoint has other {what}: {', '.join(parts)}."
        raise CheckpointError(msg)


def as_array(what: str, given: Any) -> np.ndarray:
    """Return an array of a checkpoint.

    Raises:
        CheckpointError: it is not an array.
    """
    try:
        array = np.asarray(given)
    except Exception as error:  # from NumPy (ragged lists) or from another library
        msg = f"{what} is not an array in the checkpoint: {str(error).rstrip('.')}."
        raise CheckpointError(msg) from None
    if isinstance(given, np.ma.MaskedArray):
        msg = f"{what} is a masked array in the checkpoint; pass array.filled(...)."
        raise CheckpointError(msg)
    return array


def checked_array(what: str, given: Any, own: np.ndarray) -> np.ndarray:
    """Return an array of a checkpoint, checked to have the shape and dtype of `own`.

    Args:
        what: name of the array, for the messages.
        given: what the checkpoint holds.
        own: the array that it will replace.

    Raises:
        CheckpointError: it is not an array, or has another shape or dtype.
    """
    other = as_array(what, given)
    if other.shape != own.shape or other.dtype != own.dtype:
        raise _mismatch(what, other, own)
    return other


def _mismatch(what: str, given: np.ndarray, own: np.ndarray) -> CheckpointError:
    return CheckpointError(
        f"{what} has shape {given.shape} and dtype {given.dtype} in the checkpoint, "
        f"but {own.shape} and {own.dtype} here."
    )


def _wanted(names: Sequence[str], given: Any) -> list[str]:
    """Return the keys that the states of a parameter have in a checkpoint of any number types."""
    if not isinstance(given, Mapping):
        return list(names)
    present = [name for name in names if name in given]
    coded = [n for n in present if _has_block(as_array(f"State {n!r}", given[n]).dtype)]
    rest = [PARAMETER_REST] if PARAMETER_REST in given else []
    return [*names, *(name + SCALE for name in coded), *rest]


def _has_block(dtype: np.dtype[Any]) -> bool:
    return dtype.name in STORAGES and STORAGES[dtype.name].block > 0


def _master_of(saved: Saved) -> str:
    """Return how a checkpoint keeps a master weight; "" if it has none."""
    if PARAMETER_REST not in saved.pieces:
        return ""
    dtype = as_array(PARAMETER_REST, saved.pieces[PARAMETER_REST]).dtype.name
    for row in MASTERS.values():
        if saved.kind in row.parameters and (row.dtype or saved.kind) == dtype:
            return row.name
    msg = (
        f"{PARAMETER_REST!r} of {saved.name!r} has dtype {dtype} in the checkpoint, which is no "
        f"master weight of {saved.kind}."
    )
    raise CheckpointError(msg)


def _checked_rest(saved: Saved, own: np.ndarray) -> np.ndarray:
    what = f"{PARAMETER_REST!r} of {saved.name!r}"
    return checked_array(what, saved.pieces[PARAMETER_REST], own)


def _described(precision: Precision) -> str:
    return precision.parameter + (f" with master={precision.master!r}" if precision.master else "")
