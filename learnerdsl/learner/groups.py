"""Read groups of parameters: who belongs to each, what differs there, and what is frozen."""

import inspect
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from difflib import SequenceMatcher
from fnmatch import fnmatchcase
from typing import Any

from learnerdsl.errors import ArrayError, HyperparameterError, UnknownNameError
from learnerdsl.numbers import quoted
from learnerdsl.runtime.arrays.host import Name, named_arrays

_WILD = "*?["
_FEW = 8
"""How many names an error message lists."""


@dataclass(frozen=True)
class Grouping:
    """The groups of some parameters.

    Attributes:
        numbers: name of each parameter -> index of its group; 0 for those that are in none.
        overrides: for each group, the hyperparameters that it sets.
        frozen: the indices of the groups whose parameters stay as they are.
    """

    numbers: dict[Name, int]
    overrides: list[dict[str, Any]]
    frozen: frozenset[int]

    def is_frozen(self, name: Name) -> bool:
        """Return whether a parameter stays as it is."""
        return self.numbers[name] in self.frozen

    def explicit(self, thawed: Iterable[Name] = ()) -> list[dict[str, Any]]:
        """Return the groups with the names of their parameters; some of these no longer frozen.

        A group that is frozen in part becomes two, of which the frozen one comes after all others.
        """
        moving = set(thawed)
        groups: list[dict[str, Any]] = []
        still: list[dict[str, Any]] = []
        for number, settings in enumerate(self.overrides, 1):
            members = [name for name, own in self.numbers.items() if own == number]
            left = [n for n in members if n not in moving] if number in self.frozen else []
            if len(left) < len(members) or not left:
                groups.append({**settings, "params": [n for n in members if n not in left]})
                still += [{**settings, "params": left, "frozen": True}] if left else []
            else:
                groups.append({**settings, "params": left, "frozen": True})
        return [*groups, *still]


def grouped(parameters: Mapping[Name, Any], groups: Any) -> Grouping:
    """Return the groups of parameters.

    Args:
        parameters: name -> array.
        groups: None, or mappings with "params" and hyperparameters. "params" is a list of names or
            patterns, one pattern such as "*.bias", or a function of name and array. With
            "frozen": True the parameters of a group stay as they are.

    Raises:
        LearnerError: a group is malformed, matches no parameter, or has one of another group.
    """
    numbers: dict[Any, int] = dict.fromkeys(parameters, 0)
    overrides: list[dict[str, Any]] = []
    frozen: set[int] = set()
    if groups is None:
        groups = ()
    if isinstance(groups, str) or not isinstance(groups, Iterable):
        msg = f"groups must be a list of dicts, got {quoted(groups)}."
        raise HyperparameterError(msg)
    for number, group in enumerate(groups, 1):
        if not isinstance(group, Mapping) or "params" not in group:
            msg = f"A group is a dict such as {{'params': ['b'], 'lr': 0.0}}, got {quoted(group)}."
            raise HyperparameterError(msg)
        for name in matching(parameters, group["params"], f"Group {number}"):
            if numbers[name]:
                msg = f"Parameter {name!r} is in groups {numbers[name]} and {number}; name it once."
                raise HyperparameterError(msg)
            numbers[name] = number
        if _is_frozen(group.get("frozen", False), number):
            frozen.add(number)
        overrides.append({k: v for k, v in group.items() if k not in ("params", "frozen")})
    return Grouping(numbers, overrides, frozenset(frozen))


def options_of_groups(
    params: Any, groups: Any, names: Collection[str]
) -> tuple[list[dict[str, Any]], Any]:
    """Take the options of a rule out of groups, which then set hyperparameters alone.

    Args:
        params: the parameters, as a learner takes them.
        groups: see `grouped`.
        names: names of the rule's options.

    Returns:
        The options of each parameter's group, or an empty list if no group sets one; and the groups
        without options.

    Raises:
        LearnerError: the parameters or the groups cannot be used.
    """
    if isinstance(groups, str) or not isinstance(groups, Iterable):
        return [], groups
    groups = list(groups)
    if not any(isinstance(group, Mapping) and group.keys() & names for group in groups):
        return [], groups
    arrays = named_arrays(params, "Parameters")
    grouping = grouped(arrays, groups)
    of_each = [{}, *({n: v for n, v in g.items() if n in names} for g in grouping.overrides)]
    chosen = [of_each[grouping.numbers[name]] for name in arrays]
    return chosen, [{n: v for n, v in group.items() if n not in names} for group in groups]


def check_some_are_trained(grouping: Grouping) -> None:
    """Raise if all parameters are frozen."""
    if grouping.numbers and all(map(grouping.is_frozen, grouping.numbers)):
        msg = "All parameters are frozen, so that nothing is left to train; thaw some of them."
        raise ArrayError(msg)


def _is_frozen(value: Any, number: int) -> bool:
    if not isinstance(value, bool):
        msg = f"Group {number} has frozen={quoted(value)}; write True or False."
        raise HyperparameterError(msg)
    return value


def matching(parameters: Mapping[Name, Any], wanted: Any, what: str) -> list[Name]:
    """Return the names of the parameters that a user means.

    Args:
        parameters: name -> array.
        wanted: names or patterns in a list, one of them, or a function of name and array.
        what: who asks for them, for error messages.

    Raises:
        LearnerError: something matches no parameter, or is neither a name nor a pattern.
    """
    if callable(wanted):
        return _chosen(parameters, wanted, what)
    if isinstance(wanted, str):
        return _of_pattern(parameters, wanted, what)
    if not isinstance(wanted, Iterable):
        msg = (
            f"{what} has params={quoted(wanted)}; write a list of names, a pattern such as "
            "'*.bias', or a function of name and array."
        )
        raise HyperparameterError(msg)
    found: list[Name] = []
    for name in wanted:
        is_name = isinstance(name, Hashable) and not isinstance(name, bool)
        if is_name and name in parameters:
            found.append(name)  # type: ignore[arg-type]
        elif isinstance(name, str) and any(sign in name for sign in _WILD):
            found += _of_pattern(parameters, name, what)
        else:
            known = ", ".join(map(repr, _nearest(name, list(parameters)))) or "none"
            msg = f"{what} names {quoted(name)}, which is not a parameter; there are {known}."
            raise UnknownNameError(msg)
    return found


def _chosen(parameters: Mapping[Name, Any], choose: Callable[..., Any], what: str) -> list[Name]:
    """Return the names for which a function of the name, or of name and array, is true."""
    count = _arguments_of(choose, what)
    found = [name for name, array in parameters.items() if choose(*(name, array)[:count])]
    if not found:
        listed = ", ".join(map(repr, list(parameters)[:_FEW])) or "none"
        msg = f"{what} has a function that is true for no parameter; there are {listed}."
        raise UnknownNameError(msg)
    return found


def _arguments_of(choose: Callable[..., Any], what: str) -> int:
    """Return how many of name and array a function takes."""
    try:
        signature = inspect.signature(choose)
    except ValueError:  # a function of C may have none
        return 2
    for arguments in (("name", "array"), ("name",)):
        with suppress(TypeError):
            signature.bind(*arguments)
            return len(arguments)
    msg = (
        f"{what} has a function that cannot be called with a name, or with name and array, as it "
        f"is f{signature}; write lambda name, array: ..."
    )
    raise HyperparameterError(msg)


def _of_pattern(parameters: Mapping[Name, Any], pattern: str, what: str) -> list[Name]:
    """Return the names that a pattern matches, as names of files do; case counts."""
    if pattern in parameters:
        return list[Name]([pattern])
    found: list[Name] = [n for n in parameters if isinstance(n, str) and fnmatchcase(n, pattern)]
    if not found:
        near = ", ".join(map(repr, _nearest(pattern, list(parameters)))) or "none"
        msg = f"{what} has params={pattern!r}, which matches no parameter; there are {near}."
        raise UnknownNameError(msg)
    return found


def _nearest(wanted: Any, names: Sequence[Name]) -> list[Name]:
    """Return a few names, those first that are most like what was asked for."""
    if not isinstance(wanted, str):
        return list(names[:_FEW])
    core = wanted.strip("*?.[]")

    def unlikeness(name: Name) -> float:
        parts = [str(name), *str(name).split(".")]
        return -max(SequenceMatcher(None, core, part).ratio() for part in parts)

    return sorted(names, key=unlikeness)[:_FEW]
