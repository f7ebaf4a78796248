"""Show the states of a learner as dicts: setting an item writes to the learner's memory."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

import numpy as np

from learnerdsl.errors import ArrayError, HyperparameterError, UnknownNameError
from learnerdsl.numbers import as_number, quoted
from learnerdsl.runtime.arrays.interop import copy_to_host
from learnerdsl.storage import STORAGES


class Written(dict[Any, Any]):
    """A dict of a learner's values with fixed names: setting an item writes it to the learner."""

    what = "values"

    def _checked(self, name: Any, value: Any) -> Any:
        """Return the value to write, or raise an error that says why it cannot be written."""
        raise NotImplementedError

    def _put(self, name: Any, checked: Any) -> None:
        """Write a checked value."""
        raise NotImplementedError

    def update(self, *given: Any, **named: Any) -> None:
        """Write several values, or none of them if one cannot be written."""
        values = dict(*given, **named)
        checked = {name: self._checked(name, value) for name, value in values.items()}
        for name, value in checked.items():
            self._put(name, value)

    def __setitem__(self, name: Any, value: Any) -> None:
        self.update({name: value})

    def __ior__(self, other: Any) -> Any:
        self.update(other)
        return self

    def __missing__(self, name: Any) -> NoReturn:
        known = ", ".join(map(repr, list(self)[:8])) or "none"
        msg = f"There is no {quoted(name)} among the {self.what}; there are {known}."
        raise UnknownNameError(msg)

    def setdefault(self, name: Any, default: Any = None) -> Any:
        """Return the value of this name; every name has one, so the default is unused."""
        del default
        return self[name]

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        msg = f"The rule needs its {self.what}, so none can be removed; write other values instead."
        raise HyperparameterError(msg)

    __delitem__ = pop = popitem = clear = _refuse

    def __reduce__(self) -> tuple[Any, ...]:
        # A copy has the values only; it is not connected to the learner.
        return dict, (dict(self),)


class ParameterStates(Written):
    """The states of one parameter: name -> array.

    Args:
        parameter: name of the parameter.
        arrays: the memory that updates use, or copies of what it holds.
        write: called as `write(state, array)` to set a state.
        through: names of the states that only `write` can set, not NumPy. Those of them that are
            NumPy arrays are copies.
        unsigned: names of the states whose number type has no negative numbers.
    """

    def __init__(
        self,
        parameter: Any,
        arrays: Mapping[str, Any],
        write: Callable[[str, np.ndarray], None],
        through: Sequence[str] = (),
        unsigned: Sequence[str] = (),
    ) -> None:
        super().__init__(arrays)
        self.what = f"states of {parameter!r}"
        self._parameter = parameter
        self._write = write
        self._through = through
        self._unsigned = unsigned
        for name in through:
            self._protect(name, arrays[name])

    def _protect(self, name: str, array: Any) -> None:
        """Show a copy as read-only, since writing to it would have no effect."""
        if isinstance(array, np.ndarray):
            array.flags.writeable = False
            dict.__setitem__(self, name, array)

    def _checked(self, name: Any, value: Any) -> np.ndarray:
        own = self[name]
        what = f"State {name!r} of {self._parameter!r}"
        try:
            given = np.asarray(copy_to_host(value))
        except Exception as error:  # from another library, or from NumPy (ragged lists)
            msg = f"{what} cannot be {quoted(value)}: {str(error).rstrip('.')}."
            raise ArrayError(msg) from error
        is_number = given.dtype.kind in "iuf" or given.dtype.name in STORAGES
        if not is_number or isinstance(value, np.ma.MaskedArray):
            msg = f"{what} is an array of {own.dtype}, so it cannot be set to {quoted(value)}."
            raise ArrayError(msg)
        if given.shape not in ((), own.shape):
            msg = f"{what} has shape {own.shape}, so it cannot take an array of {given.shape}."
            raise ArrayError(msg)
        if name in self._unsigned and (given < 0).any():
            msg = f"{what} is stored without signs, so it cannot take negative numbers."
            raise ArrayError(msg)
        with np.errstate(over="ignore"):
            return np.broadcast_to(given.astype(own.dtype), own.shape)

    def _put(self, name: Any, checked: Any) -> None:
        if name not in self._through:
            self[name][...] = checked
            return
        self._write(name, checked)
        if isinstance(self[name], np.ndarray):
            self._protect(name, np.array(checked))


class States(Written):
    """The states of all parameters: name of a parameter -> its states."""

    what = "parameters"

    def _checked(self, name: Any, value: Any) -> None:
        if value is not self[name]:  # `state["w"] |= {...}` ends by setting the same object
            state = next(iter(self[name]), "m")
            msg = (
                "The states of a parameter are written one by one: "
                f"learner.state[{name!r}][{state!r}] = array."
            )
            raise HyperparameterError(msg)

    def _put(self, name: Any, checked: Any) -> None:
        """Do nothing: the states themselves were written."""


class ModelStates(Written):
    """The model-wide states: name -> number.

    Args:
        values: their present values.
        write: called as `write(name, number)` to set a state.
    """

    what = "states of the model"

    def __init__(self, values: Mapping[str, float], write: Callable[[str, float], None]) -> None:
        super().__init__(values)
        self._write = write

    def _checked(self, name: Any, value: Any) -> float:
        _ = self[name]
        number = as_number(value)
        if number is None or math.isnan(number):
            msg = f"State {name!r} of the model is one number, so it cannot be {quoted(value)}."
            raise HyperparameterError(msg)
        return number

    def _put(self, name: Any, checked: Any) -> None:
        self._write(name, checked)
        dict.__setitem__(self, name, checked)
