"""The states of a learner as dicts of its memory: an item that is set is written there."""

import math
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import numpy as np

from learnerdsl.errors import ArrayError, HyperparameterError, UnknownNameError
from learnerdsl.numbers import as_number, quoted
from learnerdsl.runtime.arrays.interop import copy_to_host


class Written(dict[Any, Any]):
    """A dict of values of a learner: setting an item writes it, and the names stay as they are."""

    what = "values"

    def _checked(self, name: Any, value: Any) -> Any:
        """What is to be written, or an error that says why it cannot be."""
        raise NotImplementedError

    def _put(self, name: Any, checked: Any) -> None:
        """Write it."""
        raise NotImplementedError

    def update(self, *given: Any, **named: Any) -> None:
        """Write several, or none of them if one cannot be written."""
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
        """The value of this name: every name has one."""
        del default
        return self[name]

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        msg = f"The {self.what} are those of the rule, so none can be removed; write other values."
        raise HyperparameterError(msg)

    __delitem__ = pop = popitem = clear = _refuse

    def __reduce__(self) -> tuple[Any, ...]:
        # A copy has the values; the memory is the learner's alone.
        return dict, (dict(self),)


class ParameterStates(Written):
    """The states of one parameter: name -> array.

    Args:
        parameter: name of the parameter.
        arrays: the memory that updates use.
        write: function of a state's name and an array that gives the state this value, for memory
            that NumPy cannot write to; None where it can.
    """

    def __init__(
        self,
        parameter: Any,
        arrays: Mapping[str, Any],
        write: Callable[[str, np.ndarray], None] | None = None,
    ) -> None:
        super().__init__(arrays)
        self.what = f"states of {parameter!r}"
        self._parameter = parameter
        self._write = write
        if write is not None:
            for array in arrays.values():
                if isinstance(array, np.ndarray):  # a copy, in which what is written would be lost
                    array.flags.writeable = False

    def _checked(self, name: Any, value: Any) -> np.ndarray:
        own = self[name]
        what = f"State {name!r} of {self._parameter!r}"
        try:
            given = np.asarray(copy_to_host(value))
        except Exception as error:  # of a library, or of NumPy: ragged lists
            msg = f"{what} cannot be {quoted(value)}: {str(error).rstrip('.')}."
            raise ArrayError(msg) from error
        if given.dtype.kind not in "iuf" or isinstance(value, np.ma.MaskedArray):
            msg = f"{what} is an array of {own.dtype}, so it cannot be {quoted(value)}."
            raise ArrayError(msg)
        if given.shape not in ((), own.shape):
            msg = f"{what} has shape {own.shape}, so it cannot take an array of {given.shape}."
            raise ArrayError(msg)
        with np.errstate(over="ignore"):
            return np.broadcast_to(given.astype(own.dtype), own.shape)

    def _put(self, name: Any, checked: Any) -> None:
        if self._write is None:
            self[name][...] = checked
        else:
            self._write(name, checked)


class States(Written):
    """Parameter -> its states."""

    what = "parameters"

    def _checked(self, name: Any, value: Any) -> None:
        if value is not self[name]:  # which `state["w"] |= {...}` ends with
            state = next(iter(self[name]), "m")
            msg = (
                "The states of a parameter are written one by one: "
                f"learner.state[{name!r}][{state!r}] = array."
            )
            raise HyperparameterError(msg)

    def _put(self, name: Any, checked: Any) -> None:
        """Nothing: the states themselves were written."""


class ModelStates(Written):
    """The states of shape "model": name -> number.

    Args:
        values: their values now.
        write: function of a name and a number that gives a state this value.
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
