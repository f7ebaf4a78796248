"""Compute the start values of states, also for parameters that are parts of larger tensors."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import sympy

from learnerdsl.errors import CheckpointError, LearnerError
from learnerdsl.interpret import initial_states
from learnerdsl.runtime.shards import Shard, assembled, gather_parts, shape_of_box
from learnerdsl.tracing import Rule, depends_on_place

Values = dict[str, Any]


def start_values(
    rules: Sequence[Rule],
    parameters: Sequence[np.ndarray],
    shards: Sequence[Shard | None],
    hyperparameters: Sequence[Mapping[str, float]],
) -> Values:
    """Return the start values of all states.

    Those with a value for each element have the shapes of the parameters; the others are those of
    whole tensors.

    Args:
        rules: the rule of each parameter.
        parameters: their values, which count only if start values depend on them.
        shards: what part of a tensor each parameter is; None if it is whole.
        hyperparameters: those of each parameter, by name.
    """
    if not any(shards):
        return initial_states(rules, parameters, hyperparameters)
    pairs = list(zip(parameters, shards, strict=True))
    inits = [sympy.sympify(s.init) for rule in dict.fromkeys(rules) for s in rule.states]
    if any(depends_on_place(init) and init.has(rules[0].parameter) for init in inits):
        whole = [p if shard is None else whole_array(p, shard) for p, shard in pairs]
    else:
        whole = [p if shard is None else _any_values(p, shard) for p, shard in pairs]
    values = initial_states(rules, whole, hyperparameters)
    is_alike = not any(map(depends_on_place, inits))
    own = initial_states(rules, parameters, hyperparameters) if is_alike else values
    for k, (rule, shard) in enumerate(zip(rules, shards, strict=True)):
        for symbol in (spec.symbol for spec in rule.states):
            if shard is not None and symbol.shape == "element":
                name = symbol.name
                values[name][k] = own[name][k] if is_alike else values[name][k][shard.own]
    return values


def refuse_whole_values(rules: Sequence[Rule], shards: Sequence[Shard | None]) -> None:
    """Raise if weights for evaluation need whole tensors, of which there are only parts."""
    for rule, shard in zip(rules, shards, strict=True):
        shown = rule.evaluation
        if shard is not None and shown is not None and _needs_whole(shown):
            msg = (
                f"The weights that {rule.name} evaluates with depend on whole tensors, and "
                "processes hold parts of them; evaluate with the parameters."
            )
            raise LearnerError(msg)


def refuse_parts(shards: Sequence[Shard | None]) -> None:
    """Raise if parameters are parts of tensors, for what a learner saves and loads."""
    if any(shards):
        msg = (
            "Processes hold parts of the parameters of this learner, which its state dicts would "
            "not say; use rule.torch(...), whose states are DTensors."
        )
        raise CheckpointError(msg)


def _needs_whole(expression: Any) -> bool:
    states = [s for s in expression.free_symbols if getattr(s, "shape", "") not in ("", "element")]
    is_wide = any(not isinstance(s.shape, str) for s in states)
    return is_wide or depends_on_place(expression)


def _any_values(parameter: np.ndarray, shard: Shard) -> np.ndarray:
    """Return an array with the shape of the whole tensor and any values, without its memory."""
    return np.broadcast_to(np.zeros((), parameter.dtype), shard.shape)


def whole_array(part: np.ndarray, shard: Shard) -> np.ndarray:
    """Return the array that the parts of all processes make; every one of them calls this."""
    shapes = [[shape_of_box(box)] for box in shard.boxes]
    return assembled(shard, [own for (own,) in gather_parts(shard.team, [part], shapes)])
