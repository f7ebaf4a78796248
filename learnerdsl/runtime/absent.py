"""Updates that leave out tensors without a gradient: what they have stays, their steps too.

Chunks of such a tensor are left out, so that no pass reads or writes it and no sum has a part of
it. Its scalars are computed all the same, from nothing, and put back afterwards. A tensor that an
update left out has a model row of its own from then on, in which fewer steps are counted.
"""

from collections.abc import Sequence
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
    """What an update must not change.

    Attributes:
        absent: numbers of the tensors that it leaves out.
        step: how many updates there were before.
        missed: how many of them left out each tensor.
        rows: the rows of the absent tensors.
        vectors: the values that they keep for each index of some axes.
    """

    absent: list[int]
    step: float
    missed: np.ndarray
    rows: np.ndarray
    vectors: list[dict[str, np.ndarray]]


class Absences(Tables):
    """The tables of an engine on the host that can leave tensors out.

    Attributes:
        missed: for each tensor, how many of the updates left it out.
        row_groups: the group of each model row; the first rows are those of the groups.
        aside: what an update that is not over yet must not change.
        is_settled: whether nothing is in between of being changed.
    """

    missed: np.ndarray
    row_groups: np.ndarray
    aside: Aside | None
    is_settled: bool
    kept_vectors: list[dict[str, np.ndarray]]
    launch: Any

    def begin_absences(self, vectors: Sequence[dict[str, np.ndarray]], names: set[str]) -> None:
        """No tensor has been left out yet; `names` are those of the vectors that are states."""
        self.missed = np.zeros(len(self.sizes), np.int64)
        self.row_groups = np.arange(len(self.model_rows))
        self.group_count = len(self.model_rows)
        self.aside = None
        self.is_settled = True
        self.kept_vectors = [{n: v for n, v in own.items() if n in names} for own in vectors]

    def take_model_rows(self) -> None:
        """Use the model rows that there are now."""
        raise NotImplementedError

    def give_rows(self, tensors: Sequence[int]) -> None:
        """A model row for each of these tensors that has none of its own."""
        new = [k for k in tensors if self.groups[k] < self.group_count]
        if new:
            groups = self.groups[new]
            first = len(self.model_rows)
            rows = np.concatenate([self.model_rows, self.model_rows[groups]])
            self.model_rows, self.row_groups = rows, np.concatenate([self.row_groups, groups])
            self.take_model_rows()
            self.groups[new] = np.arange(first, len(self.model_rows))

    def rows_of(self, group: int) -> Any:
        """The model rows of a group."""
        if len(self.row_groups) == self.group_count:
            return group
        return np.flatnonzero(self.row_groups == group)

    def count_steps(self) -> None:
        """The steps in the rows of single tensors."""
        own = np.flatnonzero(self.groups >= self.group_count)
        self.model_rows[self.groups[own], STEP] = self.model_rows[0, STEP] - self.missed[own]

    def share_rows(self, first: "Absences", slots: int) -> None:
        """Begin with what another engine has in the first slots of its rows."""
        source = first.model_rows[: self.group_count, :slots]
        if len(self.row_groups) == self.group_count:
            self.model_rows[:, :slots] = source
        else:
            self.model_rows[:, :slots] = source[self.row_groups]
            self.count_steps()

    def launch_without(self, absent: Sequence[int]) -> float:
        """One update of the tensors but for these; returns how many values forbid it."""
        self.set_aside(absent)
        try:
            return self.launch() if len(absent) < len(self.sizes) else self.count_update()
        finally:
            self.put_back()

    def count_update(self) -> float:
        """An update of nothing counts, too."""
        samples = self.model_rows[:, MINIBATCH_SIZE]
        self.model_rows[:, [STEP, SAMPLES]] += np.stack([np.ones_like(samples), samples], axis=1)
        return 0.0

    def set_aside(self, absent: Sequence[int]) -> None:
        """Keep what the tensors have that the next update leaves out."""
        self.put_back()
        self.is_settled = False
        self.give_rows(absent)
        self.aside = Aside(
            list(absent),
            float(self.model_rows[0, STEP]),
            self.missed.copy(),
            self.tensor_rows[list(absent)],
            [{n: v.copy() for n, v in self.kept_vectors[k].items()} for k in absent],
        )

    def put_back(self) -> None:
        """Give them back what they had; again and again where an exception comes in between."""
        aside = self.aside
        if aside is not None:
            self.tensor_rows[aside.absent] = aside.rows
            for k, vectors in zip(aside.absent, aside.vectors, strict=True):
                for name, values in vectors.items():
                    self.kept_vectors[k][name][...] = values
            missed = aside.missed.copy()
            missed[aside.absent] += int(self.model_rows[0, STEP] - aside.step)
            self.missed[:] = missed
            self.count_steps()
            self.aside = None
        self.is_settled = True

    def settle(self) -> None:
        """Bring to an end what an exception has broken off."""
        self.put_back()
        self.take_model_rows()

    @property
    def missed_steps(self) -> list[int]:
        """For each tensor, how many of the updates left it out."""
        if not self.is_settled:
            self.settle()
        return self.missed.tolist()

    @missed_steps.setter
    def missed_steps(self, missed: Sequence[int]) -> None:
        """Go on as if so many updates had left out each tensor."""
        self.is_settled = False
        self.give_rows(np.flatnonzero(missed).tolist())
        self.missed[:] = missed
        self.count_steps()
        self.is_settled = True


def refuse_absent(rules: Sequence[Rule], name: Name) -> None:
    """Raise if a rule cannot leave out a parameter: it has a state of the model that counts steps.

    That is one for the whole learner, and cannot follow tensors with fewer steps.
    """
    for rule in {id(rule): rule for rule in rules}.values():
        state = state_of_steps(rule)
        if state:
            msg = (
                f"The gradient of {name!r} is missing or None, but {rule.name} cannot leave out a "
                f"parameter: its state {state!r} of the whole model depends on the step, which "
                "parameters would not have in common then. Pass zeros."
            )
            raise ArrayError(msg)


def state_of_steps(rule: Rule) -> str:
    """The name of a state of the model that is computed from the step, if there is one."""
    for state in (spec.symbol for spec in rule.states if spec.symbol.shape == "model"):
        needed = {state}
        for line in reversed(rule.lines):
            if line.target in needed or line.value in needed:
                # What a sum over the model adds up are values of tensors.
                outside = line.expression.replace(
                    lambda node: isinstance(node, Reduction) and node.over == "model",
                    lambda node: sympy.S.Zero,
                )
                needed |= outside.free_symbols
        if step in needed:
            return state.name
    return ""
