"""The engine of the backend "numpy", which interprets a rule."""

from collections import deque
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from learnerdsl.interpret import interpret
from learnerdsl.interpret.codecs import rounding_noise
from learnerdsl.interpret.pieces import (
    decode_states,
    decode_tensor_parameter,
    empty_pieces,
    encode_new_parameter,
    encode_states,
)
from learnerdsl.kernels.slots import MINIBATCH_SIZE
from learnerdsl.runtime.arrays.host import Gradient
from learnerdsl.runtime.arrays.interop import host_array
from learnerdsl.runtime.arrays.sparse import values_of
from learnerdsl.runtime.engine import HostStates
from learnerdsl.runtime.work import Work
from learnerdsl.storage import Precision
from learnerdsl.tracing import Rule


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
        small = {e.name for one in rules for e in one.extras if not e.is_common}
        self.values: dict[str, list[Any]] = {name: [None] * len(parameters) for name in small}
        self.threads = "numpy"
        self.hyperparameters = [dict[str, float]() for _ in range(count)]
        self.clock = np.zeros((count, 3))
        self.states: dict[str, list[Any]] = {}
        self.model_states: dict[str, np.ndarray] = {}
        self.rows: dict[int, np.ndarray] = {}
        self.missed = np.zeros(len(parameters), np.int64)
        self.scalars = {
            s.symbol.name for one in rules for s in one.states if s.symbol.shape == "tensor"
        }
        self.precisions = list(work.precisions)
        for symbol in (spec.symbol for spec in rule.states if spec.symbol.shape == "model"):
            self.model_states[symbol.name] = np.zeros(count)
        own = zip(rules, self.precisions, parameters, strict=True)
        for k, pieces in enumerate(empty_pieces(*one) for one in own):
            for name, array in pieces.items():
                self.states.setdefault(name, [None] * len(parameters))[k] = array

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
            self.inputs[column][index] = host_array(values_of(array), "An array")

    def choose_gradients(self, kinds: Sequence[str | None]) -> list[str]:
        """Read gradients in the number types that they have, if the arithmetic holds them."""
        return [
            precision.readable(kind) if kind else precision.gradient
            for kind, precision in zip(kinds, self.precisions, strict=True)
        ]

    def set_extra(self, name: str, value: float) -> None:
        """Store the value."""
        self.extras[name] = value

    def set_value(self, name: str, tensor: int, value: Any) -> None:
        """Store a number, or a copy of an array in the dtype of the parameter's arithmetic."""
        kind = self.precisions[tensor].arithmetic
        self.values[name][tensor] = np.array(value, kind) if np.ndim(value) else float(value)

    def select_rows(self, rows: Mapping[int, np.ndarray]) -> None:
        """Store the rows."""
        self.rows = dict(rows)

    def selected(self, arrays: Sequence[np.ndarray], tensors: Sequence[int]) -> list[np.ndarray]:
        """Return the selected rows of these tensors' arrays, or all rows if none are selected."""
        return [
            arrays[k][self.rows[k]] if k in self.rows and np.ndim(arrays[k]) else arrays[k]
            for k in tensors
        ]

    def selected_extras(self, tensors: Sequence[int]) -> dict[str, list[Any]]:
        """Return the extras with a value for each tensor; arrays like them, of selected rows."""
        named = enumerate(self.array_extras, 2)
        of_each = {n: [values[k] for k in tensors] for n, values in self.values.items()}
        return {**of_each, **{n: self.selected(self.inputs[k], tensors) for k, n in named}}

    def borrow_states(self, lender: Any) -> None:
        """Keep the states in the memory of another engine."""
        self.states = lender.states

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
        precisions = [self.precisions[k] for k in tensors]
        pieces = self.pieces(tensors)
        states = self.decoded(rules, precisions, pieces)
        states |= {name: float(values[0]) for name, values in self.model_states.items()}
        stored = self.selected(self.parameters, tensors)
        parameters = list(map(decode_tensor_parameter, precisions, stored, pieces))
        positions = self.selected(self.positions(), tensors)
        step, samples, minibatch_size = self.clock[0] + (1.0, 0.0, 0.0)
        steps = [float(step - self.missed[k]) for k in tensors]
        clock = {"samples": samples, "minibatch_size": minibatch_size, "seed": self.seed}
        updated, new_states = interpret(
            rules,
            parameters,
            [g.astype(p.dtype, copy=False) for g, p in zip(gradients, parameters, strict=True)],
            states,
            [self.hyperparameters[self.groups[k]] for k in tensors],
            {"step": steps, **clock},
            positions=positions if self.rows else None,
            extras={**self.extras, **self.selected_extras(tensors)},
            numbers=tensors,
            products=[precision.products for precision in precisions],
        )
        new: list[tuple[np.ndarray, Any]] = [
            (values, new_states[name]) for name, values in self.model_states.items()
        ]
        for j, k in enumerate(tensors):
            noise = None
            if precisions[j].rounding == "stochastic":
                noise = rounding_noise(self.seed, steps[j], k, positions[j])
            values = {name: of_each[j] for name, of_each in new_states.items() if _has(of_each, j)}
            own = encode_states(rules[j], precisions[j], values, noise, pieces[j])
            parameter, rest = encode_new_parameter(precisions[j], updated[j], noise)
            new.append((self.parameters[k], self.whole(k, self.parameters[k], parameter)))
            for name, value in {**own, **rest}.items():
                array = self.states[name][k]
                new.append((array, self.whole(k, array, value)))
        return new

    def pieces(self, tensors: Sequence[int]) -> list[dict[str, Any]]:
        """Return for each of these tensors its stored states, restricted to the selected rows."""
        chosen = {name: self.selected(arrays, tensors) for name, arrays in self.states.items()}
        return [
            {name: arrays[j] for name, arrays in chosen.items() if arrays[j] is not None}
            for j in range(len(tensors))
        ]

    def decoded(
        self, rules: Sequence[Rule], precisions: Sequence[Precision], pieces: Sequence[Any]
    ) -> dict[str, Any]:
        """Return name -> the values of a state of each tensor, None where its rule lacks it."""
        states: dict[str, list[Any]] = {}
        for j, one in enumerate(zip(rules, precisions, pieces, strict=True)):
            for name, values in decode_states(*one).items():
                value = float(values) if np.ndim(values) == 0 and name in self.scalars else values
                states.setdefault(name, [None] * len(rules))[j] = value
        return dict(states)

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


def _has(values: Any, k: int) -> bool:
    """Return whether a state has values for tensor `k`."""
    return isinstance(values, list) and values[k] is not None


_put: Any = partial(np.copyto, casting="unsafe")
