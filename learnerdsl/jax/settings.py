"""Hold what generated code needs to know while JAX traces it."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """How sums are computed, and over which devices.

    Attributes:
        sums: "float32" to add elements in the dtype of the arithmetic, or "float64".
        axes: names of the axes of `jax.shard_map` over which parameters are split.
    """

    sums: str = "float32"
    axes: tuple[str, ...] = ()


_DEFAULT = Settings()
_current: ContextVar[Settings] = ContextVar("settings", default=_DEFAULT)


def current() -> Settings:
    """Return the settings of the update that is traced now."""
    return _current.get()


@contextmanager
def using(settings: Settings) -> Iterator[None]:
    """Use settings for what is traced inside."""
    token = _current.set(settings)
    try:
        yield
    finally:
        _current.reset(token)
