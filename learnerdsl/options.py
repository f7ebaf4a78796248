"""Checks of the options of builtin rules and transforms, which are compiled into the kernel."""

from learnerdsl.errors import HyperparameterError


def whole_from(least: int, name: str, value: int) -> int:
    """Return an option's value, a whole number that must not be too small.

    Args:
        least: smallest value that is allowed.
        name: of the option, for the message.
        value: what the user gives.

    Raises:
        HyperparameterError: the value is below `least`.
    """
    if value < least:
        msg = f"{name} must be a whole number, {least} or more, got {name}={value}."
        raise HyperparameterError(msg)
    return value
