"""What an exported loop receives, returns and keeps: the same for every language it is printed in.

A file has up to two updates: `<rule>_update`, and `<rule>_start`, which fills the states that do not
start with zeros. Each is a compiled kernel. Its scalars are computed in float64, its sweeps run over
chunks, and partial results of reductions are joined in the order of the chunks.

A rule with values of the whole model has a function of all tensors, every other rule a function of
one tensor.
"""

from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property
from typing import Any

import sympy

from learnerdsl.codegen.text import symbols_of
from learnerdsl.errors import DtypeError, RuleError
from learnerdsl.expr import (
    AxisSize,
    Clock,
    Draw,
    NewValue,
    RingState,
    minibatch_size,
    model_size,
    samples,
    seed,
    step,
    tensor_number,
    tensor_size,
)
from learnerdsl.ir import Block, Compute, Domain, Kernel, Rank, Reduce
from learnerdsl.layout import Layout
from learnerdsl.pipeline import Program, compile_rule
from learnerdsl.storage import Precision
from learnerdsl.tracing import Assignment, Rule


def checked_program(program: Program, language: str) -> Program:
    """Return a program that can be exported as loops, or raise.

    Args:
        program: the compiled rule.
        language: name of the language for error messages.

    Raises:
        DtypeError: its arrays are neither all float32 nor all float64.
        RuleError: it needs functions of matrices, values along axes, or sums that are rounded as in
            the parameter's dtype.
    """
    name, precision = program.rule.name, program.precision
    if precision not in (Precision.of("float32"), Precision.of("float64")):
        msg = (
            f"{name} cannot be exported to {language} with arrays of {precision}; "
            'write dtype="float32" or "float64", without other number types.'
        )
        raise DtypeError(msg)
    reason = _obstacle(program)
    if reason:
        msg = (
            f"{name} cannot be exported to {language}: it {reason}. "
            'Write rule.export("numpy") or rule.export("torch").'
        )
        raise RuleError(msg)
    return program


def _obstacle(program: Program) -> str:
    """Return why no loop over elements computes a program; "" if one does."""
    kernel = program.kernel
    if any(block.computes or block.stores for block in kernel.matrix_blocks):
        return "uses functions of whole matrices"
    if program.layout.vectors:
        return "keeps values along axes, for which the order of a tensor's elements matters"
    if any(reduce.block for reduce in program.layout.reduces):
        return "has a sum in the dtype of the parameter"
    return ""


def start_program(program: Program) -> Program | None:
    """Return the program that fills the states which do not start with zeros, or None."""
    rule = program.rule
    states = tuple(spec for spec in rule.states if sympy.sympify(spec.init) != 0.0)
    states = tuple(spec for spec in states if sympy.sympify(spec.init) != 0)
    if not states:
        return None
    lines = [
        Assignment(s.symbol, NewValue(f"{s.symbol}_start", rule.name), sympy.sympify(s.init))
        for s in states
    ]
    parameter = rule.parameter
    unchanged = Assignment(parameter, NewValue(f"{parameter}_same", rule.name), parameter)
    starting: Rule = replace(
        rule,
        states=states,
        lines=(*lines, unchanged),
        extras=(),
        evaluation=None,
        written=(),
        writers=(),
    )
    return compile_rule(starting, program.precision)


class Loops:
    """The inputs of a program, and where each of its scalars is read and written.

    Args:
        program: the compiled rule.
        kind: "update" or "start".
        of_model: whether it is a function of all tensors, whatever the rule needs.
    """

    def __init__(self, program: Program, kind: str = "update", of_model: bool = False) -> None:
        self.program = program
        self.kind = kind
        self.kernel: Kernel = program.kernel
        self.layout: Layout = program.layout
        self.of_model = of_model or self.needs_model

    @cached_property
    def needs_model(self) -> bool:
        """Whether the rule has values of the whole model: reductions over it, or states."""
        domains = self.kernel.domains
        over_model = any(domains[r.symbol] == Domain.MODEL for r in self.layout.reduces)
        return over_model or bool(self.model_states) or model_size in self.used

    @cached_property
    def used(self) -> frozenset[sympy.Basic]:
        """The symbols that some statement reads."""
        blocks = self.kernel.blocks
        read = {s for b in blocks for s in symbols_of((*b.computes, *b.reduces))}
        return frozenset(read | {store.value for b in blocks for store in b.stores})

    @cached_property
    def draws(self) -> bool:
        """Whether the rule draws random numbers."""
        return any(draws_in(block) for block in self.kernel.passes)

    @cached_property
    def arrays(self) -> tuple[sympy.Symbol, ...]:
        """The arrays with one value per element; of a ring only its newest place."""
        swept = {array for block in self.kernel.passes for array in block.arrays}
        always = {self.kernel.parameter, self.kernel.gradient} if self.kind == "update" else set()
        own = [a for a in self.kernel.arrays if a in swept | always]
        return tuple(a for a in own if not isinstance(a, RingState))

    @cached_property
    def rings(self) -> dict[str, int]:
        """Name of a ring -> its number of places."""
        own = [a for a in self.kernel.arrays if isinstance(a, RingState)]
        return {ring_of(a): a.length for a in own}

    @property
    def model_states(self) -> tuple[sympy.Symbol, ...]:
        """The states with one value for the model."""
        return self._states(Domain.MODEL)

    @property
    def tensor_states(self) -> tuple[sympy.Symbol, ...]:
        """The states with one value for each tensor."""
        return self._states(Domain.TENSOR)

    def _states(self, domain: Domain) -> tuple[sympy.Symbol, ...]:
        return tuple(s for s in self.kernel.states if self.kernel.domains[s] == domain)

    @property
    def extras(self) -> tuple[sympy.Symbol, ...]:
        """The numbers that an update receives besides the gradients."""
        own = self.kernel.extras
        return tuple(s for s in own if self.kernel.domains[s] == Domain.MODEL and s in self.used)

    @property
    def sizes(self) -> tuple[sympy.Symbol, ...]:
        """The lengths of axes that scalars depend on."""
        own = [s for s in self.used if isinstance(s, AxisSize)]
        return tuple(sorted(own, key=lambda s: s.axis))

    @property
    def clock(self) -> tuple[Clock, ...]:
        """The numbers of the clock that a caller passes."""
        needed = set(self.used)
        if self.draws or self.rings:
            needed.add(step)
        if self.draws:
            needed.add(seed)
        return tuple(s for s in (step, samples, minibatch_size, seed) if s in needed)

    @property
    def hyperparameters(self) -> tuple[tuple[sympy.Symbol, float | None], ...]:
        """The hyperparameters in use with their defaults, None where that is no number."""
        rule = self.program.rule
        pairs = zip(rule.hyperparameters, rule.defaults, strict=True)
        return tuple((s, _as_number(default)) for s, default in pairs if s in self.used)

    @property
    def inner(self) -> frozenset[sympy.Basic]:
        """The scalars of a tensor that no caller passes."""
        return frozenset((tensor_size, tensor_number))

    def is_of_tensor(self, symbol: sympy.Basic) -> bool:
        """Return whether a scalar has one value for each tensor."""
        return self.kernel.domains[symbol] == Domain.TENSOR

    def needed_later(self, block: Block) -> list[sympy.Symbol]:
        """Return the scalars of a block that other blocks or stores use."""
        rows = (*self.layout.model, *self.layout.tensor)
        stored = {s.value for b in self.kernel.blocks for s in b.stores}
        return [c.symbol for c in block.computes if c.symbol in rows or c.symbol in stored]

    def scalars_of(self, block: Block) -> list[sympy.Symbol]:
        """Return the scalars that a sweep reads, in the order of the tables."""
        items: tuple[Compute | Reduce, ...] = (*block.computes, *block.reduces)
        own = {load.symbol for load in block.loads} | {c.symbol for c in block.computes}
        read = symbols_of(items) - own
        rows = (*self.layout.model, *self.layout.tensor)
        return [s for s in rows if s in read]

    def stays_wide(self, block: Block, symbol: sympy.Basic) -> bool:
        """Return whether a sweep uses a scalar only in a reduction, which is in float64."""
        whole = {r.expression for r in block.reduces if r.expression.is_Symbol}
        items = (*block.computes, *block.reduces)
        others = symbols_of(i for i in items if i.expression not in whole)
        return symbol in whole and symbol not in others


def ring_of(symbol: RingState) -> str:
    """Return the name of the ring that a symbol is a place of."""
    return symbol.name.rpartition("_")[0]


def draws_in(block: Block) -> bool:
    """Return whether a sweep draws random numbers."""
    return any(item.expression.has(Draw) for item in (*block.computes, *block.reduces))


def is_narrow(kernel: Kernel, symbol: sympy.Basic) -> bool:
    """Return whether a symbol is a scalar."""
    return kernel.domains[symbol].rank <= Rank.TENSOR


def once(names: Iterable[Any]) -> list[Any]:
    """Return the items without repetitions, in order."""
    return list(dict.fromkeys(names))


def _as_number(default: Any) -> float | None:
    return float(default) if isinstance(default, (int, float)) else None
