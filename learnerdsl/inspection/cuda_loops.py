"""Find the hot loops in PTX."""

import re
from collections.abc import Sequence

from learnerdsl.inspection.assembly import Listed, Loop, innermost, loops
from learnerdsl.inspection.hot_loops import HotLoop, OtherLoop, hot_loop
from learnerdsl.inspection.instructions import Instruction
from learnerdsl.inspection.source_loops import SourceLoop, source_loops
from learnerdsl.storage import STORAGES


def ptx_loop(
    listed: Listed, source: str, function: str, arithmetic: str, report: str | None
) -> HotLoop:
    """Return the loop of a kernel that moves the most elements in an iteration.

    Numba joins all functions of a kernel before it compiles them, and with that their lines are
    lost. So a loop is recognised by the bytes that it moves.

    Args:
        listed: the PTX of the kernel.
        source: text of the generated module.
        function: name of the kernel.
        arithmetic: number type that it computes in.
        report: what NVIDIA's assembler says about it.
    """
    found = [loop for loop in innermost(loops(listed)) if _global_accesses(loop)]
    written = source_loops(source, function)
    measured = [_moved(loop, written) for loop in found]
    best = max(
        range(len(found)),
        key=lambda k: (measured[k][0].bits, measured[k][0].elements, measured[k][0].instructions),
    )
    return hot_loop(
        listed,
        measured[best][1],
        [(loop, measures) for loop, (measures, _) in zip(found, measured, strict=True)],
        best,
        STORAGES[arithmetic].itemsize,
        outside=len(listed.instructions) - sum(len(loop.instructions) for loop in found),
        is_located=False,
        source={},
        **_resources(report),
    )


def _global_accesses(loop: Loop) -> list[Instruction]:
    return [i for i in loop.instructions if i.addresses == (("[global]", 1),)]


def _moved(loop: Loop, written: Sequence[SourceLoop]) -> tuple[OtherLoop, SourceLoop]:
    """Return the measures of a loop of PTX, and the loop of the source that it can be."""
    accesses = _global_accesses(loop)
    bits = max((i.bits for i in accesses if i.kind == "vector"), default=0)
    moved = sum(i.bits or 8 * i.itemsize for i in accesses) // 8
    fitting = [
        own
        for own in written
        if own.traffic and moved % own.traffic == 0 and (own.pack > 1) == bool(bits)
    ]
    best = max(fitting or written, key=lambda own: own.traffic)
    elements = moved // best.traffic * best.pack if fitting else 0
    return OtherLoop(elements, bits, len(loop.instructions)), best


def _resources(report: str | None) -> dict[str, int]:
    """Return the registers and the bytes spilled that NVIDIA's assembler reports."""
    used = re.search(r"Used (\d+) registers", report or "")
    spills = re.findall(r"(\d+) bytes spill (?:stores|loads)", report or "")
    if used is None:
        return {}
    return {"registers": int(used[1]), "spilled_bytes": sum(map(int, spills))}
