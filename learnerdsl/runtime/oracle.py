"""The engine of the backend "numpy", which interprets a rule."""

from collections import deque
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from learnerdsl.interpret import interpret
from learnerdsl.kernels.slots import MINIBATCH_SIZE
from learnerdsl.runtime.arrays.host import Gradient
from learnerdsl.runtime.arrays.sparse import values_of
from learnerdsl.runtime.engine import HostStates
from learnerdsl.runtime.work import Work


class NumpyEngine(HostStates):
    """Interprets a rule with NumPy: slow, but independent of the compiler; see `Engine`.

    Args:
        work: the tensors and their rules.
        parameters: their arrays, to update in place.
    """

    def __init__(self, work: Work, parameters: Sequence[np.ndarray]) -> None:
        self.rules = rules = work.rules
        self.rule = rule = rules[0]
        self.seed = work.seed
        self.parameters = parameters
        self.groups = work.groups
        self.check_finite = work.check_finite
        count = work.group_count
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
        self.missed = np.zeros(len(parameters), np.int64)
        self.tensor_states = [
            {s.symbol.name for s in one.states if s.symbol.shape == "tensor"} for one in rules
        ]
        for k, (one, p) in enumerate(zip(rules, parameters, strict=True)):
            for symbol in (spec.symbol for spec in one.states):
                if symbol.shape == "model":
                    self.model_states[symbol.name] = np.zeros(count)
                else:
                    if symbol.name not in self.states:
                        self.states[symbol.name] = [None] * len(parameters)
                    own = self.states[symbol.name]
                    kind = np.float64 if symbol.shape == "tensor" else p.dtype
                    own[k] = np.zeros(symbol.array_shape(p.shape), kind)

    def bind(
        self,
        column: int,
        indices: Sequence[int],
        arrays: Sequence[Gradient],
        addresses: Sequence[int],
    ) -> None:
        """Store the arrays."""
        del addresses
        for index, array in zip(indices, arrays, strict=True):
            self.inputs[column][index] = values_of(array)

    def set_extra(self, name: str, value: float) -> None:
        """Store the value."""
        self.extras[name] = value

    def select_rows(self, rows: Mapping[int, np.ndarray]) -> None:
        """Store the rows."""
        self.rows = dict(rows)

    def selected(self, arrays: Sequence[np.ndarray], tensors: Sequence[int]) -> list[np.ndarray]:
        """Return the selected rows of these tensors' arrays, or all rows if none are selected."""
        return [
            arrays[k][self.rows[k]] if k in self.rows and np.ndim(arrays[k]) else arrays[k]
            for k in tensors
        ]

    def selected_extras(self, tensors: Sequence[int]) -> dict[str, list[np.ndarray]]:
        """Return the extras that are arrays, restricted to the selected rows."""
        named = enumerate(self.array_extras, 2)
        return {n: self.selected(self.inputs[k], tensors) for k, n in named}

    def positions(self) -> list[np.ndarray]:
        """Return the number of each element in its tensor, in the shape of the tensor."""
        return [np.arange(p.size).reshape(p.shape) for p in self.parameters]

    def whole(self, k: int, array: np.ndarray, value: Any) -> np.ndarray:
        """Return a copy of an array of tensor `k` with new values in the selected rows."""
        new = np.array(array)
        new[self.rows.get(k, ...) if array.ndim else ...] = value
        return new

    def set_hyperparameter(self, group: int, index: int, value: float) -> None:
        """Store the value."""
        self.hyperparameters[group][self.rule.hyperparameters[index].name] = value

    def set_seed(self, seed: int) -> None:
        """Store the seed."""
        self.seed = seed

    def launch(self) -> float:
        """Interpret the rule and copy the results into the arrays."""
        return self.launch_without(())

    def launch_without(self, absent: Sequence[int]) -> float:
        """Interpret the rule for all tensors except these and copy the results into the arrays."""
        tensors = [k for k in range(len(self.parameters)) if k not in set(absent)]
        gradients = [self.inputs[1][k] for k in tensors]
        if self.check_finite:
            bad = sum(int(g.size - np.isfinite(g).sum()) for g in gradients)
            if bad:
                return float(bad)
        new = self.interpret(tensors, gradients) if tensors else []
        clock = self.clock + np.outer(
            np.ones(len(self.clock)), (1.0, self.clock[0, MINIBATCH_SIZE], 0.0)
        )
        missed = self.missed + np.isin(np.arange(len(self.missed)), absent)
        new += [(self.clock, clock), (self.missed, missed)]
        # One call in C writes all arrays, so a KeyboardInterrupt cannot leave half of an update.
        deque(map(_put, *zip(*new, strict=True)), maxlen=0)
        return 0.0

    def interpret(
        self, tensors: Sequence[int], gradients: Sequence[np.ndarray]
    ) -> list[tuple[np.ndarray, Any]]:
        """Compute an update of these tensors; return (array, new values) for each changed array."""
        rules = [self.rules[k] for k in tensors]
        states: dict[str, Any] = {
            name: [
                float(a) if a is not None and name in self.tensor_states[k] else a
                for k, a in zip(tensors, self.selected(arrays, tensors), strict=True)
            ]
            for name, arrays in self.states.items()
        }
        states |= {name: float(values[0]) for name, values in self.model_states.items()}
        step, samples, minibatch_size = self.clock[0] + (1.0, 0.0, 0.0)
        steps = [float(step - self.missed[k]) for k in tensors]
        clock = {"samples": samples, "minibatch_size": minibatch_size, "seed": self.seed}
        updated, new_states = interpret(
            rules,
            self.selected(self.parameters, tensors),
            gradients,
            states,
            [self.hyperparameters[self.groups[k]] for k in tensors],
            {"step": steps, **clock},
            positions=self.selected(self.positions(), tensors) if self.rows else None,
            extras={**self.extras, **self.selected_extras(tensors)},
            numbers=tensors,
        )
        new: list[tuple[np.ndarray, Any]] = [
            (values, new_states[name]) for name, values in self.model_states.items()
        ]
        for arrays, values in (
            *((own, new_states.get(name, ())) for name, own in self.states.items()),
            (self.parameters, updated),
        ):
            for k, value in zip(tensors, values, strict=False):  # empty where no tensor has it
                if arrays[k] is not None:
                    new.append((arrays[k], self.whole(k, arrays[k], value)))
        return new

    def set_clock(self, step_count: int, samples: float) -> None:
        """Set the number of updates of all tensors and the number of samples seen."""
        super().set_clock(step_count, samples)
        self.missed[:] = 0

    @property
    def missed_steps(self) -> list[int]:
        """For each tensor, the number of updates that skipped it."""
        return self.missed.tolist()

    @missed_steps.setter
    def missed_steps(self, missed: Sequence[int]) -> None:
        """Set the number of updates that skipped each tensor."""
        self.missed[:] = missed


_put: Any = partial(np.copyto, casting="unsafe")
