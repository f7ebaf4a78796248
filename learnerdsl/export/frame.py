"""Write what the exported files in Python share: names, arguments, states, loops over tensors."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from learnerdsl.codegen.text import indented
from learnerdsl.errors import RuleError
from learnerdsl.export.extras import ReadsExtras
from learnerdsl.export.printer import ArrayPrinter
from learnerdsl.export.request import Request, Variant
from learnerdsl.export.statements import (
    Body,
    Statement,
    Sum,
    aliases,
    arrange,
    arrange_values,
    split,
)
from learnerdsl.export.text import (
    WIDTH,
    Lines,
    bare,
    condition_on,
    number_text,
    read_all,
    tuple_of,
    unpacked,
)
from learnerdsl.expr import (
    CLOCK,
    Named,
    Reduction,
    RingState,
    StateSymbol,
    Where,
    nodes,
    symbols_in,
    tensor_number,
    tensor_size,
)
from learnerdsl.monoids import SUM
from learnerdsl.tracing import StateSpec

_SHORT = 24
"""Longest text of a start value that gets no name."""
_BUILTINS = frozenset({"abs", "float", "int", "max", "min", "range", "sum", "tuple", "zip"})


class Frame(ReadsExtras):
    """A writer of one file; a format is a subclass.

    Args:
        request: what to export.
        from_last: how axes are counted; see `ArrayPrinter`.
    """

    key: str
    """Name of the variable of a loop that values of one tensor are kept under."""
    own: str
    """Name of the dict of the states of one tensor."""
    size: str
    """Text of the number of elements of a parameter, with {} for its name."""
    all_parameters: str
    """Text of the loop over all parameters in a generator, after its `for`."""
    depth: int
    """Spaces before a statement of a loop, and some for blocks inside."""
    reserved: frozenset[str]
    """Names that the file uses itself."""

    def __init__(self, request: Request, from_last: bool) -> None:
        self.request = request
        self.from_last = from_last
        self.used: set[str] = set()
        self.names: dict[Any, str] = {}
        for variant in request.variants:
            self._name(variant)
        reserved = self.reserved | _BUILTINS
        self.bodies = arrange(request.variants, request.names, reserved)
        for body in self.bodies:
            for statement in (*body.statements, *body.sums):
                if statement.symbol in self.names:
                    continue
                self.names[statement.symbol] = self._free(str(statement.symbol))

    def _name(self, variant: Variant) -> None:
        """Find the names of the symbols of a rule."""
        rule = variant.rule
        given = [rule.parameter, rule.gradient, *rule.hyperparameters, *rule.extras]
        given += [spec.symbol for spec in rule.states] + [line.value for line in rule.lines]
        self.names |= {symbol: self._free(str(symbol)) for symbol in given}
        for spec in rule.states:
            if isinstance(spec.symbol, RingState):
                ring = self._free(spec.public)
                self.names[spec.symbol] = f"{ring}[{spec.symbol.lag - 1}]"
        for line in rule.lines:
            if isinstance(line.target, RingState):
                ring = line.target.name.rpartition("_")[0]
                self.names[line.value] = self._free(f"{ring}_new")
        self.names |= {e: f"own_{e}" for e in rule.extras if e.shape != "model"}
        self.names |= {symbol: str(symbol) for symbol in CLOCK}
        self.names[tensor_size] = self.size.format(self.names[rule.parameter])
        self.names[tensor_number] = "number"

    def _free(self, name: str) -> str:
        """Return a name of the rule, changed where the file uses it itself."""
        return f"{name}_" if name in self.reserved | _BUILTINS else name

    def printer(self, body: Body) -> ArrayPrinter:
        """Return a printer for the statements of a variant."""
        raise NotImplementedError

    def text(self, body: Body, expression: Any) -> str:
        """Return the text of an expression, and note the functions that it calls."""
        printer = self.printer(body)
        text = printer(expression)
        self.used |= printer.used
        return text

    def lines_of(self, body: Body, statement: Statement) -> Lines:
        """Return a statement in lines of at most `WIDTH`.

        A long choice by a scalar becomes an `if`; parts of other long values get names.
        """
        line = self.statement(body, statement)
        if len(line) <= WIDTH - self.depth:
            return [line]
        value = statement.expression
        if isinstance(value, Where) and self.printer(body).is_choice_of_python(value.condition):
            return self.branches(body, statement)
        parts = self.parts_of(body, statement)
        if parts is None:
            return [line]
        return [line for part in parts for line in self.lines_of(body, part)]

    def parts_of(self, body: Body, statement: Statement) -> tuple[Statement, Statement] | None:
        """Return a statement as two, of which the first names a part; see `split`."""
        parts = split(body, statement, self.printer(body).is_choice_of_python)
        if parts is not None:
            self.names[parts[0].symbol] = str(parts[0].symbol)
        return parts

    def branches(self, body: Body, statement: Statement) -> Lines:
        """Return a choice by a scalar as an `if`."""
        value, before = statement.expression, []
        condition = value.condition
        while len(self.text(body, condition)) > WIDTH - self.depth - 8:
            parts = self.parts_of(body, Statement(statement.symbol, condition))
            if parts is None:
                break
            before += self.lines_of(body, parts[0])
            condition = parts[1].expression
        then, otherwise = (
            self.lines_of(body, replace(statement, expression=branch))
            for branch in (value.then, value.otherwise)
        )
        head = f"if {bare(self.text(body, condition))}:"
        return [*before, head, *indented(then), "else:", *indented(otherwise)]

    def statement(self, body: Body, statement: Statement) -> str:
        """Return the text of a statement in one line."""
        text = bare(self.text(body, statement.expression))
        if statement.rounded:
            text = self.rounded(body, text)
        target = next((t for t, value in body.new.items() if value == statement.symbol), None)
        if target is not None and aliases(statement.expression, body) - {target}:
            text = self.copied(text)
        return f"{self.names[statement.symbol]} = {text}"

    def rounded(self, body: Body, text: str) -> str:
        """Return a scalar, rounded to the parameter's dtype."""
        raise NotImplementedError

    def copied(self, text: str) -> str:
        """Return an array that stays as it is when the array that it was taken from changes."""
        return text

    # What the file needs.

    @cached_property
    def rule(self) -> Any:
        """Return the first variant of the rule."""
        return self.request.rule

    @cached_property
    def symbols(self) -> set[Any]:
        """Return all symbols that updates use."""
        found: set[Any] = set()
        for body in self.bodies:
            found |= symbols_in(*(s.expression for s in body.statements))
            found |= symbols_in(*(one.node for one in body.sums))
        return found

    @property
    def draws(self) -> bool:
        """Return whether the rule uses random numbers."""
        return bool({"normal", "uniform"} & self.used) or any(
            str(s) in ("position", "seed") for s in self.symbols
        )

    @property
    def model_states(self) -> list[StateSpec]:
        """Return the states of the whole model."""
        return [spec for spec in self.rule.states if spec.symbol.shape == "model"]

    def defaults(self, symbols: Iterable[Any] | None = None) -> list[str]:
        """Return the hyperparameters as arguments; those without a number have no default."""
        plain, required = [], []
        for symbol, default in zip(self.rule.hyperparameters, self.rule.defaults, strict=True):
            if symbols is not None and symbol not in symbols:
                continue
            name = self.names[symbol]
            is_number = isinstance(default, (int, float))
            (plain if is_number else required).append(
                f"{name}={number_text(default)}" if is_number else name
            )
        return required + plain

    def hypers_of_starts(self) -> list[Any]:
        """Return the hyperparameters that states start from."""
        inits = [s.init for v in self.request.variants for s in v.rule.states]
        found = symbols_in(*inits)
        return [h for h in self.rule.hyperparameters if h in found]

    # Variants.

    def by_case(self, lines_of: Callable[[Body], Lines], otherwise: Lines | None = None) -> Lines:
        """Return the lines of each variant under the test of its parameters.

        Variants with the same lines share them.

        Args:
            lines_of: returns the lines of a variant.
            otherwise: the lines for parameters that the rule does not take.
        """
        found: dict[tuple[str, ...], list[Variant]] = {}
        for variant, body in zip(self.request.variants, self.bodies, strict=True):
            found.setdefault(tuple(lines_of(body)), []).append(variant)
        every = [shape for own in found.values() for v in own for shape in v.shapes]
        is_partial = otherwise is not None and not self.request.takes_all
        if len(found) == 1 and not is_partial:
            return list(next(iter(found)))
        lines: Lines = []
        p = self.names[self.rule.parameter]
        for number, (own, variants) in enumerate(found.items()):
            shapes = [shape for v in variants for shape in v.shapes]
            is_last = number == len(found) - 1 and not is_partial
            word = "if" if number == 0 else "else" if is_last else "elif"
            test = "" if word == "else" else f" {condition_on(shapes, every, p)}"
            lines += [f"{word}{test}:", *indented(own or ["pass"])]
        if is_partial:
            lines += ["else:", *indented(otherwise or [])]
        return lines

    # Loops.

    def loop_body(self, body: Body, k: int) -> Lines:
        """Return the statements of loop `k` for one tensor."""
        own = [s for s in self.of_tensor(body) if body.level[s.symbol] == k]
        sums = [one for one in body.sums if body.level[one.symbol] == k + 1]
        read = self.used_in(body, own, sums)
        if k == body.last:
            read |= set(body.new.values())
        lines: Lines = []
        kept = self.kept(body, k)
        if kept:
            lines.append(unpacked([self.names[s] for s in kept], f"kept[{self.key}]"))
        lines += self.reads(body, read, k == body.last)
        lines += [line for s in own for line in self.lines_of(body, s)]
        lines += [line for one in sums for line in self.joined(body, one)]
        if k < body.last:
            later = self.kept(body, k + 1)
            if later:
                lines.append(f"kept[{self.key}] = {tuple_of([self.names[s] for s in later])}")
        else:
            lines += self.stores(body)
        return lines

    def of_tensor(self, body: Body) -> list[Statement]:
        """Return the statements that loops over tensors compute."""
        model = body.of_model
        return [s for s in body.statements if s.symbol not in model]

    def used_in(self, body: Body, own: Sequence[Statement], sums: Sequence[Sum]) -> set[Any]:
        """Return the symbols that statements use."""
        del body
        return symbols_in(*(s.expression for s in own), *(one.node for one in sums))

    def kept(self, body: Body, k: int) -> list[Any]:
        """Return the values that loops before loop `k` compute and it or later ones use."""
        before = [s for s in self.of_tensor(body) if body.level[s.symbol] < k]
        after = [s for s in body.statements if body.level[s.symbol] >= k]
        sums = [one for one in body.sums if body.level[one.symbol] > k]
        used = self.used_in(body, after, sums) | set(body.new.values())
        return [s.symbol for s in before if s.symbol in used]

    def states_of(self, body: Body) -> list[StateSymbol]:
        """Return the states of one tensor, without the values of rings."""
        symbols = [spec.symbol for spec in body.rule.states]
        return [s for s in symbols if s.shape != "model" and not isinstance(s, RingState)]

    def rings_of(self, body: Body) -> dict[str, list[RingState]]:
        """Return name of a ring -> the symbols of its values, the newest first."""
        found: dict[str, list[RingState]] = {}
        for spec in body.rule.states:
            if isinstance(spec.symbol, RingState):
                found.setdefault(spec.public, []).append(spec.symbol)
        return found

    def reads(self, body: Body, used: set[Any], is_last: bool) -> Lines:
        """Return the statements that read the gradient, extras and states."""
        raise NotImplementedError

    def state_reads(self, body: Body, used: set[Any], is_last: bool, in_place: bool) -> Lines:
        """Return the statements that read states from the dict of a tensor."""
        stored = {t for t in body.new if in_place and body.axes_of(t)} if is_last else set()
        wanted = [s for s in self.states_of(body) if s in used or s in stored]
        lines = read_all([(self.names[s], f'{self.own}["{s}"]') for s in wanted])
        for name, ring in self.rings_of(body).items():
            if set(ring) & used or (is_last and ring[-1] in body.new):
                lines.append(f'{self._free(name)} = {self.own}["{name}"]')
        return lines

    def joined(self, body: Body, one: Sum) -> Lines:
        """Return the statements that add the part of a tensor to a reduction over the model."""
        node = one.node
        lines: Lines = []
        while len(text := self.joined_text(body, one, node)) > WIDTH - self.depth:
            parts = self.parts_of(body, Statement(one.symbol, node))
            if parts is None:
                break
            lines += self.lines_of(body, parts[0])
            node = parts[1].expression
        return [*lines, text]

    def joined_text(self, body: Body, one: Sum, node: Any) -> str:
        """Return the statement that adds a value to a reduction over the model."""
        name, own = self.names[one.symbol], self.text(body, node)
        if one.node.monoid is SUM:
            return f"{name} += {own}"
        if one.node.monoid.is_operator:
            return f"{name} *= {own}"
        return f"{name} = {self.extreme(one.node.monoid.join)}({name}, {own})"

    def extreme(self, name: str) -> str:
        """Return the function that joins two scalars."""
        raise NotImplementedError

    def starts(self, k: int) -> Lines:
        """Return the statements before loop `k`: the starts of its reductions over the model."""
        body = self.bodies[0]
        sums = [one for one in body.sums if body.level[one.symbol] == k + 1]
        lines = [f"{self.names[s.symbol]} = {self.identity(s.node.monoid.identity)}" for s in sums]
        if (
            k == 0
            and body.last
            and any(self.kept(b, j) for b in self.bodies for j in range(1, body.last + 1))
        ):
            lines.append("kept = {}")
        return lines

    def identity(self, value: float) -> str:
        """Return the start of a reduction over the model."""
        return repr(value) if abs(value) < 2 else f'float("{value}")'

    def stores(self, body: Body) -> Lines:
        """Return the statements that write the new values of one tensor."""
        raise NotImplementedError

    def model_statements(self, k: int) -> list[Statement]:
        """Return the statements of scalars of the model that stand before loop `k`."""
        body = self.bodies[0]
        model = body.of_model
        return [s for s in body.statements if s.symbol in model and body.level[s.symbol] == k]

    def start_values(self, body: Body, shapes: str) -> tuple[Lines, list[tuple[StateSpec, str]]]:
        """Return (statements, (state, text of its start value) pairs) of one tensor.

        Args:
            body: the variant.
            shapes: "tensor" for the states of a tensor, or "model".
        """
        specs = [s for s in body.rule.states if (s.symbol.shape == "model") == (shapes == "model")]
        lines, totals = self.start_totals(body, specs)
        roots = [
            (Named(f"{spec.symbol}_start", body.rule.name), spec.init.xreplace(totals))
            for spec in specs
        ]
        own = arrange_values(body.rule, roots, self.reserved | _BUILTINS)
        own.axes |= dict.fromkeys(totals.values(), frozenset())
        targets = {symbol: spec.symbol for spec, (symbol, _) in zip(specs, roots, strict=True)}
        texts: dict[Any, str] = {}
        for statement in own.statements:
            self.names[statement.symbol] = self._free(str(statement.symbol))
            target, value = targets.get(statement.symbol), statement.expression
            if target is None:
                lines += self.lines_of(own, statement)
                continue
            if len(self.text(own, value)) > _SHORT:
                lines += self.lines_of(own, statement)
                value = statement.symbol
            texts[statement.symbol] = self.start_text(own, target, value)
        return lines, [
            (spec, texts[symbol]) for spec, (symbol, _) in zip(specs, roots, strict=True)
        ]

    def start_totals(self, body: Body, specs: list[StateSpec]) -> tuple[Lines, dict[Any, Any]]:
        """Return the statements of the reductions over the model that states start from."""
        lines: Lines = []
        totals: dict[Any, Any] = {}
        for node in nodes([spec.init for spec in specs]):
            if not isinstance(node, Reduction) or node.over != "model":
                continue
            if node.monoid is not SUM:
                msg = (
                    f"Rule {body.rule.name} starts a state from {node}, which this export does "
                    "not write; start it from a sum or a norm."
                )
                raise RuleError(msg)
            symbol = totals[node] = Named(f"total_{len(totals) + 1}", body.rule.name)
            self.names[symbol] = str(symbol)
            inner = self.text(body, node)
            lines += self.generator(f"{symbol} = sum", inner)
        return lines, totals

    def generator(self, head: str, inner: str) -> Lines:
        """Return a call of a function with a value for each parameter."""
        line = f"{head}({inner} for {self.all_parameters})"
        if len(line) <= WIDTH - 12:
            return [line]
        loops = [f"for {part}" for part in self.all_parameters.split(" for ")]
        return [f"{head}(", *indented([inner, *loops]), ")"]

    def start_text(self, body: Body, symbol: Any, value: Any) -> str:
        """Return the text of the start value of a state."""
        raise NotImplementedError

    def file(self, imports: Lines, parts: Sequence[Lines], dialect: Sequence[str]) -> str:
        """Return the text of the file."""
        head = [f"# {line}".rstrip() for line in self.request.header]
        blocks = ["\n".join(part) for part in (*(text.splitlines() for text in dialect), *parts)]
        top = [*head, "", *imports, "", ""] if imports else [*head, "", ""]
        return "\n".join(top) + "\n" + "\n\n\n".join(blocks) + "\n"

    def text_of_file(self) -> str:
        """Return the file."""
        raise NotImplementedError


def shortest(kind: type[Frame], request: Request) -> str:
    """Return the shorter of two files, which count axes from the first or from the last."""
    has_axes = any(variant.rule.ndim is not None for variant in request.variants)
    ways = (True, False) if has_axes else (True,)
    return min((kind(request, from_last).text_of_file() for from_last in ways), key=len)
