"""Match a state dict of an optimizer, of torch or of this package, with present parameters."""

import copy
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from learnerdsl.errors import CheckpointError
from learnerdsl.torch.interface import RULE, Interface, is_schedule


def loaded(
    interface: Interface, groups: Sequence[dict[str, Any]], given: Mapping[str, Any]
) -> tuple[defaultdict[Any, Any], list[dict[str, Any]]]:
    """Return new states and groups for present parameters.

    Args:
        interface: that of the optimizer.
        groups: its groups.
        given: a state dict.

    Raises:
        CheckpointError: the state dict is damaged, or of another model.
    """
    saved = _saved_groups(given)
    if [len(own["params"]) for own in groups] != [len(g["params"]) for g in saved]:
        msg = (
            "The state dict has groups of "
            f"{', '.join(str(len(g['params'])) for g in saved) or 'no'} parameters, the optimizer "
            f"of {', '.join(str(len(g['params'])) for g in groups)}; give it the same groups."
        )
        raise CheckpointError(msg)
    numbers: dict[Any, torch.Tensor] = {}
    made: list[dict[str, Any]] = []
    for own, group in zip(groups, saved, strict=True):
        numbers |= dict(zip(group["params"], _matched(own, group), strict=True))
        made.append(_merged(interface, own, group))
    states: defaultdict[Any, Any] = defaultdict(dict)
    for number, state in given["state"].items():
        states[numbers.get(number, number)] = {n: _copied(v) for n, v in state.items()}
    return states, made


def _saved_groups(given: Any) -> list[dict[str, Any]]:
    """Return copies of the groups of a state dict; raise if it is none."""
    is_dict = isinstance(given, Mapping) and isinstance(given.get("state"), Mapping)
    saved = given.get("param_groups") if is_dict else None
    if not isinstance(saved, Sequence) or not all(
        isinstance(g, Mapping) and isinstance(g.get("params"), Sequence) for g in saved
    ):
        msg = "A state dict of an optimizer has 'state' and 'param_groups', which this has not."
        raise CheckpointError(msg)
    for number, state in given["state"].items():
        if not isinstance(state, Mapping):
            msg = f"The states of parameter {number!r} are no dict but {type(state).__name__}."
            raise CheckpointError(msg)
    return [copy.deepcopy(dict(group)) for group in saved]


def _matched(own: Mapping[str, Any], saved: Mapping[str, Any]) -> list[torch.Tensor]:
    """Return the present parameters in the order in which they were saved."""
    present, names = own["params"], own.get("param_names")
    saved_names = saved.get("param_names")
    if not names or not saved_names:
        return list(present)
    by_name = dict(zip(names, present, strict=True))
    missing = [name for name in names if name not in saved_names]
    if missing or len(saved_names) != len(names):
        unknown = [name for name in saved_names if name not in by_name]
        msg = (
            "The state dict is of another model: it lacks the parameters "
            f"{', '.join(map(repr, missing)) or 'none'}, and only it has "
            f"{', '.join(map(repr, unknown)) or 'none'}."
        )
        raise CheckpointError(msg)
    return [by_name[name] for name in saved_names]


def _merged(interface: Interface, own: Mapping[str, Any], saved: dict[str, Any]) -> dict[str, Any]:
    """Return a group with the saved arguments, and the present parameters."""
    if RULE in own:
        saved.setdefault(RULE, own[RULE])
    defaults = interface.of(saved).defaults
    found = {**{n: own.get(n, v) for n, v in defaults.items()}, **saved}
    for name in defaults:
        if found[name] is None and is_schedule(own.get(name)):
            found[name] = own[name]
    found["params"] = own["params"]
    if "param_names" in own:
        found["param_names"] = own["param_names"]
    return found


def _copied(value: Any) -> Any:
    return value.detach().clone() if isinstance(value, torch.Tensor) else copy.deepcopy(value)
