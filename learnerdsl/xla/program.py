"""Write the module of a rule: functions of jax.numpy, and what to call them with."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from learnerdsl.codegen.text import indented
from learnerdsl.export.frame import Frame
from learnerdsl.export.request import Request, Variant
from learnerdsl.export.statements import Body, Statement, arrange_values
from learnerdsl.export.text import WIDTH, Lines, bare, call_of, docstring, tuple_of
from learnerdsl.expr import CLOCK, Named, nodes, symbols_in, tensor_number
from learnerdsl.tracing import Rule, StateSpec
from learnerdsl.xla.changes import separate_change
from learnerdsl.xla.functions import (
    Function,
    Part,
    branches_in,
    guarded,
    has_axes,
    has_matrices,
    needed,
    parts_of,
)
from learnerdsl.xla.laziness import Needs, is_lazy
from learnerdsl.xla.narrowing import Narrowing
from learnerdsl.xla.printer import OPERATIONS, XlaPrinter
from learnerdsl.xla.wholes import gather


@dataclass(frozen=True)
class VariantFunctions:
    """The functions of one variant of a rule.

    Attributes:
        rule: the traced rule.
        levels: for each level, the function of the model's scalars and that of a tensor.
        sums: for each level, the reductions over the model that its functions of tensors contribute
            to, as (name of the monoid, symbol) pairs; their parts follow the results of a function.
        new: state -> symbol of its new value.
        change: the symbol of the change of the parameter, or None if it stays.
        start: the function of a tensor's start values.
        evaluation: the function of the weights to evaluate with, or None.
        wide: symbol of a rounded argument -> the scalar.
        reads_parameter: whether an update needs the values of the parameter, not only its shape.
        has_matrices: whether matrices are computed, or given as states or extras.
        has_axes: whether values belong to rows, columns or other axes, or to matrices, so that a
            part of the parameter is not enough to compute them.
    """

    rule: Rule
    levels: tuple[tuple[Function, Function], ...]
    sums: tuple[tuple[tuple[str, Any], ...], ...]
    new: dict[Any, Any]
    change: Any
    start: Function
    evaluation: Function | None
    wide: dict[Any, Any]
    reads_parameter: bool
    has_matrices: bool
    has_axes: bool


@dataclass(frozen=True)
class XlaProgram:
    """A rule as text for JAX.

    Attributes:
        source: text of a module with the functions.
        variants: the functions for the parameters of each kind of shape.
        model_start: the function of the start values of model-wide states.
    """

    source: str
    variants: tuple[VariantFunctions, ...]
    model_start: Function


def xla_program(request: Request) -> XlaProgram:
    """Return the functions of a rule.

    Args:
        request: the traced rule, one variant for each kind of shape.
    """
    return _Module(request).program()


class _Module(Frame):
    """The writer of a module."""

    all_parameters = ""
    depth = 4
    reserved = OPERATIONS | {"jnp", "jax", "number", "parameters", *map(str, CLOCK)}

    def __init__(self, request: Request) -> None:
        super().__init__(request, from_last=True)
        self.all_parameters = f"{self.names[self.rule.parameter]} in parameters"
        self.protected: set[Any] = set()
        self.is_guarded = False
        self.changes = [separate_change(body) for body in self.bodies]
        self.narrowings = [Narrowing(body) for body in self.bodies]
        for narrowing in self.narrowings:
            narrowing.run()
            gather(narrowing.body)
            narrowing.body.find_levels()
        for body in self.bodies:
            for statement in body.statements:
                self.names.setdefault(statement.symbol, self._free(str(statement.symbol)))
        self.needs = {id(body): Needs(body) for body in self.bodies}
        self.texts: list[Lines] = []

    def _name(self, variant: Variant) -> None:
        rule = variant.rule
        symbols = [rule.parameter, rule.gradient, *rule.hyperparameters, *rule.extras]
        symbols += [spec.symbol for spec in rule.states] + [line.value for line in rule.lines]
        self.names |= {symbol: self._free(str(symbol)) for symbol in symbols}
        self.names |= {symbol: str(symbol) for symbol in CLOCK}
        self.names[tensor_number] = "number"

    def printer(self, body: Body) -> XlaPrinter:
        """Return a printer for the statements of a variant."""
        return XlaPrinter(self.names, body, self.is_guarded)

    def lines_of(self, body: Body, statement: Statement) -> Lines:
        """Return a statement in lines; what is slow and not always needed stands in a `lambda`."""
        needs = self.needs.get(id(body))
        need = None if needs is None else needs.condition(statement.symbol)
        if need is None and not is_lazy(statement.expression, body):
            return super().lines_of(body, statement)
        self.is_guarded = statement.symbol in self.protected
        value = statement.expression if needs is None else needs.value(statement)
        text = bare(self.text(body, value))
        if need is not None:
            self.used.add("when")
            text = f"when({self.text(body, need)}, lambda: {text})"
        self.is_guarded = False
        line = f"{self.names[statement.symbol]} = {text}"
        if len(line) <= WIDTH - self.depth:
            return [line]
        head, _, rest = line.removesuffix(")").partition("(")
        parts = [
            part if k == 0 else f"lambda: {part}" for k, part in enumerate(rest.split(", lambda: "))
        ]
        return [f"{head}(", *indented(f"{part}," for part in parts), ")"]

    def statement(self, body: Body, statement: Statement) -> str:
        """Return a statement; derivatives in it are finite if a choice may leave it out."""
        self.is_guarded = statement.symbol in self.protected
        line = super().statement(body, statement)
        self.is_guarded = False
        return line

    def parts_of(self, body: Body, statement: Statement) -> tuple[Statement, Statement] | None:
        """Return a statement as two; the part of what a choice may leave out is protected, too."""
        parts = super().parts_of(body, statement)
        if parts is not None:
            optional = set(nodes(branches_in([statement.expression])))
            own, part = parts[0].symbol, parts[0].expression
            if statement.symbol in self.protected or optional >= set(part.args):
                self.protected.add(own)
        return parts

    def rounded(self, body: Body, text: str) -> str:
        """Return a scalar, rounded to the dtype of the elements."""
        self.used.add("rounded")
        return f"rounded({text}, {self.names[body.rule.parameter]})"

    def start_text(self, body: Body, symbol: Any, value: Any) -> str:
        """Return the text of the start value of a state."""
        del symbol
        return self.text(body, value)

    # The functions of one variant.

    def program(self) -> XlaProgram:
        """Return the functions and the text of the module."""
        variants = tuple(self.variant(place) for place in range(len(self.bodies)))
        model_start = self.start(0, "model")
        return XlaProgram(self.text_of_file(), variants, model_start)

    def named(self, place: int, what: str, level: int | None = None) -> str:
        """Return the name of a function."""
        variant = f"_{place + 1}" if len(self.bodies) > 1 and place >= 0 else ""
        number = "" if level is None or self.bodies[0].last == 0 else f"_{level + 1}"
        return f"{self.request.name}_{what}{number}{'_of' if variant else ''}{variant}"

    def variant(self, place: int) -> VariantFunctions:
        """Return the functions of a variant, and write them."""
        body, narrowing, change = self.bodies[place], self.narrowings[place], self.changes[place]
        self.protected |= guarded(body)
        levels: list[tuple[Function, Function]] = []
        sums: list[tuple[tuple[str, Any], ...]] = []
        inputs: set[Any] = set()
        for level, (scalars, tensor) in enumerate(parts_of(body, change, narrowing)):
            pair = [
                self.function(self.named(place, what, level), part, narrowing)
                for what, part in (("scalars", scalars), ("tensor", tensor))
            ]
            levels.append((pair[0], pair[1]))
            sums.append(tuple((one.node.monoid.name, one.symbol) for one in tensor.sums))
            roots = [s.expression for s in tensor.statements] + [s.node for s in tensor.sums]
            inputs |= symbols_in(*roots)
        return VariantFunctions(
            body.rule,
            tuple(levels),
            tuple(sums),
            {t: value for t, value in body.new.items() if t != body.rule.parameter},
            change,
            self.start(place, "tensor"),
            self.evaluation(place, narrowing),
            narrowing.wide,
            body.rule.parameter in inputs,
            has_matrices(body),
            has_axes(body),
        )

    def function(self, name: str, part: Part, narrowing: Narrowing) -> Function:
        """Return a function, and write it unless it does nothing."""
        arguments, rounded, local = needed(part, narrowing)
        body = part.body
        p = self.names[body.rule.parameter]
        wide = narrowing.wide
        own_names = {wide[s] for s in rounded} & set(arguments)
        for symbol in rounded:
            own = wide[symbol]
            suffix = "_rounded" if own in own_names else ""
            self.names[symbol] = f"{self.names[own]}{suffix}"
        for symbol in local:
            self.used.add("cast")
            self.names[symbol] = f"cast({self.names[wide[symbol]]}, {p})"
        lines: Lines = []
        for statement in part.statements:
            lines += self.lines_of(body, statement)
        ends = [self.text(body, one.node) for one in part.sums]
        returned = [self.names[s] for s in part.results] + ends
        if returned:
            given = [p] * part.is_of_tensor + [self.names[s] for s in arguments]
            self.write(name, given, lines, returned)
        return Function(name, arguments, rounded, part.results)

    def write(self, name: str, arguments: Sequence[str], lines: Lines, returned: list[str]) -> None:
        """Write a function that returns a tuple."""
        body = [*lines, *_return_of(returned)]
        self.texts.append([*call_of(f"def {name}", arguments, ":"), *indented(body)])

    def start(self, place: int, shapes: str) -> Function:
        """Return the function of the start values of a tensor's states or of the model's."""
        body = self.bodies[place]
        p = self.names[body.rule.parameter]
        lines, values = self.start_values(body, shapes)
        specs = [spec for spec, _ in values]
        hypers = [h for h in body.rule.hyperparameters if _is_in(h, specs)]
        given = ["parameters" if shapes == "model" else p]
        given += [self.names[h] for h in hypers]
        clock = [s for s in CLOCK if _is_in(s, specs)]
        given += [str(s) for s in clock]
        name = self.named(-1 if shapes == "model" else place, f"{shapes}_start")
        if values:
            self.write(name, given, lines, [text for _, text in values])
        return Function(name, (*hypers, *clock), frozenset(), tuple(s.symbol for s in specs))

    def evaluation(self, place: int, known: Narrowing) -> Function | None:
        """Return the function of the weights to evaluate with."""
        rule = self.bodies[place].rule
        if rule.evaluation is None:
            return None
        result = Named(f"{rule.parameter}_shown", rule.name)
        body = arrange_values(rule, [(result, rule.evaluation)], self.reserved)
        narrowing = Narrowing(body, known.narrow)
        narrowing.run()
        for statement in body.statements:
            self.names.setdefault(statement.symbol, self._free(str(statement.symbol)))
        part = Part(body, tuple(body.statements), (), (result,), is_of_tensor=True)
        return self.function(self.named(place, "evaluation"), part, narrowing)

    def text_of_file(self) -> str:
        """Return the module."""
        used = sorted(self.used & OPERATIONS)
        code = "\n".join(line for lines in self.texts for line in lines)
        imports = ["import jax"] * ("jax." in code) + ["import jax.numpy as jnp"] * ("jnp." in code)
        head = [docstring(f"Update by {self.request.name}, in functions that JAX traces."), ""]
        if imports:
            head += [*imports, ""]
        if used:
            head += [*_import_of(used), ""]
        blocks = ["\n".join(lines) for lines in self.texts]
        return "\n".join(head).rstrip("\n") + "\n\n\n" + "\n\n\n".join(blocks) + "\n"


def _return_of(texts: Sequence[str]) -> Lines:
    """Return the statement that returns a tuple, in several lines if it is long."""
    line = f"return ({texts[0]},)" if len(texts) == 1 else f"return {tuple_of(texts)}"
    if len(line) <= WIDTH - 4:
        return [line]
    return ["return (", *indented(f"{text}," for text in texts), ")"]


def _import_of(names: Sequence[str]) -> Lines:
    """Return the import of operations, in several lines if it is long."""
    line = f"from learnerdsl.jax.operations import {', '.join(names)}"
    if len(line) <= WIDTH:
        return [line]
    head = "from learnerdsl.jax.operations import ("
    return [head, *indented(f"{name}," for name in names), ")"]


def _is_in(symbol: Any, specs: Iterable[StateSpec]) -> bool:
    return any(symbol in spec.init.free_symbols for spec in specs)
