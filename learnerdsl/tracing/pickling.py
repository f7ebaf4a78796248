"""Pickle the functions of rules by name, as Python pickles its own functions.

The name of a decorated function leads to the rule that the decorator made. The function itself is
the attribute `_function` of that rule, so a copy of it carries the name `<name>._function`.
"""

import functools
import pickle
import sys
import types
from collections.abc import Callable
from operator import attrgetter
from typing import Any

from learnerdsl.errors import PicklingError

_SUFFIX = "._function"


def findable(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a copy that pickle finds as the attribute `_function` of the decorated object."""
    if not isinstance(function, types.FunctionType):
        return function
    copy: Any = types.FunctionType(
        function.__code__,
        function.__globals__,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    functools.update_wrapper(copy, function)
    del copy.__wrapped__
    copy.__kwdefaults__ = function.__kwdefaults__
    copy.__qualname__ = own_name(function) + _SUFFIX
    return copy


def own_name(function: Callable[..., Any]) -> str:
    """Return the name under which a function was defined in its module."""
    return getattr(function, "__qualname__", function.__name__).removesuffix(_SUFFIX)


def find(function: Callable[..., Any]) -> Any:
    """Return what the module of a function has under the function's own name, or None."""
    try:
        return attrgetter(own_name(function))(sys.modules[function.__module__])
    except (AttributeError, KeyError):
        return None


def reference(function: Callable[..., Any], what: str) -> Callable[..., Any]:
    """Return the function, or an equal one, that pickle can find by its name.

    Args:
        function: the function of a rule or transform.
        what: "rule" or "transform", for the message.

    Raises:
        PicklingError: its name leads to something else, or to nothing.
    """
    found = find(function)
    if getattr(found, "_function", None) is function:
        return function
    if getattr(found, "__code__", None) is getattr(function, "__code__", function):
        return found
    if _takes_functions_by_value():
        return function
    name = f"{function.__module__}.{own_name(function)}"
    why = "is something else" if found is not None else "is not there"
    msg = (
        f"Cannot pickle the {what} {function.__name__}: another process looks for it by its "
        f"name, but {name} {why}. Define it once, at the top level of a module and not in a "
        "function."
    )
    raise PicklingError(msg)


def _takes_functions_by_value() -> bool:
    """Return whether the current pickler sends functions by value, as cloudpickle does."""
    frame: Any = sys._getframe()
    while frame is not None:
        pickler = frame.f_locals.get("self")
        if isinstance(pickler, pickle.Pickler) and hasattr(pickler, "reducer_override"):
            return True
        frame = frame.f_back
    return False


class ByName:
    """Base of objects made of a function: pickled by the function's name, and not copied."""

    _function: Callable[..., Any]

    def _parts(self) -> tuple[Any, ...]:
        """Return the arguments with which the class makes an equal object."""
        raise NotImplementedError

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Return the name if it leads to this very object, else the class and its arguments."""
        parts = self._parts()
        if find(self._function) is not self:
            return type(self), parts
        if self._function.__module__ != "__main__" or protocol < 4:
            return own_name(self._function)
        # A name in a notebook exists in that process only; cloudpickle sends the function itself.
        return _restored, (self._function, type(self), *parts)

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, memo: Any) -> Any:
        return self


def _restored(function: Callable[..., Any], kind: Callable[..., Any], *parts: Any) -> Any:
    """Return the object that a module made of a function, or make it of the parts."""
    found = find(function)
    return found if getattr(found, "_function", None) is function else kind(*parts)
