"""Printing of the functions of a file in C: chunks, and updates of a tensor or of all tensors."""

from collections.abc import Sequence
from typing import Any

import sympy

from learnerdsl.codegen.sweeps import has_elements, of_elements
from learnerdsl.codegen.text import symbols_of, widened
from learnerdsl.export.c_printer import CText
from learnerdsl.export.loops import (
    Loops,
    draws_in,
    listed,
    once,
    ring_of,
    sweep_over_chunks,
    wrapped,
)
from learnerdsl.expr import AxisSize, RingState, step, tensor_number, tensor_size
from learnerdsl.ir import Block, Domain, Level, Reduce
from learnerdsl.monoids import Monoid

CHUNK = 4096
"""Elements that a thread works on at a time: those of all arrays fit into the first cache."""

PARTS = 1024
"""The most chunks of a tensor in a sweep with reductions, whose results are on the stack."""

INDENT = "    "
WIDTH = 98


def indented(lines: Sequence[str]) -> list[str]:
    """Return the lines, one level deeper; directives too, but no empty ones."""
    return [f"{INDENT}{line}" if line else "" for line in lines]


class CLoops:
    """A printer of an update, or of what fills the states before the first one.

    Args:
        loops: what it receives and keeps.
        prefix: what names of functions begin with.
        fields: hyperparameter -> its name in the structure of hyperparameters.
    """

    def __init__(self, loops: Loops, prefix: str, fields: dict[str, str]) -> None:
        self.loops = loops
        self.prefix = prefix
        self.fields = fields
        self.kernel = loops.kernel
        self.stem = prefix if loops.kind == "update" else f"{prefix}_start"
        self.text = CText(loops.kernel, loops.layout, loops.program.precision, prefix)
        self.names = self.text.names
        states = (*loops.model_states, *loops.tensor_states)
        self.states = {s: self.names.unique(f"{s}_state") for s in states}
        self.rings = {ring: self.names.unique(ring) for ring in loops.rings}
        self.live = loops.live
        self.sizes = {
            s: self.names.unique(f"{self.value(s)}_by_tensor") if loops.of_model else self.value(s)
            for s in loops.sizes
        }
        kept = [s for s in loops.layout.tensor if loops.of_model and self._is_kept(s)]
        self.kept = {s: k for k, s in enumerate(kept)}

    def _is_kept(self, symbol: sympy.Basic) -> bool:
        """Return whether the values of all tensors wait in memory for a later level."""
        loops = self.loops
        outer = symbol in loops.inner or symbol in loops.tensor_states
        return not outer and symbol not in self.sizes and symbol in self.live

    def value(self, symbol: sympy.Basic) -> str:
        """Return the name of a scalar."""
        return self.names.values[symbol]

    @property
    def name(self) -> str:
        """The name of the function that a user calls."""
        return f"{self.prefix}_{self.loops.kind}"

    def chunk(self, block: Block, level: int) -> list[str]:
        """Return the function of a sweep over one chunk."""
        text, real = self.text, self.text.real
        printer = text.printer(text.dtype)
        arguments = ["const int64_t count"]
        arguments += [self._pointer(a, block) for a in block.arrays]
        reduces = of_elements(block)
        for symbol in self.loops.arguments_of(block):
            kind = "double" if self.loops.stays_wide(block, symbol) else real
            arguments.append(f"const {kind} {self.value(symbol)}")
        if draws_in(block):
            arguments += [f"const {self.prefix}_key key", "const int64_t start"]
        arguments += ["double *restrict sums"] if reduces else []
        lines = [line for r in reduces for line in self._start(r)]
        lines.append(f"#pragma omp simd{self._clauses(reduces)}")
        body = [
            f"const {real} {self.value(load.symbol)} = {self.names.arrays[load.array]}[i];"
            for load in block.loads
            if load.symbol in self.live
        ]
        for compute in block.computes:
            body += text.compute(compute, printer) if compute.symbol in self.live else []
        for reduce in reduces:
            body += self._add(reduce, widened(reduce, printer))
        for store in block.stores:
            body.append(f"{self.names.arrays[store.target]}[i] = {self.value(store.value)};")
        lines += ["for (int64_t i = 0; i < count; i++) {", *indented(body), "}"]
        lines += [f"sums[{k}] = {self._total(r)};" for k, r in enumerate(reduces)]
        head = listed(f"static void {self.stem}_chunk_{level}(", arguments, ")", WIDTH)
        return [*head, "{", *indented(lines), "}"]

    def _pointer(self, array: sympy.Symbol, block: Block) -> str:
        is_written = any(store.target == array for store in block.stores)
        const = "" if is_written else "const "
        return f"{const}{self.text.real} *restrict {self.names.arrays[array]}"

    def _start(self, reduce: Reduce) -> list[str]:
        name, identity = self.value(reduce.symbol), _number(reduce.monoid.identity)
        start = [f"double {name} = {identity};"]
        return [*start, f"int {name}_nan = 0;"] if reduce.monoid.loses_nan else start

    def _clauses(self, reduces: Sequence[Reduce]) -> str:
        """Return the clauses that let a loop with reductions run in vectors."""
        found = [f" reduction({_operator(r.monoid)}:{self.value(r.symbol)})" for r in reduces]
        lost = [r for r in reduces if r.monoid.loses_nan]
        return "".join([*found, *(f" reduction(|:{self.value(r.symbol)}_nan)" for r in lost)])

    def _add(self, reduce: Reduce, value: str) -> list[str]:
        name, monoid = self.value(reduce.symbol), reduce.monoid
        if not monoid.loses_nan:
            return [f"{name} {monoid.join}= {value};"]
        sign = ">" if _operator(monoid) == "max" else "<"
        return [
            f"const double {name}_i = {value};",
            f"{name} = {name}_i {sign} {name} ? {name}_i : {name};",
            f"{name}_nan |= {name}_i != {name}_i;",
        ]

    def _total(self, reduce: Reduce) -> str:
        name = self.value(reduce.symbol)
        return f"{name}_nan ? NAN : {name}" if reduce.monoid.loses_nan else name

    def scalars(self, block: Block) -> list[str]:
        """Return the statements of the scalars of a block, in double."""
        printer = self.text.printer("float64")
        live = [c for c in block.computes if c.symbol in self.live]
        return [line for c in live for line in self.text.compute(c, printer)]

    def sweep(self, block: Block, level: int) -> list[str]:
        """Return the statements of a sweep: over all chunks of a tensor, then over tensors."""
        size = "sizes[k]" if self.loops.of_model else "count"
        lines = self._over_chunks(block, level, size) if has_elements(block) else []
        for reduce in (r for r in block.reduces if r.by_tensor):
            value = self.text.printer("float64")(reduce.expression)
            lines += [f"if ({size} > 0) {{", INDENT + self._join(reduce, value), "}"]
        return lines

    def _over_chunks(self, block: Block, level: int, size: str) -> list[str]:
        """Return the loop over all chunks of a tensor, and the reductions of their results."""
        loops, reduces = self.loops, of_elements(block)
        lines: list[str] = []
        arrays: list[str] = []
        for array in block.arrays:
            lines += self._ring_place(array, block, size)
            arrays.append(f"{self._array(array)} + start")
        scalars = [
            self.value(s) if loops.stays_wide(block, s) else f"({self.text.real}){self.value(s)}"
            for s in loops.arguments_of(block)
        ]
        if self.text.real == "double":
            scalars = [self.value(s) for s in loops.arguments_of(block)]
        last = ["key", "start"] if draws_in(block) else []
        last += ["sums[chunk]"] if reduces else []
        length = f"{self.prefix}_length({size})" if reduces else f"{self.prefix.upper()}_CHUNK"
        lines += [
            f"const int64_t length = {length};",
            f"const int64_t chunks = ({size} + length - 1) / length;",
        ]
        lines += [f"double sums[{self.prefix.upper()}_PARTS][{len(reduces)}];"] if reduces else []
        call = ["stop - start", *arrays, *scalars, *last]
        lines += [
            "#pragma omp parallel for schedule(static)",
            "for (int64_t chunk = 0; chunk < chunks; chunk++) {",
            f"{INDENT}const int64_t start = chunk * length;",
            f"{INDENT}const int64_t stop = start + length < {size} ? start + length : {size};",
            *indented(listed(f"{self.stem}_chunk_{level}(", call, ");", WIDTH - 16)),
            "}",
        ]
        if reduces:
            joined = [self._join(r, f"sums[chunk][{k}]") for k, r in enumerate(reduces)]
            loop = "for (int64_t chunk = 0; chunk < chunks; chunk++) {"
            lines += [loop, *indented(joined), "}"]
        starts = [f"double {self.value(r.symbol)} = {_number(r.monoid.identity)};" for r in reduces]
        own = [] if loops.of_model else starts
        return [*own, "{", *indented(lines), "}"]

    def _join(self, reduce: Reduce, value: str) -> str:
        """Return the statement that joins the result of a chunk with those before."""
        place = self._place(reduce.symbol)
        if reduce.monoid.is_operator:
            return f"{place} {reduce.monoid.join}= {value};"
        return (
            f"{place} = {self.text.printer('float64').called(reduce.monoid.join, [place, value])};"
        )

    def _ring_place(self, array: sympy.Symbol, block: Block, size: str) -> list[str]:
        """Return the statement that finds the place of a ring which a sweep uses."""
        if not isinstance(array, RingState):
            return []
        ring = self.rings[ring_of(array)] + ("[k]" if self.loops.of_model else "")
        number = f"((int64_t){self.value(step)} + {array.length - array.lag}) % {array.length}"
        return [f"{self.text.real} *const {self.names.arrays[array]} = {ring} + {number} * {size};"]

    def _array(self, array: sympy.Symbol) -> str:
        name = self.names.arrays[array]
        return f"{name}[k]" if self.loops.of_model and not isinstance(array, RingState) else name

    def _place(self, symbol: Any) -> str:
        """Return where a reduction is joined: a variable, or the scratch memory."""
        if symbol in self.kept:
            number = self.kept[symbol]
            row = ("", "tensors + ")[number] if number < 2 else f"{number} * tensors + "
            return f"scratch[{row}k]"
        return self.value(symbol)

    # The function that a user calls.

    def arguments(self, restrict: bool) -> list[str]:
        """Return the parameters of the function, with `restrict` or, for C++, without it."""
        loops, of_model = self.loops, self.loops.of_model
        qualifier = "restrict " if restrict and not of_model else ""
        found = ["const int64_t tensors", "const int64_t *sizes"] if of_model else []
        found += [] if of_model else ["const int64_t count"]
        written = {store.target for block in self.kernel.passes for store in block.stores}
        rings = {ring_of(a) for a in written if isinstance(a, RingState)}
        stars = "*const *" if of_model else f"*{qualifier}"
        for array in loops.arrays:
            const = "" if array in written else "const "
            found.append(f"{const}{self.text.real} {stars}{self.names.arrays[array]}")
        for ring, name in self.rings.items():
            const = "" if ring in rings else "const "
            found.append(f"{const}{self.text.real} {stars}{name}")
        found += [f"double *{qualifier}{name}" for name in self.states.values()]
        sizes = "const double *" if of_model else "const double "
        found += [f"{sizes}{name}" for name in self.sizes.values()]
        found += [f"const double {self.value(s)}" for s in loops.clock if s.name != "seed"]
        found += [f"const double {self.value(s)}" for s in loops.extras]
        if self.fields:
            found.append(f"const {self.prefix}_hyperparameters *{qualifier}hyper")
        found += ["const uint64_t seed"] if loops.draws else []
        found += ["const uint64_t number"] if loops.needs_number and not of_model else []
        return [*found, *(["double *scratch"] if self.kept else [])]

    def declaration(self) -> list[str]:
        """Return the declaration of the function, after a comment."""
        lines = listed(f"void {self.name}(", self.arguments(restrict=False), ");", WIDTH)
        return [*self.about(), *lines]

    def about(self) -> list[str]:
        """Return the comment that says what the function does and takes."""
        loops = self.loops
        written = [store.target for block in self.kernel.passes for store in block.stores]
        changed = once(
            self.rings[ring_of(a)] if isinstance(a, RingState) else self.names.arrays[a]
            for a in written
        )
        stored = {store.target for block in self.kernel.blocks for store in block.stores}
        changed += [name for symbol, name in self.states.items() if symbol in stored]
        verb = "Update" if loops.kind == "update" else "Set to their start values"
        notes = [f"{verb} {', '.join(changed)}, in place."]
        if loops.of_model:
            notes.append("sizes: the number of elements of each of the tensors.")
        for ring, places in loops.rings.items():
            notes.append(f"{self.rings[ring]}: room for {places} arrays of a tensor's size.")
        for symbol, name in self.states.items():
            wide = loops.of_model and symbol in loops.tensor_states
            notes.append(f"{name}: {'a value for each tensor' if wide else 'one value'}.")
        if step in loops.clock:
            notes.append(f"{self.value(step)}: the number of this update, counted from 1.")
        notes += [f"{name}: the length of an axis." for name in self.sizes.values()]
        if loops.draws:
            is_given = loops.needs_number and not loops.of_model
            also, other = (", number", ", and of the tensor") if is_given else ("", "")
            notes.append(f"seed{also}: of the random numbers{other}.")
        if self.kept:
            notes.append(f"scratch: room for {len(self.kept)} values for each tensor.")
        lines = [line for note in notes for line in wrapped(note, WIDTH - 3)]
        return ["/*", *(f" * {line}" for line in lines), " */"]

    def definitions(self) -> list[list[str]]:
        """Return the functions, each after those that it calls."""
        levels = list(enumerate(self.kernel.levels, 1))
        chunks = [self.chunk(b, k) for k, level in levels if (b := sweep_over_chunks(level))]
        lines = self._beginning()
        for k, level in levels:
            lines += self._level(level, k)
        head = listed(f"void {self.name}(", self.arguments(restrict=True), ")", WIDTH)
        return [*chunks, [*head, "{", *indented(lines), "}"]]

    def _beginning(self) -> list[str]:
        """Return the statements that read numbers, and mark parameters that are not used."""
        loops = self.loops
        used = [s for s, _ in loops.hyperparameters if s in self.live]
        lines = [f"const double {self.value(s)} = hyper->{self.fields[s.name]};" for s in used]
        swept = {array for block in self.kernel.passes for array in block.arrays}
        unused = [self.names.arrays[a] for a in loops.arrays if a not in swept]
        unused += [] if used or not self.fields else ["hyper"]
        unused += [] if swept or loops.of_model else ["count"]
        if loops.of_model:
            unused += [] if swept else ["sizes"]
            unused += [] if swept or self.states.keys() & set(loops.tensor_states) else ["tensors"]
        lines += [f"(void){name};" for name in unused]
        lines += [
            f"const double {self.value(s)} = {self.states[s]}[0];"
            for s in (*loops.model_states, *(() if loops.of_model else loops.tensor_states))
            if s in self.live
        ]
        lines += self._sizes()
        if loops.draws_elements and not loops.of_model:
            lines.append(self._key("number"))
        return lines

    def _key(self, number: str) -> str:
        self.text.helpers["key"] = None
        call = f"{self.prefix}_key_of(seed, {self.value(step)}, {number})"
        return f"const {self.prefix}_key key = {call};"

    def _sizes(self) -> list[str]:
        """Return the statements that compute the sizes of the model and of a tensor."""
        lines: list[str] = []
        for symbol in sorted(self.live, key=str):
            if str(symbol) == "model_size" and symbol in self.loops.layout.model[:5]:
                name = self.value(symbol)
                lines.append(f"double {name} = 0.0;")
                lines.append("for (int64_t k = 0; k < tensors; k++) {")
                lines += [f"{INDENT}{name} += (double)sizes[k];", "}"]
            elif not self.loops.of_model and symbol == tensor_size:
                lines.append(f"const double {self.value(symbol)} = (double)count;")
            elif not self.loops.of_model and symbol == tensor_number:
                lines.append(f"const double {self.value(symbol)} = (double)number;")
        return lines

    def _level(self, level: Level, k: int) -> list[str]:
        """Return the statements of a level."""
        lines = self.scalars(level.model)
        for store in level.model.stores:
            lines.append(f"{self.states[store.target]}[0] = {self.value(store.value)};")
        if not self.loops.of_model:
            lines += self.scalars(level.tensor)
            for store in level.tensor.stores:
                lines.append(f"{self.states[store.target]}[0] = {self.value(store.value)};")
            return [*lines, *(self.sweep(level.element, k) if level.element else [])]
        return [*lines, *self._tensors(level, k)]

    def _tensors(self, level: Level, k: int) -> list[str]:
        """Return the loop over the tensors of a level."""
        reduces = level.element.reduces if level.element else ()
        domains = self.kernel.domains
        total = [r for r in reduces if domains[r.symbol] == Domain.MODEL]
        lines = [f"double {self.value(r.symbol)} = {_number(r.monoid.identity)};" for r in total]
        body = [f"const double {self.value(s)} = {self._read(s)};" for s in self._reads(level)]
        body += self.scalars(level.tensor)
        own = {c.symbol for c in level.tensor.computes}
        for symbol in (c.symbol for c in level.tensor.computes if c.symbol in self.kept):
            body.append(f"{self._place(symbol)} = {self.value(symbol)};")
        for store in level.tensor.stores:
            value = store.value if store.value in own else None
            text = self.value(store.value) if value else self._source(store.value)
            body.append(f"{self.states[store.target]}[k] = {text};")
        if level.element:
            body += [self._key("(uint64_t)k")] if draws_in(level.element) else []
            for reduce in reduces:
                if reduce.symbol in self.kept:
                    identity = _number(reduce.monoid.identity)
                    body.append(f"{self._place(reduce.symbol)} = {identity};")
            body += self.sweep(level.element, k)
        if not body:
            return lines
        return [*lines, "for (int64_t k = 0; k < tensors; k++) {", *indented(body), "}"]

    def _reads(self, level: Level) -> list[sympy.Symbol]:
        """Return the scalars of a tensor that a level reads and does not compute."""
        own = {c.symbol for c in level.tensor.computes}
        live = [c for c in level.tensor.computes if c.symbol in self.live]
        read = symbols_of(live)
        read |= set(self.loops.scalars_of(level.element)) if level.element else set()
        return [s for s in self.loops.layout.tensor if s in read - own]

    def _source(self, symbol: sympy.Basic) -> str:
        return self._read(symbol) if self.loops.is_of_tensor(symbol) else self.value(symbol)

    def _read(self, symbol: Any) -> str:
        """Return where a scalar of tensor `k` is."""
        if symbol in self.states:
            return f"{self.states[symbol]}[k]"
        if symbol == tensor_size:
            return "(double)sizes[k]"
        if symbol == tensor_number:
            return "(double)k"
        return f"{self.sizes[symbol]}[k]" if isinstance(symbol, AxisSize) else self._place(symbol)


def _operator(monoid: Monoid) -> str:
    """Return the name of a reduction in OpenMP."""
    return monoid.join if monoid.is_operator else monoid.name


def _number(identity: float) -> str:
    """Return the identity element of a reduction."""
    if identity in (float("inf"), float("-inf")):
        return "INFINITY" if identity > 0 else "-INFINITY"
    return repr(float(identity))
