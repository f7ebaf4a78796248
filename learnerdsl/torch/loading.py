"""Match a state dict of an optimizer, of torch or of this package, with present parameters."""

import copy
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch

from learnerdsl.errors import CheckpointError
from learnerdsl.numbers import quoted
from learnerdsl.torch.interface import RULE, Interface, is_schedule


class Unmatched(NamedTuple):
    """What loading a state dict with `strict=False` has left out.

    Attributes:
        missing: names of parameters that only the optimizer has; they begin anew.
        unexpected: names of parameters that only the state dict has.
        misfits: name of a parameter, or of a state of the whole model -> why what was saved does
            not fit, with shapes; it begins anew.
    """

    missing: list[str]
    unexpected: list[str]
    misfits: dict[str | int, str]

    def __repr__(self) -> str:
        if not any(self):
            return "<Everything was matched>"
        lines = [f"missing: {name}" for name in self.missing]
        lines += [f"unexpected: {name}" for name in self.unexpected]
        return "\n".join(lines + [f"misfit: {why}" for why in self.misfits.values()])


@dataclass(frozen=True)
class Loaded:
    """A state dict for present parameters.

    Attributes:
        states: parameter -> its states.
        groups: the groups, with the saved arguments.
        unmatched: the parameters that only one side has.
    """

    states: defaultdict[Any, Any]
    groups: list[dict[str, Any]]
    unmatched: Unmatched


def loaded(
    interface: Interface,
    groups: Sequence[dict[str, Any]],
    given: Mapping[str, Any],
    is_strict: bool,
) -> Loaded:
    """Return a state dict for present parameters.

    Args:
        interface: that of the optimizer.
        groups: its groups.
        given: a state dict.
        is_strict: whether to refuse parameters that only one side has.

    Raises:
        CheckpointError: the state dict is damaged, or of another model.
    """
    saved = saved_groups(given)
    own_names, names = _names(groups), _names(saved)
    if is_strict or not own_names or not names:
        _refuse_other_sizes(groups, saved)
        numbers: dict[Any, Any] = {}
        for own, group in zip(groups, saved, strict=True):
            numbers |= dict(zip(group["params"], _matched(own, group), strict=True))
        origins = list(saved)
        unmatched = Unmatched([], [], {})
    else:
        present = dict(zip(own_names, _parameters(groups), strict=True))
        numbers = {
            number: present.get(name)
            for name, number in zip(names, _parameters(saved), strict=True)
        }
        origins = [_origin(own, saved) for own in groups]
        unmatched = Unmatched(
            [name for name in own_names if name not in names],
            [name for name in names if name not in own_names],
            {},
        )
    states: defaultdict[Any, Any] = defaultdict(dict)
    for number, state in given["state"].items():
        owner = numbers.get(number, number)
        if owner is not None:
            states[owner] = {n: _copied(v) for n, v in state.items() if not _is_hole(v)}
    made = [_merged(interface, own, group) for own, group in zip(groups, origins, strict=True)]
    return Loaded(states, made, unmatched)


def _parameters(groups: Sequence[Mapping[str, Any]]) -> list[Any]:
    """Return the parameters of all groups, or their numbers."""
    return [p for group in groups for p in group["params"]]


def _names(groups: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the names of the parameters of all groups; none if some have none or the same."""
    names = [name for group in groups for name in group.get("param_names") or ()]
    is_known = len(names) == len(set(names)) == len(_parameters(groups))
    return names if is_known else []


def _refuse_other_sizes(
    groups: Sequence[Mapping[str, Any]], saved: Sequence[Mapping[str, Any]]
) -> None:
    """Raise unless groups have as many parameters as those that were saved."""
    if [len(own["params"]) for own in groups] != [len(g["params"]) for g in saved]:
        hint = "give it the same groups"
        if _names(groups) and _names(saved):
            hint += ", or load with strict=False, which matches parameters by name"
        else:
            hint += (
                "; parameters of another model are matched by name if both optimizers are made "
                "of model.named_parameters()"
            )
        msg = (
            "The state dict has groups of "
            f"{', '.join(str(len(g['params'])) for g in saved) or 'no'} parameters, the optimizer "
            f"of {', '.join(str(len(g['params'])) for g in groups)}; {hint}."
        )
        raise CheckpointError(msg)


def _origin(own: Mapping[str, Any], saved: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the saved group that has the first matched parameter; an empty one if none has."""
    for name in own["param_names"]:
        for group in saved:
            if name in group["param_names"]:
                return group
    return {}


def saved_groups(given: Any) -> list[dict[str, Any]]:
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
            f"{', '.join(map(repr, unknown)) or 'none'}. With strict=False the others are loaded."
        )
        raise CheckpointError(msg)
    return [by_name[name] for name in saved_names]


def _merged(interface: Interface, own: Mapping[str, Any], saved: dict[str, Any]) -> dict[str, Any]:
    """Return a group with the saved arguments, and the present parameters."""
    if RULE in own:
        saved.setdefault(RULE, own[RULE])
    present = interface.of(saved)
    if RULE in own and saved[RULE] != own[RULE]:
        msg = (
            f"The state dict has a group of the rule {quoted(saved[RULE])} where the optimizer "
            f"chooses {own[RULE]!r}; choose as before, or make an optimizer with new states."
        )
        raise CheckpointError(msg)
    defaults = present.defaults
    found = {**{n: own.get(n, v) for n, v in defaults.items()}, **saved, **present.fixed}
    for name in defaults:
        if found[name] is None and is_schedule(own.get(name)):
            found[name] = own[name]
    found["params"] = own["params"]
    if "param_names" in own:
        found["param_names"] = own["param_names"]
    return found


def _is_hole(value: Any) -> bool:
    """Return whether a value stands for a state that a flat state dict does not have."""
    return isinstance(value, Mapping) and not value


def _copied(value: Any) -> Any:
    return value.detach().clone() if isinstance(value, torch.Tensor) else copy.deepcopy(value)
