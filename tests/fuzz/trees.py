"""Random expressions of the language, as trees whose text is Python."""

import random
from dataclasses import dataclass, field
from functools import cached_property

MODEL, TENSOR, ELEMENT = range(3)


@dataclass(frozen=True)
class Node:
    """An expression: its text with a place for each child."""

    text: str
    children: tuple["Node", ...] = ()
    is_condition: bool = False

    @cached_property
    def source(self):
        return self.text.format(*(child.source for child in self.children))

    @cached_property
    def names(self):
        own = {self.text} if not self.children and self.text.isidentifier() else set()
        ring = self.text.partition("[")[0]
        own |= {ring} if not self.children and ring.isidentifier() else set()
        return own.union(*(child.names for child in self.children))

    @property
    def size(self):
        return 1 + sum(child.size for child in self.children)

    def with_name(self, name, node):
        """The same with another node for every leaf of that name."""
        if not self.children:
            return node if name in self.names else self
        return Node(
            self.text, tuple(c.with_name(name, node) for c in self.children), self.is_condition
        )


CONSTANTS = (
    *("0", "1", "2", "3", "-1", "-2", "7", "0.5", "-0.25", "1.5", "0.1", "3.0", "2.0", "0.999"),
    *("1e-3", "1e-8", "1e6", "-1e4", "1e-30", "1e30", "ld.pi", "sympy.E", "sympy.sqrt(2)"),
    *("sympy.Rational(1, 3)", "sympy.Rational(-7, 2)", "ld.log(2)", "sympy.Float('0.3')", "123456"),
)
UNARY = (
    *(
        "(-{0})",
        "(-{0})",
        "(+{0})",
        "ld.abs({0})",
        "abs({0})",
        "ld.sqrt(ld.abs({0}))",
        "ld.sqrt({0})",
    ),
    *("ld.tanh({0})", "ld.exp(ld.tanh({0}))", "ld.exp({0})", "ld.log({0})", "ld.log(1 + {0}**2)"),
    *("ld.sin({0})", "ld.cos({0})", "ld.tan({0})", "ld.sign({0})", "ld.floor({0})", "ld.ceil({0})"),
    *("ld.atan({0})", "ld.asin(ld.tanh({0}))", "ld.acos({0})", "ld.sinh({0})", "ld.cosh({0})"),
    *("({0}**2)", "({0}**3)", "({0}**-1)", "({0}**-2)", "({0}**0.5)", "({0}**2.0)", "(1 / {0})"),
    *("(ld.abs({0})**1.5)", "({0}**sympy.Rational(1, 3))", "(2**ld.tanh({0}))", "(-{0}**2)"),
    *("(ld.abs({0})**-0.75)", "(1 - {0})", "({0} - 1)", "(-{0} - 1)", "(2 * {0})", "({0} % 3)"),
    *("({0} / 3)", "(-({0} % 2))", "({0} // 2)", "ld.clip({0}, -1, 1)"),
    *("ld.expm1({0})", "ld.log1p({0})", "ld.cbrt({0})", "ld.sigmoid({0})", "ld.softplus({0})"),
    "ld.erf({0})",
)
BINARY = (
    *("({0} + {1})", "({0} - {1})", "({0} * {1})", "({0} / {1})", "({0} + {1})", "({0} * {1})"),
    *("({0} - {1})", "({0} * {1})", "({0} % {1})", "({0} / (1 + {1}**2))", "({0} ** {1})"),
    *("ld.maximum({0}, {1})", "ld.minimum({0}, {1})", "({0} // {1})", "ld.clip({0}, {1}, 2)"),
    "ld.atan2({0}, {1})",
    *("(-{0} - {1})", "(-{0} * {1})", "({0} / -{1})", "ld.sqrt({0}**2 + {1}**2)"),
)
COMPARE = (
    *("({0} > {1})", "({0} < {1})", "({0} >= {1})", "({0} <= {1})", "ld.equal({0}, {1})"),
    *("ld.not_equal({0}, {1})", "({0} > 0)", "({0} < 1)"),
    *("ld.isnan({0})", "ld.isfinite({0})"),
)
LOGIC = ("({0} & {1})", "({0} | {1})", "(~{0})", "(~({0} & {1}))")
REDUCE = (
    *("ld.sum({{0}}{0})", "ld.mean({{0}}{0})", "ld.norm({{0}}{0})", "ld.max({{0}}{0})"),
    *("ld.min({{0}}{0})", "ld.prod({{0}}{0})", "ld.count({{0}} > 0{0})"),
    *("ld.where(ld.any({{0}} > 1{0}), 1, 2)", "ld.where(ld.all({{0}} < 2{0}), 0.5, 3)"),
)


@dataclass
class Grammar:
    """What expressions may use.

    Attributes:
        rng: where choices come from.
        leaves: for MODEL, TENSOR and ELEMENT the names of that breadth.
        ndim: number of axes that all tensors have at least.
        matrices: whether products of matrices are drawn.
        draws: whether random numbers are.
    """

    rng: random.Random
    leaves: dict[int, list[str]] = field(default_factory=dict)
    ndim: int = 0
    matrices: bool = False
    draws: bool = False

    def leaf(self, level):
        pick = self.rng.random()
        if pick < 0.25:
            return Node(self.rng.choice(CONSTANTS))
        breadth = level if pick < 0.8 else self.rng.randint(0, level)
        return Node(self.rng.choice(self.leaves[breadth] or self.leaves[MODEL]))

    def tree(self, level, depth):
        """An expression of at most that breadth."""
        rng = self.rng
        if depth == 0 or rng.random() < 0.12:
            return self.leaf(level)
        pick = rng.random()
        if pick < 0.30:
            return Node(rng.choice(UNARY), (self.tree(level, depth - 1),))
        if pick < 0.74:
            return self.pair(rng.choice(BINARY), level, depth)
        if pick < 0.86:
            branches = (self.tree(level, depth - 1), self.tree(level, depth - 1))
            return Node("ld.where({0}, {1}, {2})", (self.condition(level, depth - 1), *branches))
        return self.special(level, depth)

    def pair(self, text, level, depth):
        return Node(text, (self.tree(level, depth - 1), self.tree(level, depth - 1)))

    def special(self, level, depth):
        """Reductions, functions of matrices and random numbers."""
        rng = self.rng
        if level == ELEMENT and self.draws and rng.random() < 0.2:
            return Node(rng.choice(("ld.normal()", "ld.uniform()")))
        if level == ELEMENT and self.matrices and rng.random() < 0.5:
            text = "ld.matmul(ld.matmul({0}, ld.transpose({1})), {2})"
            return Node(
                text, tuple(self.tree(ELEMENT, depth - 2 if depth > 1 else 0) for _ in range(3))
            )
        ranges = ["", ', over="model"'] if level else [', over="model"']
        if level == ELEMENT and self.ndim:
            ranges += [", axis=0", ", axis=-1"]
        text = rng.choice(REDUCE).format(rng.choice(ranges))
        return Node(text, (self.tree(ELEMENT, depth - 1),))

    def condition(self, level, depth):
        if depth > 0 and self.rng.random() < 0.25:
            text = self.rng.choice(LOGIC)
            sides = [self.condition(level, depth - 1) for _ in range(text.count("{"))]
        else:
            text = self.rng.choice(COMPARE)
            sides = [self.tree(level, max(depth, 0)) for _ in range(text.count("{"))]
        return Node(text, tuple(sides), is_condition=True)
