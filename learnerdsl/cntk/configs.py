"""Settings of `Function.train`: when it ends, tests and writes checkpoints."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from learnerdsl.cntk.checks import flag, function, path, whole, whole_or_none
from learnerdsl.cntk.learning.schedules import TrainingParameterSchedule
from learnerdsl.cntk.minibatches import Data
from learnerdsl.errors import HyperparameterError


@dataclass(frozen=True)
class CheckpointConfig:
    """Settings of the checkpoints of `Function.train`.

    Args:
        filename: path of the file; `preserve_all` appends the number of samples to it.
        frequency: number of samples between checkpoints; None to write after every epoch.
        restore: whether to continue from the file if it exists.
        preserve_all: whether to keep all checkpoints, not only the last one.
    """

    filename: str | Path
    frequency: int | None = None
    restore: bool = True
    preserve_all: bool = False

    def __post_init__(self) -> None:
        """Raise if an argument cannot be used."""
        path("filename", self.filename)
        whole_or_none("frequency", self.frequency)
        flag("restore", self.restore)
        flag("preserve_all", self.preserve_all)


@dataclass(frozen=True)
class CrossValidationConfig:
    """A test after every epoch.

    Args:
        minibatch_source: arrays, in the order of the criterion's inputs or in a dict by input.
        frequency: number of samples between tests; None to test after every epoch.
        minibatch_size: number of samples in a test minibatch.
        callback: called with (number of tests before, average metric, samples, minibatches);
            training stops if it returns False.
    """

    minibatch_source: Data
    frequency: int | None = None
    minibatch_size: int = 32
    callback: Callable[[int, float, int, int], bool | None] | None = None

    def __post_init__(self) -> None:
        """Raise if an argument cannot be used."""
        whole_or_none("frequency", self.frequency)
        whole("minibatch_size", self.minibatch_size, 1)
        if self.callback is not None:
            function("callback", self.callback, "(tests, average, samples, minibatches)")


@dataclass(frozen=True)
class TestConfig:
    """A test after training.

    Args:
        minibatch_source: arrays, in the order of the criterion's inputs or in a dict by input.
        minibatch_size: number of samples in a test minibatch.
    """

    __test__ = False  # tells pytest that it is not a test

    minibatch_source: Data
    minibatch_size: int = 32

    def __post_init__(self) -> None:
        """Raise if an argument cannot be used."""
        whole("minibatch_size", self.minibatch_size, 1)


@dataclass(frozen=True)
class Limits:
    """The limits at which training ends.

    Attributes:
        epochs: number of epochs; None for 1, or for as many as `samples` needs.
        epoch_size: number of samples in an epoch; None or 0 for all of the data.
        samples: number of samples; None for no limit.
    """

    epochs: int | None
    epoch_size: int | None
    samples: int | None

    def __post_init__(self) -> None:
        """Raise if an argument cannot be used."""
        whole_or_none("max_epochs", self.epochs)
        whole_or_none("epoch_size", self.epoch_size)
        whole_or_none("max_samples", self.samples)

    def end(self, epoch: int, size: int) -> int:
        """Return the sample at which an epoch ends, or starts if training ends before it."""
        most = 1 if self.epochs is None and self.samples is None else self.epochs
        if most is not None and epoch >= most:
            return epoch * size
        end = (epoch + 1) * size
        return end if self.samples is None else min(end, self.samples)


def minibatch_sizes(size: Any) -> int | TrainingParameterSchedule:
    """Return the size of minibatches; raise unless it is a positive int or a schedule."""
    if not isinstance(size, TrainingParameterSchedule):
        return whole("minibatch_size", size, 1)
    if min(size.values) < 1:
        msg = f"minibatch_size is {size!r}; every value must be at least 1 sample."
        raise HyperparameterError(msg)
    return size
