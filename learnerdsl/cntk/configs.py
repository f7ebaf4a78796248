"""When `Function.train` ends, tests and writes checkpoints."""

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
    """When `Function.train` writes checkpoints.

    Args:
        filename: where; with `preserve_all` the number of samples is added to it.
        frequency: write after so many samples; None for every epoch.
        restore: continue from the file if it exists.
        preserve_all: keep all checkpoints instead of the last one.
    """

    filename: str | Path
    frequency: int | None = None
    restore: bool = True
    preserve_all: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be used."""
        path("filename", self.filename)
        whole_or_none("frequency", self.frequency)
        flag("restore", self.restore)
        flag("preserve_all", self.preserve_all)


@dataclass(frozen=True)
class CrossValidationConfig:
    """A test after every epoch.

    Args:
        minibatch_source: arrays, in the order of the criterion's inputs or by input.
        frequency: test after so many samples; None for every epoch.
        minibatch_size: samples in a test minibatch.
        callback: called with (number of tests, average metric, samples, minibatches); training
            stops if it returns False.
    """

    minibatch_source: Data
    frequency: int | None = None
    minibatch_size: int = 32
    callback: Callable[[int, float, int, int], bool | None] | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be used."""
        whole_or_none("frequency", self.frequency)
        whole("minibatch_size", self.minibatch_size, 1)
        if self.callback is not None:
            function("callback", self.callback, "(tests, average, samples, minibatches)")


@dataclass(frozen=True)
class TestConfig:
    """A test after training.

    Args:
        minibatch_source: arrays, in the order of the criterion's inputs or by input.
        minibatch_size: samples in a test minibatch.
    """

    __test__ = False  # its name looks like a test to pytest

    minibatch_source: Data
    minibatch_size: int = 32

    def __post_init__(self) -> None:
        """Refuse what cannot be used."""
        whole("minibatch_size", self.minibatch_size, 1)


@dataclass(frozen=True)
class Limits:
    """When training ends.

    Attributes:
        epochs: number of epochs; None for 1, or for as many as `samples` needs.
        epoch_size: samples in an epoch; None or 0 for all of the data.
        samples: number of samples, None for any.
    """

    epochs: int | None
    epoch_size: int | None
    samples: int | None

    def __post_init__(self) -> None:
        """Refuse what cannot be used."""
        whole_or_none("max_epochs", self.epochs)
        whole_or_none("epoch_size", self.epoch_size)
        whole_or_none("max_samples", self.samples)

    def end(self, epoch: int, size: int) -> int:
        """The number of samples at which an epoch ends; the one where it begins if it is none."""
        most = 1 if self.epochs is None and self.samples is None else self.epochs
        if most is not None and epoch >= most:
            return epoch * size
        end = (epoch + 1) * size
        return end if self.samples is None else min(end, self.samples)


def minibatch_sizes(size: Any) -> int | TrainingParameterSchedule:
    """The size of minibatches: a positive int, or a schedule of them."""
    if not isinstance(size, TrainingParameterSchedule):
        return whole("minibatch_size", size, 1)
    if min(size.values) < 1:
        msg = f"minibatch_size is {size!r}; every value must be a number of samples from 1."
        raise HyperparameterError(msg)
    return size
