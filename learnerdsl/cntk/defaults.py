"""Options that a `with default_options(...)` block gives to layers and variables made inside."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from learnerdsl.errors import HyperparameterError

OPTIONS = ("activation", "bias", "dtype", "init", "init_bias", "map_rank")
_stack: list[dict[str, Any]] = []


@contextmanager
def default_options(**options: Any) -> Iterator[None]:
    """Give layers and variables made inside the block other defaults than their own.

    Args:
        **options: any of `activation`, `bias`, `dtype`, `init`, `init_bias`, `map_rank`.

    Example:
        >>> import learnerdsl.cntk as C
        >>> with C.default_options(activation=C.relu, bias=False):
        ...     model = C.layers.Sequential([C.layers.Dense(8), C.layers.Dense(4)])
        >>> [p.shape for p in model(C.input_variable(3)).parameters]
        [(8, 4), (3, 8)]
    """
    unknown = sorted(set(options) - set(OPTIONS))
    if unknown:
        msg = f"default_options does not know {', '.join(unknown)}; it takes {', '.join(OPTIONS)}."
        raise HyperparameterError(msg)
    _stack.append(options)
    try:
        yield
    finally:
        _stack.remove(options)


class _NotGiven:
    """The value of an argument that was left out."""

    def __repr__(self) -> str:
        return "default"


NOT_GIVEN: Any = _NotGiven()


def given_or_default(name: str, given: Any, fallback: Any) -> Any:
    """`given` if it was given, else the innermost block's option `name`, else `fallback`."""
    if given is not NOT_GIVEN:
        return given
    for options in reversed(_stack):
        if name in options:
            return options[name]
    return fallback
