"""Verification: a kernel that printers could not print is refused."""

import pytest
import sympy

from learnerdsl.errors import InternalError
from learnerdsl.ir import Block, Compute, Domain, Kernel
from learnerdsl.passes.verify import verify


def test_verify_refuses_a_value_used_before_it_is_defined():
    p, g, other = sympy.symbols("p g other", real=True)
    block = Block(Domain.ELEMENT, computes=(Compute(other, g + sympy.Symbol("nowhere")),))
    domains = {p: Domain.ELEMENT, g: Domain.ELEMENT, other: Domain.ELEMENT}
    with pytest.raises(InternalError, match="before definition"):
        verify(Kernel("broken", p, g, (), (), (), (block,), domains))
