"""`Function.train` and `Function.test`: epochs over arrays, checkpoints, tests and callbacks."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from learnerdsl.cntk.checks import several, shown, whole, whole_or_none
from learnerdsl.cntk.configs import (
    CheckpointConfig,
    CrossValidationConfig,
    Limits,
    TestConfig,
    minibatch_sizes,
)
from learnerdsl.cntk.files import check_folder
from learnerdsl.cntk.graph.evaluation import evaluate
from learnerdsl.cntk.graph.functions import Function, method_test, method_train
from learnerdsl.cntk.graph.nodes import Node
from learnerdsl.cntk.learning.learner import Learner
from learnerdsl.cntk.learning.saved import check_keys
from learnerdsl.cntk.learning.schedules import TrainingParameterSchedule
from learnerdsl.cntk.minibatches import Data, Minibatches
from learnerdsl.cntk.pairs import is_there
from learnerdsl.cntk.progress import ProgressWriter
from learnerdsl.cntk.trainer import Trainer, split_criterion
from learnerdsl.errors import CheckpointError, DtypeError

Config = TypeVar("Config")


@dataclass(frozen=True)
class EpochSummary:
    """Averages over an epoch.

    Attributes:
        loss: average loss.
        metric: average metric, None if there is no metric.
        samples: number of samples.
    """

    loss: float
    metric: float | None
    samples: int


@dataclass
class TrainingSummary:
    """The result of `Function.train`.

    Attributes:
        updates: number of minibatches.
        epoch_summaries: the averages of each epoch.
        test_summary: average metric of the test, None without a test.
    """

    updates: int = 0
    epoch_summaries: list[EpochSummary] = field(default_factory=list)
    test_summary: float | None = None


@method_train.register
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
    """Train a criterion on arrays, minibatch by minibatch, in the order of the samples.

    Args:
        self: the loss, or a combination of loss and metric.
        minibatch_source: arrays with a row per sample: in the order of the criterion's inputs, or
            a dict by input. A function that takes the index of an epoch may return them.
        minibatch_size: number of samples, or a schedule of it.
        streams: accepted for compatibility with CNTK, ignored.
        model_inputs_to_streams: accepted for compatibility with CNTK, ignored.
        parameter_learners: a learner or several.
        callbacks: progress writers, `CheckpointConfig`, `CrossValidationConfig`, `TestConfig`, or
            functions of (trainer, epoch summary), called after every epoch.
        progress_frequency: number of samples between reports; an epoch if left out.
        max_epochs: number of epochs; 1 if neither this nor `max_samples` is given.
        epoch_size: number of samples in an epoch; all of the data if left out.
        max_samples: number of samples after which to stop.

    Returns:
        The number of updates, a summary of every epoch, and the metric of the test.

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
    limits = Limits(max_epochs, epoch_size, max_samples)
    return training.run(minibatch_source, minibatch_sizes(minibatch_size), limits)


class _Training:
    """The state of one call of `train`."""

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
        if self.checkpoint is not None:
            check_folder(Path(self.checkpoint.filename))
        self.validation = _first(callbacks, CrossValidationConfig)
        self.test = _first(callbacks, TestConfig)
        known = (ProgressWriter, CheckpointConfig, CrossValidationConfig, TestConfig)
        self.functions = [one for one in callbacks if not isinstance(one, known)]
        for one in self.functions:
            if not callable(one):
                msg = (
                    f"{shown(one)} is not a callback; give progress writers, CheckpointConfig, "
                    "CrossValidationConfig, TestConfig or functions of (trainer, summary)."
                )
                raise DtypeError(msg)
        loss, metric = split_criterion(criterion)
        self.criterion = criterion
        self.inputs = criterion.arguments
        self.trainer = Trainer(None, (loss, metric), learners, writers)
        self.trainer.model = criterion
        self.progress_frequency = whole_or_none("progress_frequency", progress_frequency)
        needed = (loss if metric is None else metric).arguments
        self.test_data = {
            type(config): Minibatches(self.inputs, config.minibatch_source, needed)
            for config in (self.validation, self.test)
            if config is not None
        }
        self.summary = TrainingSummary()
        self.samples = self.epoch = self.tests = 0
        self.done: dict[str, int] = {"checkpoint": 0, "validation": 0, "progress": 0}
        self.goes_on = True

    def run(
        self,
        source: Any,
        minibatch_size: int | TrainingParameterSchedule,
        limits: Limits,
    ) -> TrainingSummary:
        """Train until a limit is reached."""
        arrays_of: Callable[[int], Any] = source if callable(source) else lambda epoch: source
        data = Minibatches(self.inputs, arrays_of(0))
        self._restore(data)
        size = limits.epoch_size or data.size
        self.epoch = self.samples // size
        while self.goes_on:
            if callable(source) and self.epoch:
                data = Minibatches(self.inputs, arrays_of(self.epoch))
            end = limits.end(self.epoch, size)
            if self.samples >= end:
                break
            self._run_epoch(data, minibatch_size, end)
        self._run_test()
        return self.summary

    def _run_epoch(
        self, data: Minibatches, minibatch_size: int | TrainingParameterSchedule, end: int
    ) -> None:
        totals = np.zeros(3)
        while self.samples < end and self.goes_on:
            wanted = minibatch_size
            if isinstance(wanted, TrainingParameterSchedule):
                wanted = int(wanted[self.samples])
            batch, count, is_end = data.next(min(wanted, end - self.samples))
            self.trainer.train_minibatch(batch, is_sweep_end=is_end)
            _, loss, metric = self.trainer.previous_minibatch
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

    def _do_what_is_due(self, data: Minibatches) -> None:
        """Report, save and validate if a number of samples has passed."""
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

    def _finish_epoch(self, data: Minibatches) -> None:
        if not self.progress_frequency:
            self.trainer.summarize_training_progress()
        if self.validation and not self.validation.frequency:
            self._validate()
        if self.checkpoint and not self.checkpoint.frequency:
            self._save(data)
        for function in self.functions:
            function(self.trainer, self.summary.epoch_summaries[-1])

    def _restore(self, data: Minibatches) -> None:
        """Continue from the checkpoint, if there is one."""
        config = self.checkpoint
        if config is None or not config.restore or not is_there(Path(config.filename)):
            return

        def check(state: Mapping[str, Any]) -> None:
            check_keys("The state of the training", state, ("samples", "position"))
            whole("samples", state["samples"], error=CheckpointError)
            if not whole("position", state["position"], error=CheckpointError) < data.size:
                msg = (
                    f"The checkpoint was made at sample {state['position']} of the data, but there "
                    f"are {data.size} samples now; train with the same data."
                )
                raise CheckpointError(msg)

        state = self.trainer.restore_checked(config.filename, check)
        self.samples, data.position = state["samples"], state["position"]

    def _save(self, data: Minibatches) -> None:
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
        average, samples, batches = self._average_metric(config)
        self.tests += 1
        if config.callback and config.callback(self.tests - 1, average, samples, batches) is False:
            self.goes_on = False

    def _run_test(self) -> None:
        if self.test:
            self.summary.test_summary = self._average_metric(self.test)[0]

    def _average_metric(self, config: CrossValidationConfig | TestConfig) -> tuple[float, int, int]:
        """Return the average over all the data, and the numbers of samples and of minibatches."""
        total, samples, batches = 0.0, 0, 0
        for batch, count, _ in self.test_data[type(config)].sweep(config.minibatch_size):
            total += self.trainer.test_minibatch(batch) * count
            samples, batches = samples + count, batches + 1
        self.trainer.summarize_test_progress()
        return total / samples, samples, batches


@method_test.register
def measure(
    self: Function,
    minibatch_source: Data,
    minibatch_size: int = 32,
    callbacks: Sequence[ProgressWriter] = (),
) -> float:
    """Return the average of the metric over arrays; of the loss if there is no metric.

    Args:
        self: the loss, or a combination of loss and metric.
        minibatch_source: arrays, in the order of the inputs or in a dict by input.
        minibatch_size: number of samples to evaluate at a time.
        callbacks: progress writers.
    """
    loss, metric = split_criterion(self)
    node = loss if metric is None else metric
    size = whole("minibatch_size", minibatch_size, 1)
    writers = several("callbacks", callbacks, ProgressWriter)
    total, samples = 0.0, 0
    data = Minibatches(self.arguments, minibatch_source, node.arguments)
    for batch, count, _ in data.sweep(size):
        (value,) = evaluate((node,), {n: batch[n] for n in node.arguments})
        total, samples = total + float(np.sum(value, dtype=np.float64)), samples + count
        for writer in writers:
            writer.update_test(count, float(np.sum(value)))
    for writer in writers:
        writer.finish_test()
    return total / samples


def _first(callbacks: Sequence[Any], kind: type[Config]) -> Config | None:
    """Return the first callback of a kind, None if there is none."""
    return next((one for one in callbacks if isinstance(one, kind)), None)
