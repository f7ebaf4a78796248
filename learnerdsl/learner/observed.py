"""Read what observers computed in an update, and keep it in a history."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from learnerdsl.errors import ArrayError, LearnerError
from learnerdsl.learner.history import KEPT, History
from learnerdsl.runtime.arrays.host import Name
from learnerdsl.runtime.engine import Engine, Outcome
from learnerdsl.tracing import Observed, Rule, joined_parts, observers_of, observing


class Observation(dict[str, float]):
    """What one update observed: name of an observer -> number.

    Attributes:
        step: number of the update, counted from 1; 0 if there was none.
        skipped: whether the update was skipped, because a gradient held NaN or infinity. Then
            nothing was observed, and all numbers are NaN but that of `nonfinite` over the model.
    """

    def __init__(self, numbers: Mapping[str, float], step: int, skipped: bool) -> None:
        super().__init__(numbers)
        self.step = step
        self.skipped = skipped


class Watch:
    """The observers of a learner, and where their parts lie.

    Args:
        observed: the rules with the observers.
        shapes: name of each parameter -> shape of the whole tensor.
        keep: how many updates the history keeps.
    """

    def __init__(
        self, observed: Observed, shapes: Mapping[Name, tuple[int, ...]], keep: int | None
    ) -> None:
        self.observers = observed.observers
        self.states = observed.states
        self.names = list(shapes)
        self.sizes = [float(math.prod(shape)) for shape in shapes.values()]
        self.parts = [(o.name, part) for o in self.observers for part in o.parts]
        self.monoids = [o.monoid(part) for o in self.observers for part in o.parts]
        self.history = History([o.name for o in self.observers], self.numbers, keep)
        self.forget()

    def forget(self) -> None:
        """Begin as if there had been no update; the history stays."""
        self.step = 0
        self.refusal: float | Outcome = 0.0
        self.absent: frozenset[int] = frozenset()

    def kept(self) -> Any:
        """Return what was seen so far, for `put_back`."""
        return self.step, self.refusal, self.absent, self.history.kept()

    def put_back(self, kept: Any) -> None:
        """Go back to what had been seen when `kept` was called."""
        self.step, self.refusal, self.absent, history = kept
        self.history.put_back(history)

    def undo(self, step: int) -> None:
        """Forget the update with this number."""
        self.forget()
        self.history.drop(step)

    def note(self, engine: Engine, refusal: float | Outcome, absent: Sequence[int]) -> None:
        """Take note of an update; see `Engine.launch_without` for the arguments."""
        self.refusal, self.absent = refusal, frozenset(absent)
        if self.history.keep == 0:
            self.step = -1  # read when it is asked for, since a device is slow to tell
            return
        self.step = engine.step_count + self.is_skipped
        self.history.append(self.step, self.is_skipped, self.record(engine))

    @property
    def is_skipped(self) -> bool:
        """Whether the last update was skipped."""
        refusal = self.refusal
        return not refusal if isinstance(refusal, Outcome) else bool(refusal)

    @property
    def is_new(self) -> bool:
        """Whether there was no update yet."""
        return self.step == 0

    @property
    def nonfinite(self) -> float:
        """How many values of gradients were NaN or infinite, if the last update was skipped."""
        refusal = self.refusal
        return refusal.nonfinite if isinstance(refusal, Outcome) else refusal

    def empty_states(self) -> dict[str, list[float]]:
        """Return the states of observers without a value, for an engine to write."""
        return {state: [math.nan] * len(self.names) for state in self.states.values()}

    def values(self, engine: Engine) -> list[list[float | None]]:
        """Return the parts over each tensor; None for tensors that the last update left out."""
        states = engine.states
        columns = (states[self.states[part]] for part in self.parts)
        return [
            [None if k in self.absent else float(value) for k, value in enumerate(column)]
            for column in columns
        ]

    def record(self, engine: Engine) -> Any:
        """Return what `numbers` needs: the parts over the model, and the number of elements."""
        if self.is_new or self.is_skipped:
            return None, self.nonfinite
        pairs = zip(self.monoids, self.values(engine), strict=True)
        parts = [joined_parts(m, [v for v in own if v is not None]) for m, own in pairs]
        sizes = (size for k, size in enumerate(self.sizes) if k not in self.absent)
        return parts, sum(sizes)

    def numbers(self, record: Any) -> list[float]:
        """Return the number of each observer from a record."""
        parts, size = record
        if parts is None:
            return [size if size and o.counts_nonfinite else math.nan for o in self.observers]
        return self.of_parts(parts, size)

    def of_parts(self, parts: Sequence[float], size: float) -> list[float]:
        """Return the number of each observer from the values of all parts."""
        known = dict(zip(self.parts, parts, strict=True))
        return [
            o.number({part: known[o.name, part] for part in o.parts}, size) for o in self.observers
        ]

    def by_model(self, engine: Engine) -> Observation:
        """Return the numbers of the last update, over the model."""
        return self.observation(engine, self.numbers(self.record(engine)))

    def by_parameter(self, engine: Engine) -> dict[str, dict[Name, float]]:
        """Return observer -> parameter -> number, of the parameters that were updated."""
        names = [o.name for o in self.observers]
        if self.is_new or self.is_skipped:
            return {name: dict.fromkeys(self.names, math.nan) for name in names}
        columns = list(zip(*self.values(engine), strict=True))
        rows = {
            name: self.of_parts(columns[k], self.sizes[k])
            for k, name in enumerate(self.names)
            if k not in self.absent
        }
        return {o: {p: row[j] for p, row in rows.items()} for j, o in enumerate(names)}

    def observation(self, engine: Engine, numbers: Sequence[float]) -> Observation:
        """Return numbers with the names of the observers and the number of the update."""
        step = self.step if self.step >= 0 else engine.step_count + self.is_skipped
        names = (o.name for o in self.observers)
        return Observation(dict(zip(names, numbers, strict=True)), step, self.is_skipped)

    def refuse_rows(self, parameter: Name) -> None:
        """Raise if an observer needs rows that a row-sparse gradient leaves out."""
        for observer in self.observers:
            if not observer.is_of_rows:
                msg = (
                    f"The observer {observer.name!r} needs all rows, but the gradient of "
                    f"{parameter!r} is row-sparse, so that only its rows are visited; pass "
                    "gradient.to_dense(), or leave the observer out."
                )
                raise ArrayError(msg)


def watched(
    observe: Any,
    rules: Sequence[Rule],
    shapes: Mapping[Name, tuple[int, ...]],
    is_device: bool,
) -> tuple[list[Rule], Watch | None]:
    """Return the rules with what a user wants to observe, and the watch that reads it.

    Args:
        observe: what the user gave; None for nothing.
        rules: the rule of each parameter.
        shapes: name -> shape of each parameter.
        is_device: whether reading waits for a device. Then the history keeps nothing until asked.
    """
    if observe is None:
        return list(rules), None
    observed = observing(rules, observers_of(observe))
    return observed.rules, Watch(observed, shapes, 0 if is_device else KEPT)


class Watching:
    """What a learner observed. `Learner` sets the attributes declared here."""

    _engine: Engine
    _watch: Watch | None

    @property
    def observed(self) -> Observation:
        """What the last update observed: name of an observer -> number over the model.

        The numbers are those of the values in registers: what `update_norm` measures is not yet
        rounded to the type of the parameter. A norm over the model is that of all parameters that
        the update changed; those without a gradient do not count.

        Raises:
            LearnerError: the learner observes nothing.

        >>> import numpy as np
        >>> from learnerdsl.learners import sgd
        >>> learner = sgd([np.array([3.0, 4.0])], lr=0.1, observe=["grad_norm", "update_ratio"])
        >>> learner.update([np.array([6.0, 8.0])])
        True
        >>> {name: round(value, 6) for name, value in learner.observed.items()}
        {'grad_norm': 10.0, 'update_ratio': 0.2}
        """
        return self._watching().by_model(self._engine)

    @property
    def observed_by_parameter(self) -> dict[str, dict[Name, float]]:
        """What the last update observed: name of an observer -> parameter -> number.

        Parameters that had no gradient are left out.
        """
        return self._watching().by_parameter(self._engine)

    @property
    def history(self) -> History:
        """What the last updates observed; see `learnerdsl.History`.

        On a GPU it keeps nothing, because reading waits for the device, until
        `learner.history.keep` is set.
        """
        return self._watching().history

    def _watching(self) -> Watch:
        if self._watch is None:
            msg = (
                "This learner observes nothing; make it with observe=, for example "
                "observe=['grad_norm', 'update_norm']."
            )
            raise LearnerError(msg)
        return self._watch
