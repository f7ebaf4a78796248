"""Moves what does not depend on the element out of the loops.

Assumes fused blocks. In every expression of an ELEMENT pass the scalar factors of a product and the
scalar terms of a sum are collected into one coefficient, which becomes a statement of the scalar
block before that pass (or an earlier one that has all it needs) and is evaluated there in float64.
Afterwards an ELEMENT expression contains scalars only as symbols and numbers.
"""

from dataclasses import dataclass, field, replace
from typing import Any

import sympy

from learnerdsl.expr import Hyperparameter, Named
from learnerdsl.ir import Block, Compute, Domain, Kernel, rebuild


def hoist(kernel: Kernel) -> Kernel:
    """Replace scalar subexpressions of element passes by coefficients."""
    hoisting = _Hoisting(kernel, dict(kernel.domains))
    blocks: list[Block] = []
    for block in kernel.blocks:
        if block.domain != Domain.ELEMENT:
            blocks.append(block)
            continue
        computes = [replace(c, expression=hoisting.rewrite(c.expression)) for c in block.computes]
        reduces = [replace(r, expression=hoisting.rewrite(r.expression)) for r in block.reduces]
        _extend_scalars(blocks, hoisting)
        blocks.append(replace(block, computes=tuple(computes), reduces=tuple(reduces)))
    return replace(kernel.with_blocks(blocks), domains=hoisting.domains)


def _extend_scalars(blocks: list[Block], hoisting: "_Hoisting") -> None:
    """Append the new coefficients to the scalar blocks right before the pass at hand."""
    for domain, offset in ((Domain.TENSOR, 1), (Domain.MODEL, 2)):
        new = [c for c in hoisting.fresh if hoisting.domains[c.symbol] == domain]
        block = blocks[-offset]
        blocks[-offset] = replace(block, computes=(*block.computes, *new))
    hoisting.fresh.clear()


@dataclass
class _Hoisting:
    """The coefficients found so far."""

    kernel: Kernel
    domains: dict[sympy.Basic, Domain]
    known: dict[sympy.Expr, sympy.Symbol] = field(default_factory=dict)
    fresh: list[Compute] = field(default_factory=list)
    numbered: int = 0

    def is_scalar(self, expression: sympy.Basic) -> bool:
        return all(self.domains[s] != Domain.ELEMENT for s in expression.free_symbols)

    def rewrite(self, expression: Any) -> Any:
        """`expression` with its scalar parts replaced by symbols."""
        if expression.is_Atom:
            return expression
        if isinstance(expression, sympy.Expr) and self.is_scalar(expression):
            return self.coefficient(expression)
        if isinstance(expression, sympy.Mul):
            return self.split(expression, sympy.Mul)
        if isinstance(expression, sympy.Add):
            return self.split(expression, sympy.Add)
        if isinstance(expression, sympy.Pow) and expression.exp.is_number:
            return sympy.Pow(self.rewrite(expression.base), expression.exp, evaluate=False)
        arguments = [self.rewrite(argument) for argument in expression.args]
        return rebuild(expression, arguments)

    def split(self, expression: Any, kind: Any) -> sympy.Expr:
        """A sum or product with its scalar arguments collected into one."""
        scalars = [a for a in expression.args if self.is_scalar(a)]
        others = [self.rewrite(a) for a in expression.args if not self.is_scalar(a)]
        if kind is sympy.Mul and sympy.S.NegativeOne in scalars:
            scalars.remove(sympy.S.NegativeOne)
            others.insert(0, sympy.S.NegativeOne)
        if scalars:
            others.append(self.coefficient(kind(*scalars)))
        return kind(*others, evaluate=False)

    def coefficient(self, expression: sympy.Expr) -> sympy.Expr:
        """A symbol for a scalar expression; symbols and numbers stand for themselves."""
        if expression.is_Atom or expression.is_number:
            return expression
        if expression.is_Mul and expression.args[0].is_negative:
            return -self.coefficient(-expression)
        if expression not in self.known:
            widest = max(self.domains[s] for s in expression.free_symbols)
            symbol = Named(self.name_for(expression), self.kernel.name)
            self.domains[symbol] = widest
            self.known[expression] = symbol
            self.fresh.append(Compute(symbol, expression, str(expression), hoisted=True))
        return self.known[expression]

    def name_for(self, expression: sympy.Expr) -> str:
        """A name that says what it is where that is short, else a numbered one."""
        remainder = 1 - expression
        if isinstance(remainder, Hyperparameter):
            return f"one_minus_{remainder}"
        self.numbered += 1
        return f"c{self.numbered}"
