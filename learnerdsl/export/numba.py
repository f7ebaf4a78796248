"""Export a rule as plain Numba functions over arrays."""

from learnerdsl.export.loops import Loops, checked_program, start_program
from learnerdsl.export.numba_loops import CHUNK, NumbaLoops
from learnerdsl.export.numba_parts import imports_of, needed_helpers
from learnerdsl.pipeline import Program


def numba_module(program: Program, head: str) -> str:
    """Return the text of a Python module that computes a program.

    Args:
        program: the compiled rule.
        head: comments to begin with.

    Raises:
        LearnerError: no loops over elements compute it.
    """
    checked_program(program, "Numba")
    name = program.rule.name
    update, start = Loops(program), None
    starting = start_program(program)
    if starting is not None:
        checked_program(starting, "Numba")
        start = Loops(starting, "start")
    of_model = update.of_model or bool(start and start.of_model)
    taken = [f"{name}_update", f"{name}_start"]
    printers = [NumbaLoops(Loops(program, "update", of_model), taken[0], taken)]
    if starting is not None:
        printers.append(NumbaLoops(Loops(starting, "start", of_model), taken[1], taken))
    functions = [lines for printer in printers for lines in printer.printed()]
    body = "\n\n\n".join("\n".join(lines) for lines in functions)
    helpers = needed_helpers(body).strip("\n")
    code = f"{helpers}\n\n\n{body}\n" if helpers else f"{body}\n"
    imports = "\n".join(imports_of(code))
    return f"{head}\n{imports}\n\nCHUNK = {CHUNK}\n\n\n{code}"
