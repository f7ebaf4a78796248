"""Move computations that do not depend on the element out of the loops.

The pass assumes fused blocks. In every expression of a sweep, it collects the scalar factors of a
product, and the scalar terms of a sum, into one coefficient. The coefficient becomes a statement of
the scalar block before that sweep and is computed there in float64. The same happens to conditions
of scalars, to factors and terms that are axis arrays, and to scalars in functions of matrices.
Afterwards an expression of a sweep contains scalars and axis arrays only as symbols and numbers.
"""

from dataclasses import dataclass, field, replace
from typing import Any

import sympy

from learnerdsl.expr import Greater, Hyperparameter, Named, Where, brief, rebuilt
from learnerdsl.ir import Block, Compute, Domain, Kernel, Rank


def hoist(kernel: Kernel) -> Kernel:
    """Replace scalar subexpressions of sweeps and matrix functions by coefficients."""
    hoisting = _Hoisting(kernel, dict(kernel.domains))
    blocks: list[Block] = []
    for block in kernel.blocks:
        if block.domain not in (Domain.ELEMENT, Domain.MATRIX):
            blocks.append(block)
            continue
        computes = [replace(c, expression=hoisting.rewrite(c.expression)) for c in block.computes]
        reduces = [replace(r, expression=hoisting.reduced(r.expression)) for r in block.reduces]
        _extend_scalars(blocks, hoisting)
        blocks.append(replace(block, computes=tuple(computes), reduces=tuple(reduces)))
    return replace(kernel.with_blocks(blocks), domains=hoisting.domains)


def _extend_scalars(blocks: list[Block], hoisting: "_Hoisting") -> None:
    """Append the new coefficients to the last scalar blocks in `blocks`."""
    for domain in (Domain.TENSOR, Domain.MODEL):
        is_model = domain == Domain.MODEL
        new = [
            c for c in hoisting.fresh if (hoisting.domains[c.symbol] == Domain.MODEL) == is_model
        ]
        place = max(k for k, block in enumerate(blocks) if block.domain == domain)
        blocks[place] = replace(blocks[place], computes=(*blocks[place].computes, *new))
    hoisting.fresh.clear()


@dataclass
class _Hoisting:
    """The coefficients found so far; narrow means the same for several elements."""

    kernel: Kernel
    domains: dict[sympy.Basic, Domain]
    known: dict[sympy.Expr, sympy.Symbol] = field(default_factory=dict)
    fresh: list[Compute] = field(default_factory=list)
    numbered: int = 0

    def __post_init__(self) -> None:
        """Find the reductions over axes, which are in float64 whatever the parameter's dtype."""
        reduces = [reduce for block in self.kernel.blocks for reduce in block.reduces]
        ranks = {reduce.symbol: self.domains[reduce.symbol].rank for reduce in reduces}
        self.sums_of_axes = {symbol for symbol, rank in ranks.items() if rank == Rank.VECTOR}

    def domain_of(self, expression: sympy.Basic) -> Domain:
        """Return the domain of an expression, which may contain new symbols."""
        return replace(self.kernel, domains=self.domains).domain_of(expression)

    def is_narrow(self, expression: sympy.Basic) -> bool:
        """Return whether a value is the same for several elements: a scalar or an axis array."""
        return self.domain_of(expression).rank < Rank.ELEMENT

    def rewrite(self, expression: Any) -> Any:
        """Return `expression` with its narrow parts replaced by symbols."""
        if expression.is_Atom and expression not in self.sums_of_axes:
            return expression
        if self.is_narrow(expression):
            is_value = isinstance(expression, sympy.Expr)
            return self.coefficient(expression) if is_value else self.decided(expression)
        if isinstance(expression, sympy.Mul):
            return self.split(expression, sympy.Mul)
        if isinstance(expression, sympy.Add):
            return self.split(expression, sympy.Add)
        return rebuilt(expression, tuple(self.rewrite(argument) for argument in expression.args))

    def reduced(self, expression: Any) -> Any:
        """Return the argument of a reduction; a scalar becomes one symbol and stays in float64."""
        if expression.is_Atom or not self.is_narrow(expression):
            return self.rewrite(expression)
        return self.named(expression)

    def split(self, expression: Any, kind: Any) -> sympy.Expr:
        """Return a sum or product with one coefficient per domain of its narrow arguments."""
        narrow: dict[Domain, list[Any]] = {}
        others: list[Any] = []
        for argument in expression.args:
            domain = self.domain_of(argument)
            if domain.rank >= Rank.ELEMENT:
                others.append(self.rewrite(argument))
            else:
                wide = domain if domain.rank == Rank.VECTOR else Domain.TENSOR
                narrow.setdefault(wide, []).append(argument)
        scalars = narrow.pop(Domain.TENSOR, [])
        # Keep a minus sign outside of the coefficient: -lr * g stays -(lr * g), which is printed as
        # a subtraction in a sum. It needs no coefficient for -lr.
        if kind is sympy.Mul and sympy.S.NegativeOne in scalars:
            scalars.remove(sympy.S.NegativeOne)
            others.insert(0, sympy.S.NegativeOne)
        for vectors in narrow.values():
            # Scalars join the first coefficient over axes: one operation less for every element.
            others.append(self.coefficient(_collected(kind, [*scalars, *vectors])))
            scalars = []
        if scalars:
            others.append(self.coefficient(_collected(kind, scalars)))
        # Likewise for a number: -2 * g becomes -(2 * g), so p - 2 * g is printed with one minus.
        if kind is sympy.Mul and others[-1].is_Number and others[-1].is_negative:
            others = [sympy.S.NegativeOne, *others[:-1], -others[-1]]
        return kind(*others, evaluate=False)

    def coefficient(self, expression: Any) -> sympy.Expr:
        """Return a symbol for a narrow value; symbols and numbers are returned as they are."""
        if expression.is_Atom and expression not in self.sums_of_axes:
            return expression
        if isinstance(expression, sympy.Mul):
            # -2 * lr becomes -c1 with c1 = 2 * lr: it is subtracted where it stands in a sum, and
            # shares the coefficient with 2 * lr elsewhere.
            number, *rest = expression.args
            if number.is_Number and number.is_negative:
                positive = rest if number == -1 else [-number, *rest]
                return -self.coefficient(sympy.Mul(*positive, evaluate=False))
        return self.named(expression)

    def decided(self, condition: Any) -> Any:
        """Return a condition of scalars as `flag > 0`; the flag compares its sides in float64."""
        if _is_counted(condition):
            return condition
        flag = self.named(Where(condition, sympy.S.One, sympy.S.Zero))
        return Greater(flag, sympy.S.Zero)

    def named(self, expression: Any) -> sympy.Expr:
        """Return the symbol of a narrow value; equal values have the same symbol."""
        if expression not in self.known:
            symbol = Named(self.name_for(expression), self.kernel.name)
            self.domains[symbol] = self.domain_of(expression)
            self.known[expression] = symbol
            self.fresh.append(Compute(symbol, expression, brief(expression), hoisted=True))
        return self.known[expression]

    def name_for(self, expression: sympy.Expr) -> str:
        """Return a name: `one_minus_beta` for 1 - beta, else a numbered one."""
        remainder = 1 - expression
        if isinstance(remainder, Hyperparameter):
            return f"one_minus_{remainder}"
        self.numbered += 1
        return f"c{self.numbered}"


def _is_counted(condition: Any) -> bool:
    """Return whether a condition compares a count, such as the step, with a small integer.

    Rounding the count to float32 does not change the result then.
    """
    return all(
        (a.is_Symbol and a.is_integer) or (a.is_Integer and abs(a) < 2**23) for a in condition.args
    ) and any(a.is_Integer for a in condition.args)


def _collected(kind: Any, arguments: list[Any]) -> Any:
    """Return the unevaluated sum or product of scalars, with the numbers combined into one."""
    numbers = [a for a in arguments if isinstance(a, (sympy.Number, sympy.NumberSymbol))]
    others = [a for a in arguments if a not in numbers]
    if not numbers:
        return kind(*others, evaluate=False)
    number = kind(*(n if n.is_Number else sympy.Float(float(n)) for n in numbers))
    is_neutral = number == kind.identity and bool(others)
    return kind(*([] if is_neutral else [number]), *others, evaluate=False)
