"""The loops of chains are vectorised; read from the machine code, not timed."""

import platform

import pytest
from support.assembly import WIDENED, assembly_of, has_vector_loop, innermost_loops
from support.chains import chain_of

from learnerdsl import transforms

pytestmark = pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64"), reason="reads x86-64 assembly"
)
# The C library's logarithm and cosine of a random number are called for each element.
NAMES = sorted(set(transforms.__all__) - {"add_noise", "perturb"})


@pytest.mark.parametrize("name", NAMES)
def test_every_pass_has_a_loop_of_vectors_that_never_widens(name):
    program = chain_of(name, "adam").program(dtype="float32")
    assembly = assembly_of(program)
    loops = [level.element for level in program.levels if level.element]
    for function, block in zip(loops, program.kernel.passes, strict=True):
        text = assembly[function]
        assert has_vector_loop(text, stores=bool(block.stores)), text
        if not block.reduces:
            assert not any(WIDENED.search(loop) for loop in innermost_loops(text))
