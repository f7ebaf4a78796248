"""The base of CNTK's learners: parameters, learning rate, counters, and checks of gradients."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from learnerdsl.cntk.checks import LARGEST, shown, whole, whole_or_none
from learnerdsl.cntk.errors import CountError, CountTypeError, GradientError, MissingMethodError
from learnerdsl.cntk.graph.variables import Parameter
from learnerdsl.cntk.learning.saved import check_keys, same
from learnerdsl.cntk.learning.schedules import TrainingParameterSchedule
from learnerdsl.errors import ArrayError, CheckpointError, DtypeError, HyperparameterError
from learnerdsl.runtime.arrays.sparse import RowSparse

Gradient = np.ndarray | RowSparse
Dictionary = dict[str, Any]


class Learner:
    """Counts samples and reads the learning rate; subclasses write `update`.

    Args:
        parameters: list or tuple of different parameters.
        learning_rate_schedule: the learning rate by the number of samples, or data sweeps, seen.
        minibatch_size: reference minibatch size; 0 to average gradients over a minibatch, None to
            sum them.
    """

    def __init__(
        self,
        parameters: Sequence[Parameter],
        learning_rate_schedule: TrainingParameterSchedule,
        minibatch_size: int | None = None,
    ) -> None:
        self.all_parameters = checked_parameters(parameters)
        self._learning_rate_schedule = checked_schedule(type(self).__name__, learning_rate_schedule)
        self._minibatch_size = whole_or_none("minibatch_size", minibatch_size)
        self._samples = self._minibatches = self._sweeps = 0

    def update(
        self,
        gradient_values: Mapping[Parameter, Any],
        training_sample_count: int,
        is_sweep_end: bool = False,
    ) -> bool:
        """Do one update.

        Args:
            gradient_values: dict from parameter to gradient, summed over the minibatch.
            training_sample_count: number of samples in the minibatch.
            is_sweep_end: whether this minibatch is the last of a data sweep.

        Returns:
            Whether the parameters were updated.
        """
        msg = (
            f"{type(self).__name__} does not have a method update; write one that returns True or "
            "False."
        )
        raise MissingMethodError(msg)

    def check_minibatch(self, count: int) -> None:
        """Raise if an update with `count` samples is impossible now; called before any update."""

    def take_minibatch(
        self, gradient_values: Mapping[Parameter, Any], count: int, is_sweep_end: bool
    ) -> bool:
        """Run `update` and advance the counters, even if a subclass overrides `update`."""
        return self.update(gradient_values, count, is_sweep_end)

    def learning_rate(self) -> float:
        """Return the learning rate in force, as the schedule states it."""
        return self.value_of(self._learning_rate_schedule)

    def value_of(self, schedule: TrainingParameterSchedule) -> float:
        """Return the value of a schedule at the current number of samples or sweeps."""
        return schedule[self._sweeps if schedule.is_sweep_based() else self._samples]

    def reset_learning_rate(self, learning_rate: TrainingParameterSchedule) -> None:
        """Follow another schedule, which starts now.

        As in CNTK, it gets the reference minibatch size of the old schedule.
        """
        learning_rate = checked_schedule("reset_learning_rate", learning_rate)
        start = self._sweeps if learning_rate.is_sweep_based() else self._samples
        size = self._learning_rate_schedule.minibatch_size
        self._learning_rate_schedule = learning_rate.shifted(start).with_size(size)

    def schedules_in_force(self) -> dict[str, float]:
        """Return the values for progress writers by name, such as "Learning rate per minibatch"."""
        return {reported_name("Learning rate", self._learning_rate_schedule): self.learning_rate()}

    def total_number_of_samples_seen(self) -> int:
        """Return the number of samples of all updates."""
        return self._samples

    def total_number_of_minibatches_seen(self) -> int:
        """Return the number of updates."""
        return self._minibatches

    def total_number_of_sweeps_seen(self) -> int:
        """Return the number of updates with `is_sweep_end`."""
        return self._sweeps

    def advance(self, count: int, is_sweep_end: bool) -> None:
        """Count an update."""
        self._samples += count
        self._minibatches += 1
        self._sweeps += bool(is_sweep_end)

    @property
    def minibatch_size(self) -> int:
        """The reference minibatch size; gradients are averaged if it is set to 0, else summed."""
        return self._minibatch_size or 0

    @minibatch_size.setter
    def minibatch_size(self, size: int) -> None:
        self._minibatch_size = whole_or_none("minibatch_size", size)

    def is_compatible_mode(self) -> bool:
        """Return whether gradients are averaged over the minibatch: its size was set to 0."""
        return self._minibatch_size == 0

    def create_checkpoint(self) -> Dictionary:
        """Return a copy of counters and learning rate; subclasses add their states."""
        return {
            "version": 1,
            "type": type(self).__name__,
            "sample_count": self._samples,
            "minibatchCount": self._minibatches,
            "sweepCount": self._sweeps,
            # The spelling of CNTK's own checkpoints.
            "learnig_rate_schedule": self._learning_rate_schedule.description(),
        }

    def restore_from_checkpoint(self, checkpoint: Mapping[str, Any]) -> None:
        """Continue from what `create_checkpoint` returned.

        Raises:
            CheckpointError: it is damaged or of another learner; nothing changes then.
        """
        own = self.create_checkpoint()
        check_keys("The checkpoint", checkpoint, own)
        for key in ("version", "type"):
            same(key, checkpoint[key], own[key])
        counts = [
            whole(key, checkpoint[key], error=CheckpointError)
            for key in ("sample_count", "minibatchCount", "sweepCount")
        ]
        schedule = TrainingParameterSchedule.from_description(checkpoint["learnig_rate_schedule"])
        self.restore_states(checkpoint)
        self._samples, self._minibatches, self._sweeps = counts
        self._learning_rate_schedule = schedule

    def restore_states(self, checkpoint: Mapping[str, Any]) -> None:
        """Restore the states of a subclass, or raise before anything changes."""


class UserLearner(Learner):
    """The base of learners written in Python: override `update`.

    Args:
        parameters: list or tuple of different parameters.
        lr_schedule: a schedule.
        as_numpy: accepted for compatibility with CNTK, ignored; gradients are always NumPy arrays
            (or `RowSparse`).

    >>> import numpy as np
    >>> import learnerdsl.cntk as C
    >>> class Descent(C.UserLearner):
    ...     def update(self, gradient_values, training_sample_count, sweep_end):
    ...         for p, g in gradient_values.items():
    ...             p.value = p.value - self.learning_rate() * g / training_sample_count
    ...         return True
    >>> w = C.parameter(shape=(2,), init=1)
    >>> descent = Descent([w], C.learning_parameter_schedule(0.5))
    >>> descent.update({w: np.ones(2, np.float32)}, 1, False)
    True
    >>> w.value
    array([0.5, 0.5], dtype=float32)
    """

    def __init__(
        self,
        parameters: Sequence[Parameter],
        lr_schedule: TrainingParameterSchedule,
        as_numpy: bool = True,
    ) -> None:
        super().__init__(parameters, lr_schedule)
        self.as_numpy = as_numpy

    def parameters(self) -> tuple[Parameter, ...]:
        """Return the parameters; a method, as in CNTK."""
        return self.all_parameters

    def take_minibatch(
        self, gradient_values: Mapping[Parameter, Any], count: int, is_sweep_end: bool
    ) -> bool:
        """Call the user's `update`, and advance the counters if it returns True."""
        own = {p: checked_gradient(p, gradient_values) for p in self.all_parameters}
        updated = self.update(own, count, is_sweep_end)
        if not isinstance(updated, (bool, np.bool_)):
            msg = f"{type(self).__name__}.update returned {shown(updated)}; return True or False."
            raise GradientError(msg)
        if updated:
            self.advance(count, is_sweep_end)
        return bool(updated)


def reported_name(what: str, schedule: TrainingParameterSchedule) -> str:
    """Return the name under which progress writers report a schedule."""
    size = schedule.minibatch_size
    return f"{what} per {size} samples" if size else f"{what} per minibatch"


def checked_schedule(owner: str, schedule: Any) -> TrainingParameterSchedule:
    """Return `schedule`, or raise if it is not one."""
    if isinstance(schedule, TrainingParameterSchedule):
        return schedule
    msg = (
        f"{owner} takes a schedule, got {shown(schedule)}; write learning_parameter_schedule(...)."
    )
    raise HyperparameterError(msg)


def checked_parameters(parameters: Any) -> tuple[Parameter, ...]:
    """Return `parameters` as a tuple, or raise if they are not different parameters."""
    if not isinstance(parameters, (list, tuple)):
        msg = f"A learner takes a list of parameters, got {shown(parameters)}; write [parameter]."
        raise DtypeError(msg)
    if not parameters:
        msg = "A learner needs at least one parameter, got an empty list."
        raise ArrayError(msg)
    for parameter in parameters:
        if not isinstance(parameter, Parameter):
            msg = (
                f"{shown(parameter)} is of type {type(parameter).__name__}, not Parameter; "
                "give variables made by C.parameter."
            )
            raise DtypeError(msg)
    if len(set(parameters)) < len(parameters):
        twice = next(p for p in parameters if parameters.count(p) > 1)
        msg = f"Parameter {twice.name or twice.uid} is in the list twice; list it once."
        raise ArrayError(msg)
    return tuple(parameters)


def checked_count(count: Any) -> int:
    """Return a number of samples, or raise if it is not a positive int."""
    if isinstance(count, bool) or not isinstance(count, int):
        msg = (
            f"training_sample_count must be a Python int, got {shown(count)} "
            f"({type(count).__name__}); write int(...)."
        )
        raise CountTypeError(msg)
    if not 0 <= count <= LARGEST:
        msg = (
            "training_sample_count must be from 1 to 2**63 - 1, "
            f"got {shown(count)}; give the number of samples in the minibatch."
        )
        raise CountError(msg)
    if count == 0:
        msg = "training_sample_count is 0; give at least one sample."
        raise HyperparameterError(msg)
    return count


def checked_gradient(parameter: Parameter, gradients: Any) -> Gradient:
    """Return the gradient of a parameter as the core takes it; raise if it cannot be used."""
    if not isinstance(gradients, Mapping):
        msg = f"Gradients must be a dict from parameters to arrays, got {type(gradients).__name__}."
        raise DtypeError(msg)
    label = f"Parameter {parameter.name or parameter.uid}"
    if parameter not in gradients:
        msg = f"{label} does not have a gradient; pass one for each parameter."
        raise GradientError(msg)
    gradient = _numbers_of(label, gradients[parameter])
    if isinstance(gradient, RowSparse):
        _check_dtype(label, parameter, gradient.values.dtype)
        _check_shape(label, parameter, tuple(gradient.shape))
        if tuple(gradient.shape) == parameter.shape:
            return gradient
        gradient = gradient.to_dense()
    _check_dtype(label, parameter, gradient.dtype)
    if gradient.shape != parameter.shape:
        _check_shape(label, parameter, gradient.shape)
        gradient = gradient.reshape(parameter.shape)
    if not gradient.flags.c_contiguous or np.may_share_memory(gradient, parameter.memory):
        gradient = np.array(gradient, order="C")
    return gradient


def _numbers_of(label: str, gradient: Any) -> Gradient:
    """Return a gradient as an array or a `RowSparse`."""
    if hasattr(gradient, "tocsr"):
        return _rows_of(gradient)
    if not isinstance(gradient, (np.ndarray, RowSparse)) and hasattr(gradient, "asarray"):
        gradient = gradient.asarray()
    if isinstance(gradient, np.ma.MaskedArray):
        msg = f"The gradient of {label} is a masked array; pass gradient.filled(0)."
        raise ArrayError(msg)
    if not isinstance(gradient, (np.ndarray, RowSparse)):
        msg = (
            f"The gradient of {label} is of type {type(gradient).__name__}; "
            "pass a NumPy array or a scipy csr matrix."
        )
        raise DtypeError(msg)
    # Subclasses such as numpy.matrix define shapes and products differently.
    return gradient if isinstance(gradient, RowSparse) else np.asarray(gradient)


def _check_dtype(label: str, parameter: Parameter, dtype: np.dtype[Any]) -> None:
    if dtype != parameter.dtype:
        own = np.dtype(parameter.dtype)
        msg = f"The gradient of {label} has dtype {dtype}, not {own}; write .astype({own.name!r})."
        raise GradientError(msg)


def _check_shape(label: str, parameter: Parameter, shape: tuple[int, ...]) -> None:
    """Raise unless the shapes match; as in CNTK, leading axes of length 1 do not matter."""
    if _bare(shape) != _bare(parameter.shape):
        msg = f"The gradient of {label} has shape {shape}; give one of shape {parameter.shape}."
        raise ArrayError(msg)


def _bare(shape: tuple[int, ...]) -> tuple[int, ...]:
    sizes = list(shape)
    while sizes and sizes[0] == 1:
        del sizes[0]
    return tuple(sizes)


def _rows_of(matrix: Any) -> RowSparse:
    """Return the rows of a scipy matrix that have stored elements."""
    rows = matrix.tocsr()
    present = np.flatnonzero(np.diff(rows.indptr)).astype(np.int64)
    return RowSparse(present, np.ascontiguousarray(rows[present].toarray()), rows.shape)
