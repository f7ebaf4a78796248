"""Printing of the functions of a file for Numba: chunks, sweeps over tensors, and updates."""

from collections.abc import Iterable, Sequence
from typing import Any

import sympy

from learnerdsl.codegen.naming import Names
from learnerdsl.codegen.sweeps import Totals, has_elements, of_elements, statements
from learnerdsl.codegen.text import INDENT, Text, symbols_of
from learnerdsl.codegen.workers import ONE_THREAD
from learnerdsl.export.loops import (
    Loops,
    draws_in,
    once,
    ring_of,
    sweep_over_chunks,
    wrapped,
)
from learnerdsl.export.numba_parts import TAKEN, WIDTH, called, returned
from learnerdsl.expr import AxisSize, RingState, step, tensor_number, tensor_size
from learnerdsl.ir import Block, Domain, Level, Reduce

CHUNK = 4096
"""Elements that a thread works on at a time: those of all arrays fit into the first cache."""

JIT = '@njit(error_model="numpy")'
PARALLEL = '@njit(parallel=True, error_model="numpy")'


def indented(lines: Iterable[str]) -> list[str]:
    """Return the lines, one level deeper; empty ones stay empty."""
    return [f"{INDENT}{line}" if line else "" for line in lines]


class NumbaLoops:
    """A printer of an update, or of what fills the states before the first one.

    Args:
        loops: what it receives and keeps.
        functions: prefix of the names of its functions.
        taken: names of functions of the file.
    """

    def __init__(self, loops: Loops, functions: str, taken: Sequence[str] = ()) -> None:
        self.loops = loops
        self.functions = functions
        self.stem = functions.removesuffix("_update")
        self.kernel = loops.kernel
        names = Names(loops.kernel, TAKEN.union(taken))
        self.text = Text(loops.kernel, loops.layout, loops.program.precision, names=names)
        self.names = names
        states = (*loops.model_states, *loops.tensor_states)
        self.states = {s: names.unique(f"{s}_state") for s in states}
        self.rings = {ring: names.unique(ring) for ring in loops.rings}
        self.tensor = names.unique("number") if loops.draws else ""
        self.by_tensor: dict[sympy.Basic, str] = {}
        if loops.of_model:
            rows = [s for s in loops.layout.tensor if s not in loops.inner]
            wide = [s for s in rows if s not in loops.tensor_states]
            self.by_tensor = {s: names.unique(f"{self.value(s)}_by_tensor") for s in wide}

    def value(self, symbol: sympy.Basic) -> str:
        """Return the name of a scalar."""
        return self.names.values[symbol]

    def function(self, kind: str, level: int) -> str:
        """Return the name of a function of a level."""
        return f"{self.stem}_{kind}_{level}"

    @property
    def parameter(self) -> str:
        """The name of an array whose size is that of all."""
        return self.arrays[0] if self.arrays else ""

    @property
    def arrays(self) -> list[str]:
        """The names of the arguments with values per element."""
        own = [self.names.arrays[a] for a in self.loops.arrays]
        return [*own, *self.rings.values()]

    @property
    def required(self) -> list[str]:
        """The arguments without a default, after the arrays."""
        loops = self.loops
        sizes = [self.by_tensor.get(s, self.value(s)) for s in loops.sizes]
        clock = [self.value(s) for s in loops.clock if s.name != "seed"]
        needed = [self.value(s) for s, default in loops.hyperparameters if default is None]
        extras = [self.value(s) for s in loops.extras]
        return [*self.states.values(), *sizes, *clock, *extras, *needed]

    @property
    def optional(self) -> list[str]:
        """The arguments with a default."""
        pairs = [(self.value(s), d) for s, d in self.loops.hyperparameters if d is not None]
        seeds = ["seed"] if self.loops.draws else []
        seeds += [self.tensor] if self.loops.needs_number and not self.loops.of_model else []
        own = [self.value(s) for s in self.loops.clock if s.name in seeds]
        own += [name for name in seeds if name == self.tensor]
        return [*(f"{name}={default!r}" for name, default in pairs), *(f"{n}=0" for n in own)]

    def printed(self) -> list[list[str]]:
        """Return the functions, each after those that it calls."""
        levels = list(enumerate(self.kernel.levels, 1))
        chunks = [self.chunk(b, k) for k, level in levels if (b := sweep_over_chunks(level))]
        if self.loops.of_model:
            inner = [lines for k, level in levels for lines in self.level_functions(level, k)]
            return [*chunks, *inner, self.of_model()]
        return [*chunks, self.of_tensor()]

    def chunk(self, block: Block, level: int) -> list[str]:
        """Return the function of a sweep over one chunk."""
        text, names = self.text, self.names
        printer = text.printer(text.dtype)
        totals = Totals(text, printer, ONE_THREAD)
        scalars = self.loops.arguments_of(block)
        arrays = [names.arrays[array] for array in self._swept(block)]
        last = ["key", "start"] if draws_in(block) else []
        arguments = [*arrays, *map(self.value, scalars), *last]
        reads = ", ".join(names.arrays[load.array] for load in block.loads) or "nothing"
        writes = ", ".join(names.arrays[s.target] for s in block.stores) or "nothing"
        lines = [f'"""Work on one chunk: read {reads}; write {writes}."""']
        for symbol in scalars:
            note = f"  # {text.notes[symbol]}" if symbol in text.notes else ""
            if text.dtype != "float64" and not self.loops.stays_wide(block, symbol):
                lines.append(f"{self.value(symbol)} = {text.dtype}({self.value(symbol)}){note}")
        reduces = of_elements(block)
        lines += [line for r in reduces for line in totals.start(r)]
        lines.append(f"for i in range({arrays[0]}.size):")
        lines += indented(statements(text, block, printer, totals, []))
        if reduces:
            lines += returned([self._total(r) for r in reduces])
        head = called(f"def {self.function('chunk', level)}(", arguments, "):")
        return [JIT, *head, *indented(lines)]

    def _total(self, reduce: Reduce) -> str:
        name = self.value(reduce.symbol)
        lost = ONE_THREAD.loses_nan(reduce.monoid)
        return f"nan if {name}_nan else {name}" if lost else name

    def _swept(self, block: Block) -> tuple[sympy.Symbol, ...]:
        """Return the arrays of a sweep: the parameter, if it neither reads nor writes any."""
        return block.arrays or (self.kernel.parameter,)

    def sweep(self, block: Block, level: int) -> list[str]:
        """Return the statements of a sweep: over all chunks of a tensor, then over tensors."""
        first = self.names.arrays[self._swept(block)[0]]
        lines = self._over_chunks(block, level, first) if has_elements(block) else []
        for reduce in block.reduces:
            if reduce.by_tensor:
                value, identity = self._scalar(reduce.expression), reduce.monoid.identity
                text = f"{value} if {first}.size else {identity!r}"
                lines.append(f"{self.value(reduce.symbol)} = {text}")
        return lines

    def _scalar(self, expression: Any) -> str:
        """Return the text of a number or of a scalar, in float64."""
        is_number = expression.is_number
        return repr(float(expression)) if is_number else self.value(expression)

    def _over_chunks(self, block: Block, level: int, first: str) -> list[str]:
        """Return the loop over all chunks of a tensor, and the reductions of their results."""
        reduces, function = of_elements(block), self.function("chunk", level)
        lines = self._ring_rows(block)
        arrays = [f"{self.names.arrays[array]}[start:stop]" for array in self._swept(block)]
        last = ["key", "start"] if draws_in(block) else []
        arguments = [*arrays, *map(self.value, self.loops.arguments_of(block)), *last]
        lines.append(f"chunks = ({first}.size + CHUNK - 1) // CHUNK")
        lines += [f"sums = np.empty((chunks, {len(reduces)}))"] if reduces else []
        places = ", ".join(f"sums[chunk, {k}]" for k in range(len(reduces)))
        lines += [
            "for chunk in prange(chunks):",
            f"    start, stop = chunk * CHUNK, min((chunk + 1) * CHUNK, {first}.size)",
            *indented(
                called(f"{places} = {function}(" if places else f"{function}(", arguments, ")")
            ),
        ]
        lines += [f"{self.value(r.symbol)} = {r.monoid.identity!r}" for r in reduces]
        if reduces:
            lines.append("for chunk in range(chunks):")
        for k, reduce in enumerate(reduces):
            joined = reduce.monoid.joined_into(self.value(reduce.symbol), f"sums[chunk, {k}]")
            lines.append(f"    {joined}")
        return lines

    def _ring_rows(self, block: Block) -> list[str]:
        """Return the statements that name the places of rings which a sweep uses."""
        lines: list[str] = []
        for array in block.arrays:
            if isinstance(array, RingState):
                ring = self.rings[ring_of(array)]
                place = f"(int64({self.value(step)}) - {array.lag}) % {array.length}"
                lines.append(f"{self.names.arrays[array]} = {ring}[{place}]")
        return lines

    def scalars(self, block: Block) -> list[str]:
        """Return the statements of the scalars of a block, in float64."""
        printer = self.text.printer("float64")
        return [line for c in block.computes for line in self.text.compute(c, printer)]

    def beginning(self) -> list[str]:
        """Return the statements that convert what a caller passed to float64."""
        loops = self.loops
        numbers = [s for s in loops.clock if s.name != "seed"]
        numbers += [*loops.extras, *(s for s, _ in loops.hyperparameters)]
        numbers += [] if loops.of_model else loops.sizes
        return [f"{self.value(s)} = {self.cast}({self.value(s)})" for s in numbers]

    @property
    def cast(self) -> str:
        """The function that converts a number to float64: Python's in the driver of a model."""
        return "float" if self.loops.of_model else "float64"

    def key(self, number: str) -> list[str]:
        """Return the statement that makes the key of a tensor's random numbers, if it draws."""
        if not self.loops.draws_elements:
            return []
        seed = next(self.value(s) for s in self.loops.clock if s.name == "seed")
        return [f"key = key_of({seed}, {self.value(step)}, {number})"]

    def head(self) -> list[str]:
        """Return the first line of the function that a user calls."""
        arguments = [*self.arrays, *self.required, *self.optional]
        return called(f"def {self.functions}(", arguments, "):")

    def of_tensor(self) -> list[str]:
        """Return the function of one tensor."""
        loops = self.loops
        lines = [*self.about(), *self.beginning()]
        if tensor_size in loops.used:
            lines.append(f"{self.value(tensor_size)} = float64({self.parameter}.size)")
        if tensor_number in loops.used:
            lines.append(f"{self.value(tensor_number)} = float64({self.tensor})")
        lines += [
            f"{self.value(s)} = {self.states[s]}[0]" for s in loops.tensor_states if s in loops.used
        ]
        lines += self.key(self.tensor)
        for k, level in enumerate(self.kernel.levels, 1):
            lines += [*self.scalars(level.model), *self.scalars(level.tensor)]
            for store in level.tensor.stores:
                lines.append(f"{self.states[store.target]}[0] = {self.value(store.value)}")
            lines += self.sweep(level.element, k) if level.element else []
        return [PARALLEL, *self.head(), *indented(lines)]

    def about(self) -> list[str]:
        """Return the docstring of the function that a user calls."""
        loops, written = self.loops, []
        for block in self.kernel.passes:
            written += [self._argument(store.target) for store in block.stores]
        written += [self.states[s] for s in self.states if s in self._stored]
        verb = "Update" if loops.kind == "update" else "Set to their start values"
        what = f"{verb} {', '.join(once(written))}, in place."
        shape = f"flat contiguous {self.text.dtype} arrays of one size"
        one = "the argument is a list with one for each tensor" if loops.of_model else ""
        notes = [f"{', '.join(self.arrays)}: {shape}{'; ' * bool(one)}{one}"] * bool(self.arrays)
        for ring, places in loops.rings.items():
            notes.append(f"{self.rings[ring]}: has {places} rows of that size")
        for symbol, name in self.states.items():
            of_model = symbol in loops.model_states
            number = "a value for each tensor" if loops.of_model and not of_model else "one value"
            notes.append(f"{name}: a float64 array of {number}")
        if step in loops.clock:
            notes.append(f"{self.value(step)}: the number of this update, counted from 1")
        notes += [
            f"{self.by_tensor[s]}: the length of an axis of each tensor"
            for s in loops.sizes
            if s in self.by_tensor
        ]
        if loops.draws:
            is_given = loops.needs_number and not loops.of_model
            number = [f"{self.tensor}: of the tensor; others draw others"] * is_given
            notes += ["seed: of the random numbers", *number]
        return [
            f'"""{what}',
            "",
            *(line for note in notes for line in wrapped(f"{note}.", WIDTH - 4)),
            '"""',
        ]

    def _argument(self, array: sympy.Symbol) -> str:
        return (
            self.rings[ring_of(array)] if isinstance(array, RingState) else self.names.arrays[array]
        )

    @property
    def _stored(self) -> set[sympy.Symbol]:
        return {store.target for block in self.kernel.blocks for store in block.stores}

    # A rule with values of the model: a driver in Python calls compiled functions.

    def level_functions(self, level: Level, k: int) -> list[list[str]]:
        """Return the functions of a level: the scalars of the model, then a tensor."""
        found: list[list[str]] = []
        if level.model.computes:
            inputs, outputs = self.model_ends(level)
            head = called(f"def {self.function('scalars', k)}(", [*map(self.value, inputs)], "):")
            end = returned([*map(self.value, outputs)])
            about = '"""Return scalars of the model."""'
            found.append([JIT, *head, *indented([about, *self.scalars(level.model), *end])])
        inputs, outputs = self.tensor_ends(level)
        if level.element or outputs:
            about = "Return scalars and reductions" if outputs else "Work on all chunks"
            blocks = self.scalars(level.tensor)
            blocks += self.sweep(level.element, k) if level.element else []
            arguments = [
                *self._arrays_of(level),
                *map(self.value, inputs),
                *self._key_of(level, self.tensor, inputs),
            ]
            blocks = [*(self.key(self.tensor) if self._key_of(level, "", inputs) else []), *blocks]
            blocks.insert(0, f'"""{about} of a tensor."""')
            head = called(f"def {self.function('tensor', k)}(", arguments, "):")
            end = returned([*map(self.value, outputs)]) if outputs else []
            jit = PARALLEL if level.element else JIT
            found.append([jit, *head, *indented([*blocks, *end])])
        return found

    def _arrays_of(self, level: Level) -> list[str]:
        return once(map(self._argument, self._swept(level.element))) if level.element else []

    def _key_of(self, level: Level, number: str, inputs: Sequence[sympy.Symbol]) -> list[str]:
        """Return what a tensor's function makes the key of random numbers of, besides `inputs`."""
        if not level.element or not draws_in(level.element):
            return []
        seeds = [self.value(s) for s in self.loops.clock if s.name == "seed" and s not in inputs]
        return [*seeds, number]

    def model_ends(self, level: Level) -> tuple[list[sympy.Symbol], list[sympy.Symbol]]:
        """Return (scalars that the model's function of a level takes, those that it returns)."""
        block = level.model
        own = {c.symbol for c in block.computes}
        read = symbols_of(block.computes) - own
        return [s for s in self.loops.layout.model if s in read], self.loops.needed_later(block)

    def tensor_ends(self, level: Level) -> tuple[list[sympy.Symbol], list[sympy.Symbol]]:
        """Return (scalars that a tensor's function of a level takes, those that it returns)."""
        own = {c.symbol for c in level.tensor.computes}
        read = symbols_of(level.tensor.computes) - own
        outputs = self.loops.needed_later(level.tensor)
        if level.element:
            read |= set(self.loops.scalars_of(level.element)) - own
            outputs += [r.symbol for r in level.element.reduces]
            if draws_in(level.element) or any(
                isinstance(a, RingState) for a in level.element.arrays
            ):
                read.add(step)
        rows = (*self.loops.layout.model, *self.loops.layout.tensor)
        return [s for s in rows if s in read], outputs

    def place(self, symbol: Any) -> str:
        """Return the text of a scalar in the driver, in the loop over the tensors `k`."""
        if not self.loops.is_of_tensor(symbol):
            return self.value(symbol)
        if symbol in self.states:
            return f"{self.states[symbol]}[k]"
        if symbol == tensor_size:
            return f"float({self.parameter}[k].size)"
        if symbol == tensor_number:
            return "float(k)"
        name = f"{self.by_tensor[symbol]}[k]"
        return f"float({name})" if isinstance(symbol, AxisSize) else name

    def of_model(self) -> list[str]:
        """Return the function of all tensors, in Python."""
        loops = self.loops
        lines = [*self.about(), *self.beginning(), *self._model_size()]
        lines += [
            f"{self.value(s)} = {self.states[s]}[0]" for s in loops.model_states if s in loops.used
        ]
        kept = [s for s in loops.layout.tensor if s in self.by_tensor and s not in loops.sizes]
        lines += [f"{self.by_tensor[s]} = [0.0] * len({self.parameter})" for s in kept]
        for k, level in enumerate(self.kernel.levels, 1):
            lines += [*self._call_model(level, k), *self._call_tensors(level, k)]
        return [*self.head(), *indented(lines)]

    def _model_size(self) -> list[str]:
        found = [s for s in self.loops.used if str(s) == "model_size"]
        total = f"float(sum(array.size for array in {self.parameter}))"
        return [f"{self.value(s)} = {total}" for s in found]

    def _call_model(self, level: Level, k: int) -> list[str]:
        """Return the statements of the model's scalars and states in a level."""
        lines: list[str] = []
        if level.model.computes:
            inputs, outputs = self.model_ends(level)
            names = ", ".join(map(self.value, outputs))
            call = f"{names} = {self.function('scalars', k)}("
            lines += called(call, [*map(self.value, inputs)], ")")
        for store in level.model.stores:
            lines.append(f"{self.states[store.target]}[0] = {self.value(store.value)}")
        return lines

    def _call_tensors(self, level: Level, k: int) -> list[str]:
        """Return the loop over the tensors of a level."""
        inputs, outputs = self.tensor_ends(level)
        reduces = level.element.reduces if level.element else ()
        total = {r.symbol: r for r in reduces if self.kernel.domains[r.symbol] == Domain.MODEL}
        starts = [f"{self.value(s)} = {r.monoid.identity!r}" for s, r in total.items()]
        body: list[str] = []
        if level.element or outputs:
            arrays = [f"{name}[k]" for name in self._arrays_of(level)]
            key = self._key_of(level, "k", inputs)
            arguments = [*arrays, *map(self.place, inputs), *key]

            def target(s):
                return f"{self.value(s)}_of_k" if s in total else self._kept(s)

            names = ", ".join(map(target, outputs))
            call = f"{self.function('tensor', k)}("
            body += called(f"{names} = {call}" if names else call, arguments, ")")
        for symbol, reduce in total.items():
            name = self.value(symbol)
            if reduce.monoid.is_operator:
                body.append(reduce.monoid.joined_into(name, f"{name}_of_k"))
            else:
                body.append(f"{name} = {reduce.monoid.join}({name}, {name}_of_k)")
        for store in level.tensor.stores:
            value = (
                self._kept(store.value)
                if store.value in self._local(level)
                else self.place(store.value)
            )
            body.append(f"{self.states[store.target]}[k] = {value}")
        loop = [f"for k in range(len({self.parameter})):", *indented(body)]
        return [*starts, *loop] if body else []

    def _local(self, level: Level) -> set[sympy.Symbol]:
        return {c.symbol for c in level.tensor.computes}

    def _kept(self, symbol: sympy.Symbol) -> str:
        """Return where the driver keeps a value of tensor `k` until a later level."""
        return f"{self.by_tensor[symbol]}[k]" if symbol in self.by_tensor else self.value(symbol)
