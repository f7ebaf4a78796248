"""Checks of the options of builtin rules and transforms, which are compiled in."""

from learnerdsl.errors import HyperparameterError


def whole_from(least: int, name: str, value: int) -> int:
    """A whole number that is at least so large."""
    if value < least:
        msg = f"{name} is a whole number, {least} or more; got {name}={value}."
        raise HyperparameterError(msg)
    return value
