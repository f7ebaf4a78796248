"""Reading PTX: kernels for several compute capabilities at once, their loops and instructions."""

import re

import pytest

pytest.importorskip("numba_cuda", reason="kernels for CUDA are compiled by numba-cuda")

from numba import types
from numba.cuda import compiler

from learnerdsl.kernels import cuda_compile, places

CAPABILITIES = ((7, 5), (8, 0), (9, 0))


def ptx_for_all(kernel):
    """Compute capability -> PTX, the front end of the compiler having run once for all of them.

    Numba has no public call that does so; where it changes, each is compiled by itself.
    """
    try:
        library, _ = compiler._compile_pyfunc_with_fixup(
            kernel.run,
            types.void(types.UniTuple(types.int64, kernel.words)),
            device=False,
            abi="numba",
            cc=CAPABILITIES[0],
            launch_bounds=(kernel.threads, cuda_compile.BLOCKS),
        )
        texts = {cc: library.get_asm_strs(cc=cc)[0] for cc in CAPABILITIES}
        for cc, text in texts.items():
            # The tests that run the kernels need not compile them again.
            readable = cuda_compile._readable(text, kernel.name)
            places.keep_checked(kernel._file(cc, "ptx"), kernel.digest, readable.encode())
        return texts
    except (AttributeError, TypeError):
        return {cc: kernel.ptx(cc) for cc in CAPABILITIES}


def instructions(text):
    """(label or "", instruction) pairs of the kernel; functions that it calls are left out."""
    body = text[text.index(".entry") :]
    body = body[body.index("{") : body.index("\n}")]
    return [line.strip() for line in body.splitlines() if line.strip()]


def innermost_loops(text):
    """The instructions of every loop without another one inside, as lists."""
    lines = instructions(text)
    places = {line.rstrip(":"): k for k, line in enumerate(lines) if line.startswith("$")}
    loops = []
    for end, line in enumerate(lines):
        jump = re.search(r"\bbra(?:\.uni)?\s+(\$\w+)", line)
        if jump and places[jump[1]] < end:
            loops.append((places[jump[1]], end))
    return [
        lines[start : end + 1]
        for start, end in loops
        if not any(start <= s and e <= end and (s, e) != (start, end) for s, e in loops)
    ]


def element_loops(text, dtype):
    """The innermost loops that load elements."""
    kind = "f32" if dtype == "float32" else "f64"
    pattern = re.compile(rf"ld\.global\.(v\d\.)?{kind}")
    return [loop for loop in innermost_loops(text) if any(map(pattern.match, loop))]


def in_double(loop):
    """The instructions of a loop that compute in float64 or convert from or to it."""
    pattern = re.compile(r"(?:@!?%p\d+ )?((?!ld|st|mov)\w[\w.]*\.f64(?:\.\w+)?)\s")
    return [found[1] for line in loop if (found := pattern.match(line))]
