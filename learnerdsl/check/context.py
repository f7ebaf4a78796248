"""Record what a rule's function declares while it runs on the arrays of one tensor."""

from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal

import numpy as np

from learnerdsl.check.values import Precision, Value
from learnerdsl.errors import LearnerError

Mode = Literal["start", "update", "evaluate"]


class NeedsOtherTensors(BaseException):
    """Raised at a reduction over the model until all tensors have computed their part of it."""


@dataclass
class Inputs:
    """The inputs of an update of one tensor.

    Attributes:
        tensor: index of the tensor in the learner.
        parameter: its array.
        gradient: array of the same shape.
        states: name -> value before the update; empty while the start values are computed.
        hyperparameters: name -> value.
        extras: name -> number or array.
        clock: step, samples, minibatch_size, model_size and seed.
        positions: indices of the elements in the tensor, if the arrays hold only some of it.
        moved: "parameter" or "gradient" -> array that is added to it, in the wide type.
    """

    tensor: int
    parameter: np.ndarray
    gradient: np.ndarray
    states: Mapping[str, Any]
    hyperparameters: Mapping[str, float]
    extras: Mapping[str, Any]
    clock: Mapping[str, float]
    positions: np.ndarray | None = None
    moved: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Hold:
    """Whether the members after `only_when` act, and what they see.

    Attributes:
        flag: 1 in updates where they act, 0 in others.
        step: the step as they see it.
        updates: the number of updates in which they acted.
        rest: the parameter after an update in which they do not act.
    """

    flag: Value
    step: Value
    updates: Value
    rest: Value


@dataclass
class Run:
    """One run of a rule on one tensor.

    Attributes:
        inputs: its inputs.
        mode: "start" for start values of states, "evaluate" for evaluation parameters.
        model: values of the reductions over the model, in call order.
        new: state -> new value.
        starts: state -> start value.
        targets: id of a value that `assign` accepts -> name of the state and its old value.
        parameter: the value of the parameter, as the current member sees it.
        assigned: new value of the parameter.
        evaluation: argument of `evaluate`.
        public: name in the current member -> name in the chain.
        conditions: conditions of `only_when` so far; None if it cannot be called now.
        places: "origin" and "otherwise" of `only_when`, where they were given.
        hold: the hold that an earlier member set.
        is_held: whether `assign` of the parameter is held back as well.
        draws: number of random numbers so far, without those of the model.
        draws_of_model: number of random numbers of the model so far.
        reductions: number of reductions over the model so far.
        rings: for each ring the names of its values, the newest first.
        alive: keeps values alive, because `targets` identifies them by id.
        pending: argument of the reduction that waits for the other tensors.
    """

    inputs: Inputs
    mode: Mode
    model: Sequence[Any]
    new: dict[str, Value] = field(default_factory=dict)
    starts: dict[str, Value] = field(default_factory=dict)
    targets: dict[int, tuple[str, Value]] = field(default_factory=dict)
    parameter: Value = field(init=False)
    gradient: Value = field(init=False)
    assigned: Value | None = None
    evaluation: Any = None
    public: Callable[[str], str] = field(default=lambda name: name)
    conditions: list[Value] | None = None
    places: dict[str, Value] = field(default_factory=dict[str, Value])
    hold: Hold | None = None
    is_held: bool = True
    draws: int = 0
    draws_of_model: int = 0
    reductions: int = 0
    rings: list[list[str]] = field(default_factory=list)
    pending: Any = None
    alive: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        arrays = {"parameter": self.inputs.parameter, "gradient": self.inputs.gradient}
        for name, by in self.inputs.moved.items():
            arrays[name] = arrays[name] + by
        self.parameter = Value(arrays["parameter"], is_array=True)
        self.gradient = Value(arrays["gradient"], is_array=True, uses_gradient=True)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the parameter."""
        return self.inputs.parameter.shape

    @property
    def kind(self) -> Precision:
        """The precision of the parameter."""
        return Precision.of(self.inputs.parameter.dtype)

    @property
    def step(self) -> Value:
        """The step as the current member sees it."""
        if self.hold is None:
            return Value(self.inputs.clock["step"])
        return self.hold.updates if self.mode == "evaluate" else self.hold.step

    @property
    def updated(self) -> dict[str, Value]:
        """The parameter and states after the update; the values of rings are one update older."""
        parameter = self.parameter if self.assigned is None else self.assigned
        new = {"parameter": parameter, **self.new}
        for names in self.rings:
            new[names[0]] = self.new[names[-1]]
            for younger, older in pairwise(names):
                if younger in self.inputs.states:  # unless `fixed` dropped the ring
                    new[older] = Value(self.inputs.states[younger], is_array=True)
        return new

    def over_model(self, part: Any) -> Any:
        """Return the next reduction over the model, to which this tensor contributes `part`.

        Raises:
            NeedsOtherTensors: it is not known yet.
        """
        number, self.reductions = self.reductions, self.reductions + 1
        if number < len(self.model):
            return self.model[number]
        self.pending = part
        raise NeedsOtherTensors


current_run: ContextVar[Run | None] = ContextVar("learnerdsl_check_run", default=None)


def running_now(what: str) -> Run:
    """Return the current run; raise a LearnerError that names `what` if there is none."""
    run = current_run.get()
    if run is None:
        msg = (
            f"{what} was called outside a rule; write it inside a function under @learnerdsl.rule."
        )
        raise LearnerError(msg)
    return run


class ClockValue(Value):
    """A scalar that the learner keeps, such as `step`; its value is that of the current run."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        object.__setattr__(self, "name", name)
        super().__init__(0.0)

    def now(self) -> Value:
        """Return its value in the current run."""
        run = running_now(self.name)
        return run.step if self.name == "step" else Value(run.inputs.clock[self.name])
