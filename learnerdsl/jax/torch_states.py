"""Convert the states of optimizers of PyTorch to those of transformations, and back."""

import importlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from learnerdsl.errors import CheckpointError
from learnerdsl.jax.saved import (
    Saved,
    by_parameter,
    checked_state,
    checked_transformation,
    filled,
    fitted,
    name_of_one_rule,
)
from learnerdsl.jax.state import LearnerState
from learnerdsl.jax.transformation import SAMPLES, Transformation
from learnerdsl.numbers import quoted

_CLASSES = {
    "sgd": "SGD",
    "momentum_sgd": "SGD",
    "nesterov": "SGD",
    "amsgrad": "Adam",
    "nadam": "NAdam",
    "rmsprop_centered": "RMSprop",
    "rmsprop_momentum": "RMSprop",
}
"""Name of a rule -> the class of torch.optim that it is with some of its arguments."""
_TRANSPOSED = " The weights of torch.nn.Linear are the transpose of a kernel of Flax."
_BY_ORDER = (
    " The optimizer was given no names, so its parameters are matched in the order of "
    "jax.tree.leaves(params), where the keys of dicts are sorted; make it of "
    "model.named_parameters()."
)


def from_torch(optimizer: Any, tx: Transformation, params: Any) -> LearnerState:
    """Return the state with which a transformation goes on where an optimizer of PyTorch is.

    Parameters are matched by name if the optimizer was given names, else by the order of
    `jax.tree.leaves(params)`. Hyperparameters are those of the transformation.

    Args:
        optimizer: an optimizer of `learnerdsl.torch` or `torch.optim`, or its `state_dict()`; for
            one of another library what `learnerdsl.torch.from_library` returned.
        tx: a transformation by the same rule.
        params: the parameters, a tree of arrays of the same shapes.

    Raises:
        LearnerError: the optimizer is of another rule or model, or its parameters have seen
            different numbers of updates.

    >>> import jax.numpy as jnp
    >>> import torch
    >>> import learnerdsl.jax as ldj
    >>> p = torch.nn.Parameter(torch.ones(2))
    >>> optimizer = torch.optim.AdamW([("w", p)], lr=0.1)
    >>> p.sum().backward()
    >>> optimizer.step()
    >>> state = ldj.from_torch(optimizer, ldj.adamw(lr=0.1), {"w": jnp.ones(2)})
    >>> int(state.count), f"{state.states['v']['w'][0]:.6f}"
    (1, '0.001000')
    """
    tx = checked_transformation("from_torch", tx)
    rule = name_of_one_rule("from_torch", tx)
    given = optimizer if isinstance(optimizer, Mapping) else optimizer.state_dict()
    if not {"state", "param_groups"} <= set(given):
        msg = f"from_torch takes an optimizer or its state_dict(), got {quoted(optimizer)}."
        raise CheckpointError(msg)
    names = _names_of(given["param_groups"])
    ours = {theirs: state for state, theirs in _torch_names(rule).items()}
    counts: set[int] = set()
    states: dict[str, dict[str, Any]] = {}
    for number, name in names.items():
        own = given["state"].get(number, {})
        counts |= {int(own["step"])} if "step" in own else set()
        states[name] = {
            ours.get(state) or state: _as_numpy(value)
            for state, value in own.items()
            if state != "step" and value is not None
        }
    model, progress = _model_of(given["param_groups"])
    counts |= progress
    if len(counts) > 1:
        msg = (
            f"The parameters of the optimizer have seen {sorted(counts)} updates; a transformation "
            "has one count for all."
        )
        raise CheckpointError(msg)
    count = next(iter(counts), 0)
    hint = _TRANSPOSED if any("param_names" in g for g in given["param_groups"]) else _BY_ORDER
    template: Any = tx.init(params)
    if not count and not any(states.values()):
        return template
    model.setdefault(SAMPLES, count)
    return filled(template, params, Saved("The optimizer", count, states, model, hint))


def to_torch(state: LearnerState, optimizer: Any) -> None:
    """Let an optimizer of `learnerdsl.torch` go on where a transformation is.

    Parameters are matched as by `from_torch`. Parameters and hyperparameters of the optimizer
    stay as they are.

    Args:
        state: the state of a transformation by the same rule.
        optimizer: the optimizer.

    Raises:
        LearnerError: the state is of another rule or model. The optimizer was not changed.

    >>> import jax.numpy as jnp
    >>> import torch
    >>> import learnerdsl.jax as ldj
    >>> import learnerdsl.torch as ldt
    >>> tx, params = ldj.lion(lr=0.1), {"w": jnp.ones(2)}
    >>> _, state = tx.update({"w": jnp.ones(2)}, tx.init(params), params)
    >>> p = torch.nn.Parameter(torch.ones(2))
    >>> optimizer = ldt.Lion([("w", p)], lr=0.1)
    >>> ldj.to_torch(state, optimizer)
    >>> optimizer.state[p]["m"]
    tensor([0.0100, 0.0100])
    """
    state = checked_state("to_torch", state)
    torch = importlib.import_module("torch")
    theirs: Any = getattr(optimizer, "interface", None)
    if theirs is None:
        msg = f"to_torch takes an optimizer of learnerdsl.torch, got {quoted(optimizer)}."
        raise CheckpointError(msg)
    bool(optimizer.state)  # which makes the states
    own = optimizer.state_dict()
    names = _names_of(own["param_groups"])
    given = by_parameter(state, list(names.values()))
    model = {f"model.{n}": float(v) for n, v in state.model.items() if n != SAMPLES}
    count = int(state.count)
    progress = {"step_count": count, "samples": float(state.model.get(SAMPLES, count)), **model}
    for number, name in names.items():
        present = own["state"].get(number, {})
        new: dict[str, Any] = {"step": torch.tensor(float(count))}
        for rule_name, value in given[name].items():
            key = theirs.states.get(rule_name, rule_name)
            array = fitted(value, _as_numpy(present.get(key)), name, rule_name)
            tensor = torch.from_numpy(np.array(array, np.result_type(array, np.float32)))
            new[key] = tensor.to(present[key].dtype) if key in present else tensor
        own["state"][number] = new
    groups = [{**group, **progress} for group in own["param_groups"]]
    optimizer.load_state_dict({"state": own["state"], "param_groups": groups})


def _torch_names(rule: str) -> Mapping[str, str]:
    """Return name of a state of a rule -> its name in the optimizers of PyTorch."""
    known = importlib.import_module("learnerdsl.torch.known").KNOWN
    own = next((one for one in known.values() if one.described.name == rule), None)
    own = known[_CLASSES[rule]] if rule in _CLASSES else own
    return {} if own is None else own.states


def _names_of(groups: Any) -> dict[Any, Any]:
    """Return number of a parameter in a state dict -> its name, or its position."""
    numbers = [number for group in groups for number in group["params"]]
    named = [name for group in groups for name in group.get("param_names") or ()]
    if len(named) != len(numbers):
        named = [str(k) for k in range(len(numbers))]
    return dict(zip(numbers, named, strict=True))


def _model_of(groups: Any) -> tuple[dict[str, Any], set[int]]:
    """Return the states of the whole model in groups, and the number of updates."""
    found: dict[str, Any] = {}
    counts: set[int] = set()
    for group in groups:
        found |= {n[len("model.") :]: v for n, v in group.items() if n.startswith("model.")}
        found |= {SAMPLES: group[SAMPLES]} if SAMPLES in group else {}
        counts |= {int(group["step_count"])} if "step_count" in group else set()
    return found, counts


def _as_numpy(value: Any) -> Any:
    """Return a tensor as an array; narrow ones as float32."""
    if not hasattr(value, "detach"):
        return value
    tensor = value.detach().cpu()
    is_narrow = tensor.is_floating_point() and tensor.element_size() < 4
    return (tensor.float() if is_narrow else tensor).numpy()
