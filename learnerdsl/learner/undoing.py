"""Take updates back, by the rule that computes old values from new ones and the gradients."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from learnerdsl.errors import ArrayError, LearnerError, RuleError
from learnerdsl.expr import (
    Hyperparameter,
    brief,
    evaluated,
    minibatch_size,
    samples,
    seed,
    step,
    symbols_in,
)
from learnerdsl.learner.hyperparameters import Hyperparameters, HyperTable
from learnerdsl.runtime.arrays.host import Gradients, Name
from learnerdsl.runtime.backends import Backend
from learnerdsl.runtime.engine import Engine, Outcome
from learnerdsl.tracing import Inverse, Rule, inverse, without

LEAST = float(np.finfo(np.float32).eps)
"""An old value that was multiplied by less than this has left no digit in the new one."""

Key = tuple[frozenset[str], ...]
"""For each group the names of the hyperparameters that are the number 0."""


def inverses(rules: Sequence[Rule], zeros: Sequence[frozenset[str]]) -> list[Inverse]:
    """Return what takes back an update by each rule; equal pairs stay the same object.

    Args:
        rules: the rule of each parameter.
        zeros: for each parameter the names of the hyperparameters that are 0. They are taken out
            of a rule that has no inverse otherwise.

    Raises:
        RuleError: a rule has no inverse.
    """
    found: dict[Any, Inverse] = {}
    for rule, names in zip(rules, zeros, strict=True):
        if (id(rule), names) not in found:
            found[id(rule), names] = _inverse(rule, names)
    return [found[id(rule), names] for rule, names in zip(rules, zeros, strict=True)]


def _inverse(rule: Rule, zeros: frozenset[str]) -> Inverse:
    try:
        return inverse(rule)
    except RuleError:
        if not zeros:
            raise
        return inverse(without(rule, sorted(zeros)))


class Undoing:
    """Takes updates of a learner back. `Learner` sets the attributes declared here.

    Attributes:
        _inverses: what takes back an update of each parameter, as of the last `undo`.
        _undoer: a learner of the same arrays and states that updates by these rules.
        _undoer_key: what they were made for; None before the first `undo`.
    """

    _backend: Backend
    _engine: Engine
    _groups: list[int]
    _hyper: HyperTable
    _names: list[Name]
    _rule: Rule
    _rules: list[Rule]
    _seed: int
    _watch: Any
    _inverses: list[Inverse]
    _undoer: Any
    _undoer_key: Key | None

    def _make_undoer(self, rules: Sequence[Rule]) -> Any:
        """Return a learner of the same arrays and states, by other rules."""
        raise NotImplementedError

    def check_undo(self, minibatch_size: float = 1) -> None:
        """Raise unless `undo` can take back an update with the present hyperparameters.

        Args:
            minibatch_size: that of the update.

        Raises:
            LearnerError: it cannot; the message says why.

        >>> import numpy as np
        >>> import learnerdsl as ld
        >>> from learnerdsl.learners import adam
        >>> adam([np.ones(2)]).check_undo()
        >>> try:
        ...     adam([np.ones(2)], beta1=0.0).check_undo()
        ... except ld.LearnerError as error:
        ...     print(str(error).split(": ")[1].split(" which")[0])
        the old values were multiplied by beta1,
        """
        self._checked_undoer(minibatch_size)

    def _checked_undoer(self, size: float) -> Any:
        """Return the learner that takes back the last update, or raise if it cannot be."""
        if any(self._backend.shards):
            msg = (
                "Processes hold parts of the parameters of this learner, and undo is for whole "
                "tensors. Keep a copy of the parameters and the state dict instead."
            )
            raise LearnerError(msg)
        undoer = self._undoer_for(self._zeros())
        self._check_divisors(size)
        return undoer

    def _take_back(
        self, gradients: Gradients, size: Any, extras: Mapping[str, Any]
    ) -> bool | Outcome:
        """Do what `Learner.undo` does, when it is its turn."""
        engine = self._engine
        count = engine.step_count
        if not count:
            msg = f"This learner of {self._rule.name} has done no update, so none can be undone."
            raise LearnerError(msg)
        undoer = self._checked_undoer(size)
        before = max(engine.samples - size, 0.0)
        undoer.prepare(count - 1, before)
        if not undoer.update(gradients, size, **extras):
            return False
        pairs = zip(engine.missed_steps, undoer._engine.missed_steps, strict=True)
        missed = [2 * own - new for own, new in pairs]  # one less, if the update left it out
        engine.set_clock(count - 1, before)
        engine.missed_steps = missed
        engine.take_scalars(undoer._engine)
        if self._watch is not None:
            self._watch.undo(count)
        return True

    def _zeros(self) -> Key:
        """Return for each group the hyperparameters that are the number 0."""
        groups = range(len(self._hyper.settings))
        views = [Hyperparameters(self._hyper, group) for group in groups]
        return tuple(frozenset(n for n in view if view.setting(n) == 0) for view in views)

    def _undoer_for(self, key: Key) -> Any:
        """Return the learner that takes updates back while these hyperparameters are 0."""
        if key != self._undoer_key:
            self._undoer_key = None  # unknown, if an exception comes in between
            found = inverses(self._rules, [key[group] for group in self._groups])
            self._undoer = self._make_undoer([one.rule for one in found])
            self._inverses = found
            self._undoer_key = key
        return self._undoer

    def _check_divisors(self, size: float) -> None:
        """Raise if an old value has left nothing in the new one, for these hyperparameters."""
        if not any(one.divisors for one in self._inverses):
            return
        engine = self._engine
        own, count = engine.tensor_steps, max(engine.step_count, 1)
        steps = own if isinstance(own, list) else [own] * len(self._names)
        seen = max(engine.samples - size, 0.0)
        clock = {minibatch_size: size, samples: seen, seed: self._seed}
        checked: set[Any] = set()
        for k, (one, group, now) in enumerate(
            zip(self._inverses, self._groups, steps, strict=True)
        ):
            if (id(one), group, now) in checked or not one.divisors:
                continue
            checked.add((id(one), group, now))
            symbols = {s for d in one.divisors for s in symbols_in(d)}
            needed = {s.name for s in symbols if isinstance(s, Hyperparameter)}
            values = self._hyper.values([group], needed, count)[0]
            known = {s: values[s.name] for s in symbols if s.name in needed}
            for divisor in one.divisors:
                found = evaluated(divisor, {**clock, **known, step: max(now, 1)})
                if not abs(found) >= LEAST:
                    self._refuse_divisor(divisor, found, self._names[k])

    def _refuse_divisor(self, divisor: Any, found: float, name: Name) -> None:
        msg = (
            f"The last update of {name!r} by {self._rule.name} cannot be undone: the old values "
            f"were multiplied by {brief(divisor)}, which was {found:.3g}, so they are not kept. "
            "Keep a copy instead: put_back = learner.snapshot() before the update."
        )
        raise LearnerError(msg)


class Undoer:
    """Makes of `Learner` one that takes updates of another learner back.

    It updates the arrays and the states of the other one, by other rules.

    Args:
        owner: the other learner.
        rules: a rule for each of its parameters, frozen ones too.
    """

    _bound: Any
    _engine: Engine
    _hyper: HyperTable
    _names: list[Name]
    _seed: int

    def __init__(self, owner: Any, rules: Sequence[Rule]) -> None:
        self._owner = owner
        learner: Any = super()
        learner.__init__(
            **{**owner._made_of, "rule": rules, "observe": None},
            groups=owner._grouping.explicit(),
            seed=owner._seed,
            hyperparameters=owner._hyper.settings[0],
        )

    def reset(self) -> None:
        """Begin with the states of the other learner, in their memory."""
        self._engine.borrow_states(self._owner._engine)

    def prepare(self, step_count: int, samples: float) -> None:
        """Get ready to take back the update after this many.

        Args:
            step_count: number of updates before it.
            samples: number of samples seen before it.
        """
        own, engine = self._owner, self._engine
        self._hyper.replace(own._hyper.settings)
        self._seed = own._seed
        engine.set_seed(own._seed)
        engine.set_clock(step_count, samples)
        engine.missed_steps = own._engine.missed_steps
        engine.take_scalars(own._engine)

    def _bind(self, gradients: Gradients, arrays: tuple[Any, ...]) -> Sequence[int]:
        """Pass gradients to the engine; see `Learner`."""
        learner: Any = super()
        absent = learner._bind(gradients, arrays)
        # An error must come before the launch, as the launch counts what it leaves out.
        missed = self._owner._engine.missed_steps
        for k in absent:
            if not missed[k]:
                self._bound.forget()
                msg = (
                    f"The gradient of {self._names[k]!r} is missing or None, but no update has "
                    "left this parameter out; pass the gradients of the update to be undone."
                )
                raise ArrayError(msg)
        return absent
