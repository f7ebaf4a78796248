"""Asks the package's reader of assembly about vectors, for tests of whole tables of rules."""

import re

from learnerdsl.inspection import assembly, listings

WIDENED = re.compile(r"\bv?cvtps2pd\b")


def assembly_of(program):
    """Function name -> assembly."""
    return {name: listing.assembly for name, listing in listings(program).items()}


def innermost_loops(text):
    """The lines of each loop that contains no other loop."""
    found = assembly.innermost(assembly.loops(assembly.read(text)))
    return ["\n".join(own.text for own in loop.instructions) for loop in found]


def has_vector_loop(text, stores, computes=True):
    """Whether an innermost loop is all vectors, and stores vectors if `stores`.

    One that computes nothing, `computes=False`, copies vectors.
    """
    return any(
        (loop.computes_vectors or not computes)
        and not loop.computes_scalars
        and (loop.stores_vectors or not stores)
        for loop in assembly.innermost(assembly.loops(assembly.read(text)))
    )
