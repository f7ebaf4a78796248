"""Keep what a learner observed: one number over the model for each update and observer."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from learnerdsl.cards import counted
from learnerdsl.errors import HyperparameterError, UnknownNameError
from learnerdsl.numbers import as_count, quoted

KEPT = 10_000
"""Number of updates that a history keeps unless asked otherwise."""


class History(Mapping[str, np.ndarray]):
    """What a learner observed in its last updates: name of an observer -> array of numbers.

    `history.steps` has the number of each update, and `history.skipped` whether it was skipped
    (`nonfinite="skip"`); a skipped update has the number of the update that it was to be. A
    history is not in checkpoints: save `to_dict()` if you need it later.

    Args:
        names: names of the observers.
        evaluate: returns the numbers of the observers, in their order, from a record.
        keep: how many updates to keep: 0 for none, None for all.

    >>> import numpy as np
    >>> from learnerdsl.learners import sgd
    >>> w = np.array([3.0, 4.0])
    >>> learner = sgd([w], lr=0.5, observe=["param_norm"])
    >>> for _ in range(3):
    ...     _ = learner.update([w.copy()])
    >>> learner.history["param_norm"]
    array([5.  , 2.5 , 1.25])
    >>> learner.history.keep = 2
    >>> learner.history.to_dict()
    {'step': [2, 3], 'param_norm': [2.5, 1.25]}
    >>> learner.history.clear()
    >>> len(learner.history["param_norm"])
    0
    """

    def __init__(
        self, names: Sequence[str], evaluate: Callable[[Any], Sequence[float]], keep: int | None
    ) -> None:
        self._names = tuple(names)
        self._evaluate = evaluate
        self._records: deque[Any] = deque(maxlen=keep)
        self._rows: deque[Any] = deque(maxlen=keep)

    @property
    def keep(self) -> int | None:
        """How many updates are kept; None for all. Setting it forgets what is too much."""
        return self._rows.maxlen

    @keep.setter
    def keep(self, count: int | None) -> None:
        number = as_count(count)
        if count is not None and (number is None or number < 0):
            msg = f"keep is a number of updates, or None for all of them, got {quoted(count)}."
            raise HyperparameterError(msg)
        limit = None if count is None else number
        self._records = deque(self._records, limit)
        self._rows = deque(self._evaluated(), limit)

    def append(self, step: int, is_skipped: bool, record: Any) -> None:
        """Keep the record of an update; its numbers are computed when they are asked for."""
        self._records.append((step, is_skipped, record))

    def kept(self) -> Any:
        """Return what is kept, for `put_back`."""
        return self.keep, list(self._evaluated())

    def put_back(self, kept: Any) -> None:
        """Go back to what was kept when `kept` was called."""
        self.clear()
        self.keep, rows = kept
        self._rows.extend(rows)

    def adopt(self, other: "History") -> None:
        """Begin with what another history has kept."""
        self.keep = other.keep
        self._rows.extend(other._evaluated())

    def _evaluated(self) -> deque[Any]:
        """Return the rows of all updates that are kept: step, skipped, numbers."""
        while self._records:
            step, is_skipped, record = self._records.popleft()
            self._rows.append((step, is_skipped, self._evaluate(record)))
        return self._rows

    @property
    def steps(self) -> np.ndarray:
        """The number of each update that is kept, counted from 1 (updates,), int64."""
        return np.array([step for step, _, _ in self._evaluated()], np.int64)

    @property
    def skipped(self) -> np.ndarray:
        """Whether each update was skipped because of NaN or infinity (updates,), bool."""
        return np.array([skipped for _, skipped, _ in self._evaluated()], np.bool_)

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self._names:
            msg = f"The history has no {quoted(name)}; it has {', '.join(self._names)}."
            raise UnknownNameError(msg)
        column = self._names.index(name)
        return np.array([numbers[column] for _, _, numbers in self._evaluated()], np.float64)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def to_dict(self) -> dict[str, list[Any]]:
        """Return "step" and the names of the observers -> lists of plain numbers, as for JSON."""
        columns = {name: self[name].tolist() for name in self._names}
        return {"step": self.steps.tolist(), **columns}

    def drop(self, step: int) -> None:
        """Forget the update with this number if it is the last one, and what was skipped after."""
        rows = self._evaluated()
        while rows and (rows[-1][0] > step or (rows[-1][0] == step and not rows[-1][1])):
            rows.pop()

    def clear(self) -> None:
        """Forget all updates."""
        self._records.clear()
        self._rows.clear()

    def __repr__(self) -> str:
        updates = counted(len(self._evaluated()), "update")
        return f"<History of {', '.join(self._names)}: {updates}>"
