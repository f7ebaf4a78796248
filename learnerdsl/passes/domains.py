"""Types every symbol by what it ranges over, and refuses values stored where they do not fit.

Assumes lowered blocks in dependency order. Afterwards `kernel.domains` knows every symbol and each
block has the domain of what it computes; a reduction's block has the domain ELEMENT it loops over.
"""

from dataclasses import replace

import sympy

from learnerdsl.errors import RuleError
from learnerdsl.expr import CLOCK, position, tensor_size
from learnerdsl.ir import Block, Domain, Kernel

_OF_SHAPE = {"model": Domain.MODEL, "tensor": Domain.TENSOR, "element": Domain.ELEMENT}


def type_domains(kernel: Kernel) -> Kernel:
    """Give every symbol and every block its domain."""
    known: dict[sympy.Basic, Domain] = dict.fromkeys(
        (*CLOCK, *kernel.hyperparameters), Domain.MODEL
    )
    known |= {tensor_size: Domain.TENSOR, position: Domain.ELEMENT}
    known |= {kernel.parameter: Domain.ELEMENT, kernel.gradient: Domain.ELEMENT}
    for symbol in (*kernel.extras, *kernel.states):
        known[symbol] = _OF_SHAPE[getattr(symbol, "shape", "element")]
    typed = replace(kernel, domains=known)
    blocks: list[Block] = []
    for block in kernel.blocks:
        for reduce in block.reduces:
            known[reduce.symbol] = _OF_SHAPE[reduce.over]
        for compute in block.computes:
            known[compute.symbol] = typed.domain_of(compute.expression)
        for store in block.stores:
            _check_fits(kernel, store.target, known[store.target], known[store.value])
            if known[store.target] == Domain.ELEMENT:
                known[store.value] = Domain.ELEMENT
        domain = max((known[c.symbol] for c in block.computes), default=Domain.ELEMENT)
        blocks.append(replace(block, domain=domain))
    return replace(kernel, blocks=tuple(blocks), domains=known)


def _check_fits(kernel: Kernel, target: sympy.Basic, room: Domain, needed: Domain) -> None:
    if needed > room:
        msg = (
            f"Rule {kernel.name} assigns a value with one number for each {needed.name.lower()} "
            f"to the state {target}, which holds one for each {room.name.lower()}; reduce it with "
            f"sum, mean, norm or max, or declare the state with shape={needed.name.lower()!r}."
        )
        raise RuleError(msg)
