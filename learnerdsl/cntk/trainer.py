"""The Trainer: a model, a loss to minimise, and learners that each update some parameters."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from learnerdsl.cntk.checks import flag, path, several, shown, whole
from learnerdsl.cntk.graph.evaluation import evaluate, value_and_gradients
from learnerdsl.cntk.graph.functions import Function, nodes_of
from learnerdsl.cntk.graph.nodes import Node
from learnerdsl.cntk.graph.variables import Parameter
from learnerdsl.cntk.learning.learner import Learner
from learnerdsl.cntk.learning.saved import check_keys, listed, same
from learnerdsl.cntk.pairs import read_pair, save_pair
from learnerdsl.cntk.progress import ProgressWriter
from learnerdsl.errors import ArrayError, CheckpointError, DtypeError, HyperparameterError

Criterion = Function | tuple[Function | None, ...] | list[Function | None]


class MinibatchTotals(NamedTuple):
    """Sums over a minibatch, before its update.

    Attributes:
        samples: number of samples.
        loss: sum of the loss.
        metric: sum of the metric, None if there is none.
    """

    samples: int = 0
    loss: float = 0.0
    metric: float | None = None


class Trainer:
    """Trains a model minibatch by minibatch.

    Args:
        model: the function to train; the loss if None.
        criterion: the loss, or a pair of loss and metric, each a scalar per sample.
        parameter_learners: a learner or several; each parameter may be in one of them.
        progress_writers: a writer or several.

    Raises:
        ArrayError: a ValueError; a parameter is in two learners, or is not in the model.

    >>> import numpy as np
    >>> import learnerdsl.cntk as C
    >>> x, y = C.input_variable(2), C.input_variable(1)
    >>> w = C.parameter((2, 1), init=0)
    >>> model = C.times(x, w)
    >>> trainer = C.Trainer(model, C.squared_error(model, y), C.sgd([w], lr=0.1))
    >>> data = {x: np.eye(2, dtype=np.float32), y: np.ones((2, 1), np.float32)}
    >>> trainer.train_minibatch(data)
    True
    >>> trainer.previous_minibatch_loss_average
    1.0
    """

    def __init__(
        self,
        model: Function | None,
        criterion: Criterion,
        parameter_learners: Learner | Sequence[Learner],
        progress_writers: ProgressWriter | Sequence[ProgressWriter] | None = None,
    ) -> None:
        self.loss_function, self.evaluation_function = split_criterion(criterion)
        if model is not None and not isinstance(model, Function):
            msg = (
                f"The model must be a function of nodes, got {shown(model)}; give None for the "
                "loss itself."
            )
            raise DtypeError(msg)
        self.model = self.loss_function if model is None else model
        self.parameter_learners = several("parameter_learners", parameter_learners, Learner)
        writers = () if progress_writers is None else progress_writers
        self.progress_writers = several("progress_writers", writers, ProgressWriter)
        self._parameters = self._checked_parameters()
        self._samples = 0
        self.previous_minibatch = MinibatchTotals()
        self._reported: dict[tuple[int, str], float] = {}

    def _checked_parameters(self) -> tuple[Parameter, ...]:
        """Return the parameters of all learners; raise unless each occurs once and in the model."""
        if not self.parameter_learners:
            msg = "A Trainer needs at least one learner, got none."
            raise HyperparameterError(msg)
        known = {*self.loss_function.parameters, *self.model.parameters}
        found: set[Parameter] = set()
        for parameter in (p for lr in self.parameter_learners for p in lr.all_parameters):
            label = parameter.name or parameter.uid
            if parameter in found:
                msg = f"Parameter {label} is in two learners; give it to one of them."
                raise ArrayError(msg)
            if parameter not in known:
                msg = f"Parameter {label} of a learner is not in the model; leave it out."
                raise ArrayError(msg)
            found.add(parameter)
        return tuple(p for lr in self.parameter_learners for p in lr.all_parameters)

    def train_minibatch(
        self,
        arguments: Any,
        outputs: Sequence[Node] | None = None,
        device: object = None,
        is_sweep_end: bool | None = None,
    ) -> bool | tuple[bool, dict[Node, np.ndarray]]:
        """Update the parameters with one minibatch.

        Args:
            arguments: data of the inputs, as for `Function.eval`; or a pair of this and whether the
                minibatch ends a data sweep. Nothing happens if the dict is empty.
            outputs: nodes whose values before the update to return too.
            device: accepted for compatibility with CNTK, ignored.
            is_sweep_end: whether the minibatch is the last of a data sweep.

        Returns:
            Whether any learner updated its parameters; with `outputs`, a pair of this and a dict of
            their values.
        """
        del device
        if isinstance(arguments, tuple) and len(arguments) == 2 and isinstance(arguments[1], bool):
            arguments, is_sweep_end = arguments
        is_end = False if is_sweep_end is None else flag("is_sweep_end", is_sweep_end)
        nodes = () if outputs is None else nodes_of("outputs", outputs)
        if isinstance(arguments, Mapping) and not arguments:
            return False if outputs is None else (False, {})
        values = self._evaluated(nodes, arguments) if nodes else {}
        loss, metric, gradients = value_and_gradients(
            self.loss_function, self.evaluation_function, arguments, self._parameters
        )
        count = len(loss)
        for learner in self.parameter_learners:
            learner.check_minibatch(count)
        self._report_schedules()
        updated = [
            learner.take_minibatch(gradients, count, is_end) for learner in self.parameter_learners
        ]
        total = None if metric is None else _sum(metric)
        self.previous_minibatch = MinibatchTotals(count, _sum(loss), total)
        if any(updated):
            self._samples += count
        for writer in self.progress_writers:
            writer.update_training(*self.previous_minibatch)
        return any(updated) if outputs is None else (any(updated), values)

    def _evaluated(self, outputs: Sequence[Node], arguments: Any) -> dict[Node, np.ndarray]:
        return dict(zip(outputs, evaluate(outputs, _needed(outputs, arguments)), strict=True))

    def _report_schedules(self) -> None:
        """Write the learning rates that have changed to the progress writers."""
        for number, learner in enumerate(self.parameter_learners):
            for name, value in learner.schedules_in_force().items():
                if self._reported.get((number, name)) != value:
                    self._reported[number, name] = value
                    for writer in self.progress_writers:
                        writer.write(name, value)

    def test_minibatch(self, arguments: Any, device: object = None) -> float:
        """Return the average metric of a minibatch; the average loss if there is no metric."""
        del device
        node = self.loss_function if self.evaluation_function is None else self.evaluation_function
        (value,) = evaluate((node,), _needed((node,), arguments))
        count = len(value) if node.batched else 1
        total = _sum(value)
        for writer in self.progress_writers:
            writer.update_test(count, total)
        return total / count

    def summarize_training_progress(self) -> None:
        """Let the writers report the minibatches since the last call, as an epoch."""
        for writer in self.progress_writers:
            writer.finish_training(self.evaluation_function is not None)

    def summarize_test_progress(self) -> None:
        """Let the writers report the test minibatches since the last call."""
        for writer in self.progress_writers:
            writer.finish_test()

    @property
    def previous_minibatch_sample_count(self) -> int:
        """Number of samples in the last minibatch."""
        return self.previous_minibatch.samples

    @property
    def previous_minibatch_loss_average(self) -> float:
        """The average loss of the last minibatch, before its update."""
        previous = self._required_minibatch()
        return previous.loss / previous.samples

    @property
    def previous_minibatch_evaluation_average(self) -> float:
        """The average metric of the last minibatch, before its update."""
        previous = self._required_minibatch()
        if previous.metric is None:
            msg = "This trainer does not have a metric; give a pair (loss, metric) as criterion."
            raise HyperparameterError(msg)
        return previous.metric / previous.samples

    def _required_minibatch(self) -> MinibatchTotals:
        if not self.previous_minibatch.samples:
            msg = "There has been no minibatch yet; call train_minibatch first."
            raise HyperparameterError(msg)
        return self.previous_minibatch

    @property
    def total_number_of_samples_seen(self) -> int:
        """Number of samples of all minibatches that updated parameters."""
        return self._samples

    def save_checkpoint(
        self, filename: str | Path, external_state: Mapping[str, Any] | None = None
    ) -> None:
        """Write the model to `filename`, and the trainer's and learners' states to `filename`.ckp.

        Args:
            filename: path of the model. Both files are written atomically; if the process ends in
                between, `restore_from_checkpoint` still finds two that match.
            external_state: dicts, lists, numbers, text and arrays, which restoring returns.

        Raises:
            CheckpointError: `external_state` holds something else.
            FileError: an OSError; a file cannot be written.
        """
        state = {} if external_state is None else external_state
        if not isinstance(state, Mapping):
            msg = f"external_state must be a dict, got {shown(state)}; write {{'state': ...}}."
            raise HyperparameterError(msg)
        tree = {
            "version": 1,
            "samples": self._samples,
            "learners": [learner.create_checkpoint() for learner in self.parameter_learners],
            "external_state": dict(state),
        }
        save_pair(path("filename", filename), self.model, tree)

    def restore_from_checkpoint(self, filename: str | Path) -> dict[str, Any]:
        """Continue from what `save_checkpoint` wrote; later updates are as without the break.

        Returns:
            The external state.

        Raises:
            CheckpointError: the files are damaged, do not match, or are of another model or other
                learners; nothing changes then.
            MissingFileError: a FileNotFoundError; there is no such checkpoint.
        """
        return self.restore_checked(filename, lambda state: None)

    def restore_checked(
        self, filename: str | Path, check: Callable[[dict[str, Any]], None]
    ) -> dict[str, Any]:
        """Run `restore_from_checkpoint`, but raise before any change if `check(state)` raises."""
        tree, copy_values = read_pair(path("filename", filename), self.model)
        check_keys("The checkpoint", tree, ("version", "samples", "learners", "external_state"))
        same("version", tree["version"], 1)
        samples = whole("samples", tree["samples"], error=CheckpointError)
        saved = listed("learners", tree["learners"], len(self.parameter_learners))
        check_keys("The external state", tree["external_state"], ())
        check(tree["external_state"])
        before = [learner.create_checkpoint() for learner in self.parameter_learners]
        try:
            for learner, one in zip(self.parameter_learners, saved, strict=True):
                learner.restore_from_checkpoint(one)
        except BaseException:
            for learner, one in zip(self.parameter_learners, before, strict=True):
                learner.restore_from_checkpoint(one)
            raise
        copy_values()
        self._samples = samples
        return tree["external_state"]


def split_criterion(criterion: Criterion) -> tuple[Function, Function | None]:
    """Return loss and metric of a criterion: a loss, a pair, or a combination of two."""
    outputs: list[Any] = []
    if isinstance(criterion, Function):
        outputs = list(criterion.outputs)
    elif isinstance(criterion, (tuple, list)):
        outputs = list(criterion)
    loss, metric = (*outputs, None)[:2] if 1 <= len(outputs) <= 2 else (None, None)
    if isinstance(loss, Function) and (metric is None or isinstance(metric, Function)):
        return loss, metric
    given = shown(criterion)
    msg = f"The criterion must be a loss or a pair (loss, metric) of functions, got {given}."
    raise DtypeError(msg)


def _sum(values: np.ndarray) -> float:
    """Add up numbers in float64, whatever their dtype."""
    return float(np.sum(values, dtype=np.float64))


def _needed(outputs: Sequence[Node], arguments: Any) -> Any:
    """Return the data that some nodes need."""
    if not isinstance(arguments, Mapping):
        return arguments
    taken = {n for node in outputs if isinstance(node, Function) for n in node.arguments}
    names = {node.name for node in taken}
    return {key: data for key, data in arguments.items() if key in taken or key in names}
