"""Check the extra inputs of an update, such as the loss, and pass them to the engine."""

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from numpy.ma import MaskedArray

from learnerdsl.errors import (
    ArrayError,
    DtypeError,
    HyperparameterError,
    LearnerError,
    UnknownNameError,
)
from learnerdsl.learner.checks import check_form
from learnerdsl.learner.reshaping import as_seen
from learnerdsl.numbers import quoted
from learnerdsl.runtime.arrays.gradients import Checked, GradientCheck
from learnerdsl.runtime.arrays.host import Name, named_arrays
from learnerdsl.runtime.arrays.interop import copy_to_host, host_array, is_on_device
from learnerdsl.runtime.arrays.nested import flattened
from learnerdsl.runtime.engine import Engine
from learnerdsl.storage import PARAMETER_TYPES
from learnerdsl.tracing import Rule


@dataclass(frozen=True)
class CheckedExtras:
    """The extras of an update, as an engine takes them.

    Attributes:
        numbers: name -> number for the model.
        arrays: name -> arrays like the parameters.
        values: name -> number of a parameter -> its number, or its array over some axes.
    """

    numbers: dict[str, float]
    arrays: dict[str, Checked]
    values: dict[str, dict[int, Any]]


class ExtraInputs:
    """The extra inputs of the rules of a learner.

    Args:
        rules: the traced rule of each parameter.
        shapes: the shape in which it sees the parameter.
        parameters: names of the parameters.
        is_mapping: whether arrays come in a dict, as the parameters did.
        check: called as `check(name, takes_rows=...)`; returns a `GradientCheck` for the arrays of
            that name.
        frozen: names of the parameters that are not updated.
        seen: the shape in which the rule sees each parameter; None if that is its own.
    """

    def __init__(
        self,
        rules: Sequence[Rule],
        shapes: Sequence[tuple[int, ...]],
        parameters: Sequence[Name],
        is_mapping: bool,
        check: Callable[..., GradientCheck],
        frozen: Container[Name] = (),
        seen: Sequence[tuple[int, ...]] | None = None,
    ) -> None:
        self.frozen = frozen
        self.seen = seen
        self.rule_name = rules[0].name
        self.is_mapping = is_mapping
        self.parameters = list(parameters)
        common = [extra for extra in rules[0].extras if extra.is_common]
        self.scalars = [extra.name for extra in common if extra.shape == "model"]
        arrays = [extra.name for extra in common if extra.shape == "element"]
        self.columns = {name: column for column, name in enumerate(arrays, 2)}
        self.wanted = _wanted(rules, shapes)
        self.names = tuple(dict.fromkeys(e.name for r in _distinct(rules) for e in r.extras))
        self.checks = {name: check(name, takes_rows=False) for name in arrays}
        self.held: Any = None

    def take(self, given: Mapping[str, Any], engine: Engine, absent: Container[int] = ()) -> None:
        """Check all extras, then pass them to the engine; see `checked`."""
        found = self.checked(given, absent)
        indices = range(len(self.parameters))
        for name, checked in found.arrays.items():
            arrays_seen = as_seen(checked.arrays, indices, self.seen)
            engine.bind(self.columns[name], indices, arrays_seen, checked.addresses)
        for name, value in found.numbers.items():
            engine.set_extra(name, value)
        with np.errstate(all="ignore"):  # too large a value becomes infinity
            for name, values in found.values.items():
                for k, value in values.items():
                    engine.set_value(name, k, value)
        self.held = found.arrays  # the engine knows only addresses: keep the arrays alive

    def checked(self, given: Mapping[str, Any], absent: Container[int] = ()) -> CheckedExtras:
        """Return all extras as an engine takes them.

        Args:
            given: name -> number or arrays.
            absent: indices of the parameters without a gradient; these need no arrays either.

        Raises:
            LearnerError: an extra is missing, unknown, or cannot be used; nothing was changed.
        """
        self.refuse_names(given)
        numbers = {name: self.number(name, given[name]) for name in self.scalars}
        arrays = {name: self.arrays(name, given[name], absent) for name in self.columns}
        values = {name: self.values(name, given[name], absent) for name in self.wanted}
        indices = range(len(self.parameters))
        found = {n: self.checks[n].check(indices, a) for n, a in arrays.items()}
        return CheckedExtras(numbers, found, values)

    def refuse_names(self, given: Mapping[str, Any]) -> None:
        """Raise unless the names given are exactly those that the rule asks for."""
        missing = [name for name in self.names if name not in given]
        if missing:
            wanted = ", ".join(f"{name}=..." for name in self.names)
            msg = f"An update of {self.rule_name} needs {wanted} besides the gradients."
            raise UnknownNameError(msg)
        unknown = [name for name in given if name not in self.names]
        if unknown:
            takes = ", ".join(self.names) or "nothing"
            msg = (
                f"An update of {self.rule_name} takes {takes} besides the gradients, "
                f"not {', '.join(unknown)}."
            )
            raise UnknownNameError(msg)

    def number(self, name: str, value: Any) -> float:
        """Return the value of an extra that is a number; NaN and infinity are allowed."""
        given = value
        if getattr(value, "ndim", None) == 0 and not isinstance(value, MaskedArray):
            value = value.item() if hasattr(value, "item") else value
        if not isinstance(value, bool) and isinstance(value, Real):
            try:
                return float(value)
            except OverflowError:
                msg = f"{name} is {quoted(value)}, which is too large for float64."
                raise HyperparameterError(msg) from None
        msg = f"{name} must be a number, got {quoted(given)}."
        raise HyperparameterError(msg)

    def arrays(self, name: str, given: Any, absent: Container[int]) -> list[Any]:
        """Return the arrays of an extra of shape "element", in the order of the parameters."""
        given = flattened(given) if self.is_mapping else given
        check_form(name, given, self.is_mapping)
        named = {n: a for n, a in named_arrays(given, name).items() if n not in self.frozen}
        may_miss = absent if self.is_mapping else ()
        needed = [n for k, n in enumerate(self.parameters) if k not in may_miss]
        self.checks[name].refuse_names(list(named), needed)
        arrays = [named.get(parameter) for parameter in self.parameters]
        for k, array in enumerate(arrays):
            if array is None and k not in absent:
                msg = f"The {name} of {self.parameters[k]!r} is None, but it has a gradient."
                raise ArrayError(msg)
        return arrays

    def values(self, name: str, given: Any, absent: Container[int]) -> dict[int, Any]:
        """Return number of a parameter -> its value of an extra with another shape."""
        given = dict(_leaves(flattened(given))) if isinstance(given, Mapping) else given
        check_form(name, given, self.is_mapping)
        named = {n: v for n, v in named_arrays(given, name).items() if n not in self.frozen}
        wanted, known = self.wanted[name], set(self.parameters)
        unknown = [n for n in named if n not in known]
        needed = [n for k, n in enumerate(self.parameters) if k in wanted and k not in absent]
        missing = [n for n in needed if named.get(n) is None]
        if unknown or missing:
            labels = (("missing", missing), ("not a parameter:", unknown))
            parts = [f"{label} {', '.join(map(repr, own))}" for label, own in labels if own]
            msg = f"Values of {name} do not match the parameters: {'; '.join(parts)}."
            raise UnknownNameError(msg)
        found: dict[int, Any] = {}
        for k, parameter in enumerate(self.parameters):
            value = named.get(parameter)
            if value is None:
                continue
            what = f"{name} of {parameter!r}"
            if k not in wanted:
                msg = f"The {what} is given, but its rule takes none; leave it out, or write None."
                raise UnknownNameError(msg)
            shape = wanted[k]
            found[k] = self.number(f"The {what}", value) if shape is None else _array(what, value)
            if shape is not None and found[k].shape != shape:
                given_shape = found[k].shape
                msg = f"The {what} has shape {given_shape}, but its rule asks for shape {shape}."
                raise ArrayError(msg)
        return found


def _distinct(rules: Sequence[Rule]) -> list[Rule]:
    """Return the distinct objects among the rules, by identity: hashing a rule is slow."""
    return list({id(rule): rule for rule in rules}.values())


def _wanted(
    rules: Sequence[Rule], shapes: Sequence[tuple[int, ...]]
) -> dict[str, dict[int, tuple[int, ...] | None]]:
    """Return name -> number of a parameter -> shape of its value, None for a number."""
    found: dict[str, dict[int, tuple[int, ...] | None]] = {}
    for k, (rule, shape) in enumerate(zip(rules, shapes, strict=True)):
        for extra in rule.extras:
            if not extra.is_common:
                own = None if extra.shape == "tensor" else extra.array_shape(shape)
                found.setdefault(extra.name, {})[k] = own
    return found


def refuse_divided(rules: Sequence[Rule], shards: Sequence[Any]) -> None:
    """Raise for an extra of single tensors or of axes whose parameter is held in parts.

    Args:
        rules: the traced rule of each parameter.
        shards: what part of a tensor each parameter is; None if it is whole.
    """
    divided = [rule for rule, shard in zip(rules, shards, strict=True) if shard]
    for rule in _distinct(divided):
        for extra in rule.extras:
            if not extra.is_common:
                msg = (
                    f"{rule.name} takes {extra.name}, an extra of shape {extra.shape!r}, but "
                    "processes hold parts of the parameters; give the learner whole tensors, or "
                    "let a rule without such an extra update those that are divided."
                )
                raise LearnerError(msg)


def _leaves(given: Mapping[Any, Any], path: str = "") -> Iterator[tuple[Any, Any]]:
    """Yield (path, value), also of numbers, which `flattened` does not take for arrays."""
    for key, value in given.items():
        own = f"{path}.{key}" if path else key
        if isinstance(value, Mapping):
            yield from _leaves(value, own)
        else:
            yield own, value


def _array(what: str, given: Any) -> np.ndarray:
    """Return a copy of an array of any library as float64 on the host."""
    array = copy_to_host(given) if is_on_device(given) else host_array(given, f"The {what}")
    if not hasattr(array, "shape") or isinstance(array, MaskedArray):
        msg = f"The {what} is a {type(given).__name__}; pass an array."
        raise DtypeError(msg)
    array = np.asarray(array)
    if array.dtype.kind not in "fiu" and array.dtype.name not in PARAMETER_TYPES:
        msg = f"The {what} has dtype {array.dtype}, but must hold real numbers."
        raise DtypeError(msg)
    return np.array(array, np.float64)
