"""Report the findings of `check`, as data that prints as a table."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from learnerdsl.check.judges import Judgement
from learnerdsl.errors import LearnerError


class CheckError(LearnerError, AssertionError):
    """A rule whose learner does not compute what its function says; see `learnerdsl.check`."""


@dataclass(frozen=True)
class Mismatch:
    """A number that differs by more than rounding explains.

    Attributes:
        update: number of the update; 0 for start values of states.
        dtype: dtype of the parameter.
        tensor: index of the tensor.
        shape: shape of the tensor.
        state: name of the state, "parameter" or "evaluation parameter"; for derivatives
            "d a / d b".
        index: index of the element.
        right: result of the function on arrays.
        compiled: value of the compiled learner.
        oracle: value of the oracle.
        wrong: which of those two is wrong: "compiled", "oracle" or "both".
    """

    update: int
    dtype: str
    tensor: int
    shape: tuple[int, ...]
    state: str
    index: tuple[int, ...]
    right: float
    compiled: float
    oracle: float
    wrong: str

    def __str__(self) -> str:
        """Return the mismatch as one sentence."""
        place = f"[{', '.join(map(str, self.index))}]" if self.index else ""
        return (
            f"update {self.update}, {self.dtype} tensor {self.tensor} of shape {self.shape}, "
            f"{self.state}{place}: the function gives {self.right:.9g}, compiled "
            f"{self.compiled:.9g}, oracle {self.oracle:.9g}{self.reason}"
        )

    @property
    def reason(self) -> str:
        """A likely cause, as text."""
        if self.wrong != "both":
            return ""
        if not np.isfinite(self.right):
            return " (SymPy simplified what has no value there)"
        return " (both read the same SymPy expressions)"


@dataclass(frozen=True)
class Line:
    """A line of the table: one state, over all updates, tensors and dtypes.

    Attributes:
        state: its name.
        error: the largest error of the compiled learner, relative to the right value.
        share: its largest error in parts of the tolerance.
        oracle_share: the same for the oracle.
        place: update, tensor and index of `share`.
        values: number of values that were judged.
        unjudged: number of values without a finite bound.
    """

    state: str
    error: float
    share: float
    oracle_share: float
    place: tuple[int, int, tuple[int, ...]]
    values: int
    unjudged: int


_MOST_SHOWN = 8


@dataclass(frozen=True)
class Report:
    """The findings of `check`; `print` it.

    Attributes:
        rule: name of the rule.
        shapes: shapes of the parameters.
        dtypes: dtypes of the parameters.
        updates: number of updates.
        lines: one line for each state and the parameter.
        mismatches: wrong numbers, at most one for each state, tensor and update.
    """

    rule: str
    shapes: tuple[tuple[int, ...], ...]
    dtypes: tuple[str, ...]
    updates: int
    lines: tuple[Line, ...]
    mismatches: tuple[Mismatch, ...]

    @property
    def ok(self) -> bool:
        """Whether every number is within the tolerance."""
        return not self.mismatches

    def raise_if_wrong(self) -> None:
        """Raise a CheckError with the report as its message, if a number is wrong."""
        if self.mismatches:
            raise CheckError(str(self))

    def __str__(self) -> str:
        """Return the table, and the mismatches below it."""
        shapes = ", ".join(map(str, self.shapes))
        verdict = "ok" if self.ok else f"WRONG in {len(self.mismatches)} places"
        head = f"{self.rule}: {verdict}; {self.updates} updates, {', '.join(self.dtypes)}, {shapes}"
        width = max(len(line.state) for line in self.lines)
        rows = [f"{'state':{width}}  rel. error  of tolerance  oracle's  worst at"]
        for line in self.lines:
            update, tensor, index = line.place
            place = f"update {update}, tensor {tensor}{list(index) if index else ''}"
            rows.append(
                f"{line.state:{width}}  {line.error:10.1e}  {line.share:12.2f}  "
                f"{line.oracle_share:8.2f}  {place}"
                + (f" ({line.unjudged} of {line.values} unjudged)" if line.unjudged else "")
            )
        more = len(self.mismatches) - _MOST_SHOWN
        rest = [f"and {more} more in .mismatches"] if more > 0 else []
        return "\n".join([head, *rows, *map(str, self.mismatches[:_MOST_SHOWN]), *rest])


def lines_of(judgements: Iterable[Judgement]) -> tuple[Line, ...]:
    """Return the lines of the table: the worst judgement of each state."""
    by_state: dict[str, list[Judgement]] = {}
    for one in judgements:
        by_state.setdefault(one.state, []).append(one)
    return tuple(_line(state, ones) for state, ones in by_state.items())


def _line(state: str, judgements: Sequence[Judgement]) -> Line:
    worst = max(judgements, key=lambda one: _most(one.by_compiled.share))
    total = sum(int(one.by_compiled.share.size) for one in judgements)
    judged = sum(one.by_compiled.judged for one in judgements)
    return Line(
        state=state,
        error=max(_most(one.by_compiled.error) for one in judgements),
        share=_most(worst.by_compiled.share),
        oracle_share=max(_most(one.by_oracle.share) for one in judgements),
        place=(worst.update, worst.tensor, worst.by_compiled.worst),
        values=total,
        unjudged=total - judged,
    )


def _most(array: Any) -> float:
    return float(np.max(array, initial=0.0))


def mismatch_of(judgement: Judgement, dtype: str, shape: tuple[int, ...]) -> Mismatch | None:
    """Return the worst number of a judgement if it is wrong, otherwise None."""
    own, other = judgement.by_compiled, judgement.by_oracle
    if not own.is_wrong and not other.is_wrong:
        return None
    index = own.worst if own.is_wrong else other.worst
    got = np.shape(judgement.compiled)
    number = judgement.value.number
    right = np.reshape(number, got) if number.size == np.prod(got) else np.broadcast_to(number, got)
    return Mismatch(
        update=judgement.update,
        dtype=dtype,
        tensor=judgement.tensor,
        shape=shape,
        state=judgement.state,
        index=index,
        right=float(right[index]),
        compiled=float(np.asarray(judgement.compiled)[index]),
        oracle=float(np.asarray(judgement.oracle)[index]),
        wrong=_who(own.share[index] > 1, other.share[index] > 1),
    )


def _who(compiled: bool, oracle: bool) -> str:
    return "both" if compiled and oracle else "compiled" if compiled else "oracle"
