"""Default options for the layers and variables made in a `with default_options(...)` block."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from learnerdsl.cntk.checks import flag, function, whole_or_none
from learnerdsl.cntk.graph.nodes import scalar_type
from learnerdsl.errors import HyperparameterError

OPTIONS = ("activation", "bias", "dtype", "init", "init_bias", "map_rank")
_stack: list[dict[str, Any]] = []


def default_options(**options: Any) -> AbstractContextManager[None]:
    """Change the defaults of the layers and variables that are made inside the block.

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
    if options.get("activation") is not None:
        function("activation", options["activation"], "a node")
    if "bias" in options:
        flag("bias", options["bias"])
    if options.get("dtype") is not None:
        scalar_type(options["dtype"])
    whole_or_none("map_rank", options.get("map_rank"))
    return _block(options)


@contextmanager
def _block(options: dict[str, Any]) -> Iterator[None]:
    _stack.append(options)
    try:
        yield
    finally:
        _stack[:] = [block for block in _stack if block is not options]


class _NotGiven:
    """The value of an argument that was left out."""

    def __repr__(self) -> str:
        return "default"


NOT_GIVEN: Any = _NotGiven()


def given_or_default(name: str, given: Any, fallback: Any) -> Any:
    """Return `given` unless it was left out, else the innermost option `name`, else `fallback`."""
    if given is not NOT_GIVEN:
        return given
    for options in reversed(_stack):
        if name in options:
            return options[name]
    return fallback
