"""Reads x86-64 assembly: innermost loops, and whether they compute in vectors."""

import re

from learnerdsl.inspection import listings

LABEL = re.compile(r"^(\.?\w+):")
JUMP = re.compile(r"^\s+j\w+\s+(\.?\w+)")
ARITHMETIC = r"\bv?(?:add|sub|mul|div|sqrt|max|min|fn?m(?:add|sub)\d+)"
PACKED = re.compile(
    ARITHMETIC + r"p[sd]\b|\bvp(?:add|sub|abs|or|cmp)\w*\b|\bv(?:cmp|and|blend)\w*p[sd]"
)
SCALAR = re.compile(ARITHMETIC + r"s[sd]\b")
PACKED_STORE = re.compile(r"\bv?movu?a?p[sd]\s+%[xyz]mm\d+,.*\(|\bvmovdq\w+\s+%[xyz]mm\d+,.*\(")
WIDENED = re.compile(r"\bv?cvtps2pd\b")


def assembly_of(program):
    """Function name -> assembly."""
    return {name: listing.assembly for name, listing in listings(program).items()}


def innermost_loops(assembly):
    """The lines of each loop that contains no other loop."""
    lines = assembly.splitlines()
    labels = {m.group(1): i for i, line in enumerate(lines) if (m := LABEL.match(line))}
    spans = []
    for end, line in enumerate(lines):
        jump = JUMP.match(line)
        if jump and labels.get(jump.group(1), end) < end:
            spans.append((labels[jump.group(1)], end))
    inner = [a for a in spans if not any(a != b and a[0] <= b[0] and b[1] <= a[1] for b in spans)]
    return ["\n".join(lines[start : end + 1]) for start, end in inner]


def has_vector_loop(assembly, stores, computes=True):
    """Whether an innermost loop is all vectors, and stores vectors if `stores`.

    One that computes nothing, `computes=False`, copies vectors.
    """
    return any(
        (PACKED.search(loop) or not computes)
        and not SCALAR.search(loop)
        and (PACKED_STORE.search(loop) or not stores)
        for loop in innermost_loops(assembly)
    )
