"""What a Learner needs from a backend, and the backend that interprets a rule with NumPy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, SupportsFloat

import numpy as np

from learnerdsl.errors import LearnerError
from learnerdsl.interpret import interpret, shape_of_state
from learnerdsl.rule import Rule
from learnerdsl.runtime.memory import Gradient
from learnerdsl.runtime.sparse import values_of


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
        """Use these arrays of the parameters with these numbers from now on.

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

    def refresh(self) -> None:
        """Send what has changed to the device, and count an update that a graph replays."""
        ...


class HostStates:
    """States and clock of an engine that keeps them in NumPy arrays.

    Attributes:
        model_states: state name -> a float64 array with the value for each group.
        clock: float64 array of step count, samples seen and minibatch size for each group.
    """

    model_states: dict[str, np.ndarray]
    clock: np.ndarray
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
        return int(self.clock[0, 0])

    @property
    def planned_steps(self) -> int:
        """Number of updates before the next one."""
        return self.step_count

    @property
    def samples(self) -> float:
        """Number of samples seen."""
        return float(self.clock[0, 1])

    def set_clock(self, step_count: int, samples: float) -> None:
        """Go on as if so many updates had been done, of so many samples."""
        self.clock[:, :2] = step_count, samples

    def set_minibatch_size(self, value: float) -> None:
        """Number of samples of the next updates."""
        self.clock[:, 2] = value

    def find_nonfinite(self, gradients: Sequence[Any]) -> list[int]:
        """Numbers of the tensors whose gradients hold NaN or infinity."""
        return [k for k, g in enumerate(gradients) if not np.isfinite(values_of(g)).all()]

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


class NumpyEngine(HostStates):
    """The oracle as a backend: slow, and independent of the compiler.

    Args:
        rules: for each tensor a traced rule.
        parameters: arrays that are updated in place.
        groups: which group every parameter is in.
        check_finite: whether to refuse updates with gradients that are not finite.
        seed: of the random numbers of rules that draw some.
    """

    def __init__(
        self,
        rules: Sequence[Rule],
        parameters: Sequence[np.ndarray],
        groups: Groups,
        check_finite: bool,
        seed: int,
    ) -> None:
        self.rules = rules
        self.rule = rule = rules[0]
        self.seed = seed
        self.parameters = parameters
        self.groups = groups.of_parameters
        self.check_finite = check_finite
        count = groups.count
        self.array_extras = [e.name for e in rule.extras if e.shape == "element"]
        columns = range(1, 2 + len(self.array_extras))
        self.inputs = {k: [np.empty(0)] * len(parameters) for k in columns}
        self.extras: dict[str, float] = {}
        self.threads = "numpy"
        self.hyperparameters = [dict[str, float]() for _ in range(count)]
        self.clock = np.zeros((count, 3))
        self.states: dict[str, list[Any]] = {}
        self.model_states: dict[str, np.ndarray] = {}
        self.rows: dict[int, np.ndarray] = {}
        self.tensor_states = [
            {s.symbol.name for s in one.states if s.symbol.shape == "tensor"} for one in rules
        ]
        for k, (one, p) in enumerate(zip(rules, parameters, strict=True)):
            for symbol in (spec.symbol for spec in one.states):
                if symbol.shape == "model":
                    self.model_states[symbol.name] = np.zeros(count)
                else:
                    own = self.states.setdefault(symbol.name, [None] * len(parameters))
                    kind = np.float64 if symbol.shape == "tensor" else p.dtype
                    own[k] = np.zeros(shape_of_state(symbol, p.shape), kind)

    def bind(
        self,
        column: int,
        indices: Sequence[int],
        arrays: Sequence[Gradient],
        addresses: Sequence[int],
    ) -> None:
        """Keep the arrays."""
        del addresses
        for index, array in zip(indices, arrays, strict=True):
            self.inputs[column][index] = values_of(array)

    def set_extra(self, name: str, value: float) -> None:
        """Keep the value."""
        self.extras[name] = value

    def select_rows(self, rows: Mapping[int, np.ndarray]) -> None:
        """Keep the rows."""
        self.rows = dict(rows)

    def selected(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The rows to update of each array; all of it where none were selected, or of a scalar."""
        return [
            a[self.rows[k]] if k in self.rows and np.ndim(a) else a for k, a in enumerate(arrays)
        ]

    def selected_extras(self) -> dict[str, list[np.ndarray]]:
        """The extras that are arrays."""
        return {n: self.selected(self.inputs[k]) for k, n in enumerate(self.array_extras, 2)}

    def positions(self) -> list[np.ndarray]:
        """Numbers of the elements to update, within their tensors."""
        return self.selected([np.arange(p.size).reshape(p.shape) for p in self.parameters])

    def write(self, arrays: Sequence[np.ndarray], values: Sequence[np.ndarray]) -> None:
        """Copy new values into the rows they were computed for."""
        for k, (array, value) in enumerate(zip(arrays, values, strict=True)):
            if array is not None:
                array[self.rows.get(k, ...) if array.ndim else ...] = value

    def set_hyperparameter(self, group: int, index: int, value: float) -> None:
        """Keep the value."""
        self.hyperparameters[group][self.rule.hyperparameters[index].name] = value

    def set_seed(self, seed: int) -> None:
        """Keep the seed."""
        self.seed = seed

    def launch(self) -> float:
        """Interpret the rule and copy the results into the arrays."""
        gradients = self.inputs[1]
        if self.check_finite:
            bad = sum(int(g.size - np.isfinite(g).sum()) for g in gradients)
            if bad:
                return float(bad)
        self.clock[:, 0] += 1.0
        step, samples, minibatch_size = self.clock[0]
        states: dict[str, Any] = {
            name: [
                float(a) if name in scalars else a
                for a, scalars in zip(self.selected(arrays), self.tensor_states, strict=True)
            ]
            for name, arrays in self.states.items()
        }
        states |= {name: float(values[0]) for name, values in self.model_states.items()}
        updated, new_states = interpret(
            self.rules,
            self.selected(self.parameters),
            gradients,
            states,
            [self.hyperparameters[group] for group in self.groups],
            {"step": step, "samples": samples, "minibatch_size": minibatch_size, "seed": self.seed},
            positions=self.positions() if self.rows else None,
            extras={**self.extras, **self.selected_extras()},
        )
        # A new value may be the old array of another state: all are copied before one is written.
        new_states = {
            n: [np.array(v) for v in values] if isinstance(values, list) else values
            for n, values in new_states.items()
        }
        for name, arrays in self.states.items():
            self.write(arrays, new_states[name])
        for name, values in self.model_states.items():
            values[:] = new_states[name]
        self.write(self.parameters, updated)
        self.clock[:, 1] += minibatch_size
        return 0.0
