"""Printing of the functions of scalars: of the model, and of a tensor with its axis arrays."""

from collections.abc import Iterator
from itertools import groupby
from typing import cast

import sympy

from learnerdsl.codegen.axes import AxisArrays
from learnerdsl.codegen.text import INDENT, Text, comment, indented, symbols_of
from learnerdsl.codegen.workers import ONE_THREAD, Workers
from learnerdsl.expr import Reduction
from learnerdsl.ir import Block, Compute, Domain, Rank, Store, as_expr
from learnerdsl.layout import PARTS, Vector


def print_model_scalars(text: Text, block: Block, name: str) -> list[str]:
    """Return the function of the scalars of the model; no lines if it would be empty."""
    if not block.computes and not block.stores:
        return []
    printer = text.printer("float64")
    lines = list(text.read_rows(read_by(block)).values())
    lines += [line for c in block.computes for line in text.compute(c, printer)]
    lines += write_row(text, block, Domain.MODEL)
    return [
        "@model_scalars",
        f"def {name}(model):",
        f'{INDENT}"""Scalars of the model, in float64."""',
        *indented(lines),
    ]


def print_tensor_scalars(text: Text, block: Block, name: str, last_pass: Block | None) -> list[str]:
    """Return the function of a tensor's scalars and axis arrays; no lines if it would be empty.

    `last_pass` is the sweep before it. If that reduces over axes in parts, the function joins them.
    """
    reduces = last_pass.reduces if last_pass else ()
    in_parts = [text.vectors[r.symbol] for r in reduces if r.symbol in text.vectors]
    in_parts = [vector for vector in in_parts if vector.in_parts]
    if not block.computes and not block.stores and not in_parts:
        return []
    return [
        "@tensor_scalars",
        f"def {name}(arrays, model, tensor):",
        f'{INDENT}"""Scalars of a tensor, in float64."""',
        *indented(Vectors(text, ONE_THREAD).function_body(block, in_parts)),
    ]


def symbols_in(block: Block) -> set[sympy.Basic]:
    """Return the symbols that a block computes, reads or stores."""
    stored = {symbol for store in block.stores for symbol in (store.target, store.value)}
    return symbols_of(block.computes) | {c.symbol for c in block.computes} | stored


def read_by(block: Block) -> set[sympy.Basic]:
    """Return the symbols that a block of scalars reads from the rows."""
    own: set[sympy.Basic] = {c.symbol for c in block.computes}
    return (symbols_of(block.computes) | {store.value for store in block.stores}) - own


def write_row(text: Text, block: Block, domain: Domain) -> list[str]:
    """Return the statements that write values for later blocks to a row, then new states."""
    row, values = text.layout.row(domain), text.names.values
    row_name = "model" if domain == Domain.MODEL else "tensor"
    kept = [(c.symbol, c.symbol) for c in block.computes if c.symbol in row]
    kept += [(store.target, store.value) for store in block.stores if store.target in row]
    return [f"{row_name}[{row.index(place)}] = {values[value]}" for place, value in kept]


class Vectors:
    """A printer of a function's loops over axis arrays, in float64, for those who run them."""

    def __init__(self, text: Text, workers: Workers) -> None:
        self.text = text
        self.workers = workers
        self.arrays = AxisArrays(text)
        self.printer = text.printer("float64")

    def function_body(self, block: Block, in_parts: list[Vector]) -> list[str]:
        """Return the statements of the function, which first joins the parts of `in_parts`."""
        text, workers = self.text, self.workers
        lines = self.views(block, in_parts)
        lines += [line for vector in in_parts for line in self.join_parts(vector)]
        for key, group in groupby(block.computes, self.loop_of):
            lines += self.statements(key, list(group))
        written = write_row(text, block, Domain.TENSOR)
        if written:
            # Wait until no thread reads the slots that are written here.
            lines += [] if self.ends_with_wait(block) else workers.wait()
            lines += workers.by_one(written)
        lines += [line for store in block.stores for line in self.copy(store)]
        return [*text.read_rows(read_by(block)).values(), *self.arrays.read_lengths(), *lines]

    def ends_with_wait(self, block: Block) -> bool:
        """Return whether the last statement is a loop after which threads wait already."""
        last = block.computes[-1:]
        return any(self.text.kernel.domains[c.symbol].rank == Rank.VECTOR for c in last)

    def loop_of(self, compute: Compute) -> tuple[Domain, sympy.Basic | None]:
        """Return a grouping key: consecutive statements with equal keys share a loop.

        The key of a reduction is unique, because it needs a loop of its own.
        """
        domain = self.text.kernel.domains[compute.symbol]
        is_reduction = isinstance(compute.expression, Reduction)
        if is_reduction or domain.rank == Rank.VECTOR:
            return domain, compute.symbol if is_reduction else None
        return Domain.TENSOR, None

    def views(self, block: Block, in_parts: list[Vector]) -> list[str]:
        """Return views of all axis arrays of the function."""
        vectors = self.text.vectors_in(symbols_in(block) | {vector.symbol for vector in in_parts})
        is_partial = any(vector.outer for vector in in_parts)
        lines = [self.arrays.read_chunk_rows()] if is_partial else []
        return lines + [self.arrays.whole_view(vector) for vector in vectors]

    def join_parts(self, vector: Vector) -> list[str]:
        """Return the loops that join the parts of all chunks, in the order of the chunks."""
        name, count = self.text.names.arrays[vector.symbol], self.arrays.count(vector.axes)
        here, times = f"{name}[k]", f"{name}_count"
        if vector.outer:
            here, times = f"{name}[{name}_first + k]", f"min({name}_count, {count} - {name}_first)"
        lines = [
            *self.arrays.part(vector, "(part * chunk_rows)"),
            self.workers.loop("k", times),
            INDENT + vector.monoid.joined_into(here, f"{name}_part[k]"),
        ]
        return [
            self.workers.loop("k", count),
            f"{INDENT}{name}[k] = {vector.monoid.identity!r}",
            self.workers.loop_in_order("part", self.text.tensor_slot(PARTS)),
            *indented(lines),
        ]

    def statements(self, key: tuple[Domain, sympy.Basic | None], group: list[Compute]) -> list[str]:
        """Return the statements of a group with the grouping key `key`."""
        domain, reduced = key
        if reduced is not None:
            return self.reduction(group[0])
        if domain == Domain.TENSOR:
            return [line for c in group for line in self.text.compute(c, self.printer)]
        body = list(self.reads(group, domain.axes))
        for compute in group:
            body += self.text.compute(compute, self.printer)
            array = self.text.names.arrays[compute.symbol]
            body.append(f"{array}[k] = {self.text.names.values[compute.symbol]}")
        return self.loop(domain.axes, body)

    def loop(self, axes: tuple[int, ...], body: list[str]) -> list[str]:
        """Return a loop over the indices `k` of some axes, before others read what it wrote."""
        head = self.workers.loop("k", self.arrays.count(axes))
        return [head, *indented(body), *self.workers.wait()]

    def reads(self, group: list[Compute], axes: tuple[int, ...]) -> Iterator[str]:
        """Yield reads of the axis arrays that statements use, at flat index `k` over `axes`."""
        own = {c.symbol for c in group}
        names = self.text.names
        for vector in self.text.vectors_in(symbols_of(group) - own):
            index = self.arrays.index(vector.axes, axes, "k")
            value = self.text.memory.load_wide(vector.symbol, index)
            yield f"{names.values[vector.symbol]} = {value}"

    def reduction(self, compute: Compute) -> list[str]:
        """Return the loops of a reduction of an axis array."""
        text, node = self.text, cast(Reduction, compute.expression)
        argument = as_expr(node.args[0])
        axes = text.kernel.domain_of(argument).axes
        result = text.kernel.domains[compute.symbol].axes
        monoid, value = node.monoid, self.printer(argument)
        note = [comment(compute.note)] if compute.note else []
        name = text.names.values[compute.symbol]
        place = name
        if result:
            place = f"{text.names.arrays[compute.symbol]}[{self.arrays.index(result, axes, 'k')}]"
        body = [*self.reads([compute], axes), monoid.joined_into(place, value)]
        count = self.arrays.count(axes)
        if not result:
            loop = [self.workers.loop("k", count), *indented(body)]
            start = f"{name} = {monoid.identity!r}"
            return [*note, start, *loop, *self.workers.reduced(monoid, name, name)]
        array = text.names.arrays[compute.symbol]
        # Several indices join into one value: in order, so that it does not depend on timing.
        loop = [self.workers.loop_in_order("k", count), *indented(body)]
        start = self.loop(result, [f"{array}[k] = {monoid.identity!r}"])
        return [*note, *start, *loop, *self.workers.wait()]

    def copy(self, store: Store) -> list[str]:
        """Return the loop that stores the new value of a state over axes; no lines for others."""
        if store.target not in self.text.vectors:
            return []
        axes = self.text.vectors[store.target].axes
        target, source = self.text.names.arrays[store.target], store.value
        vector = self.text.vectors.get(source)
        value = self.text.names.values[source]
        if vector is not None:
            index = self.arrays.index(vector.axes, axes, "k")
            value = f"{self.text.names.arrays[source]}[{index}]"
        return self.loop(axes, [f"{target}[k] = {self.text.memory.narrowed(store, value)}"])
