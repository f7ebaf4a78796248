"""Every rule as a gradient transformation of optax: a factory for each builtin and for your own."""

from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

from learnerdsl import learners as _learners
from learnerdsl.jax.conversion import from_learner as from_learner
from learnerdsl.jax.conversion import to_learner as to_learner
from learnerdsl.jax.factories import factory as factory
from learnerdsl.jax.optax_states import from_optax_state as from_optax_state
from learnerdsl.jax.optax_states import to_optax_state as to_optax_state
from learnerdsl.jax.state import LearnerState as LearnerState
from learnerdsl.jax.torch_states import from_torch as from_torch
from learnerdsl.jax.torch_states import to_torch as to_torch
from learnerdsl.jax.transformation import Transformation as Transformation
from learnerdsl.jax.transformation import transformation as transformation
from learnerdsl.jax.values import from_optax as from_optax
from learnerdsl.jax.values import from_step as from_step
from learnerdsl.jax.values import to_optax as to_optax

_OWN = (
    *("LearnerState", "Transformation", "factory", "from_learner", "from_optax"),
    *("from_optax_state", "from_step", "from_torch", "to_learner", "to_optax"),
    *("to_optax_state", "to_torch", "transformation"),
)

if not _TYPE_CHECKING:

    def __getattr__(name: str) -> _Any:
        """Return the factory of a builtin learner."""
        if name not in _learners.__all__:
            msg = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(msg)
        made = globals()[name] = factory(getattr(_learners, name))
        return made


if _TYPE_CHECKING:

    def __getattr__(name: str) -> _Any: ...


def __dir__() -> list[str]:
    """List the factories and the functions."""
    return sorted([*_OWN, *_learners.__all__])
