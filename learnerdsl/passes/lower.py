"""Turn a Rule into a Kernel: every assignment and every reduction becomes a block of its own.

The pass assumes a valid Rule. Afterwards no expression contains a Reduction or an unevaluated
constant, every value has one symbol, and the blocks are in dependency order.

A Rule is a graph in which a value may be used many times. Later passes walk expressions as trees.
So a value that would be written out too often, or nested too deeply, gets a name here, as if the
rule had used `let`.
"""

from typing import Any

import sympy
from sympy.logic.boolalg import BooleanAtom

from learnerdsl.elementary import DEFINED
from learnerdsl.expr import (
    Comparison,
    IsFinite,
    Less,
    MatrixFunction,
    Named,
    NarrowDraw,
    NotEqual,
    Power,
    Reduction,
    Transpose,
    Where,
    adopted,
    brief,
    constant_value,
    is_constant,
    nodes,
    rebuilt,
    size_and_depth,
    symbols_in,
    uses,
)
from learnerdsl.ir import Block, Compute, Kernel, Reduce, Store, as_expr
from learnerdsl.tracing import Assignment, Rule, model_reductions
from learnerdsl.tracing.checks import is_kept_in_ring

LONGEST, DEEPEST = 500, 60
"""Maximum number of nodes and depth of an expression, written out, that needs no named parts."""

_EXACT = (sympy.floor, sympy.ceiling, sympy.Mod, Comparison)
"""Functions that jump at integers, so that a rounding error in an argument changes the result."""

_SHORT, _SHALLOW = 8, 30
"""Size of a repeated part, and depth of any part, above which it gets a name."""


def lower(rule: Rule) -> Kernel:
    """Return one block for each statement of the rule."""
    lowering = _Lowering(rule)
    used = symbols_in(*(line.expression for line in rule.lines))
    unchanged: list[Any] = [s.symbol for s in rule.states if is_kept_in_ring(s.symbol)]
    for line in rule.lines:
        if line.expression == line.target and line.value not in used:
            unchanged.append(line.target)
            continue
        for reduction in model_reductions(rule, [line.expression]):
            # Keep the order of the rule: variants of a rule match their model-wide sums by it.
            lowering.bare(reduction)
        expression = as_expr(lowering.bare(line.expression))
        if expression == line.target:
            unchanged.append(line.target)
        lowering.blocks.append(_statement(line, expression))
    return Kernel(
        name=rule.name,
        parameter=rule.parameter,
        gradient=rule.gradient,
        hyperparameters=rule.hyperparameters,
        extras=rule.extras,
        states=tuple(spec.symbol for spec in rule.states),
        blocks=tuple(lowering.blocks),
        ndim=rule.ndim,
        constants=tuple(unchanged),
    )


def _statement(line: Assignment, expression: sympy.Expr) -> Block:
    """Return the block of an assignment."""
    note = f"{line.target} <- {brief(expression)}"
    compute = Compute(line.value, expression, note=note, rounded=line.rounded)
    # A state that keeps its value needs no store.
    unchanged = line.value == line.target or expression == line.target
    stores = () if unchanged else (Store(line.target, line.value),)
    return Block(None, computes=(compute,), stores=stores)


class _Lowering:
    """The statements found so far, and the replacement of each node of the rule in them."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.blocks: list[Block] = []
        self.found: dict[Any, Any] = {}
        self.constants: dict[Any, bool] = {}
        self.sizes: dict[Any, tuple[int, int]] = {}
        self.of_matrices: set[Any] = set()
        self.reductions: dict[Any, sympy.Symbol] = {}
        self.parts = 0
        roots = [line.expression for line in rule.lines]
        self.uses = uses(roots)
        longest = [size_and_depth(root) for root in roots]
        self.is_long = any(size > LONGEST or depth > DEEPEST for size, depth in longest)

    def bare(self, root: Any) -> Any:
        """Return an expression with symbols for its reductions and for the parts that get names."""
        for node in nodes([root], self.found):
            arguments = tuple(self.found[argument] for argument in node.args)
            self.found[node] = self.standing_for(node, arguments)
        return self.found[root]

    def standing_for(self, node: Any, arguments: tuple[Any, ...]) -> Any:
        """Return the replacement of a node whose arguments are replaced by `arguments`."""
        below = [self.constants[argument] for argument in node.args]
        self.constants[node] = is_constant(node, all(below))
        if node.args and self.constants[node]:
            return _folded(node)
        if isinstance(node, _EXACT):
            arguments = tuple(map(over_one_divisor, arguments))
        same = all(a is b for a, b in zip(arguments, node.args, strict=True))
        bare: Any = node if same else rebuilt(node, arguments)
        if isinstance(bare, Power):
            bare = bare.as_sympy()
        if isinstance(bare, DEFINED):
            bare = adopted(bare.definition(*bare.args))
        if isinstance(bare, IsFinite):
            # Evaluated, the size of exp(x) is exp(re(x)), and re stays if x may not be real.
            bare = Less(sympy.Abs(bare.args[0], evaluate=False), sympy.oo)
        if _is_of_whole_numbers(node):
            bare = over_one_divisor(bare)
        if isinstance(node, Reduction):
            return self.reduced(bare)
        if any(argument in self.of_matrices for argument in arguments) or isinstance(
            bare, MatrixFunction
        ):
            self.of_matrices.add(bare)
        if isinstance(bare, NarrowDraw):
            # A loop draws numbers over axes, and it ranges over these axes alone.
            whose = "model_" if bare.shape == "model" else ""
            return self.named(bare, f"{whose}{bare.distribution}_{bare.stream}")
        return self.named(bare) if self.needs_a_name(node, bare) else bare

    def reduced(self, bare: Any) -> sympy.Symbol:
        """Return the symbol of a reduction; add a block that computes it."""
        if bare not in self.reductions:
            assumptions = {"nonnegative": True} if bare.is_nonnegative else {}
            name = f"{bare.monoid.name}_{len(self.reductions) + 1}"
            symbol = self.reductions[bare] = Named(name, self.rule.name, **assumptions)
            by_tensor = bare.of == "tensors"
            reduce = Reduce(symbol, bare.monoid, bare.over, bare.argument, bare.block, by_tensor)
            self.blocks.append(Block(None, reduces=(reduce,)))
        return self.reductions[bare]

    def needs_a_name(self, node: Any, bare: Any) -> bool:
        """Return whether a node would be written out too often or nested too deeply."""
        if not bare.args or isinstance(bare, BooleanAtom):
            return False
        is_shared = self.uses[node] > 1
        if bare in self.of_matrices and is_shared and isinstance(bare, sympy.Expr):
            return not (isinstance(bare, Transpose) and bare.args[0].is_Symbol)
        if not self.is_long:
            return False
        below = [self.sizes.get(argument, (1, 1)) for argument in bare.args]
        size, depth = 1 + sum(s for s, _ in below), 1 + max(d for _, d in below)
        self.sizes[bare] = size, depth
        return (is_shared and size > _SHORT) or depth > _SHALLOW

    def named(self, bare: Any, name: str = "") -> Any:
        """Return a symbol for a value or a condition; add a block that computes it."""
        is_value = isinstance(bare, sympy.Expr)
        self.parts += not name
        symbol = Named(name or f"part_{self.parts}", self.rule.name)
        value = bare if is_value else Where(bare, sympy.S.One, sympy.S.Zero)
        self.blocks.append(Block(None, computes=(Compute(symbol, value),)))
        return symbol if is_value else NotEqual(symbol, sympy.S.Zero)


def _is_of_whole_numbers(node: Any) -> bool:
    """Return whether a node is a sum of fractions of integers."""
    return (
        isinstance(node, sympy.Add)
        and any(map(_is_fraction, node.args))
        and all(term.as_coeff_Mul()[1].is_integer for term in node.args)
    )


def _is_fraction(term: Any) -> bool:
    """Return whether a term has a factor such as 1/3, which is not exact in floating point."""
    factor: Any = term.args[0] if isinstance(term, sympy.Mul) else term
    return factor.is_Rational and bool(factor.q & (factor.q - 1))


def over_one_divisor(expression: Any) -> Any:
    """Return x/3 - 1/3 as (x - 1)/3, which is exact where the quotient is an integer.

    SymPy divides a sum term by term, but 1/3 is rounded. Halves and quarters are exact anyway.
    """
    terms = expression.args if isinstance(expression, sympy.Add) else ()
    if not any(map(_is_fraction, terms)):
        return expression
    parts: list[Any] = [term.as_coeff_Mul() for term in terms]
    if not all(factor.is_Rational for factor, _ in parts):
        return expression
    divisor = sympy.ilcm(*(factor.q for factor, _ in parts))
    whole = [_times(factor * divisor, rest) for factor, rest in parts]
    total = sympy.Add(*whole, evaluate=False)
    return sympy.Mul(sympy.Rational(1, divisor), total, evaluate=False)


def _times(factor: Any, rest: Any) -> Any:
    """Return a product, unevaluated; without a factor of 1."""
    if factor == 1 or rest == 1:
        return factor if rest == 1 else rest
    return sympy.Mul(factor, *sympy.Mul.make_args(rest), evaluate=False)


def _folded(node: Any) -> Any:
    """Return the value of a constant, in float64."""
    value = constant_value(node)
    if isinstance(node, sympy.Expr):
        return sympy.Float(value)
    return sympy.true if value else sympy.false
