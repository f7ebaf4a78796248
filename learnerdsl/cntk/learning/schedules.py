"""CNTK's schedules: step functions of the samples or data sweeps seen, with a reference size.

A number, a list or (count, value) pairs come in; a `TrainingParameterSchedule` goes out, which
learners read once per update. Its values are meant for minibatches of its reference size, or, if
that is 0, for a minibatch of any size.
"""

import enum
import math
import operator
import warnings
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt

from learnerdsl.cntk.checks import flag, number, shown, whole, whole_or_none
from learnerdsl.cntk.errors import ConstructionError, CountError, CountTypeError
from learnerdsl.cntk.graph.nodes import Node
from learnerdsl.cntk.graph.variables import Variable
from learnerdsl.errors import CheckpointError, HyperparameterError

IGNORE = 0
"""Reference minibatch size of values that are meant for a minibatch of any size."""


class UnitType(enum.Enum):
    """The unit of the values of `learning_rate_schedule`: per sample or per minibatch."""

    sample = "sample"
    minibatch = "minibatch"


class TrainingParameterSchedule:
    """A step function of the number of samples, or of data sweeps, seen so far.

    Made by the functions of this module. `schedule[i]` is the value at sample (or sweep) `i`.

    Args:
        pairs: (count, value) pairs; the last value holds forever.
        epoch_size: samples that a count stands for; 0 if it stands for a data sweep.
        minibatch_size: reference minibatch size, None if it is not stated.

    Attributes:
        values: the values in order.
        starts: index at which each value but the first begins.
        epoch_size: the argument.
        is_explicit: whether the reference minibatch size was stated.
    """

    def __init__(
        self, pairs: Sequence[tuple[int, float]], epoch_size: int, minibatch_size: int | None
    ) -> None:
        unit = epoch_size or 1
        self.values = tuple(value for _, value in pairs)
        self.starts = tuple(accumulate(count * unit for count, _ in pairs[:-1]))
        self.epoch_size = epoch_size
        self.is_explicit = minibatch_size is not None
        self._minibatch_size = minibatch_size or 0
        self._nodes: dict[Any, Node] = {}

    def as_node(self, dtype: npt.DTypeLike) -> Node:
        """Return a node for the value of the schedule in the graph of an update function."""
        key = np.dtype(dtype)
        if key not in self._nodes:
            self._nodes[key] = Variable("schedule", (), dtype)
            self._nodes[key].attributes["schedule"] = self
        return self._nodes[key]

    @property
    def minibatch_size(self) -> int:
        """The reference minibatch size; 0 means per minibatch, whatever its size."""
        return self._minibatch_size

    @minibatch_size.setter
    def minibatch_size(self, size: int) -> None:
        self._minibatch_size = whole_or_none("minibatch_size", size) or 0
        self.is_explicit = True

    def is_sweep_based(self) -> bool:
        """Return whether the index is the number of data sweeps instead of samples."""
        return not self.epoch_size and len(self.values) > 1

    def with_size(self, minibatch_size: int) -> "TrainingParameterSchedule":
        """Return a copy with another reference minibatch size."""
        return self._rebuilt(self.values, self.starts, minibatch_size)

    def shifted(self, start: int) -> "TrainingParameterSchedule":
        """Return a copy whose first step is at index `start`."""
        starts = tuple(start + position for position in self.starts)
        return self._rebuilt(self.values, starts, self._minibatch_size)

    def _rebuilt(
        self, values: tuple[float, ...], starts: tuple[int, ...], minibatch_size: int
    ) -> "TrainingParameterSchedule":
        other = TrainingParameterSchedule([(0, 0.0)], self.epoch_size, minibatch_size)
        other.values, other.starts = values, starts
        other.is_explicit = self.is_explicit
        return other

    def __getitem__(self, index: int) -> float:
        try:
            position = operator.index(index)
        except TypeError:
            msg = (
                f"The index of a schedule must be an int, a number of samples; got {shown(index)}."
            )
            raise CountTypeError(msg) from None
        if position < 0:
            msg = f"The index of a schedule must be non-negative, got {shown(index)}."
            raise CountError(msg)
        return self.values[bisect_right(self.starts, position)]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TrainingParameterSchedule):
            return NotImplemented
        return self.description() == other.description()

    __hash__ = None  # type: ignore[assignment]

    def description(self) -> dict[str, Any]:
        """Return the schedule as numbers and lists, for checkpoints."""
        return {
            "values": list(self.values),
            "starts": list(self.starts),
            "epoch_size": self.epoch_size,
            "minibatch_size": self._minibatch_size,
            "is_explicit": self.is_explicit,
        }

    @classmethod
    def from_description(cls, description: Any) -> "TrainingParameterSchedule":
        """Make a schedule from what `description()` returned.

        Raises:
            CheckpointError: the description is damaged.
        """
        made = cls([(0, 0.0)], 0, 0)
        if not isinstance(description, Mapping) or set(description) != set(made.description()):
            msg = (
                f"{shown(description)} does not describe a schedule; give what description() "
                "returned."
            )
            raise CheckpointError(msg)
        values, starts = (_listed(name, description[name]) for name in ("values", "starts"))
        made.values = tuple(number("A value", v, error=CheckpointError) for v in values)
        made.starts = tuple(whole("A start", k, error=CheckpointError) for k in starts)
        if len(starts) != len(values) - 1 or sorted(set(starts)) != starts:
            msg = (
                f"{len(values)} values of a schedule need {len(values) - 1} increasing starts, "
                f"got {shown(starts)}."
            )
            raise CheckpointError(msg)
        made.epoch_size = whole("epoch_size", description["epoch_size"], error=CheckpointError)
        size = whole("minibatch_size", description["minibatch_size"], error=CheckpointError)
        made._minibatch_size = size
        made.is_explicit = flag("is_explicit", description["is_explicit"], CheckpointError)
        return made

    def __repr__(self) -> str:
        unit = "sweep" if self.is_sweep_based() else "sample"
        size = f"per {self._minibatch_size} samples" if self._minibatch_size else "per minibatch"
        steps = [f"{self.values[0]!r}"]
        steps += [
            f"{value!r} from {unit} {start}"
            for value, start in zip(self.values[1:], self.starts, strict=True)
        ]
        return f"<schedule {size}: {', '.join(steps)}>"


def _listed(name: str, given: Any) -> list[Any]:
    if isinstance(given, (list, tuple)):
        return list(given)
    msg = f"The {name} of a schedule must be a list of numbers, got {shown(given)}."
    raise CheckpointError(msg)


def training_parameter_schedule(
    schedule: Any, unit: UnitType | str = UnitType.minibatch, epoch_size: int | None = None
) -> TrainingParameterSchedule:
    """Make a schedule per sample or per minibatch.

    Args:
        schedule: a number; a list of numbers or (count, value) pairs; or a schedule, which is
            returned unchanged. A value holds for `count * epoch_size` samples, the last forever.
        unit: `UnitType.sample` or `UnitType.minibatch`.
        epoch_size: samples that a count stands for; a data sweep if left out.

    Raises:
        HyperparameterError: a ValueError; `schedule` is none of these.

    >>> drops = training_parameter_schedule([0.1, 0.2, 0.3], UnitType.minibatch, epoch_size=10)
    >>> [drops[i] for i in (0, 9, 10, 20, 1000)]
    [0.1, 0.1, 0.2, 0.3, 0.3]
    """
    if isinstance(unit, str) and unit in UnitType.__members__:
        unit = UnitType[unit]
    if not isinstance(unit, UnitType):
        msg = f"unit={shown(unit)} is not a unit; write UnitType.sample or UnitType.minibatch."
        raise HyperparameterError(msg)
    return _schedule(schedule, epoch_size, 1 if unit is UnitType.sample else 0)


def learning_rate_schedule(
    lr: Any, unit: UnitType | str, epoch_size: int | None = None
) -> TrainingParameterSchedule:
    """Make a learning rate per sample or per minibatch; see `training_parameter_schedule`."""
    return training_parameter_schedule(lr, unit, epoch_size)


def learning_parameter_schedule(
    schedule: Any, minibatch_size: int | None = None, epoch_size: int | None = None
) -> TrainingParameterSchedule:
    """Make a learning rate for minibatches of a given size, or of any size (`IGNORE`)."""
    return _schedule(schedule, epoch_size, whole_or_none("minibatch_size", minibatch_size))


def learning_parameter_schedule_per_sample(
    schedule: Any, epoch_size: int | None = None
) -> TrainingParameterSchedule:
    """Make a learning rate per sample."""
    return _schedule(schedule, epoch_size, 1)


def momentum_schedule(
    momentum: Any, epoch_size: int | None = None, minibatch_size: int | None = None
) -> TrainingParameterSchedule:
    """Make a momentum for minibatches of a given size, or of any size (`IGNORE`)."""
    return learning_parameter_schedule(momentum, minibatch_size, epoch_size)


def momentum_schedule_per_sample(
    momentum: Any, epoch_size: int | None = None
) -> TrainingParameterSchedule:
    """Make a momentum per sample; a minibatch of n samples uses its n-th power."""
    return _schedule(momentum, epoch_size, 1)


def momentum_as_time_constant_schedule(
    momentum: Any, epoch_size: int | None = None
) -> TrainingParameterSchedule:
    """Make a momentum per sample from a time constant.

    After that many samples, 1/e of a gradient is left. A time constant of 0 is a momentum of 0, and
    infinity is a momentum of 1.

    >>> round(momentum_as_time_constant_schedule(300)[0], 6)
    0.996672
    """
    return _schedule(momentum, epoch_size, 1, _momentum_of_time_constant)


def _momentum_of_time_constant(name: str, value: Any) -> float:
    constant = number(name, value, lambda samples: samples >= 0, "a number of samples from 0")
    return 0.0 if constant == 0 else math.exp(-1.0 / constant)


def is_number(value: Any) -> bool:
    """Return whether CNTK accepts `value` as a number: an int or float, including numpy.float64."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _schedule(
    given: Any,
    epoch_size: int | None,
    minibatch_size: int | None,
    convert: Callable[[str, Any], float] = number,
) -> TrainingParameterSchedule:
    """Make a schedule from a number, a list or a schedule."""
    if isinstance(given, TrainingParameterSchedule):
        return given
    epoch = whole_or_none("epoch_size", epoch_size) or 0
    if is_number(given):
        if epoch:
            text = f"epoch_size={epoch} has no effect: {shown(given)} is one value for all epochs."
            warnings.warn(text, RuntimeWarning, stacklevel=3)
        value = convert("The value of a schedule", given)
        return TrainingParameterSchedule([(0, value)], 0, minibatch_size)
    if not isinstance(given, list):
        msg = (
            f"{shown(given)} ({type(given).__name__}) is not a schedule; write a number, "
            "a list such as [0.1, 0.05] or [(2, 0.1), (1, 0.05)], or a schedule."
        )
        raise HyperparameterError(msg)
    pairs = [_pair(item, convert) for item in given]
    if not pairs:
        msg = "An empty list is not a schedule; give at least one value."
        raise ConstructionError(msg)
    if any(count == 0 for count, _ in pairs[:-1]):
        msg = (
            f"In {shown(given)} a count is 0; only the last value, which holds forever, may have a "
            "count of 0."
        )
        raise ConstructionError(msg)
    return TrainingParameterSchedule(pairs, epoch, minibatch_size)


def _pair(item: Any, convert: Callable[[str, Any], float]) -> tuple[int, float]:
    """Return an item of a list as a (count, value) pair; the count of a lone number is 1."""
    count, value = item if isinstance(item, tuple) and len(item) == 2 else (1, item)
    if not isinstance(value, Real):
        msg = f"{shown(item)} cannot be in a schedule; write a number or a pair (count, value)."
        raise HyperparameterError(msg)
    return whole("The count of a schedule", count), convert("A value of a schedule", value)
