"""`Function.train`: epochs over arrays, with checkpoints, cross validation, tests and callbacks."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from learnerdsl.cntk.evaluation import evaluate
from learnerdsl.cntk.functions import Function
from learnerdsl.cntk.learner import Learner
from learnerdsl.cntk.nodes import Node
from learnerdsl.cntk.progress import ProgressWriter
from learnerdsl.cntk.schedules import TrainingParameterSchedule
from learnerdsl.cntk.trainer import Trainer, split_criterion
from learnerdsl.errors import ArrayError, DtypeError, HyperparameterError

Data = Mapping[Node, Any] | Sequence[Any]
Config = TypeVar("Config")
Batch = tuple[dict[Node, Any], int, bool]


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


@dataclass(frozen=True)
class EpochSummary:
    """Averages over an epoch.

    Attributes:
        loss: average loss.
        metric: average metric, None if there is none.
        samples: number of samples.
    """

    loss: float
    metric: float | None
    samples: int


@dataclass
class TrainingSummary:
    """What `Function.train` did.

    Attributes:
        updates: number of minibatches.
        epoch_summaries: one for each epoch.
        test_summary: average metric of the test, if there was one.
    """

    updates: int = 0
    epoch_summaries: list[EpochSummary] = field(default_factory=list)
    test_summary: float | None = None


def train(
    self: Function,
    minibatch_source: Data,
    minibatch_size: int | TrainingParameterSchedule = 32,
    streams: object = None,
    model_inputs_to_streams: Mapping[Node, int] | None = None,
    parameter_learners: Learner | Sequence[Learner] = (),
    callbacks: Sequence[Any] = (),
    progress_frequency: int | None = None,
    max_epochs: int | None = None,
    epoch_size: int | None = None,
    max_samples: int | None = None,
) -> TrainingSummary:
    """Train a criterion on arrays, minibatch by minibatch, in their order.

    Args:
        self: the loss, or a combination of loss and metric.
        minibatch_source: arrays with a row per sample: in the order of the criterion's inputs, or
            by input. A callable with (number of the epoch) may return them for each epoch.
        minibatch_size: number of samples, or a schedule of it.
        streams: accepted as in CNTK; data come as arrays.
        model_inputs_to_streams: accepted as in CNTK.
        parameter_learners: a learner or several.
        callbacks: progress writers, `CheckpointConfig`, `CrossValidationConfig`, `TestConfig`, or
            functions of (trainer, epoch summary), called after every epoch.
        progress_frequency: samples after which writers report; an epoch if left out.
        max_epochs: number of epochs; 1 if neither this nor `max_samples` is given.
        epoch_size: samples in an epoch; all of the data if left out.
        max_samples: stop after so many samples.

    Returns:
        A summary of every epoch.

    >>> import numpy as np
    >>> import learnerdsl.cntk as C
    >>> x, y = C.input_variable(1), C.input_variable(1)
    >>> w = C.parameter((1, 1), init=0)
    >>> loss = C.squared_error(C.times(x, w), y)
    >>> data = np.ones((8, 1), np.float32)
    >>> learner = C.sgd([w], 0.25)
    >>> summary = loss.train((data, 2 * data), 4, parameter_learners=learner, max_epochs=9)
    >>> len(summary.epoch_summaries), summary.updates, w.value.round(2).item()
    (9, 18, 2.0)
    """
    del streams, model_inputs_to_streams
    training = _Training(self, parameter_learners, callbacks, progress_frequency)
    limit = 1 if max_epochs is None and max_samples is None else max_epochs
    return training.run(minibatch_source, minibatch_size, limit, epoch_size, max_samples)


class _Training:
    """One call of `train`."""

    def __init__(
        self,
        criterion: Function,
        learners: Learner | Sequence[Learner],
        callbacks: Sequence[Any],
        progress_frequency: int | None,
    ) -> None:
        callbacks = callbacks if isinstance(callbacks, (list, tuple)) else [callbacks]
        writers = [one for one in callbacks if isinstance(one, ProgressWriter)]
        self.checkpoint = _first(callbacks, CheckpointConfig)
        self.validation = _first(callbacks, CrossValidationConfig)
        self.test = _first(callbacks, TestConfig)
        known = (ProgressWriter, CheckpointConfig, CrossValidationConfig, TestConfig)
        self.functions = [one for one in callbacks if not isinstance(one, known)]
        for function in self.functions:
            if not callable(function):
                msg = (
                    f"{function!r} is no callback; give progress writers, CheckpointConfig, "
                    "CrossValidationConfig, TestConfig or functions of (trainer, summary)."
                )
                raise DtypeError(msg)
        loss, metric = split_criterion(criterion)
        self.criterion = criterion
        self.inputs = criterion.arguments
        self.trainer = Trainer(None, (loss, metric), learners, writers)
        self.trainer.model = criterion
        self.progress_frequency = progress_frequency
        self.summary = TrainingSummary()
        self.samples = self.epoch = self.tests = 0
        self.done: dict[str, int] = {"checkpoint": 0, "validation": 0, "progress": 0}
        self.goes_on = True

    def run(
        self,
        source: Any,
        minibatch_size: int | TrainingParameterSchedule,
        max_epochs: int | None,
        epoch_size: int | None,
        max_samples: int | None,
    ) -> TrainingSummary:
        """Train until a limit is reached."""
        first = self._restore()
        arrays_of: Callable[[int], Any] = source if callable(source) else lambda epoch: source
        data = Minibatches(self.inputs, arrays_of(0))
        data.position = first
        size = epoch_size or data.size
        self.epoch = self.samples // size
        while self.goes_on and (max_epochs is None or self.epoch < max_epochs):
            if callable(source) and self.epoch:
                data = Minibatches(self.inputs, arrays_of(self.epoch))
            end = (self.epoch + 1) * size
            end = end if max_samples is None else min(end, max_samples)
            if self.samples >= end:
                break
            self._run_epoch(data, minibatch_size, end)
        self._run_test()
        return self.summary

    def _run_epoch(
        self, data: "Minibatches", minibatch_size: int | TrainingParameterSchedule, end: int
    ) -> None:
        totals = np.zeros(3)
        while self.samples < end and self.goes_on:
            wanted = minibatch_size
            if isinstance(wanted, TrainingParameterSchedule):
                wanted = int(wanted[self.samples])
            batch, count, is_end = data.next(min(_positive(wanted), end - self.samples))
            self.trainer.train_minibatch(batch, is_sweep_end=is_end)
            _, loss, metric = self.trainer._previous
            totals += (count, loss, metric or 0.0)
            self.samples += count
            self.summary.updates += 1
            self._do_what_is_due(data)
        self.epoch += 1
        has_metric = self.trainer.evaluation_function is not None
        count = int(totals[0])
        metric = float(totals[2] / count) if has_metric else None
        self.summary.epoch_summaries.append(EpochSummary(float(totals[1] / count), metric, count))
        self._finish_epoch(data)

    def _do_what_is_due(self, data: "Minibatches") -> None:
        """What is done after a number of samples, not at the end of an epoch."""
        if self._is_due("progress", self.progress_frequency):
            self.trainer.summarize_training_progress()
        if self.checkpoint and self._is_due("checkpoint", self.checkpoint.frequency):
            self._save(data)
        if self.validation and self._is_due("validation", self.validation.frequency):
            self._validate()

    def _is_due(self, what: str, frequency: int | None) -> bool:
        if not frequency or self.samples // frequency == self.done[what]:
            return False
        self.done[what] = self.samples // frequency
        return True

    def _finish_epoch(self, data: "Minibatches") -> None:
        if not self.progress_frequency:
            self.trainer.summarize_training_progress()
        if self.validation and not self.validation.frequency:
            self._validate()
        if self.checkpoint and not self.checkpoint.frequency:
            self._save(data)
        for function in self.functions:
            function(self.trainer, self.summary.epoch_summaries[-1])

    def _restore(self) -> int:
        """Continue from the checkpoint, if there is one; the position in the data."""
        config = self.checkpoint
        if config is None or not config.restore or not Path(f"{config.filename}.ckp").exists():
            return 0
        state = self.trainer.restore_from_checkpoint(config.filename)
        self.samples = int(state["samples"])
        return int(state["position"])

    def _save(self, data: "Minibatches") -> None:
        config = self.checkpoint
        if config is None:
            return
        state = {"samples": self.samples, "position": data.position}
        self.trainer.save_checkpoint(config.filename, state)
        if config.preserve_all:
            self.trainer.save_checkpoint(f"{config.filename}.{self.samples}", state)

    def _validate(self) -> None:
        config = self.validation
        if config is None:
            return
        average, samples, batches = self._average_metric(
            config.minibatch_source, config.minibatch_size
        )
        self.tests += 1
        if config.callback and config.callback(self.tests - 1, average, samples, batches) is False:
            self.goes_on = False

    def _run_test(self) -> None:
        if self.test:
            found = self._average_metric(self.test.minibatch_source, self.test.minibatch_size)
            self.summary.test_summary = found[0]

    def _average_metric(self, source: Data, minibatch_size: int) -> tuple[float, int, int]:
        """Average over all the data, number of samples and of minibatches."""
        total, samples, batches = 0.0, 0, 0
        for batch, count, _ in Minibatches(self.inputs, source).sweep(_positive(minibatch_size)):
            total += self.trainer.test_minibatch(batch) * count
            samples, batches = samples + count, batches + 1
        self.trainer.summarize_test_progress()
        return total / samples, samples, batches


class Minibatches:
    """Minibatches of arrays in their order, sweep after sweep.

    Args:
        inputs: the inputs of a criterion.
        source: arrays in the order of the inputs, or by input.

    Attributes:
        size: number of samples in a sweep.
        position: number of the next sample within the sweep.
    """

    def __init__(self, inputs: Sequence[Node], source: Data) -> None:
        if isinstance(source, (np.ndarray, str)) or hasattr(source, "tocsr"):
            source = (source,)
        if isinstance(source, Mapping):
            self.arrays = dict(source)
        elif isinstance(source, (tuple, list)):
            if len(source) != len(inputs):
                msg = f"{len(source)} arrays for the {len(inputs)} inputs {inputs}; give one each."
                raise ArrayError(msg)
            self.arrays = dict(zip(inputs, source, strict=True))
        else:
            msg = f"Data come as a tuple or dict of arrays, got {type(source).__name__}."
            raise DtypeError(msg)
        sizes = {array.shape[0] for array in self.arrays.values()}
        if len(sizes) != 1 or 0 in sizes:
            msg = f"Arrays need the same number of samples, at least 1; got {sorted(sizes)}."
            raise ArrayError(msg)
        self.size: int = sizes.pop()
        self.position = 0

    def next(self, count: int) -> Batch:
        """The next minibatch, which ends with the sweep if that comes first."""
        start, end = self.position, min(self.position + count, self.size)
        self.position = end % self.size
        batch = {node: array[start:end] for node, array in self.arrays.items()}
        return batch, end - start, end == self.size

    def sweep(self, count: int) -> Iterator[Batch]:
        """All minibatches of one sweep."""
        is_end = False
        while not is_end:
            batch = self.next(count)
            is_end = batch[2]
            yield batch


def measure(
    self: Function,
    minibatch_source: Data,
    minibatch_size: int = 32,
    callbacks: Sequence[ProgressWriter] = (),
) -> float:
    """The average of the metric (of the loss, if there is none) over arrays.

    Args:
        self: the loss, or a combination of loss and metric.
        minibatch_source: arrays, in the order of the inputs or by input.
        minibatch_size: number of samples evaluated at a time.
        callbacks: progress writers.
    """
    loss, metric = split_criterion(self)
    node = loss if metric is None else metric
    total, samples = 0.0, 0
    for batch, count, _ in Minibatches(self.arguments, minibatch_source).sweep(minibatch_size):
        (value,) = evaluate((node,), {n: batch[n] for n in node.arguments})
        total, samples = total + float(np.sum(value, dtype=np.float64)), samples + count
        for writer in callbacks:
            writer.update_test(count, float(np.sum(value)))
    for writer in callbacks:
        writer.finish_test()
    return total / samples


def _first(callbacks: Sequence[Any], kind: type[Config]) -> Config | None:
    """The first callback of a kind, None if there is none."""
    return next((one for one in callbacks if isinstance(one, kind)), None)


def _positive(size: Any) -> int:
    if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or size < 1:
        msg = f"minibatch_size must be a positive int, got {size!r}."
        raise HyperparameterError(msg)
    return int(size)


Function.train = train
Function.test = measure  # type: ignore[attr-defined]
