"""Updates that skip tensors without a gradient: their values, states and steps stay as they are.

The chunk table has no chunks of a skipped tensor, so no sweep reads or writes it and no reduction
includes it. The kernels still compute its scalars, from empty reductions; they are saved before the
update and restored after it. Once skipped, a tensor has a model row of its own, since its step
differs from that of its group.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy

from learnerdsl.errors import ArrayError
from learnerdsl.expr import Reduction, step
from learnerdsl.kernels.slots import MINIBATCH_SIZE, SAMPLES, STEP
from learnerdsl.runtime.arrays.host import Name
from learnerdsl.runtime.tables.tables import Tables
from learnerdsl.tracing import Rule


@dataclass(frozen=True)
class Aside:
    """The values of skipped tensors, saved while an update runs.

    Attributes:
        absent: numbers of the tensors that the update skips.
        step: number of updates before this one.
        missed: number of those updates that skipped each tensor (tensors,), int64.
        rows: the tensor rows of the absent tensors (absent, slots), float64.
        vectors: for each absent tensor its axis arrays that are states: name -> copy; empty if no
            tensor has any.
    """

    absent: list[int]
    step: float
    missed: np.ndarray
    rows: np.ndarray
    vectors: list[dict[str, np.ndarray]]


class Absences(Tables):
    """Tables of an engine on the host whose updates can skip tensors.

    Attributes:
        missed: for each tensor, the number of updates that skipped it.
        row_groups: the group of each model row. The first rows are those of the groups, the others
            belong to single tensors.
        aside: the values to restore after the update that is running; None if none runs.
        is_settled: false while an update or an assignment is unfinished.
        kept_vectors: for each tensor its axis arrays that are states: name -> array.
        launch: does one update of all tensors.
    """

    missed: np.ndarray
    row_groups: np.ndarray
    aside: Aside | None
    is_settled: bool
    kept_vectors: list[dict[str, np.ndarray]]
    launch: Callable[[], float]

    def begin_absences(self, vectors: Sequence[dict[str, np.ndarray]], names: set[str]) -> None:
        """Start with no skipped tensors; `names` are those of the axis arrays that are states."""
        self.missed = np.zeros(len(self.sizes), np.int64)
        self.row_groups = np.arange(len(self.model_rows))
        self.group_count = len(self.model_rows)
        self.aside = None
        self.is_settled = True
        self.kept_vectors = [{n: v for n, v in own.items() if n in names} for own in vectors]

    @property
    def has_own_steps(self) -> bool:
        """Whether an update has ever skipped a tensor."""
        return len(self.row_groups) != self.group_count

    def take_model_rows(self) -> None:
        """Use `model_rows` after it was replaced by a longer array."""
        raise NotImplementedError

    def give_rows(self, tensors: Sequence[int]) -> None:
        """Append a model row for each of these tensors that does not have one of its own."""
        new = [k for k in tensors if self.groups[k] < self.group_count]
        if new:
            groups = self.groups[new]
            first = len(self.model_rows)
            rows = np.concatenate([self.model_rows, self.model_rows[groups]])
            self.model_rows, self.row_groups = rows, np.concatenate([self.row_groups, groups])
            self.take_model_rows()
            self.groups[new] = np.arange(first, len(self.model_rows))

    def rows_of(self, group: int) -> Any:
        """Return an index of all model rows of a group."""
        if not self.has_own_steps:
            return group
        return np.flatnonzero(self.row_groups == group)

    def count_steps(self) -> None:
        """Update the step in the model rows of single tensors."""
        own = np.flatnonzero(self.groups >= self.group_count)
        self.model_rows[self.groups[own], STEP] = self.model_rows[0, STEP] - self.missed[own]

    def share_rows(self, first: "Absences", slots: int) -> None:
        """Copy the first `slots` slots of the model rows of another engine."""
        source = first.model_rows[: self.group_count, :slots]
        if self.has_own_steps:
            self.model_rows[:, :slots] = source[self.row_groups]
            self.count_steps()
        else:
            self.model_rows[:, :slots] = source

    def launch_without(self, absent: Sequence[int]) -> float:
        """Do one update of all tensors except these; return what `launch` returns."""
        self.set_aside(absent)
        try:
            return self.launch() if len(absent) < len(self.sizes) else self.count_update()
        finally:
            self.put_back()

    def count_update(self) -> float:
        """Advance the clock for an update that skips every tensor."""
        samples = self.model_rows[:, MINIBATCH_SIZE]
        self.model_rows[:, [STEP, SAMPLES]] += np.stack([np.ones_like(samples), samples], axis=1)
        return 0.0

    def set_aside(self, absent: Sequence[int]) -> None:
        """Save the values of the tensors that the next update skips."""
        self.put_back()
        self.is_settled = False
        self.give_rows(absent)
        has_vectors = any(self.kept_vectors)
        self.aside = Aside(
            list(absent),
            float(self.model_rows[0, STEP]),
            self.missed.copy(),
            self.tensor_rows[list(absent)],
            [_copies(self.kept_vectors[k]) for k in absent] if has_vectors else [],
        )

    def put_back(self) -> None:
        """Restore the saved values.

        `aside` is reset last, so that the next call repeats everything if an exception, such as a
        KeyboardInterrupt, comes in between.
        """
        aside = self.aside
        if aside is not None:
            self.tensor_rows[aside.absent] = aside.rows
            for k, vectors in zip(aside.absent, aside.vectors, strict=False):
                for name, values in vectors.items():
                    self.kept_vectors[k][name][...] = values
            missed = aside.missed.copy()
            missed[aside.absent] += int(self.model_rows[0, STEP] - aside.step)
            self.missed[:] = missed
            self.count_steps()
            self.aside = None
        self.is_settled = True

    def settle(self) -> None:
        """Finish what an exception interrupted."""
        self.put_back()
        self.take_model_rows()

    @property
    def tensor_steps(self) -> float | list[float]:
        """The number of updates of each tensor, or one number if all are equal."""
        if not self.is_settled:
            self.settle()
        count = float(self.model_rows[0, STEP])
        return (count - self.missed).tolist() if self.has_own_steps else count

    @property
    def missed_steps(self) -> list[int]:
        """For each tensor, the number of updates that skipped it."""
        if not self.is_settled:
            self.settle()
        return self.missed.tolist()

    @missed_steps.setter
    def missed_steps(self, missed: Sequence[int]) -> None:
        """Set the number of updates that skipped each tensor."""
        self.is_settled = False
        self.give_rows(np.flatnonzero(missed).tolist())
        self.missed[:] = missed
        self.count_steps()
        self.is_settled = True


def _copies(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: array.copy() for name, array in arrays.items()}


def refuse_absent(rules: Sequence[Rule], name: Name) -> None:
    """Raise if a rule has a model-wide state that depends on the step.

    Such a state exists once for the whole learner, so tensors cannot have different steps.
    """
    for rule in {id(rule): rule for rule in rules}.values():
        state = state_of_steps(rule)
        if state:
            msg = (
                f"The gradient of {name!r} is missing or None, but {rule.name} cannot leave out a "
                f"parameter: its model-wide state {state!r} depends on the step, which would then "
                "differ between parameters. Pass zeros."
            )
            raise ArrayError(msg)


def state_of_steps(rule: Rule) -> str:
    """Return the name of a model-wide state that depends on the step, or an empty string."""
    for state in (spec.symbol for spec in rule.states if spec.symbol.shape == "model"):
        needed = {state}
        for line in reversed(rule.lines):
            if line.target in needed or line.value in needed:
                # A reduction over the model reads values of tensors: a step inside it is theirs.
                outside = line.expression.replace(
                    lambda node: isinstance(node, Reduction) and node.over == "model",
                    lambda node: sympy.S.Zero,
                )
                needed |= outside.free_symbols
        if step in needed:
            return state.name
    return ""
