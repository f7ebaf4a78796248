"""What a Learner needs from a backend."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, SupportsFloat

import numpy as np

from learnerdsl.errors import LearnerError
from learnerdsl.kernels.slots import MINIBATCH_SIZE, SAMPLES, STEP
from learnerdsl.runtime.arrays.host import Gradient, span_of


@dataclass(frozen=True)
class Groups:
    """For each parameter the number of its group, and how many groups there are."""

    of_parameters: Sequence[int]
    count: int


class Engine(Protocol):
    """Runs updates of one rule on one list of parameter arrays."""

    @property
    def states(self) -> dict[str, list[Any]]:
        """State name -> one array for each tensor, None where its rule has no such state.

        They are views of the memory that updates use.
        """
        ...

    def read_states(self) -> dict[str, list[Any]]:
        """Copies of the states, in NumPy."""
        ...

    def read_model_states(self) -> dict[str, float]:
        """State name -> value, of the states of the model."""
        ...

    def write_states(self, values: Mapping[str, Any]) -> None:
        """Give states their values: an array for each tensor, or one number for the model."""
        ...

    @property
    def step_count(self) -> int:
        """Number of updates done."""
        ...

    @property
    def planned_steps(self) -> int:
        """Number of updates before the next one, for its schedules."""
        ...

    @property
    def samples(self) -> float:
        """Number of samples seen."""
        ...

    def set_clock(self, step_count: int, samples: float) -> None:
        """Go on as if so many updates had been done, of so many samples."""
        ...

    def set_minibatch_size(self, value: float) -> None:
        """Number of samples of the next updates."""
        ...

    def state_spans(self) -> list[tuple[int, int, int]]:
        """The memory of the states: first byte, the one after the last, number of the tensor."""
        ...

    @property
    def tensor_steps(self) -> float | list[float]:
        """Number of updates done of each tensor, or one number where that is the same."""
        ...

    @property
    def missed_steps(self) -> list[int]:
        """For each tensor, how many of the updates left it out as it had no gradient.

        Set it after `set_clock`, which forgets it, and before `write_states`: values of rings lie
        where the steps of their tensors say.
        """
        ...

    @missed_steps.setter
    def missed_steps(self, missed: Sequence[int]) -> None: ...

    def find_nonfinite(self, gradients: Sequence[Any]) -> list[int]:
        """Numbers of the tensors whose gradients hold NaN or infinity, after a refused update."""
        ...

    @property
    def threads(self) -> str:
        """What runs the updates."""
        ...

    def bind(
        self,
        column: int,
        indices: Sequence[int],
        arrays: Sequence[Gradient],
        addresses: Sequence[int],
    ) -> None:
        """Use these arrays of the parameters with these numbers from now on; the caller holds them.

        `column` is 1 for gradients, and 2 and more for the extras that are arrays, in their order.
        """
        ...

    def set_extra(self, name: str, value: float) -> None:
        """Give an extra that is a number its value for the next updates."""
        ...

    def select_rows(self, rows: Mapping[int, np.ndarray]) -> None:
        """Update only these rows of the parameters with these numbers, and the others whole."""
        ...

    def set_hyperparameter(self, group: int, index: int, value: float) -> None:
        """Give a group's hyperparameter number `index` a value for the next updates."""
        ...

    def set_seed(self, seed: int) -> None:
        """Draw the random numbers of this seed from now on."""
        ...

    def launch(self) -> Any:
        """Do one update and advance the clock, or return how many gradient values forbid it.

        A device gives an object whose `float` is that number, and which waits for it then.
        """
        ...

    def launch_without(self, absent: Sequence[int]) -> Any:
        """The same for all tensors but those with these numbers, which have no rows selected."""
        ...

    def refresh(self) -> None:
        """Send what has changed to the device, and count an update that a graph replays."""
        ...


class HostStates:
    """States and clock of an engine that keeps them in NumPy arrays.

    Attributes:
        model_states: state name -> a float64 array with the value for each group.
        clock: float64 array of step count, samples seen and minibatch size for each group.
    """

    model_states: Any
    clock: Any
    states: Any

    def read_states(self) -> dict[str, list[Any]]:
        """Copies of the states."""
        return {
            name: [None if array is None else array.copy() for array in arrays]
            for name, arrays in self.states.items()
        }

    def read_model_states(self) -> dict[str, float]:
        """State name -> value, of the states of the model."""
        return {name: float(values[0]) for name, values in self.model_states.items()}

    def write_states(self, values: Mapping[str, Any]) -> None:
        """Give states their values: an array for each tensor, or one number for the model."""
        for name, arrays in self.states.items():
            for array, value in zip(arrays, values[name], strict=True):
                if array is not None:
                    array[...] = value
        for name, own in self.model_states.items():
            own[:] = values[name]

    @property
    def step_count(self) -> int:
        """Number of updates done."""
        return int(self.clock[0, STEP])

    @property
    def planned_steps(self) -> int:
        """Number of updates before the next one."""
        return self.step_count

    @property
    def tensor_steps(self) -> float | list[float]:
        """Number of updates done of each tensor, or one number where that is the same."""
        own: Any = self
        missed = own.missed_steps
        return [self.step_count - m for m in missed] if any(missed) else self.step_count

    @property
    def samples(self) -> float:
        """Number of samples seen."""
        return float(self.clock[0, SAMPLES])

    def state_spans(self) -> list[tuple[int, int, int]]:
        """The memory of the states: first byte, the one after the last, number of the tensor."""
        return [
            (*span_of(array), k)
            for arrays in self.states.values()
            for k, array in enumerate(arrays)
            if array is not None
        ]

    def set_clock(self, step_count: int, samples: float) -> None:
        """Go on as if so many updates had been done, of so many samples."""
        self.clock[:, [STEP, SAMPLES]] = step_count, samples

    def set_minibatch_size(self, value: float) -> None:
        """Number of samples of the next updates."""
        self.clock[:, MINIBATCH_SIZE] = value

    def find_nonfinite(self, gradients: Sequence[Any]) -> list[int]:
        """Numbers of the tensors whose gradients hold NaN or infinity."""
        return [k for k, gradient in enumerate(gradients) if not np.isfinite(gradient).all()]

    def refresh(self) -> None:
        """Nothing is replayed on the host."""
        msg = "Updates are replayed from CUDA graphs only; this learner works on the host."
        raise LearnerError(msg)


class Done:
    """Whether an update was done; `bool` of it waits for the device."""

    def __init__(self, refusal: SupportsFloat) -> None:
        self._refusal = refusal

    def __bool__(self) -> bool:
        return not float(self._refusal)

    def __repr__(self) -> str:
        return repr(bool(self))
