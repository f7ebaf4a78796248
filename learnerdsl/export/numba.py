"""Export a rule as plain Numba functions over arrays."""

from learnerdsl.export.loops import Loops, Pair, pairs_of
from learnerdsl.export.numba_loops import CHUNK, NumbaLoops
from learnerdsl.export.numba_parts import imports_of, needed_helpers
from learnerdsl.export.request import Request

_ABOUT = """\
The functions update flat contiguous arrays in place. States start with zeros{start}.
Elements are computed as by learnerdsl. Numba's exp, log and tanh differ from its own
by a few units in the last place."""


def numba(request: Request) -> str:
    """Return a rule as the text of a Python module that needs Numba and NumPy.

    Args:
        request: what to export.

    Raises:
        LearnerError: no loops over elements compute the rule.
    """
    pairs = pairs_of(request, "Numba")
    functions = [lines for pair in pairs for lines in _functions(pair)]
    body = ["\n".join(lines) for lines in functions]
    helpers = needed_helpers("\n".join(body))
    code = "\n\n\n".join([*helpers, *body])
    starts = [f"{pair.name}_start" for pair in pairs if pair.start]
    about = _ABOUT.format(start=f" if {' or '.join(starts)} does not set them" if starts else "")
    head = [*request.header, "", *about.splitlines(), *(note for p in pairs for note in p.notes)]
    comments = "\n".join(f"# {line}".rstrip() for line in head)
    imports = "\n".join(imports_of(code))
    return f"{comments}\n\n{imports}\n\nCHUNK = {CHUNK}\n\n\n{code}\n"


def _functions(pair: Pair) -> list[list[str]]:
    """Return the functions of the updates of a variant of a rule."""
    taken = [f"{pair.name}_update", f"{pair.name}_start"]
    update = Loops(pair.update, "update", pair.of_model)
    found = NumbaLoops(update, taken[0], taken).printed()
    if pair.start is not None:
        start = Loops(pair.start, "start", pair.of_model)
        found += NumbaLoops(start, taken[1], taken).printed()
    return found
