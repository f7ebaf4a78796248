"""Every rule as a `torch.optim.Optimizer`: a class for each builtin, and classes for your own."""

from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

from learnerdsl import learners as _learners
from learnerdsl.torch.classes import known_class as _known_class
from learnerdsl.torch.classes import optimizer_class as optimizer_class
from learnerdsl.torch.foreign import from_library as from_library
from learnerdsl.torch.interface import class_name as _class_name
from learnerdsl.torch.known import KNOWN as _KNOWN
from learnerdsl.torch.optimizer import Optimizer as Optimizer


def _make_all() -> dict[str, type[Optimizer]]:
    """Return the class of every builtin learner by its name."""
    found: dict[str, type[Optimizer]] = {}
    for name in _learners.__all__:
        own = _class_name(name)
        if own in _KNOWN:
            found[own] = _known_class(_KNOWN[own])
        else:
            found[own] = optimizer_class(getattr(_learners, name))
    return found


_CLASSES = _make_all()
globals().update(_CLASSES)

if _TYPE_CHECKING:
    # The classes of the builtin learners, which a type checker does not see.
    def __getattr__(name: str) -> _Any: ...


def __dir__() -> list[str]:
    """List the classes and the functions."""
    return sorted([*_CLASSES, "Optimizer", "from_library", "optimizer_class"])
