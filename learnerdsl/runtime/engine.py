"""The interface of an engine, and what engines on the host have in common."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from learnerdsl.errors import LearnerError
from learnerdsl.kernels.slots import MINIBATCH_SIZE, SAMPLES, STEP
from learnerdsl.pipeline import Program, compile_rule
from learnerdsl.runtime.arrays.host import Gradient, span_of
from learnerdsl.runtime.arrays.interop import host_array


class Outcome:
    """Whether an update on a device was done; its `bool` waits for the device.

    Args:
        count_nonfinite: waits, then returns how many gradient values were NaN or infinite; the
            update was done if none was.
    """

    def __init__(self, count_nonfinite: Callable[[], float]) -> None:
        self._count_nonfinite = count_nonfinite
        self._nonfinite: float | None = None

    @property
    def nonfinite(self) -> float:
        """How many values of gradients were NaN or infinite; waits for the device."""
        if self._nonfinite is None:
            self._nonfinite = self._count_nonfinite()
        return self._nonfinite

    def __bool__(self) -> bool:
        return not self.nonfinite

    def __repr__(self) -> str:
        return repr(bool(self))


class Engine(Protocol):
    """Runs updates of one rule on one list of parameter arrays."""

    @property
    def states(self) -> dict[str, list[Any]]:
        """The states: name -> one array for each tensor, None where its rule lacks the state.

        The arrays are views of the memory that updates use.
        """
        ...

    def read_states(self) -> dict[str, list[Any]]:
        """Return copies of the states as NumPy arrays."""
        ...

    def read_model_states(self) -> dict[str, float]:
        """Return the model-wide states: name -> value."""
        ...

    def write_states(self, values: Mapping[str, Any]) -> None:
        """Set the states: an array for each tensor, or one number for a model-wide state."""
        ...

    @property
    def step_count(self) -> int:
        """The number of updates done."""
        ...

    @property
    def planned_steps(self) -> int:
        """The number of updates before the next one, as its schedules see it."""
        ...

    @property
    def samples(self) -> float:
        """The number of samples seen."""
        ...

    def set_clock(self, step_count: int, samples: float) -> None:
        """Set the number of updates done and the number of samples seen."""
        ...

    def set_minibatch_size(self, value: float) -> None:
        """Set the number of samples of the next updates."""
        ...

    def state_spans(self) -> list[tuple[int, int, int]]:
        """Return the memory of each state array: first byte, end, number of its tensor."""
        ...

    @property
    def tensor_steps(self) -> float | list[float]:
        """The number of updates of each tensor, or one number if all are equal."""
        ...

    @property
    def missed_steps(self) -> list[int]:
        """For each tensor, the number of updates that skipped it because it had no gradient.

        Set it after `set_clock`, which resets it, and before `write_states`: the step of a tensor
        decides which slot of a ring holds which value.
        """
        ...

    @missed_steps.setter
    def missed_steps(self, missed: Sequence[int]) -> None: ...

    def find_nonfinite(self, gradients: Sequence[Any]) -> list[int]:
        """Return the numbers of the tensors with NaN or infinite gradients.

        Call it after an update was refused.
        """
        ...

    @property
    def threads(self) -> str:
        """A description of what runs the updates, such as "serial" or "4 threads (omp)"."""
        ...

    def bind(
        self,
        column: int,
        indices: Sequence[int],
        arrays: Sequence[Gradient],
        addresses: Sequence[int],
    ) -> None:
        """Use these arrays in all following updates; the caller keeps them alive.

        Args:
            column: 1 for gradients; 2 and more for the extras that are arrays, in their order.
            indices: numbers of the parameters that the arrays belong to.
            arrays: one array for each of these parameters, with its shape and dtype.
            addresses: the address of each array's first element.
        """
        ...

    def choose_gradients(self, kinds: Sequence[str | None]) -> list[str]:
        """Choose the number types in which the next gradients are read.

        Args:
            kinds: the number type of each parameter's gradient; None where it is not known.

        Returns:
            The number type in which each is read; the caller converts those of another type.
        """
        ...

    def set_extra(self, name: str, value: float) -> None:
        """Set the value of a scalar extra for the next updates."""
        ...

    def set_value(self, name: str, tensor: int, value: Any) -> None:
        """Set an extra of one tensor for the next updates: a number, or an array over some axes.

        The engine keeps a copy of the array, which has the shape that the extra asks for.
        """
        ...

    def select_rows(self, rows: Mapping[int, np.ndarray]) -> None:
        """Restrict the next updates to some rows.

        Args:
            rows: number of a parameter -> the rows to update; all other parameters are updated
                as a whole.
        """
        ...

    def set_hyperparameter(self, group: int, index: int, value: float) -> None:
        """Set the hyperparameter number `index` of a group for the next updates."""
        ...

    def set_seed(self, seed: int) -> None:
        """Set the seed of the random numbers."""
        ...

    def launch(self) -> float | Outcome:
        """Do one update and advance the clock, unless a gradient value is NaN or infinite.

        Returns:
            How many gradient values are NaN or infinite; if any is, nothing was updated. A device
            that checks gradients returns an `Outcome` instead, which can wait for this number.
        """
        ...

    def launch_without(self, absent: Sequence[int]) -> float | Outcome:
        """Do one update of all tensors except those with these numbers; see `launch`.

        The engine must have no selected rows for the absent tensors.
        """
        ...

    def refresh(self) -> None:
        """Send changed values to the device, and count an update that a CUDA graph replays."""
        ...

    def borrow_states(self, lender: Any) -> None:
        """Keep the states in the memory of another engine of the same kind and tensors.

        Scalars stay separate; see `take_scalars`.

        Raises:
            LearnerError: this kind of engine cannot.
        """
        ...

    def take_scalars(self, other: Any) -> None:
        """Set the states with one value per tensor, or for the model, to those of another."""
        ...


class ReadsGradients:
    """The part of an engine that runs a program for the number type that its gradients have.

    Attributes:
        program: the program that runs.
        gradient_kind: the number type in which its kernels read gradients; "" while it changes.
    """

    program: Program
    gradient_kind: str

    def use_program(self, program: Program) -> None:
        """Run another program with the same tables: one for another number type of gradients."""
        raise NotImplementedError

    def choose_gradients(self, kinds: Sequence[str | None]) -> list[str]:
        """Choose the number types in which the next gradients are read; see `Engine`.

        They are read in the type that they have, if it is the same for all, else in that of the
        arithmetic. So are those of a wider type: what is too large for the arithmetic is infinite
        before `nonfinite=` looks at it.
        """
        own = self.program.precision
        given = {own.readable(kind) for kind in kinds if kind} or {own.gradient}
        wanted = given.pop() if len(given) == 1 else own.arithmetic
        if wanted != self.gradient_kind:
            self.gradient_kind = ""  # unknown, if an exception comes in between
            precision = replace(own, gradient=wanted)
            self.use_program(compile_rule(self.program.rule, precision, self.program.target))
            self.gradient_kind = wanted
        return [wanted] * len(kinds)


class HostStates:
    """States and clock of an engine that keeps them in NumPy arrays.

    Attributes:
        model_states: state name -> values (groups,), float64.
        clock: step count, samples seen and minibatch size (groups, 3), float64.
    """

    model_states: Any
    clock: Any
    states: Any

    @property
    def has_own_steps(self) -> bool:
        """Whether tensors may differ in their number of updates."""
        return True

    @property
    def takes_addresses(self) -> bool:
        """Whether `bind_addresses` may be called."""
        return False

    def bind_addresses(self, addresses: np.ndarray) -> None:
        """Use the gradients at these addresses in all following updates; see `Engine.bind`.

        Args:
            addresses: the address of each tensor's gradient (tensors,), uint64. Gradients have the
                number types that `choose_gradients` returned last.
        """
        raise NotImplementedError

    def read_states(self) -> dict[str, list[Any]]:
        """Return copies of the states as NumPy arrays."""
        return {
            name: [None if array is None else array.copy() for array in arrays]
            for name, arrays in self.states.items()
        }

    def read_model_states(self) -> dict[str, float]:
        """Return the model-wide states: name -> value."""
        return {name: float(values[0]) for name, values in self.model_states.items()}

    def write_states(self, values: Mapping[str, Any]) -> None:
        """Set the states: an array for each tensor, or one number for a model-wide state."""
        for name, arrays in self.states.items():
            for array, value in zip(arrays, values[name], strict=True):
                if array is not None:
                    array[...] = value
        for name, own in self.model_states.items():
            own[:] = values[name]

    def take_scalars(self, other: Any) -> None:
        """Set the states with one value per tensor, or for the model, to those of another."""
        theirs = other.states
        for name, arrays in self.states.items():
            for array, value in zip(arrays, theirs[name], strict=True):
                if array is not None and array.ndim == 0:
                    array[...] = value
        for name, own in self.model_states.items():
            own[:] = other.model_states[name][0]

    @property
    def step_count(self) -> int:
        """The number of updates done."""
        return int(self.clock[0, STEP])

    @property
    def planned_steps(self) -> int:
        """The number of updates before the next one."""
        return self.step_count

    @property
    def tensor_steps(self) -> float | list[float]:
        """The number of updates of each tensor, or one number if all are equal."""
        if not self.has_own_steps:
            return self.step_count
        own: Any = self
        count, missed = self.step_count, own.missed_steps
        return [count - m for m in missed] if any(missed) else count

    @property
    def samples(self) -> float:
        """The number of samples seen."""
        return float(self.clock[0, SAMPLES])

    def state_spans(self) -> list[tuple[int, int, int]]:
        """Return the memory of each state array: first byte, end, number of its tensor."""
        return [
            (*span_of(array), k)
            for arrays in self.states.values()
            for k, array in enumerate(arrays)
            if array is not None
        ]

    def set_clock(self, step_count: int, samples: float) -> None:
        """Set the number of updates done and the number of samples seen."""
        self.clock[:, [STEP, SAMPLES]] = step_count, samples

    def set_minibatch_size(self, value: float) -> None:
        """Set the number of samples of the next updates."""
        self.clock[:, MINIBATCH_SIZE] = value

    def find_nonfinite(self, gradients: Sequence[Any]) -> list[int]:
        """Return the numbers of the tensors with NaN or infinite gradients."""
        arrays = [host_array(gradient, "A gradient") for gradient in gradients]
        return [k for k, array in enumerate(arrays) if not np.isfinite(array).all()]

    def refresh(self) -> None:
        """Raise, since nothing is replayed on the host."""
        msg = (
            "refresh() is for updates that a CUDA graph replays, but this learner works on the "
            "host; call update() instead."
        )
        raise LearnerError(msg)
