"""Convert the states of optax's own optimizers to those of transformations, and back."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax

from learnerdsl.errors import CheckpointError, UnknownNameError
from learnerdsl.jax.saved import (
    Saved,
    checked_state,
    checked_transformation,
    filled,
    is_absent,
    like,
    name_of_one_rule,
    paths_of,
)
from learnerdsl.jax.state import LearnerState
from learnerdsl.jax.transformation import SAMPLES, Transformation

_FIRST = {"count": 0, "count_m2": 0, "t": 0, "step_count": 1}
"""Name of a field that counts the updates -> its value before the first."""
_FLAGS = ("is_initial_step", "is_init_step")
"""Names of fields that are true before the first update alone."""
_ADAM = {"m": "ScaleByAdamState.mu", "v": "ScaleByAdamState.nu"}
_BELIEF = {"m": "ScaleByBeliefState.mu", "s": "ScaleByBeliefState.nu"}
_TRACE = {"b": "TraceState.trace"}
_INFINITY = {"m": "ScaleByAdamState.mu", "u": "ScaleByAdamState.nu"}
_FREE = {
    "z": "ScheduleFreeState.z",
    "lr_max": "ScheduleFreeState.max_lr",
    "weight_sum": "ScheduleFreeState.weight_sum",
}


def _fields(kind: str, **fields: str) -> dict[str, str]:
    return {state: f"{kind}.{name}" for state, name in fields.items()}


@dataclass(frozen=True)
class Counterpart:
    """What optax has for a rule.

    Attributes:
        name: its function.
        states: state of the rule -> class and field in optax's state. A third part is the index in
            a list with an array for each axis.
        arguments: what to give the function, where its defaults make another rule.
    """

    name: str
    states: Mapping[str, str]
    arguments: str = ""


OPTAX = {
    "acprop": Counterpart("optax.contrib.acprop", _BELIEF),
    "adabelief": Counterpart("optax.adabelief", _BELIEF),
    "adadelta": Counterpart("optax.adadelta", _fields("ScaleByAdaDeltaState", v="e_g", u="e_x")),
    "adafactor_optax": Counterpart(
        "optax.adafactor",
        {**_fields("FactoredState", row="v_row", col="v_col", v="v"), "m": "EmaState.ema"},
    ),
    "adagrad_optax": Counterpart("optax.adagrad", {"s": "ScaleByRssState.sum_of_squares"}),
    "adam": Counterpart("optax.adam", _ADAM),
    "adamax": Counterpart("optax.adamax", _INFINITY),
    "adamaxw": Counterpart("optax.adamaxw", _INFINITY),
    "adamw": Counterpart("optax.adamw", _ADAM),
    "ademamix": Counterpart(
        "optax.contrib.ademamix", _fields("ScaleByAdemamixState", m1="m1", m2="m2", v="nu")
    ),
    "adopt": Counterpart("optax.contrib.adopt", _ADAM),
    "amsgrad_optax": Counterpart(
        "optax.amsgrad", _fields("ScaleByAmsgradState", m="mu", v="nu", v_hat_max="nu_max")
    ),
    "cocob": Counterpart(
        "optax.contrib.cocob",
        _fields(
            "COCOBState",
            scale="scale",
            total="subgradients",
            reward="reward",
            gradients="cumulative_gradients",
            start="init_particles",
        ),
    ),
    "dadapt_adamw": Counterpart(
        "optax.contrib.dadapt_adamw",
        _fields(
            "DAdaptAdamWState",
            m="exp_avg",
            v="exp_avg_sq",
            s="grad_sum",
            d="estim_lr",
            r="numerator_weighted",
        ),
    ),
    "dog": Counterpart(
        "optax.contrib.dog",
        _fields("DoGState", p0="init_params", d="max_dist", s="sum_sq_norm_grads"),
    ),
    "dowg": Counterpart(
        "optax.contrib.dowg",
        _fields(
            "DoWGState", p0="init_params", d_squared="estim_sq_dist", w="weighted_sq_norm_grads"
        ),
    ),
    "fromage": Counterpart("optax.fromage", {}),
    "lamb": Counterpart("optax.lamb", _ADAM),
    "lars": Counterpart("optax.lars", _TRACE),
    "lion": Counterpart("optax.lion", {"m": "ScaleByLionState.mu"}),
    "momentum_sgd": Counterpart("optax.sgd", _TRACE, "momentum=0.9"),
    "momo": Counterpart(
        "optax.contrib.momo", _fields("MomoState", m="exp_avg", f_bar="barf", gamma="gamma")
    ),
    "momo_adam": Counterpart(
        "optax.contrib.momo_adam",
        _fields("MomoAdamState", m="exp_avg", v="exp_avg_sq", f_bar="barf", gamma="gamma"),
    ),
    "muon_optax": Counterpart(
        "optax.contrib.muon",
        {"m": "MuonState.mu ScaleByAdamState.mu", "v": "ScaleByAdamState.nu"},
    ),
    "nadamw": Counterpart("optax.nadamw", _ADAM),
    "nesterov": Counterpart("optax.sgd", _TRACE, "momentum=0.9, nesterov=True"),
    "novograd": Counterpart("optax.novograd", _fields("ScaleByNovogradState", m="mu", v="nu")),
    "optimistic_adam_v2": Counterpart(
        "optax.optimistic_adam_v2",
        {**_ADAM, "u_last": "ScaleByOptimisticGradientState.previous_gradient"},
    ),
    "optimistic_gradient_descent": Counterpart(
        "optax.optimistic_gradient_descent",
        {"last": "ScaleByOptimisticGradientState.previous_gradient"},
    ),
    "polyak_sgd": Counterpart("optax.polyak_sgd", {}),
    "prodigy": Counterpart(
        "optax.contrib.prodigy",
        _fields(
            "ProdigyState",
            m="exp_avg",
            v="exp_avg_sq",
            s="grad_sum",
            p0="params0",
            d="estim_lr",
            r="numerator_weighted",
        ),
    ),
    "radam_optax": Counterpart("optax.radam", _ADAM),
    "rmsprop_optax": Counterpart("optax.rmsprop", {"v": "ScaleByRmsState.nu"}),
    "schedule_free_adamw": Counterpart(
        "optax.contrib.schedule_free_adamw", {**_FREE, "v": "ScaleByRmsWithCountState.nu"}
    ),
    "schedule_free_sgd": Counterpart("optax.contrib.schedule_free_sgd", _FREE),
    "sgd": Counterpart("optax.sgd", {}),
    "sign_sgd": Counterpart("optax.sign_sgd", {}),
    "signum": Counterpart("optax.signum", {"m": "EmaState.ema"}),
    "simplified_ademamix": Counterpart(
        "optax.contrib.simplified_ademamix",
        _fields("ScaleBySimplifiedAdEMAMixState", m="m", v="n"),
    ),
    "sm3": Counterpart(
        "optax.sm3",
        {"m": "ScaleBySM3State.nu", **{f"v{k}": f"ScaleBySM3State.mu.{k}" for k in range(8)}},
    ),
    "yogi": Counterpart("optax.yogi", _ADAM),
}
"""Name of a rule -> its counterpart. optax's adan is another rule; noisy_sgd and
sophia draw other random numbers there."""


def from_optax_state(
    tx: Transformation, optax_state: Any, params: Any, count: Any = None
) -> LearnerState:
    """Return the state with which a transformation goes on where optax's own optimizer is.

    The rule of the transformation must have a counterpart in optax; see the table in docs/jax.md.

    Args:
        tx: a transformation.
        optax_state: the state of the counterpart; or of a chain that holds it.
        params: the parameters, a tree of arrays.
        count: number of updates done; by default what the state says, or 0 if it does not count.

    Raises:
        LearnerError: the rule has no counterpart, or the state is not of it.

    >>> import jax.numpy as jnp
    >>> import optax
    >>> import learnerdsl.jax as ldj
    >>> theirs, params = optax.adam(0.1), {"w": jnp.ones(2)}
    >>> _, optax_state = theirs.update({"w": jnp.ones(2)}, theirs.init(params), params)
    >>> state = ldj.from_optax_state(ldj.adam(lr=0.1), optax_state, params)
    >>> int(state.count), f"{state.states['v']['w'][0]:.6f}"
    (1, '0.001000')
    """
    tx = checked_transformation("from_optax_state", tx)
    rule = name_of_one_rule("from_optax_state", tx)
    table = _table(rule)
    template: Any = tx.init(params)
    found = dict(_named_parts(optax_state))
    if count is None:
        count = next(_counts(optax_state), 0)
    names = [name for name, _ in paths_of(params)]
    states: dict[str, dict[str, Any]] = {name: {} for name in names}
    for state, values in template.states.items():
        arrays = _arrays(found, table, rule, state)
        for name, own in paths_of(values):
            if not is_absent(own):
                states[name][state] = _array_of(arrays, name, state)
    model = {
        state: _arrays(found, table, rule, state)[""]
        for state in template.model
        if state != SAMPLES
    }
    model |= {SAMPLES: count} if SAMPLES in template.model else {}
    return filled(template, params, Saved("The state of optax", count, states, model))


def to_optax_state(tx: Transformation, state: LearnerState, optax_state: Any) -> Any:
    """Return a state with which optax's own optimizer goes on where a transformation is.

    Args:
        tx: the transformation that the state is of.
        state: its state.
        optax_state: what `init` of the counterpart returned; see the table in docs/jax.md.

    Returns:
        A state like `optax_state`.

    Raises:
        LearnerError: the rule has no counterpart, or `optax_state` is not of it.

    >>> import jax.numpy as jnp
    >>> import optax
    >>> import learnerdsl.jax as ldj
    >>> tx, params = ldj.lion(lr=0.1), {"w": jnp.ones(2)}
    >>> _, state = tx.update({"w": jnp.ones(2)}, tx.init(params), params)
    >>> theirs = ldj.to_optax_state(tx, state, optax.lion(0.1).init(params))
    >>> int(theirs[0].count), f"{theirs[0].mu['w'][0]:.6f}"
    (1, '0.010000')
    """
    tx = checked_transformation("to_optax_state", tx)
    rule = name_of_one_rule("to_optax_state", tx)
    state = checked_state("to_optax_state", state)
    table = _table(rule)
    found = dict(_named_parts(optax_state))
    ours: dict[str, dict[str, Any]] = {}
    for own, values in {**state.states, **state.model}.items():
        if own == SAMPLES:
            continue
        places = _places(table, rule, own)
        if not any(place in found for place, _ in places):
            raise _lacking(table, rule, own)
        for place, suffix in places:
            pairs = [(f"{name}{suffix}".lstrip("."), leaf) for name, leaf in paths_of(values)]
            ours.setdefault(place, {}).update({n: v for n, v in pairs if not is_absent(v)})
    return _rebuilt(optax_state, ours, state.count)


def _table(rule: str) -> Counterpart:
    if rule not in OPTAX:
        msg = f"optax has no counterpart of {rule}; there is one of: {', '.join(OPTAX)}."
        raise UnknownNameError(msg)
    return OPTAX[rule]


def _places(table: Counterpart, rule: str, state: str) -> list[tuple[str, str]]:
    """Return the fields of optax that hold a state, and what the names of arrays end with."""
    if state not in table.states:
        msg = f"{table.name} has nothing for the state {state!r} of {rule}."
        raise CheckpointError(msg)
    found: list[tuple[str, str]] = []
    for place in table.states[state].split():
        kind, field, *index = place.split(".")
        found.append((f"{kind}.{field}", "".join(f".{k}" for k in index)))
    return found


def _lacking(table: Counterpart, rule: str, state: str) -> CheckpointError:
    called = f"{table.name}({table.arguments or '...'})"
    return CheckpointError(
        f"The state of optax lacks {table.states[state]}, which {called} has for {state!r} of "
        f"{rule}."
    )


def _arrays(found: Mapping[str, Any], table: Counterpart, rule: str, state: str) -> dict[str, Any]:
    """Return name of a parameter -> what optax has for a state of it; "" -> one number for all."""
    arrays: dict[str, Any] = {}
    places = _places(table, rule, state)
    if not any(place in found for place, _ in places):
        raise _lacking(table, rule, state)
    for place, suffix in places:
        for name, leaf in paths_of(found.get(place, {})):
            path = f".{name}"
            if not is_absent(leaf) and path.endswith(suffix):
                arrays[path[1 : len(path) - len(suffix)]] = leaf
    return arrays


def _array_of(arrays: Mapping[str, Any], name: str, state: str) -> Any:
    """Return what optax has for a state of a parameter, which may be one number for all."""
    if name not in arrays and "" not in arrays:
        msg = f"The state of optax has no {state!r} for {name!r}; it has {', '.join(arrays)}."
        raise CheckpointError(msg)
    return arrays.get(name, arrays.get(""))


def _is_record(node: Any) -> bool:
    return isinstance(node, tuple) and hasattr(node, "_fields")


def _children(node: Any) -> Sequence[Any]:
    """Return the parts of a state that may be states themselves."""
    if isinstance(node, Mapping):
        return list(node.values())
    return list(node) if isinstance(node, (tuple, list)) else []


def _named_parts(node: Any) -> Iterator[tuple[str, Any]]:
    """Yield (class and field, value) of all records in a state."""
    if _is_record(node):
        for field, value in zip(node._fields, node, strict=True):
            yield f"{type(node).__name__}.{field}", value
    for child in _children(node):
        yield from _named_parts(child)


def _counts(node: Any) -> Iterator[Any]:
    """Yield the numbers of updates done that a state says."""
    for place, value in _named_parts(node):
        field = place.partition(".")[2]
        if field in _FIRST:
            yield value - _FIRST[field]


def _rebuilt(node: Any, ours: Mapping[str, Mapping[str, Any]], count: Any) -> Any:
    """Return a state of optax with our values."""
    kind: Any = type(node)
    if _is_record(node):
        own = [
            _field(kind.__name__, field, value, ours, count)
            for field, value in zip(node._fields, node, strict=True)
        ]
        return kind(*own)
    if isinstance(node, Mapping):
        return kind({key: _rebuilt(value, ours, count) for key, value in node.items()})
    if isinstance(node, (tuple, list)):
        return kind(_rebuilt(value, ours, count) for value in node)
    return node


def _field(
    kind: str, field: str, value: Any, ours: Mapping[str, Mapping[str, Any]], count: Any
) -> Any:
    """Return a field of a record with our values."""
    place = f"{kind}.{field}"
    if place in ours:
        return _tree_of(value, ours[place], place)
    if field in _FIRST:
        return like(count + _FIRST[field], value, place)
    if field in _FLAGS:
        return like(count == 0, value, place)
    return _rebuilt(value, ours, count)


def _tree_of(template: Any, arrays: Mapping[str, Any], place: str) -> Any:
    """Return a tree like one of optax with our arrays; where we have none it stays as it is."""
    new: list[Any] = []
    for name, leaf in paths_of(template):
        value = arrays.get(name) if name else next(iter(arrays.values()))
        new.append(leaf if value is None or is_absent(leaf) else like(value, leaf, place))
    return jax.tree.unflatten(jax.tree.structure(template, is_leaf=is_absent), new)
