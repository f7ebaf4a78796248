"""Check a state dict before a learner loads it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from learnerdsl.errors import CheckpointError, LearnerError
from learnerdsl.learner.conversion import Conversion, Saved, as_array, check_names, widens
from learnerdsl.learner.hyperparameters import HyperTable, Setting
from learnerdsl.numbers import as_count, as_number, as_numbers, quoted
from learnerdsl.storage import PARAMETER_TYPES, STORAGES

StateDict = dict[str, Any]

MOST_STEPS = 2**53
"""The clock is kept in float64, which represents every whole number up to here exactly."""

OPTIONAL = ("missed", "values", "frozen", "group_options")
"""Keys that a state dict may leave out."""


@dataclass(frozen=True)
class Progress:
    """Checked values of everything that the next updates depend on, in the learner's own order.

    Attributes:
        step_count: number of updates done.
        samples: number of samples seen.
        seed: seed of the random numbers.
        states: name -> for each parameter its array, or None if it lacks the state; a model-wide
            state has one number instead.
        settings: the hyperparameters of each group.
        missed: for each parameter, the number of updates that left it out.
        parameters: values of the parameters, or None if they stay as they are.
    """

    step_count: int
    samples: float
    seed: int
    states: dict[str, Any]
    settings: list[dict[str, Setting]]
    missed: list[int]
    parameters: list[np.ndarray] | None = None


def check(
    given: Any,
    own: StateDict,
    table: HyperTable,
    conversion: Conversion,
    by_name: bool,
    parameters: bool,
) -> Progress:
    """Check a state dict and return what it says, in the order of the learner's parameters.

    Args:
        given: what the user passed as a state dict.
        own: the present state dict of the learner that will load it.
        table: hyperparameters of that learner.
        conversion: converts arrays to the number types of that learner.
        by_name: whether to match parameters by name, in any order, rather than by position.
        parameters: whether to return values of the parameters too.

    Returns:
        The checked values.

    Raises:
        CheckpointError: the state dict is of another rule or model, or damaged.
    """
    try:
        return _check(given, own, table, conversion, by_name, parameters)
    except LearnerError:
        raise
    except Exception as error:  # foreign objects can raise anything when they are compared
        msg = f"The state dict cannot be read: {quoted(error)}."
        raise CheckpointError(msg) from error


def _check(
    given: Any,
    own: StateDict,
    table: HyperTable,
    conversion: Conversion,
    by_name: bool,
    parameters: bool,
) -> Progress:
    missing = [
        key
        for key in own
        if key not in OPTIONAL and (not isinstance(given, Mapping) or key not in given)
    ]
    if missing:
        msg = f"The state dict lacks {', '.join(missing)}; it was not made by learner.state_dict()."
        raise CheckpointError(msg)
    for key in ("rule", "version", "options"):
        if type(given[key]) is not type(own[key]) or _tupled(given[key]) != own[key]:
            msg = (
                f"The checkpoint has {key} {quoted(given[key])}, this learner {own[key]!r}; "
                "load it into a learner of the rule that wrote it."
            )
            raise CheckpointError(msg)
    _check_frozen(given, own)
    check_names("parameters", given["state"], own["state"])
    places = _places(given["parameters"], own["parameters"], by_name)
    theirs = [given["parameters"][place] for place in places]
    _check_parameters(theirs, own["parameters"])
    _check_group_options(given, own, places)
    groups = _matching_groups(theirs, own["parameters"], len(own["hyperparameters"]))
    step_count = _count("step_count", given["step_count"], MOST_STEPS)
    states, values = _arrays(given, theirs, conversion, parameters)
    return Progress(
        step_count=step_count,
        samples=_samples(given["samples"]),
        seed=_count("seed", given["seed"], MOST_STEPS - 1),
        states={**states, **_model_states(given, own)},
        settings=_settings(given["hyperparameters"], groups, table),
        missed=_missed(given, places, step_count),
        parameters=values,
    )


def _tupled(value: Any) -> Any:
    """Return options with tuples of numbers in place of lists, which files make of them."""
    if not isinstance(value, dict):
        return value
    return {name: as_numbers(option) or option for name, option in value.items()}


def _count(key: str, value: Any, most: int) -> int:
    count = as_count(value)
    if count is None or not 0 <= count <= most:
        msg = f"The checkpoint has {key} {quoted(value)}; expected a whole number up to {most}."
        raise CheckpointError(msg)
    return count


def _samples(value: Any) -> float:
    samples = as_number(value)
    if samples is None or not 0 <= samples < math.inf:
        msg = f"The checkpoint has samples {quoted(value)}, which is not a number of samples."
        raise CheckpointError(msg)
    return samples


def _places(given: Any, own: list[Any], by_name: bool) -> list[int]:
    """Return for each own parameter its index among those of the checkpoint."""
    is_list = isinstance(given, (list, tuple)) and len(given) == len(own)
    if not is_list or not all(isinstance(one, (list, tuple)) and len(one) == 4 for one in given):
        msg = (
            f"The checkpoint has the parameters {quoted(given)}; expected a list with "
            f"name, shape, dtype and group of each of the {len(own)} parameters."
        )
        raise CheckpointError(msg)
    names = [str(one[0]) for one in given]
    # Names such as 0 and "0" are equal as text; such parameters are matched by position.
    if by_name and sorted(names) == sorted({str(one[0]) for one in own}):
        return [names.index(one[0]) for one in own]
    return list(range(len(own)))


def _check_parameters(given: list[Any], own: list[Any]) -> None:
    """Raise unless names and shapes of the parameters are the learner's own, and dtypes fit."""
    for theirs, ours in zip(given, own, strict=True):
        for what, its, mine in zip(("name", "shape", "dtype"), theirs, ours, strict=False):
            is_same = list(its) == mine if what == "shape" else its == mine
            hint = ""
            if what == "dtype" and its in PARAMETER_TYPES:
                is_same = widens(STORAGES[its], STORAGES[mine].arithmetic)
                hint = '; save it with dtype="float32" to load it here'
            if not is_same:
                mine = tuple(mine) if what == "shape" else repr(mine)
                its = tuple(its) if what == "shape" else quoted(its)
                msg = f"Parameter {ours[0]!r} has {what} {its} in the checkpoint, but {mine} here"
                raise CheckpointError(f"{msg}{hint}.")


def _check_group_options(given: Mapping[str, Any], own: StateDict, places: list[int]) -> None:
    """Raise if a parameter's group has other options than the one in the checkpoint."""
    theirs, ours = given.get("group_options"), own.get("group_options")
    if theirs is None or ours is None:  # without groups, or of a version that did not save them
        return
    if not isinstance(theirs, (list, tuple)) or len(theirs) != len(ours):
        msg = (
            f"The checkpoint has group_options {quoted(theirs)}; expected a dict for each of the "
            f"{len(ours)} parameters."
        )
        raise CheckpointError(msg)
    for place, mine, (name, *_) in zip(places, ours, own["parameters"], strict=True):
        if _tupled(theirs[place]) != mine:
            msg = (
                f"The group of parameter {name!r} has options {quoted(theirs[place])} in the "
                f"checkpoint, but {mine!r} here; make the learner with the groups that it was "
                "saved with."
            )
            raise CheckpointError(msg)


def _matching_groups(given: list[Any], own: list[Any], count: int) -> list[int]:
    """Return for each own group the index of the checkpoint's group with the same parameters."""
    found = {0: 0}
    for theirs, ours in zip(given, own, strict=True):
        group = as_count(theirs[3])
        if group is None or not 0 <= group < count or found.setdefault(ours[3], group) != group:
            msg = (
                f"Parameter {ours[0]!r} is in group {quoted(theirs[3])} in the checkpoint, but in "
                f"group {ours[3]} here; make the learner with the groups that it was saved with."
            )
            raise CheckpointError(msg)
    if len(set(found.values())) < len(found):
        msg = "The checkpoint has parameters in one group that are in several groups here."
        raise CheckpointError(msg)
    # Groups without parameters take the groups that are left, in order.
    rest = [group for group in range(count) if group not in found.values()]
    return [found[group] if group in found else rest.pop(0) for group in range(count)]


def _arrays(
    given: Mapping[str, Any], theirs: list[Any], conversion: Conversion, parameters: bool
) -> tuple[dict[str, list[Any]], list[np.ndarray] | None]:
    """Return name -> the array of each parameter, or None; and the new parameters, or None."""
    values = given.get("values") if parameters else None
    if parameters and not values:
        msg = (
            "The checkpoint has no values of parameters; save with save(path, parameters=True) or "
            "state_dict(parameters=True)."
        )
        raise CheckpointError(msg)
    if values is not None:
        check_names("values of parameters", values, given["state"])
    taken: list[tuple[dict[str, Any], Any]] = []
    # Parameters of a list have the same names in both; those of a dict are found by their names.
    for k, (name, their) in enumerate(zip(conversion.names, theirs, strict=True)):
        value = None if values is None else as_array(f"Parameter {name!r}", values[name])
        taken.append(conversion.take(k, Saved(name, their[2], given["state"][name], value)))
    names = dict.fromkeys(piece for pieces, _ in taken for piece in pieces)
    found = {name: [pieces.get(name) for pieces, _ in taken] for name in names}
    return found, None if values is None else [value for _, value in taken]


def _model_states(given: Mapping[str, Any], own: StateDict) -> dict[str, float]:
    check_names("model states", given["model_state"], own["model_state"])
    found: dict[str, float] = {}
    for name, value in given["model_state"].items():
        number = as_number(value)
        # NaN is allowed: a learner that has diverged can be saved and inspected.
        if number is None:
            msg = (
                f"The checkpoint has {quoted(value)} for {name!r}; expected one number, for the "
                "whole model."
            )
            raise CheckpointError(msg)
        found[name] = number
    return found


def _settings(given: Any, groups: Sequence[int], table: HyperTable) -> list[dict[str, Setting]]:
    """Return the settings of each own group: saved numbers, and the learner's own schedules."""
    is_list = isinstance(given, (list, tuple)) and len(given) == len(groups)
    if not is_list or not all(isinstance(group, Mapping) for group in given):
        msg = (
            f"The checkpoint has the hyperparameters {quoted(given)}; expected a list with a "
            f"dict for each of the {len(groups)} groups."
        )
        raise CheckpointError(msg)
    check_names("hyperparameters", given[0], table.settings[0])
    settings: list[dict[str, Setting]] = []
    for number, (own, group) in enumerate(zip(table.settings, groups, strict=True)):
        kept = {name: setting for name, setting in own.items() if callable(setting)}
        loaded: dict[str, Setting] = {}
        for name, value in given[group].items():
            try:
                table.index(name)
                if number:
                    table.refuse_split(name)
            except LearnerError as error:
                raise CheckpointError(str(error)) from None
            if name not in kept:
                loaded[name] = _number(name, number, value)
            elif value is not None:
                _number(name, number, value)
        settings.append(loaded | kept)
    return settings


def _number(name: str, group: int, value: Any) -> float:
    """Return a saved hyperparameter as a float, for a learner without a schedule for it."""
    where = f"groups[{group - 1}]" if group else "hyperparameters"
    if value is None:
        msg = (
            f"The checkpoint was saved with a schedule for {name!r}, and this learner has none. "
            "A schedule is a function, which a checkpoint does not hold: set it before you load, "
            f"learner.{where}[{name!r}] = ...; or set `lambda step: 0.1` there to go on at 0.1."
        )
        raise CheckpointError(msg)
    number = as_number(value)
    if number is None or math.isnan(number):
        msg = (
            f"The checkpoint has {quoted(value)} for the hyperparameter {name!r}; expected a "
            "number, or None if the learner has a schedule."
        )
        raise CheckpointError(msg)
    return number


def _check_frozen(given: Mapping[str, Any], own: StateDict) -> None:
    """Refuse a checkpoint in which other parameters are frozen than in the learner."""
    theirs, ours = given.get("frozen", ()), own.get("frozen", ())
    if not isinstance(theirs, (list, tuple)) or not all(isinstance(n, str) for n in theirs):
        msg = f"The checkpoint has frozen {quoted(theirs)}; expected a list of names."
        raise CheckpointError(msg)
    trained = [name for name in map(str, own["state"]) if name in theirs]
    if trained:
        msg = (
            f"In the checkpoint {', '.join(trained)} is frozen, but this learner trains it; make a "
            f"learner with groups=[{{'params': {trained}, 'frozen': True}}], load, and thaw."
        )
        raise CheckpointError(msg)
    needed = [name for name in map(str, given["state"]) if name in ours]
    if needed:
        msg = (
            f"The checkpoint has states of {', '.join(needed)}, which this learner leaves frozen; "
            "make a learner that trains them to load it."
        )
        raise CheckpointError(msg)


def _missed(given: Mapping[str, Any], places: Sequence[int], most: int) -> list[int]:
    """Return for each own parameter how many of the `most` updates left it out."""
    if "missed" not in given:
        return [0] * len(places)
    missed = given["missed"]
    if not isinstance(missed, (list, tuple)) or len(missed) != len(places):
        msg = (
            f"The checkpoint has missed {quoted(missed)}; expected a list with a count for "
            f"each of the {len(places)} parameters."
        )
        raise CheckpointError(msg)
    return [_count("missed", missed[place], most) for place in places]
