"""The states of one parameter, as `optimizer.state[p]` shows them."""

import copy
import weakref
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from typing import Any

import torch

from learnerdsl.errors import CheckpointError
from learnerdsl.numbers import as_number, quoted
from learnerdsl.storage import PARAMETER_REST
from learnerdsl.torch.layouts import Layout
from learnerdsl.torch.ranks import write
from learnerdsl.tracing import Rule


class ParameterState(dict[str, Any]):
    """The states of one parameter: name -> tensor in the memory that updates use.

    Setting an item of a state copies the values there. Other items are kept as they are. A copy is
    a dict.
    """

    def __setitem__(self, name: str, value: Any) -> None:
        own = self.get(name)
        if isinstance(own, torch.Tensor) and own is not value:
            given = torch.as_tensor(value)
            if given.numel() != own.numel():
                msg = (
                    f"State {name!r} has shape {tuple(own.shape)}, so it cannot be set to a tensor "
                    f"of shape {tuple(given.shape)}."
                )
                raise CheckpointError(msg)
            write(own, given.detach().reshape(own.shape))
        else:
            super().__setitem__(name, value)

    def __reduce__(self) -> Any:
        return dict, (dict(self),)

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[str, Any]:
        return copy.deepcopy(dict(self), memo)


class States(defaultdict[Any, Any]):
    """The states of all parameters: parameter -> its states.

    The states begin with the first gradients. `torch.distributed.checkpoint` needs them earlier,
    and would do an update with zeros, by which some rules move parameters. It asks before whether
    there are any, so the question makes them.

    Args:
        begin: makes the states.
        given: what is known.
    """

    def __init__(self, begin: Callable[[], Any], given: Mapping[Any, Any]) -> None:
        super().__init__(dict, given)
        self.begin = weakref.WeakMethod(begin)

    def __bool__(self) -> bool:
        begin = self.begin()
        if begin is not None:
            begin()
        return len(self) > 0

    def __reduce__(self) -> Any:
        return defaultdict, (dict, dict(self))


def as_dicts(states: Mapping[Any, Any]) -> dict[Any, Any]:
    """Return the states of all parameters as plain dicts."""
    return {k: dict(own) if isinstance(own, ParameterState) else own for k, own in states.items()}


class Pieces:
    """The arrays of the states of one parameter under the names of an optimizer.

    Args:
        names: name of a state in the rule -> its name in the optimizer.
        expanded: states that have an axis of length 1 more in the optimizer.
        layout: how the learner sees the parameter.
        tensors: name of an array -> a tensor in the memory that updates use. The names are those of
            states, and `<state>.scale` for second arrays.
        of_elements: the names of those with a value for each element.
    """

    def __init__(
        self,
        names: Mapping[str, str],
        expanded: Mapping[str, int],
        layout: Layout,
        tensors: Mapping[str, torch.Tensor],
        of_elements: Collection[str],
    ) -> None:
        self.names = names
        self.shown: dict[str, torch.Tensor] = {}
        for name, own in tensors.items():
            tensor = layout.restored(own, name in of_elements)
            if name in expanded:
                tensor = tensor.unsqueeze(expanded[name])
            self.shown[public_name(name, names)] = tensor

    def check(self, given: Mapping[str, Any], what: str) -> None:
        """Raise unless given values fit all states.

        Args:
            given: public name -> tensor or number, or None for the start value.
            what: what the parameter is, for error messages.

        Raises:
            CheckpointError: a value does not fit, is missing, or belongs to no state.
        """
        for name, own in self.shown.items():
            if given.get(name) is not None:
                _check_fit(name, given[name], own, what)
            elif name not in given and name != PARAMETER_REST:
                there = ", ".join(given) or "none"
                msg = f"The state {name!r} of {what} is missing; there are: {there}."
                raise CheckpointError(msg)
        known = {"step", *self.names.values(), *self.shown}
        if not known.issuperset(given):
            unknown = ", ".join(sorted(map(repr, set(given) - known)))
            there = ", ".join(self.shown) or "none"
            msg = f"{what} has the unknown states {unknown}; its states are: {there}."
            raise CheckpointError(msg)

    def take(self, given: Mapping[str, Any], what: str) -> None:
        """Copy given values into the states; a state without one keeps its start value.

        Args:
            given: public name -> tensor or number.
            what: what the parameter is, for error messages.

        Raises:
            CheckpointError: a value does not fit.
        """
        for name, own in self.shown.items():
            value = given.get(name)
            if value is not None:
                write(own, _check_fit(name, value, own, what))


def _check_fit(name: str, value: Any, own: torch.Tensor, what: str) -> torch.Tensor:
    """Return the value for a state as a tensor; raise if it does not fit."""
    if isinstance(value, torch.Tensor):
        tensor = value.detach()
    elif as_number(value) is not None:
        tensor = torch.tensor(float(value), dtype=own.dtype)
    else:
        msg = f"The state {name!r} of {what} is no tensor but {type(value).__name__}."
        raise CheckpointError(msg)
    if tensor.shape != own.shape:
        msg = (
            f"The state {name!r} of {what} has shape {tuple(tensor.shape)}, but here it "
            f"has {tuple(own.shape)}."
        )
        raise CheckpointError(msg)
    if _kind(own) != _kind(tensor):
        hint = ""
        if {_kind(own), _kind(tensor)} == {"integer", "real"}:
            hint = "; make the optimizer with the same states="
        msg = f"The state {name!r} of {what} is {tensor.dtype}, but here it is {own.dtype}{hint}."
        raise CheckpointError(msg)
    return tensor


def _kind(tensor: torch.Tensor) -> str:
    """Return what numbers a tensor has, between which no state is converted."""
    if tensor.is_complex():
        return "complex"
    return "real" if tensor.is_floating_point() else "integer"


def public_name(name: str, names: Mapping[str, str]) -> str:
    """Return the name of a state, or of its second array, in the optimizer."""
    base, dot, suffix = name.partition(".")
    return names.get(base, base) + dot + suffix


def steps_in(given: Mapping[str, Any]) -> int:
    """Return how many updates the states of a parameter have seen: 1 if they do not say."""
    if not given:
        return 0
    step = as_number(given.get("step", 1))
    if step is None or step < 0 or step != step:
        msg = f"The state 'step' must be a number of updates, got {given['step']!r}."
        raise CheckpointError(msg)
    return int(step)


def states_of_elements(rule: Rule) -> set[str]:
    """Return the names of the states with a value for each element."""
    own = (spec.symbol for spec in rule.states)
    return {PARAMETER_REST, *(symbol.name for symbol in own if symbol.shape == "element")}


def count_in(progress: Mapping[str, Any], name: str, otherwise: float) -> float:
    """Return a number of updates or samples that was saved; raise if it is none."""
    count = as_number(progress.get(name, otherwise))
    if count is None or not count >= 0:
        msg = f"{name!r} of the groups must be a number from 0, got {quoted(progress[name])}."
        raise CheckpointError(msg)
    return count
