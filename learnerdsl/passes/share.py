"""Name common subexpressions, so that a block computes each of them once.

The pass assumes hoisted blocks. Afterwards no product, sum, power or function occurs twice in a
block, except for negations. Only equal subtrees are shared: nothing is reassociated.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import sympy

from learnerdsl.expr import MatrixFunction, Named, Where, rebuilt
from learnerdsl.ir import Block, Compute, Kernel, Reduce, as_expr


def share(kernel: Kernel) -> Kernel:
    """Name the common subexpressions of every block."""
    domains = dict(kernel.domains)
    blocks: list[Block] = []
    count = 0
    for block in kernel.blocks:
        shared = _Sharing(block, kernel.name, count)
        blocks.append(shared.block())
        domains |= {s: kernel.domain_of(e) for e, s in shared.names.items()}
        count = shared.count
    return replace(kernel.with_blocks(blocks), domains=domains)


class _Sharing:
    """The repeated subtrees of one block."""

    def __init__(self, block: Block, owner: str, count: int) -> None:
        self.source = block
        self.owner = owner
        self.count = count
        self.names: dict[sympy.Basic, sympy.Symbol] = {}
        self.computes: list[Compute] = []
        uses: Counter[sympy.Basic] = Counter()
        for expression in (*(c.expression for c in block.computes), *self.reduced()):
            self.count_uses(expression, uses)
        self.repeated = {expression for expression, times in uses.items() if times > 1}

    def count_uses(self, expression: sympy.Basic, uses: "Counter[sympy.Basic]") -> None:
        """Count the occurrences of subtrees; those below a repeated one count once."""
        if expression.is_Atom or _is_lazy(expression):
            return
        if _worth_a_name(expression):
            uses[expression] += 1
            if uses[expression] > 1:
                return
        for argument in expression.args:
            self.count_uses(argument, uses)

    def block(self) -> Block:
        """Return the block with its common subexpressions named."""
        for compute in self.source.computes:
            expression = self.rewrite(compute.expression)
            self.computes.append(replace(compute, expression=expression))
        reduces = [self.rewritten(reduce) for reduce in self.source.reduces]
        return replace(self.source, computes=tuple(self.computes), reduces=tuple(reduces))

    def reduced(self) -> Iterator[sympy.Basic]:
        """Yield the parts of reductions that may get a name.

        A square or product on top does not: it is computed in float64, so that it cannot overflow.
        """
        for reduce in self.source.reduces:
            expression = reduce.expression
            yield from expression.args if _is_widened(expression) else (expression,)

    def rewritten(self, reduce: Reduce) -> Reduce:
        """Return the reduction with common subexpressions replaced by their names."""
        expression = reduce.expression
        if not _is_widened(expression):
            return replace(reduce, expression=as_expr(self.rewrite(expression)))
        parts = [self.rewrite(argument) for argument in expression.args]
        return replace(reduce, expression=as_expr(rebuilt(expression, tuple(parts))))

    def rewrite(self, expression: sympy.Basic) -> sympy.Basic:
        """Return `expression` with names for repeated subtrees; add statements for new names."""
        if expression.is_Atom or _is_lazy(expression):
            return expression
        if expression in self.names:
            return self.names[expression]
        arguments = tuple(self.rewrite(argument) for argument in expression.args)
        changed = any(new is not old for new, old in zip(arguments, expression.args, strict=True))
        result = rebuilt(expression, arguments) if changed else expression
        if expression in self.repeated:
            self.count += 1
            symbol = Named(f"t{self.count}", self.owner)
            self.names[expression] = symbol
            self.computes.append(Compute(symbol, result))  # type: ignore[arg-type]
            return symbol
        return result


def _is_widened(expression: sympy.Basic) -> bool:
    """Return whether a reduced value is computed in float64 from parts in the parameter's dtype."""
    square = isinstance(expression, sympy.Pow) and expression.exp == 2
    return square or isinstance(expression, sympy.Mul)


def _is_lazy(expression: sympy.Basic) -> bool:
    """Return whether it is a choice between costly matrix functions, of which only one runs."""
    return isinstance(expression, Where) and expression.has(MatrixFunction)


def _worth_a_name(expression: sympy.Basic) -> bool:
    """Return whether it is a value, not a condition, and not just a negation."""
    if not isinstance(expression, sympy.Expr):
        return False
    return not (isinstance(expression, sympy.Mul) and -expression in expression.args)
