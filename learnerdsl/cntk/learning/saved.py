"""Checks of the checkpoint of a learner, which all come before any part of it is used."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from learnerdsl.cntk.checks import is_whole, number, real, shown, whole
from learnerdsl.cntk.graph.nodes import Shape
from learnerdsl.cntk.graph.variables import Parameter
from learnerdsl.errors import CheckpointError
from learnerdsl.schedules.checks import EXACT
from learnerdsl.tracing import Rule


def check_keys(what: str, given: Any, needed: Iterable[str]) -> None:
    """Raise unless a part of a checkpoint is a dict with these keys."""
    if not isinstance(given, Mapping):
        msg = f"{what} must be a dict, as create_checkpoint() returns it, got {shown(given)}."
        raise CheckpointError(msg)
    missing = [key for key in needed if key not in given]
    if missing:
        msg = f"{what} lacks {', '.join(missing)}; give what create_checkpoint() returned."
        raise CheckpointError(msg)


def listed(what: str, given: Any, count: int) -> Sequence[Any]:
    """Return `given`, or raise unless it is a list of `count` entries."""
    if isinstance(given, (list, tuple)) and len(given) == count:
        return given
    msg = f"The checkpoint must have a list of {count} {what}, got {shown(given)}."
    raise CheckpointError(msg)


def same(name: str, given: Any, own: str | int) -> None:
    """Raise unless a value equals the learner's own."""
    if type(given) is not type(own) or given != own:
        msg = f"The checkpoint has the {name} {shown(given)}, but this learner has {own!r}."
        raise CheckpointError(msg)


def check_clock(saved: Mapping[str, Any]) -> None:
    """Raise unless the counters and the seed are numbers in their ranges."""
    whole("seed", saved["seed"], error=CheckpointError)
    for key in ("step_count", "samples"):
        number(key, saved[key], lambda n: 0 <= n <= EXACT, f"from 0 to {EXACT}", CheckpointError)
    whole("step_count", saved["step_count"], error=CheckpointError)


def chosen(numbers: Any, count: int) -> set[int]:
    """Return `numbers` as a set, or raise unless all are indices below `count`."""
    is_list = isinstance(numbers, (list, tuple)) and all(map(is_whole, numbers))
    if not is_list or not all(0 <= k < count for k in numbers):
        msg = f"sparse must be a list of ints from 0 to {count - 1}, got {shown(numbers)}."
        raise CheckpointError(msg)
    return set(numbers)


def check_states(parameter: Parameter, rule: Rule, given: Any) -> None:
    """Raise unless `given` has every state of a parameter by name, in its shape and dtype."""
    kinds: dict[str, tuple[Shape, np.dtype[Any]]] = {
        spec.symbol.name: (parameter.shape, np.dtype(parameter.dtype))
        if spec.symbol.shape == "element"
        else ((), np.dtype(np.float64))
        for spec in rule.states
        if spec.symbol.shape != "model"
    }
    _check_names(f"states of {parameter!r}", given, kinds)
    for name, kind in kinds.items():
        array = given[name]
        is_array = isinstance(array, (np.ndarray, np.generic))
        if not is_array or (array.shape, array.dtype) != kind:
            msg = f"State {name!r} of {parameter!r} must be an array of {kind}, got {shown(array)}."
            raise CheckpointError(msg)


def check_model_states(rule: Rule, given: Any) -> None:
    """Raise unless `given` has every model-wide state by name, each a number."""
    names = [spec.symbol.name for spec in rule.states if spec.symbol.shape == "model"]
    _check_names("model-wide states", given, names)
    for name in names:
        real(f"The model-wide state {name!r}", given[name], error=CheckpointError)


def _check_names(what: str, given: Any, names: Iterable[str]) -> None:
    if not isinstance(given, Mapping) or set(given) != set(names):
        msg = f"The checkpoint must have the {what} {sorted(names)}, got {shown(given)}."
        raise CheckpointError(msg)
