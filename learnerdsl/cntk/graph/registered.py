"""`Registered`: a function that a module declares and calls, and a higher module writes.

Operators of nodes make functions, which are nodes themselves: `functions.py` registers `apply`.
`Function.train` and `Function.test` need a trainer, which needs functions: `training.py` registers
them. In this way imports go in one direction only.
"""

from collections.abc import Callable
from typing import Any, TypeVar

Registration = TypeVar("Registration", bound=Callable[..., Any])


class Registered:
    """A function, or a method of the class that has it as an attribute, to be registered later.

    Example:
        >>> method_double = Registered()
        >>> class Number(int):
        ...     double = method_double
        >>> @method_double.register
        ... def double(self):
        ...     return 2 * self
        >>> Number(3).double()
        6
    """

    def __init__(self) -> None:
        self._function: Callable[..., Any]

    def register(self, function: Registration) -> Registration:
        """Use `function` from now on, and return it."""
        self._function = function
        return function

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Call the registered function."""
        return self._function(*arguments, **named)

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        bind: Any = self._function
        return bind.__get__(instance, owner)
