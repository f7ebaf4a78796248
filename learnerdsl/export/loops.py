"""What an exported loop receives, returns and keeps: the same for every language it is printed in.

A file has up to two updates: `<rule>_update`, and `<rule>_start`, which fills the states that do
not start with zeros. Each is a compiled kernel. Its scalars are computed in float64, its sweeps run
over chunks, and partial results of reductions are joined in the order of the chunks.

A rule with values of the whole model has a function of all tensors, every other rule a function of
one tensor.
"""

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import sympy

from learnerdsl.codegen.sweeps import has_elements, of_elements
from learnerdsl.codegen.text import symbols_of
from learnerdsl.errors import DtypeError, RuleError
from learnerdsl.export.request import Request, Variant
from learnerdsl.expr import (
    AxisExtra,
    AxisSize,
    AxisState,
    Clock,
    Draw,
    IndexDraw,
    NarrowDraw,
    NewValue,
    RingState,
    drawn_by_elements,
    minibatch_size,
    model_size,
    nodes,
    rebuilt,
    replaced,
    samples,
    seed,
    step,
    symbols_in,
    tensor_number,
    tensor_size,
)
from learnerdsl.ir import Block, Compute, Domain, Kernel, Level, Rank, Reduce
from learnerdsl.layout import Layout
from learnerdsl.pipeline import Program, compile_rule
from learnerdsl.storage import Precision
from learnerdsl.tracing import Assignment, Rule

NO_BREAK = "\N{NO-BREAK SPACE}"


@dataclass(frozen=True)
class Pair:
    """The updates of a variant of a rule.

    Attributes:
        name: what the names of its functions begin with.
        update: the program of an update.
        start: the program that fills the states which do not start with zeros, if there are any.
        notes: lines of the header that say which tensors they are for.
    """

    name: str
    update: Program
    start: Program | None
    notes: tuple[str, ...] = ()

    @property
    def of_model(self) -> bool:
        """Whether the functions take all tensors."""
        starts = [] if self.start is None else [Loops(self.start, "start")]
        return any(loops.of_model for loops in (Loops(self.update), *starts))


def pairs_of(request: Request, language: str) -> list[Pair]:
    """Return the updates of all variants of a rule.

    Args:
        request: what to export.
        language: name of the language, for error messages.

    Raises:
        DtypeError: its arrays are neither all float32 nor all float64.
        RuleError: it needs functions of matrices, values along axes, or sums that are rounded as in
            the parameter's dtype; or tensors of different kinds have values of the model.
    """
    found: list[Pair] = []
    own = tuple(replace(v, rule=_drawing_by_elements(v.rule)) for v in request.variants)
    request = replace(request, variants=own)
    variants = _distinct(request.variants)
    for number, variant in enumerate(variants, 1):
        program = _checked(request.program(variant), request, language)
        start = _start_program(program)
        if start is not None:
            _checked(start, request, language)
        name, notes = request.name, ()
        if len(variants) > 1:
            name = f"{request.name}_{number}"
            shapes = ", ".join(map(str, variant.shapes[:4]))
            notes = (f"{name}_update is for tensors with shapes such as {shapes}.",)
        found.append(Pair(name, program, start, notes))
    own = [e.name for v in variants for e in v.rule.extras if e.shape == "tensor"]
    if own and any(pair.of_model for pair in found):
        msg = (
            f"{request.name} cannot be exported to {language}: it takes {own[0]}, an extra with a "
            "number for each tensor, and has values of the whole model. Write "
            'rule.export("numpy") or rule.export("torch").'
        )
        raise RuleError(msg)
    if len(found) > 1 and any(pair.of_model for pair in found):
        msg = (
            f"{request.name} cannot be exported to {language} for all tensors: it treats them by "
            "their shape and has values of the whole model. Write shape=(4, 3) for those of one "
            "kind."
        )
        raise RuleError(msg)
    return found


def _drawing_by_elements(rule: Rule) -> Rule:
    """Return a rule in which elements compute random numbers of their rows and columns."""
    given = (*rule.extras, *(spec.symbol for spec in rule.states))
    if any(isinstance(symbol, (AxisExtra, AxisState)) for symbol in given):
        return rule  # which no loop over elements computes anyway
    roots = [*(line.expression for line in rule.lines), *(spec.init for spec in rule.states)]
    narrow = (n for n in nodes(roots) if isinstance(n, NarrowDraw) and n.axes)
    new = {draw: drawn_by_elements(draw, rule.ndim or 0) for draw in narrow}
    if not new:
        return rule

    def changed(root: Any) -> Any:
        return replaced(root, new, rebuilt)

    return replace(
        rule,
        lines=tuple(replace(s, expression=changed(s.expression)) for s in rule.lines),
        states=tuple(replace(s, init=changed(s.init)) for s in rule.states),
        written=tuple(map(changed, rule.written)),
    )


def _distinct(variants: Sequence[Variant]) -> list[Variant]:
    """Return the variants with different loops: the number of axes makes none by itself."""
    found: dict[Any, Variant] = {}
    for variant in variants:
        rule = variant.rule
        key = rule.lines, rule.states, rule.extras
        shapes = found[key].shapes if key in found else ()
        first = found.get(key, variant)
        found[key] = replace(first, shapes=(*shapes, *variant.shapes))
    return list(found.values())


def _checked(program: Program, request: Request, language: str) -> Program:
    """Return a program that can be exported as loops, or raise."""
    precision, reason = program.precision, _obstacle(program)
    if precision not in (Precision.of("float32"), Precision.of("float64")):
        msg = (
            f"{request.name} cannot be exported to {language} with arrays of {precision}; "
            'write dtype="float32" or "float64", without other number types.'
        )
        raise DtypeError(msg)
    if reason:
        others = [own for own in request.variants if not _obstacle(request.program(own))]
        shapes = sorted((shape for own in others for shape in own.shapes), key=_is_vector)
        of_shapes = f", or shape={shapes[-1]} for tensors of that kind" if shapes else ""
        msg = (
            f"{request.name} cannot be exported to {language}: it {reason}. "
            f'Write rule.export("numpy") or rule.export("torch"){of_shapes}.'
        )
        raise RuleError(msg)
    return program


def _is_vector(shape: tuple[int, ...]) -> bool:
    return len(shape) == 1


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


def _start_program(program: Program) -> Program | None:
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
    def live(self) -> frozenset[sympy.Basic]:
        """The symbols that a stored or reduced value depends on."""
        blocks = self.kernel.blocks
        found = {store.value for block in blocks for store in block.stores}
        found |= {s for b in blocks for s in symbols_of(b.reduces)}
        found |= {r.symbol for b in blocks for r in b.reduces}
        for block in reversed(blocks):
            for compute in reversed(block.computes):
                if compute.symbol in found:
                    found |= compute.expression.free_symbols
        return frozenset(found)

    @cached_property
    def draws(self) -> bool:
        """Whether the rule draws random numbers."""
        return self.draws_elements or seed in self.used

    @cached_property
    def draws_elements(self) -> bool:
        """Whether sweeps draw random numbers."""
        return any(draws_in(block) for block in self.kernel.passes)

    @property
    def needs_number(self) -> bool:
        """Whether random numbers depend on the number of a tensor."""
        return self.draws_elements or tensor_number in self.used

    @cached_property
    def arrays(self) -> tuple[sympy.Symbol, ...]:
        """The arrays with one value per element; of a ring only its newest place."""
        swept = {array for block in self.kernel.passes for array in block.arrays}
        always: set[sympy.Symbol] = set()
        if self.kind == "update":
            always = {self.kernel.parameter, self.kernel.gradient}
        elif self.needs_tensors:
            always = {self.kernel.parameter}
        own = [a for a in self.kernel.arrays if a in swept | always]
        return tuple(a for a in own if not isinstance(a, RingState))

    @property
    def needs_tensors(self) -> bool:
        """Whether the number of tensors or their sizes matter, besides their values."""
        sizes = {tensor_size, model_size} & self.used
        counts = any(reduce.by_tensor for reduce in self.layout.reduces)
        return bool(sizes) or counts or (self.of_model and bool(self.tensor_states))

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
        domains = (Domain.MODEL, Domain.TENSOR)
        own = (s for s in self.kernel.extras if self.kernel.domains[s] in domains)
        return tuple(s for s in own if s in self.used)

    @property
    def sizes(self) -> tuple[sympy.Symbol, ...]:
        """The lengths of axes that scalars depend on."""
        own = [s for s in self.used if isinstance(s, AxisSize)]
        return tuple(sorted(own, key=str))

    @property
    def clock(self) -> tuple[Clock, ...]:
        """The numbers of the clock that a caller passes."""
        needed = set(self.used)
        if self.draws_elements or self.rings:
            needed.add(step)
        if self.draws:
            needed.add(seed)
        return tuple(s for s in (step, samples, minibatch_size, seed) if s in needed)

    @property
    def hyperparameters(self) -> tuple[tuple[sympy.Symbol, float | None], ...]:
        """The hyperparameters in use with their defaults, None where that is no number."""
        rule = self.program.rule
        pairs = zip(rule.hyperparameters, rule.defaults, strict=True)
        return tuple((s, as_number(default)) for s, default in pairs if s in self.used)

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

    def arguments_of(self, block: Block) -> list[sympy.Symbol]:
        """Return the scalars that a sweep reads for its elements, in the order of the tables."""
        return self.scalars_of(replace(block, reduces=tuple(of_elements(block))))

    def stays_wide(self, block: Block, symbol: sympy.Basic) -> bool:
        """Return whether a sweep needs a scalar in float64: only for a sum, or as a length."""
        whole = {r.expression for r in block.reduces if r.expression.is_Symbol}
        items = (*block.computes, *block.reduces)
        others = symbols_of(i for i in items if i.expression not in whole)
        lengths = symbols_in(*(d for i in items for d in i.expression.atoms(IndexDraw)))
        return symbol in lengths or (symbol in whole and symbol not in others)


def ring_of(symbol: RingState) -> str:
    """Return the name of the ring that a symbol is a place of."""
    return symbol.name.rpartition("_")[0]


def draws_in(block: Block) -> bool:
    """Return whether a sweep draws random numbers."""
    return any(item.expression.has(Draw) for item in (*block.computes, *block.reduces))


def sweep_over_chunks(level: Level) -> Block | None:
    """Return the sweep of a level; None if there is none, or it only counts tensors."""
    return level.element if level.element and has_elements(level.element) else None


def is_narrow(kernel: Kernel, symbol: sympy.Basic) -> bool:
    """Return whether a symbol is a scalar."""
    return kernel.domains[symbol].rank <= Rank.TENSOR


def once(names: Iterable[Any]) -> list[Any]:
    """Return the items without repetitions, in order."""
    return list(dict.fromkeys(names))


def listed(
    before: str, items: Sequence[str], after: str, width: int = 88, comma: str = ""
) -> list[str]:
    """Return text with a list of items, over several lines if it is long.

    Args:
        before: what comes before the first item.
        items: the items, which are not broken.
        after: what comes after the last.
        width: the length of a line.
        comma: what comes after the last of several lines.
    """
    whole = f"{before}{', '.join(items)}{after}"
    if len(whole) <= width or not items:
        return [whole]
    text = " ".join([f"{item.replace(' ', NO_BREAK)}," for item in items])
    lines = [line.replace(NO_BREAK, " ") for line in wrapped(text, width - 4, "")]
    lines[-1] = lines[-1].removesuffix(",")
    if comma:
        return [before, *(f"    {line}" for line in lines[:-1]), f"    {lines[-1]}{comma}", after]
    return [before, *(f"    {line}" for line in lines[:-1]), f"    {lines[-1]}{after}"]


def wrapped(note: str, width: int, indent: str = "    ") -> list[str]:
    """Return a text over several lines, if it is long."""
    return textwrap.wrap(
        note, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def as_number(default: Any) -> float | None:
    """Return the default value of a hyperparameter, or None if it is not a number."""
    return float(default) if isinstance(default, (int, float)) else None
