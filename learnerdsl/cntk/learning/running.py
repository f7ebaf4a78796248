"""Runs a rule on CNTK parameters: one fused learner for each dtype and kind of gradient.

A rule comes in as a function: it takes whether gradients are row-sparse, and returns a traced rule.
The caller sets the scalars that it reads in a dict, before every update.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from learnerdsl.cntk.checks import shown
from learnerdsl.cntk.graph.variables import Parameter
from learnerdsl.cntk.learning.saved import (
    check_clock,
    check_keys,
    check_model_states,
    check_states,
    chosen,
    listed,
)
from learnerdsl.errors import CheckpointError
from learnerdsl.learner import Learner
from learnerdsl.runtime.arrays.sparse import RowSparse
from learnerdsl.tracing import Rule

Gradient = np.ndarray | RowSparse


@dataclass(frozen=True)
class Part:
    """Some of the parameters and the core learner that updates them.

    Attributes:
        key: name of the dtype, and whether gradients are row-sparse.
        indices: indices of the parameters among those of the runner.
        learner: the core learner.
        unread: gradients to pass to a rule that does not read them; empty for all other rules.
    """

    key: tuple[str, bool]
    indices: tuple[int, ...]
    learner: Learner
    unread: tuple[np.ndarray, ...] = ()

    def state_of(self, index: int) -> dict[str, np.ndarray]:
        """Return the state arrays of the parameter with this index among those of the runner."""
        return self.learner.state[self.indices.index(index)]


class Runner:
    """Updates parameters by a rule, which may differ for row-sparse gradients.

    Args:
        parameters: the parameters to update, in place.
        rule: takes whether gradients are row-sparse, and returns a traced rule.
        scalars: values of the hyperparameters at the coming update, by name.
        whole: returns the rule for whole parameters with row-sparse gradients, which runs after
            the rule for their rows; None if there is none.
        splits: whether parameters with row-sparse gradients get their own learner.
        seed: seed of the noise.
        constants: values of the hyperparameters that never change.
    """

    def __init__(
        self,
        parameters: Sequence[Parameter],
        rule: Callable[[bool], Rule],
        scalars: Mapping[str, float],
        whole: Callable[[], Rule | None] = lambda: None,
        splits: bool = True,
        seed: int = 0,
        constants: Mapping[str, float] | None = None,
    ) -> None:
        self.parameters = tuple(parameters)
        self.rule = rule
        self.whole = whole
        self.scalars = scalars
        self.splits = splits
        self.seed = seed
        self.constants = dict(constants or {})
        self.sparse: set[int] = set()
        self.parts: list[Part] = []
        self.whole_parts: list[Part] = []
        self.arrange()

    def update(self, gradients: Sequence[Gradient], count: int) -> None:
        """Do one update with checked gradients, in the order of the parameters."""
        new = {k for k, g in enumerate(gradients) if isinstance(g, RowSparse)} - self.sparse
        if new and self.splits:
            self.sparse |= new
            self.arrange()
        for part in self.parts:
            part.learner.update([gradients[k] for k in part.indices], count)
        for part in self.whole_parts:
            part.learner.update(part.unread, count)

    def arrange(self) -> None:
        """Make the learners that are needed now, and move the states of the old ones to them."""
        old, groups = self.parts, self._groups()
        self.parts = [
            Part(key, members, self._learner(members, self.rule(key[1])))
            for key, members in groups.items()
        ]
        for part in self.parts:
            for source in old:
                _move_states(source, part)
        rule = self.whole()
        self.whole_parts = [
            Part(
                part.key,
                part.indices,
                self._learner(part.indices, rule),
                self._unread_gradients(part.indices),
            )
            for part in self.parts
            if rule is not None and part.key[1]
        ]

    def _groups(self) -> dict[tuple[str, bool], tuple[int, ...]]:
        groups: dict[tuple[str, bool], tuple[int, ...]] = {}
        for k, parameter in enumerate(self.parameters):
            key = (np.dtype(parameter.dtype).name, k in self.sparse)
            groups[key] = (*groups.get(key, ()), k)
        return groups

    def _learner(self, indices: Sequence[int], rule: Rule) -> Learner:
        """Return a core learner that updates some of the parameters by `rule`."""
        arrays = [self.parameters[k].memory for k in indices]
        # Hyperparameters that the rule does not read need no value before every update.
        used = {symbol for line in rule.lines for symbol in line.expression.free_symbols}
        names = [symbol.name for symbol in rule.hyperparameters if symbol in used]
        readers = {
            name: self.constants[name] if name in self.constants else self._reader(name)
            for name in names
        }
        # Each learner numbers its tensors from 0; different seeds make their noise differ.
        seed = (self.seed + indices[0] * 2**32) % 2**53
        return Learner(rule, arrays, hyperparameters=readers, seed=seed)

    def _unread_gradients(self, indices: Sequence[int]) -> tuple[np.ndarray, ...]:
        """Return gradients for a rule that does not read them."""
        # Memory that is never read or written takes up addresses only.
        return tuple(np.empty_like(self.parameters[k].memory) for k in indices)

    def _reader(self, name: str) -> Callable[[int], float]:
        return lambda step: self.scalars[name]

    def reset(self) -> None:
        """Reset all states to their start values."""
        for part in (*self.parts, *self.whole_parts):
            part.learner.reset()

    @property
    def states(self) -> list[dict[str, np.ndarray]]:
        """The states of each parameter by name: the arrays that updates use."""
        found: list[dict[str, np.ndarray]] = [{} for _ in self.parameters]
        for part in self.parts:
            for k, states in zip(part.indices, part.learner.state.values(), strict=True):
                found[k] = states
        return found

    def checkpoint(self) -> dict[str, Any]:
        """Return a copy of everything that updates depend on, except for the parameters."""
        first = self.parts[0].learner
        return {
            "states": [{name: a.copy() for name, a in states.items()} for states in self.states],
            "model_state": first.model_state,
            "step_count": first.step_count,
            "samples": first.samples,
            "sparse": sorted(self.sparse),
            "seed": self.seed,
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Continue from what `checkpoint` returned; change nothing if it does not match."""
        self.check(saved)
        before = self.checkpoint()
        try:
            self._load(saved)
        except BaseException:
            self._load(before)
            raise

    def check(self, saved: Any) -> None:
        """Raise unless `saved` is a checkpoint of a runner like this one."""
        check_keys("A structure of the checkpoint", saved, self.checkpoint())
        check_clock(saved)
        count = len(self.parameters)
        sparse = chosen(saved["sparse"], count)
        if not self.splits and (sparse or saved["seed"] != self.seed):
            msg = (
                f"The checkpoint has sparse={shown(saved['sparse'])} and seed={saved['seed']}, "
                "which this learner cannot use; give a checkpoint of this learner."
            )
            raise CheckpointError(msg)
        rules = {is_sparse: self.rule(is_sparse) for is_sparse in (False, bool(sparse))}
        states = listed("states of parameters", saved["states"], count)
        for k, (parameter, own) in enumerate(zip(self.parameters, states, strict=True)):
            check_states(parameter, rules[k in sparse], own)
        check_model_states(rules[False], saved["model_state"])

    def _load(self, saved: Mapping[str, Any]) -> None:
        if (self.sparse, self.seed) != (set(saved["sparse"]), saved["seed"]):
            self.sparse, self.seed = set(saved["sparse"]), saved["seed"]
            self.arrange()
        for part in self.parts:
            target = part.learner.state_dict()
            target["state"] = {
                k: dict(saved["states"][index]) for k, index in enumerate(part.indices)
            }
            target |= {name: saved[name] for name in ("model_state", "step_count", "samples")}
            part.learner.load_state_dict(target)
        for part in self.whole_parts:
            target = part.learner.state_dict()
            target |= {name: saved[name] for name in ("step_count", "samples")}
            part.learner.load_state_dict(target)

    def source(self) -> str:
        """Return the generated loops of every learner that runs."""
        return "\n".join(part.learner.source() for part in (*self.parts, *self.whole_parts))

    def plan(self) -> str:
        """Return the sweeps over memory of every learner that runs, as text."""
        return "\n".join(str(part.learner.plan()) for part in (*self.parts, *self.whole_parts))


def _move_states(source: Part, target: Part) -> None:
    """Copy the states of the parameters that both have from `source` to `target`."""
    shared = set(source.indices) & set(target.indices)
    if not shared or not source.learner.step_count:
        return
    state_dict = target.learner.state_dict()
    for k in shared:
        own = state_dict["state"][target.indices.index(k)]
        kept = source.state_of(k)
        # A state that only the row-sparse rule has is the step of a row's last update.
        for name, array in own.items():
            array[...] = kept.get(name, source.learner.step_count)
    state_dict["model_state"] = source.learner.model_state
    state_dict["step_count"] = source.learner.step_count
    state_dict["samples"] = source.learner.samples
    target.learner.load_state_dict(state_dict)
