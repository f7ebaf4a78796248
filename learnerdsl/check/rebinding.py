"""Copy a rule's function so that its names mean arrays instead of symbols.

The function, the functions of the user's modules that it calls, and what their closures and
defaults hold, are copied with every name of learnerdsl and SymPy replaced. The originals stay.
"""

import builtins
import functools
import sys
from collections.abc import Callable
from pathlib import Path
from types import CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import sympy

from learnerdsl.check.language import refused
from learnerdsl.check.names import KEPT, TABLE
from learnerdsl.define import UpdateRule

_FOREIGN = {*sys.stdlib_module_names, "numpy", "scipy", "torch", "jax", "numba", "optax"}
_CONTAINERS = (list, tuple, dict)
_PACKAGE = Path(__file__).parent.parent
_WRITTEN_IN_THE_LANGUAGE = ("learners", "transforms", "cntk", "orthogonal.py")


def rebound(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a copy of `function` that computes on values.

    Args:
        function: the function of a rule or transform.
    """
    return _Rebinding()(function)


class _Rebinding:
    """Makes one copy of each function, also if they call each other."""

    def __init__(self) -> None:
        self.known: dict[int, Any] = {}
        self.alive: list[Any] = []

    def __call__(self, thing: Any) -> Any:
        """Return the counterpart of an object that a name in the function refers to."""
        if id(thing) in TABLE:
            return TABLE[id(thing)]
        if id(thing) in KEPT or isinstance(thing, sympy.Basic):
            return thing
        if id(thing) not in self.known:
            self.alive.append(thing)
            self.known[id(thing)] = self.replaced(thing)
        return self.known[id(thing)]

    def replaced(self, thing: Any) -> Any:
        """Return the counterpart of an object that is not in the table."""
        if isinstance(thing, ModuleType):
            return _Names(thing, self) if _is_ours(thing.__name__) else thing
        if isinstance(thing, FunctionType):
            return self.function(thing)
        if isinstance(thing, MethodType):
            return MethodType(self(thing.__func__), thing.__self__)
        if isinstance(thing, functools.partial):
            given = {name: self(value) for name, value in thing.keywords.items()}
            return functools.partial(self(thing.func), *map(self, thing.args), **given)
        if isinstance(thing, UpdateRule):
            return _Names(thing, self)
        if type(thing) in _CONTAINERS:
            return self.container(thing)
        if isinstance(thing, functools._lru_cache_wrapper):
            return self(thing.__wrapped__)
        if _is_ours(getattr(thing, "__module__", None) or "") and callable(thing):
            is_symbolic = getattr(thing, "__module__", "").partition(".")[0] == "sympy"
            return refused(f"sympy.{thing.__name__}") if is_symbolic else thing
        return thing

    def container(self, thing: Any) -> Any:
        """Return a list, tuple or dict with its members replaced."""
        if isinstance(thing, dict):
            return {key: self(value) for key, value in thing.items()}
        return type(thing)(map(self, thing))

    def function(self, function: FunctionType) -> Any:
        """Return a copy of a function of the user or of a builtin rule."""
        root = (function.__module__ or "").partition(".")[0]
        if root in _FOREIGN or _is_machinery(function):
            return function
        if root == "sympy":
            return refused(f"sympy.{function.__name__}")
        names: dict[str, Any] = {}
        closure = (
            None
            if function.__closure__ is None
            else tuple(CellType() for _ in function.__closure__)
        )
        copy = FunctionType(
            function.__code__, names, function.__name__, function.__defaults__, closure
        )
        self.known[id(function)] = copy  # before its names are replaced: it may call itself
        originals = function.__globals__
        names |= {
            name: self(originals[name])
            for name in _names_of(function.__code__)
            if name in originals
        }
        names["__builtins__"] = {**vars(builtins), "__import__": self.imported}
        names["__name__"] = originals.get("__name__")
        copy.__defaults__ = function.__defaults__ and tuple(map(self, function.__defaults__))
        copy.__kwdefaults__ = self.container(function.__kwdefaults__ or {})
        for own, cell in zip(closure or (), function.__closure__ or (), strict=True):
            own.cell_contents = self(cell.cell_contents)
        return copy

    def imported(self, *arguments: Any, **more: Any) -> Any:
        """Return the counterpart of a module that is imported inside a function."""
        return self(builtins.__import__(*arguments, **more))


class _Names:
    """A module, or a rule, whose attributes are replaced when they are used."""

    def __init__(self, thing: Any, rebinding: _Rebinding) -> None:
        self._thing, self._rebinding = thing, rebinding

    def __getattr__(self, name: str) -> Any:
        return self._rebinding(getattr(self._thing, name))

    def __call__(self, *arguments: Any, **more: Any) -> Any:
        return self._thing(*arguments, **more)


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] in ("learnerdsl", "sympy")


def _is_machinery(function: FunctionType) -> bool:
    """Return whether a function belongs to learnerdsl itself and not to one of its rules."""
    path = Path(function.__code__.co_filename)
    if _PACKAGE not in path.parents:
        return False
    return path.relative_to(_PACKAGE).parts[0] not in _WRITTEN_IN_THE_LANGUAGE


def _names_of(code: CodeType) -> set[str]:
    """Return the names that a function and its inner functions use."""
    inner = [one for one in code.co_consts if isinstance(one, CodeType)]
    return set(code.co_names).union(*map(_names_of, inner))
