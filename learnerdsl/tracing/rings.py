"""Define rings: states that keep the values of the last few updates."""

from typing import Any

import sympy

from learnerdsl.errors import RuleError
from learnerdsl.expr import RingState
from learnerdsl.tracing.context import Trace
from learnerdsl.tracing.definition import StateSpec


class Ring:
    """The last values of a state, from `ring[1]`, the newest, to `ring[len(ring)]`, the oldest.

    `state(name, ring=n)` makes one, and `assign(ring, value)` drops the oldest value. Nothing moves
    in memory: a new value is written once, where the oldest one was.
    """

    def __init__(
        self, trace: Trace, name: str, length: Any, init: sympy.Expr, dtype: str = ""
    ) -> None:
        if type(length) is not int or length < 1:
            msg = (
                f"State {name!r} cannot keep ring={length!r} values; write a whole number, 1 or "
                "more."
            )
            raise RuleError(msg)
        self.name = name
        for lag in range(1, length + 1):
            trace.take_name(f"{name}_{lag}", "state")
        self.symbols = [RingState(name, trace.name, k, length) for k in range(1, length + 1)]
        trace.states += [StateSpec(symbol, init, dtype) for symbol in self.symbols]

    def __len__(self) -> int:
        return len(self.symbols)

    def __getitem__(self, lag: Any) -> RingState:
        """Return the symbol of the value that was assigned `lag` updates ago."""
        if type(lag) is not int or not 1 <= lag <= len(self):
            name, last = self.name, len(self)
            msg = f"{name}[{lag!r}] is not kept; write {name}[1] to {name}[{last}]."
            raise RuleError(msg)
        return self.symbols[lag - 1]
