"""Check options of builtin rules and transforms, which are compiled in."""

from learnerdsl.errors import HyperparameterError


def whole_from(least: int, name: str, value: int) -> int:
    """Return a whole number, or raise if it is less than `least`.

    Args:
        least: the smallest value allowed.
        name: name of the option, for the message.
        value: value of the option.

    Raises:
        HyperparameterError: the value is too small.
    """
    if value < least:
        msg = f"{name} must be a whole number, {least} or more, got {name}={value}."
        raise HyperparameterError(msg)
    return value
