"""How functions of rules are pickled: by name, as Python's own functions are.

The name of a decorated function leads to what was made of it. So that is where its function is
found as well, as an attribute, by a copy of the function that carries the longer name.
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
    """A copy that pickle finds as the attribute `_function` of what is made of the function."""
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
    """The name under which a function was defined in its module."""
    return getattr(function, "__qualname__", function.__name__).removesuffix(_SUFFIX)


def find(function: Callable[..., Any]) -> Any:
    """What the module of a function has under the function's own name; None if nothing."""
    try:
        return attrgetter(own_name(function))(sys.modules[function.__module__])
    except (AttributeError, KeyError):
        return None


def reference(function: Callable[..., Any], what: str) -> Callable[..., Any]:
    """The function, or one like it, which pickle finds by its name.

    Raises:
        PicklingError: there is none of that name.
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
        f"Cannot pickle the {what} {function.__name__}: another process looks for it under its "
        f"name, but {name} {why}. Define it once, at the top level of a module and not in a "
        "function."
    )
    raise PicklingError(msg)


def _takes_functions_by_value() -> bool:
    """Whether the pickler at work needs no names of functions, as that of cloudpickle."""
    frame: Any = sys._getframe()
    while frame is not None:
        pickler = frame.f_locals.get("self")
        if isinstance(pickler, pickle.Pickler) and hasattr(pickler, "reducer_override"):
            return True
        frame = frame.f_back
    return False


class ByName:
    """What is made of a function: it is pickled by the function's name, and is its own copy."""

    _function: Callable[..., Any]

    def _parts(self) -> tuple[Any, ...]:
        """What its class needs to make another one like it."""
        raise NotImplementedError

    def __reduce_ex__(self, protocol: Any) -> Any:
        """The name where it leads to this very object, else the parts."""
        parts = self._parts()
        if find(self._function) is not self:
            return type(self), parts
        if self._function.__module__ != "__main__" or protocol < 4:
            return own_name(self._function)
        # What was defined in a notebook has a name there alone: cloudpickle sends the function.
        return _restored, (self._function, type(self), *parts)

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, memo: Any) -> Any:
        return self


def _restored(function: Callable[..., Any], kind: Callable[..., Any], *parts: Any) -> Any:
    """What the module of a function made of it; where it made nothing, the same of the parts."""
    found = find(function)
    return found if getattr(found, "_function", None) is function else kind(*parts)
