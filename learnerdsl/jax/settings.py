"""Hold what generated code needs to know while JAX traces it."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace

from learnerdsl.jax.division import Division


@dataclass(frozen=True)
class Settings:
    """How sums are computed, and over which devices.

    Attributes:
        sums: "float32" to add elements in the dtype of the arithmetic, or "float64".
        axes: names of the axes of `jax.shard_map` over which parameters are split.
        division: how the tensor that is computed is divided over them; None where that is not told,
            or where the tensor is whole.
    """

    sums: str = "float32"
    axes: tuple[str, ...] = ()
    division: Division | None = None


_DEFAULT = Settings()
_current: ContextVar[Settings] = ContextVar("settings", default=_DEFAULT)


def current() -> Settings:
    """Return the settings of the update that is traced now."""
    return _current.get()


@contextmanager
def dividing(division: Division | None) -> Iterator[None]:
    """Say how the tensor is divided that is computed inside."""
    with using(replace(current(), division=division)):
        yield


@contextmanager
def using(settings: Settings) -> Iterator[None]:
    """Use settings for what is traced inside."""
    token = _current.set(settings)
    try:
        yield
    finally:
        _current.reset(token)
