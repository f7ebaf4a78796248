"""States that hold the values of the last updates."""

from typing import Any

import sympy

from learnerdsl.errors import RuleError
from learnerdsl.expr import RingState
from learnerdsl.tracing.context import Trace
from learnerdsl.tracing.definition import StateSpec


class Ring:
    """The last values that a state was given, from `ring[1]`, the newest, to `ring[len(ring)]`.

    Made by `state(name, ring=n)`; `assign(ring, value)` lets the oldest value go. Nothing is moved
    in memory: a value is written once, where the oldest one was.
    """

    def __init__(self, trace: Trace, name: str, length: Any, init: sympy.Expr) -> None:
        if type(length) is not int or length < 1:
            msg = f"State {name!r} cannot hold ring={length!r} values; write a number from 1 on."
            raise RuleError(msg)
        self.name = name
        for lag in range(1, length + 1):
            trace.take_name(f"{name}_{lag}", "state")
        self.symbols = [RingState(name, trace.name, k, length) for k in range(1, length + 1)]
        trace.states += [StateSpec(symbol, init) for symbol in self.symbols]

    def __len__(self) -> int:
        return len(self.symbols)

    def __getitem__(self, lag: Any) -> RingState:
        """The value of `lag` updates ago."""
        if type(lag) is not int or not 1 <= lag <= len(self):
            name, last = self.name, len(self)
            msg = f"{name}[{lag!r}] is not kept; write {name}[1] to {name}[{last}]."
            raise RuleError(msg)
        return self.symbols[lag - 1]
