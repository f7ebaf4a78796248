"""Convert the states of learners to those of transformations, and back."""

from collections.abc import Mapping
from typing import Any

from learnerdsl.errors import CheckpointError
from learnerdsl.jax.saved import (
    Saved,
    by_parameter,
    checked_state,
    checked_transformation,
    filled,
    fitted,
)
from learnerdsl.jax.state import LearnerState
from learnerdsl.jax.transformation import SAMPLES, Transformation
from learnerdsl.learner import Learner
from learnerdsl.numbers import quoted
from learnerdsl.storage import PARAMETER_REST, SCALE


def from_learner(learner: Any, tx: Transformation, params: Any) -> LearnerState:
    """Return the state with which a transformation goes on where a learner is.

    Parameters are matched by name: those of a tree are paths such as "layers.0.weight", as in
    a learner of nested containers. A learner of a list has them in the order of
    `jax.tree.leaves(params)`. Hyperparameters, and the seed of random numbers, are those of the
    transformation; the numbers drawn also depend on the order of parameters, which JAX sorts.
    8-bit states become their values, and the weights of `master=` are
    `learner.master_parameters()`.

    Args:
        learner: a learner, or what its `state_dict()` returned.
        tx: a transformation by the same rule.
        params: the parameters, a tree of arrays.

    Raises:
        LearnerError: the learner is of another rule or model, or updates have left out some of its
            parameters.

    >>> import jax.numpy as jnp
    >>> import numpy as np
    >>> import learnerdsl.jax as ldj
    >>> from learnerdsl.learners import adam
    >>> learner = adam({"w": np.ones(2, np.float32)}, lr=0.1)
    >>> learner.update({"w": np.ones(2, np.float32)})
    True
    >>> state = ldj.from_learner(learner, ldj.adam(lr=0.1), {"w": jnp.ones(2)})
    >>> int(state.count), f"{state.states['m']['w'][0]:.6f}"
    (1, '0.100000')
    """
    tx = checked_transformation("from_learner", tx)
    given = _state_dict_of(learner)
    own = tx.rule_name(params)
    if given["rule"] != own:
        msg = (
            f"The learner updates by {given['rule']}, the transformation by {own}; make the "
            "transformation of the same rule."
        )
        raise CheckpointError(msg)
    if any(given.get("missed", ())):
        msg = (
            "Updates of the learner have left out some parameters, so these have step counts of "
            "their own; a transformation has one count for all."
        )
        raise CheckpointError(msg)
    states = {
        str(name): {state: value for state, value in own.items() if state != PARAMETER_REST}
        for name, own in given["state"].items()
    }
    model = {**given["model_state"], SAMPLES: given["samples"]}
    saved = Saved("The learner", given["step_count"], states, model)
    template: Any = tx.init(params)
    return filled(template, params, saved)


def _state_dict_of(learner: Any) -> Mapping[str, Any]:
    """Return the state dict of a learner whose states are their values."""
    if isinstance(learner, Learner):
        given = learner.state_dict()
        return learner.state_dict(dtype="float32") if _is_coded(given) else given
    keys = ("rule", "step_count", "samples", "state", "model_state")
    if not isinstance(learner, Mapping) or not all(key in learner for key in keys):
        msg = f"from_learner takes a learner or its state_dict(), got {quoted(learner)}."
        raise CheckpointError(msg)
    if _is_coded(learner):
        msg = 'The state dict has 8-bit states; make it by state_dict(dtype="float32").'
        raise CheckpointError(msg)
    return learner


def _is_coded(given: Mapping[str, Any]) -> bool:
    return any(name.endswith(SCALE) for own in given["state"].values() for name in own)


def to_learner(state: LearnerState, learner: Learner) -> None:
    """Let a learner go on where a transformation is: set its states and its step count.

    Parameters are matched as by `from_learner`. The learner's parameters, hyperparameters and
    seed stay as they are, so copy the values of the parameters into its arrays.

    Args:
        state: the state of a transformation by the same rule.
        learner: the learner.

    Raises:
        LearnerError: the state is of another rule or model. The learner was not changed.

    >>> import jax.numpy as jnp
    >>> import numpy as np
    >>> import learnerdsl.jax as ldj
    >>> from learnerdsl.learners import adam
    >>> tx, params = ldj.adam(lr=0.1), {"w": jnp.ones(2)}
    >>> _, state = tx.update({"w": jnp.ones(2)}, tx.init(params), params)
    >>> learner = adam({"w": np.ones(2, np.float32)}, lr=0.1)
    >>> ldj.to_learner(state, learner)
    >>> learner.step_count, f"{learner.state['w']['v'][0]:.6f}"
    (1, '0.001000')
    """
    state = checked_state("to_learner", state)
    own = learner.state_dict()
    own.pop("missed", None)
    count = int(state.count)
    model = {name: float(value) for name, value in state.model.items()}
    samples = model.pop(SAMPLES, float(count))
    given = by_parameter(state, [row[0] for row in own["parameters"]])
    found = {
        name: {s: fitted(value, theirs.get(s), name, s) for s, value in given[str(name)].items()}
        for name, theirs in own["state"].items()
    }
    own |= {"step_count": count, "samples": samples, "state": found, "model_state": model}
    learner.load_state_dict(own)
