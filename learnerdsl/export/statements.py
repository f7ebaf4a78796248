"""Arrange a rule as statements over whole arrays, in loops over the tensors of a model.

A reduction over the model ends a loop: what uses its result stands in a later one. Values that
several statements use, and reductions that occur twice, get names.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import sympy

from learnerdsl.export.request import Variant
from learnerdsl.expr import (
    AxisExtra,
    AxisState,
    Clock,
    Draw,
    ExtraScalar,
    Hyperparameter,
    MatrixExtra,
    MatrixFunction,
    MatrixLeaf,
    MatrixState,
    Named,
    NarrowDraw,
    Power,
    Reduction,
    StateSymbol,
    TensorExtra,
    TensorScalar,
    Transpose,
    Where,
    nodes,
    rebuilt,
    replaced,
    symbols_in,
    uses,
)
from learnerdsl.tracing import Rule, model_reductions, values

ELEMENT = frozenset({"all"})
"""The index set of a value with the parameter's shape, for rules of any number of axes."""

Axes = frozenset[Any]


@dataclass(frozen=True)
class Statement:
    """A computation of one value.

    Attributes:
        symbol: the value.
        expression: what it is.
        rounded: whether it is a scalar that is rounded to the parameter's dtype.
    """

    symbol: sympy.Symbol
    expression: Any
    rounded: bool = False


@dataclass(frozen=True)
class Sum:
    """A reduction over the model, of any operation.

    Attributes:
        symbol: its result.
        node: the reduction, whose argument is that of one tensor.
    """

    symbol: sympy.Symbol
    node: Reduction


@dataclass
class Body:
    """The statements of one variant of a rule.

    Attributes:
        rule: the traced rule.
        statements: the statements, in an order in which they can run.
        sums: reductions over the model.
        new: state or parameter -> symbol of its new value, where that is another.
        axes: symbol -> the axes that it has values for; none for a scalar.
        level: symbol -> number of the loop that computes it.
        last: number of the last loop.
        taken: names that new values cannot have.
        hints: expression -> name that the author of the rule gave to it.
        scalar_of: symbol of a rounded value -> the scalar.
    """

    rule: Rule
    statements: list[Statement] = field(default_factory=list[Statement])
    sums: list[Sum] = field(default_factory=list[Sum])
    new: dict[Any, Any] = field(default_factory=dict[Any, Any])
    axes: dict[Any, Axes] = field(default_factory=dict[Any, Axes])
    level: dict[Any, int] = field(default_factory=dict[Any, int])
    last: int = 0
    taken: set[str] = field(default_factory=set[str])
    hints: dict[Any, str] = field(default_factory=dict[Any, str])
    scalar_of: dict[Any, Any] = field(default_factory=dict[Any, Any])

    @property
    def element(self) -> Axes:
        """Return the axes of a value with the parameter's shape."""
        return ELEMENT | frozenset(range(self.rule.ndim or 0))

    def axes_of(self, expression: Any) -> Axes:
        """Return the axes that an expression has values for; none for a scalar."""
        found: dict[Any, Axes] = {}
        for node in nodes([expression]):
            found[node] = self._axes_of_node(node, found)
        return found[expression]

    def _axes_of_node(self, node: Any, below: Mapping[Any, Axes]) -> Axes:
        if isinstance(node, sympy.Symbol):
            return self.axes[node] if node in self.axes else self._axes_of_symbol(node)
        if isinstance(node, (Draw, MatrixLeaf, MatrixFunction)):
            return self.element
        if isinstance(node, NarrowDraw):
            return frozenset(node.axes)
        if isinstance(node, Reduction):
            if not node.axes:
                return frozenset()
            gone = {axis % (self.rule.ndim or 1) for axis in node.axes}
            return below[node.argument] - gone - ELEMENT
        return frozenset().union(*(below[argument] for argument in node.args))

    def _axes_of_symbol(self, symbol: Any) -> Axes:
        if isinstance(symbol, (Hyperparameter, Clock, TensorScalar, TensorExtra, ExtraScalar)):
            return frozenset()
        if isinstance(symbol, (MatrixExtra, MatrixState)):
            return self.element
        if isinstance(symbol, AxisExtra) and len(symbol.shape) == self.rule.ndim:
            return self.element
        if isinstance(symbol, (AxisState, AxisExtra)):
            return frozenset(symbol.shape)
        is_scalar = isinstance(symbol, StateSymbol) and symbol.shape in ("tensor", "model")
        return frozenset() if is_scalar else self.element

    def is_scalar(self, expression: Any) -> bool:
        """Return whether an expression is one number for a tensor."""
        return not self.axes_of(expression)

    def is_of_model(self, expression: Any) -> bool:
        """Return whether an expression is one number for all tensors of a group."""
        if any(isinstance(n, (Reduction, Draw, MatrixLeaf)) for n in nodes([expression])):
            return False
        return all(self._is_known_to_model(symbol) for symbol in symbols_in(expression))

    def _is_known_to_model(self, symbol: Any) -> bool:
        if isinstance(symbol, Named):
            return symbol in self.of_model
        if isinstance(symbol, StateSymbol):
            return symbol.shape == "model"
        return isinstance(symbol, (Hyperparameter, Clock, ExtraScalar))

    @property
    def of_model(self) -> set[Any]:
        """Return the symbols of values that are the same for all tensors of a group."""
        known: set[Any] = {one.symbol for one in self.sums}
        for statement in self.statements:
            symbols = symbols_in(statement.expression)
            named = {s for s in symbols if isinstance(s, Named)}
            others = symbols - named
            is_plain = not any(
                isinstance(n, (Reduction, Draw, MatrixLeaf)) for n in nodes([statement.expression])
            )
            if (
                is_plain
                and not statement.rounded
                and named <= known
                and all(map(self._is_known_to_model, others))
            ):
                known.add(statement.symbol)
        return known

    def free(self, name: str) -> str:
        """Return a name that nothing has, and reserve it."""
        return _free(name, self.taken)

    def find_levels(self) -> None:
        """Find the loop of each statement anew, after statements were replaced."""
        self.level = {one.symbol: self.level[one.symbol] for one in self.sums}
        _find_levels(self)
        _delay(self)

    def add(self, statement: Statement) -> None:
        """Append a statement and record what it has values for."""
        self.statements.append(statement)
        self.axes[statement.symbol] = self.axes_of(statement.expression)

    def level_of(self, expression: Any) -> int:
        """Return the number of the first loop in which an expression can be computed."""
        return max((self.level.get(symbol, 0) for symbol in self.used_in(expression)), default=0)

    def used_in(self, expression: Any) -> set[Any]:
        """Return the symbols in an expression, with scalars in place of their rounded values."""
        return {self.scalar_of.get(symbol, symbol) for symbol in symbols_in(expression)}


def aliases(expression: Any, body: Body) -> set[Any]:
    """Return the arrays of which a value may be a view, so that it changes where they change."""
    if isinstance(expression, sympy.Symbol):
        return set() if body.is_scalar(expression) else {expression}
    if isinstance(expression, Transpose):
        return aliases(expression.args[0], body)
    if isinstance(expression, Where) and body.is_scalar(expression.condition):
        return aliases(expression.then, body) | aliases(expression.otherwise, body)
    return set()


def arrange(
    variants: Sequence[Variant], hints: Mapping[Any, str], reserved: frozenset[str]
) -> list[Body]:
    """Return the statements of each variant, with the same loops and the same sums.

    Args:
        variants: the traced rules.
        hints: expression -> name that the author of the rule gave to it.
        reserved: names that values cannot have.
    """
    bodies = [_body(variant.rule, hints, reserved) for variant in variants]
    counts = {len(body.sums) for body in bodies}
    assert len(counts) == 1, "variants of a rule have the same sums over the model"
    for k in range(counts.pop()):
        for body in bodies:
            _find_levels(body)
        level = 1 + max(body.level_of(body.sums[k].node) for body in bodies)
        for body in bodies:
            body.level[body.sums[k].symbol] = level
    for body in bodies:
        _find_levels(body)
    last = max((level for body in bodies for level in body.level.values()), default=0)
    for body in bodies:
        body.last = last
        _delay(body)
    return bodies


def arrange_values(rule: Rule, roots: Sequence[tuple[Any, Any]], reserved: frozenset[str]) -> Body:
    """Return the statements of (symbol, expression) pairs that need one loop."""
    body = Body(rule, taken=set(reserved))
    for statement in _with_names([Statement(*pair) for pair in roots], body, {}):
        body.add(statement)
    return body


def _body(rule: Rule, hints: Mapping[Any, str], reserved: frozenset[str]) -> Body:
    """Return the statements of a rule, without loops."""
    body = Body(rule, taken=set(reserved), hints=dict(hints))
    sums: dict[Any, Any] = {}
    for number, node in enumerate(model_reductions(rule, values(rule)), 1):
        inner = replaced(node.argument, sums, rebuilt)
        symbol = Named(f"{node.monoid.name}_{number}", rule.name)
        body.sums.append(Sum(symbol, rebuilt(node, (inner, *node.args[1:]))))
        body.axes[symbol] = frozenset()
        sums[node] = symbol
    changed = [line for line in rule.lines if line.expression != line.target]
    # A line that keeps a state may still be read by others under its new name.
    kept = {line.value: line.target for line in rule.lines if line.expression == line.target}
    own = [
        Statement(line.value, replaced(line.expression, sums | kept, rebuilt), line.rounded)
        for line in changed
    ]
    body.sums = [replace(s, node=replaced(s.node, kept, rebuilt)) for s in body.sums]
    own = [replace(s, expression=_with_roots(s.expression)) for s in own]
    body.new = {line.target: line.value for line in changed if line.target != line.value}
    for statement in _with_names(own, body, hints):
        body.add(statement)
    return body


def _with_roots(root: Any) -> Any:
    """Return an expression with 1/sqrt(x) of a reduction x as a division by that root."""
    new = {
        node: sympy.Pow(sympy.sqrt(node.base), -1, evaluate=False)
        for node in nodes([root])
        if node.is_Pow and node.exp == -sympy.S.Half and isinstance(node.base, Reduction)
    }
    return replaced(root, new, rebuilt) if new else root


def _with_names(own: list[Statement], body: Body, hints: Mapping[Any, str]) -> list[Statement]:
    """Return statements with names for the values that several of them use."""
    roots = [s.expression for s in own] + [s.node.argument for s in body.sums]
    counted = uses(roots)
    rule, taken = body.rule, body.taken
    taken |= {str(symbol) for symbol in symbols_in(*roots)} | {str(s.symbol) for s in own}
    given = [rule.parameter, rule.gradient, *rule.hyperparameters, *rule.extras]
    taken |= {str(symbol) for symbol in (*given, *(spec.symbol for spec in rule.states))}
    probe = Body(body.rule, axes=dict(body.axes))
    found: list[Statement] = []
    new: dict[Any, Any] = {}

    def change(root: Any) -> Any:
        for node in nodes([root], new):
            arguments = tuple(new[argument] for argument in node.args)
            same = all(a is b for a, b in zip(arguments, node.args, strict=True))
            new[node] = node if same else rebuilt(node, arguments)
            if node in hints:
                body.hints[new[node]] = hints[node]
            is_named = counted[node] > 1 or (node in hints and node not in whole)
            if is_named and _is_worth_a_name(node, probe):
                name = _free(hints.get(node) or _name_of(node), taken)
                symbol = Named(name, body.rule.name)
                found.append(Statement(symbol, new[node]))
                probe.axes[symbol] = probe.axes_of(new[node])
                new[node] = symbol
        return new[root]

    whole = {s.expression for s in own}
    pending = {s.symbol: s for s in own}
    waiting = list(body.sums)
    done: list[Sum] = []
    for statement in own:
        found.append(replace(statement, expression=change(statement.expression)))
        probe.axes[statement.symbol] = probe.axes_of(found[-1].expression)
        del pending[statement.symbol]
        for one in list(waiting):
            if not symbols_in(one.node) & set(pending):
                done.append(
                    replace(
                        one, node=rebuilt(one.node, (change(one.node.argument), *one.node.args[1:]))
                    )
                )
                waiting.remove(one)
    order = [s.symbol for s in body.sums]
    body.sums = sorted(done, key=lambda s: order.index(s.symbol))
    return found


def _is_worth_a_name(node: Any, body: Body) -> bool:
    """Return whether a value that occurs twice is computed once."""
    if isinstance(node, (Draw, NarrowDraw, Reduction)):
        return True
    if not isinstance(node, sympy.Expr) or not node.args:
        return False
    if isinstance(node, (sympy.Pow, Power)) and node.base.is_Symbol and node.exp.is_Integer:
        return False
    if isinstance(node, (Transpose, MatrixLeaf)):
        return False
    if isinstance(node, sympy.Mul) and sum(not a.is_number for a in node.args) < 2:
        return False
    try:
        return bool(body.axes_of(node)) or any(isinstance(n, Reduction) for n in nodes([node]))
    except KeyError:
        return False


def _name_of(node: Any) -> str:
    """Return a name that says what a value is."""
    if isinstance(node, Reduction):
        return {"sum": "total", "max": "largest", "min": "smallest"}.get(
            node.monoid.name, "product"
        )
    if isinstance(node, sympy.Pow) and node.exp == sympy.S.Half:
        squared: Any = node.base.argument if isinstance(node.base, Reduction) else sympy.S.Zero
        is_norm = squared.is_Pow and squared.base.is_Symbol
        return f"norm_{squared.base}" if is_norm else "root"
    if isinstance(node, (Draw, NarrowDraw)):
        return "noise"
    return "product" if isinstance(node, MatrixFunction) else "part"


def _free(name: str, taken: set[str]) -> str:
    """Return a name that nothing has, and reserve it."""
    chosen, number = name, 2
    while chosen in taken:
        chosen, number = f"{name}_{number}", number + 1
    taken.add(chosen)
    return chosen


def split(
    body: Body, statement: Statement, is_lazy: Callable[[Any], bool]
) -> tuple[Statement, Statement] | None:
    """Return a statement as two, the first of which gives a name to a part of the value.

    If nothing can be taken out, return None. Of a choice by a condition that `is_lazy`, only one
    branch is computed, so nothing is taken out of its branches.
    """
    part = _half(statement.expression, is_lazy)
    if part is None:
        return None
    node, inner = part
    symbol = Named(_free(body.hints.get(inner, "part"), body.taken), body.rule.name)
    body.axes[symbol] = body.axes_of(inner)
    others = [a for a in node.args if a not in inner.args] if inner != node else []
    whole = symbol if inner == node else rebuilt(node, (symbol, *others))
    expression = replaced(statement.expression, {node: whole}, rebuilt)
    return Statement(symbol, inner), replace(statement, expression=expression)


def _half(expression: Any, is_lazy: Callable[[Any], bool]) -> tuple[Any, Any] | None:
    """Return (node, part of it) of about half the size of an expression, to be named."""
    total = _weight(expression)
    best: tuple[float, Any, Any] | None = None
    guarded = _in_choices(expression, is_lazy)
    for node in nodes([expression]):
        if not isinstance(node, sympy.Expr) or not node.args or node in guarded:
            continue
        parts = [node] if node != expression else []
        if isinstance(node, (sympy.Add, sympy.Mul)) and len(node.args) > 2:
            terms = node.args[: len(node.args) // 2]
            parts.append(node.func(*terms, evaluate=False))
        for part in parts:
            distance = abs(_weight(part) - total / 2)
            if _weight(part) > 3 and (best is None or distance < best[0]):
                best = distance, node, part
    return None if best is None else best[1:]


def _in_choices(expression: Any, is_lazy: Callable[[Any], bool]) -> set[Any]:
    """Return the nodes in branches of choices of which only one is computed."""
    found: set[Any] = set()
    for node in nodes([expression]):
        if isinstance(node, Where) and is_lazy(node.condition):
            found |= set(nodes(node.args[1:]))
    return found


def _weight(expression: Any) -> int:
    """Return about how long the text of an expression is."""
    return sum(1 for _ in sympy.preorder_traversal(expression))


def _find_levels(body: Body) -> None:
    """Find the loop of each statement from those of what it uses."""
    for statement in body.statements:
        body.level[statement.symbol] = body.level_of(statement.expression)


def _delay(body: Body) -> None:
    """Move statements of tensors that no reduction needs into the last loop."""
    needed: dict[Any, int] = {}

    def need(symbols: Iterable[Any], level: int) -> None:
        for symbol in symbols:
            needed[symbol] = min(level, needed.get(symbol, body.last))

    for one in body.sums:
        need(body.used_in(one.node), body.level[one.symbol] - 1)
    model = body.of_model
    for statement in reversed(body.statements):
        level = needed.get(statement.symbol, body.last)
        if statement.symbol in model:
            # A scalar of the model stands before the loop; what it uses stands earlier anyway.
            level = body.level[statement.symbol]
        body.level[statement.symbol] = max(level, body.level[statement.symbol])
        need(body.used_in(statement.expression), body.level[statement.symbol])
