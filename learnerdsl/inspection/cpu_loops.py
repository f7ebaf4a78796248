"""Find the hot loops in assembly for processors."""

from collections.abc import Iterator, Mapping

from learnerdsl.inspection.assembly import Listed, Loop, innermost, loops
from learnerdsl.inspection.hot_loops import HotLoop, OtherLoop, hot_loop
from learnerdsl.inspection.instructions import Place
from learnerdsl.inspection.source_loops import SourceLoop, source_loops
from learnerdsl.storage import STORAGES


def hot_loops(
    listed: Listed, source: str, file: str, function: str, arithmetic: str, is_located: bool
) -> Iterator[HotLoop]:
    """Yield the hot loop for each innermost loop of a generated function.

    Args:
        listed: its machine code, with lines.
        source: text of the generated module.
        file: name of the file with that text.
        function: name of the function.
        arithmetic: number type that the loop computes in.
        is_located: whether the lines are certain.
    """
    every = loops(listed)
    texts = {(file, n): line for n, line in enumerate(source.splitlines(), 1)}
    inside: set[int] = set()
    groups: list[tuple[SourceLoop, list[Loop]]] = []
    for own in source_loops(source, function):
        versions = innermost([loop for loop in every if _is_of(loop, own, file)])
        inside.update(n for loop in versions for n in range(loop.start, loop.end))
        groups.append((own, versions))
    outside = len(listed.instructions) - len(inside)
    itemsize = STORAGES[arithmetic].itemsize
    for own, versions in groups:
        measured = [_measured(loop, own, itemsize) for loop in versions]
        if not measured:
            continue  # it became a call, such as memset, or no loop at all
        best = max(
            range(len(measured)),
            key=lambda k: (measured[k].bits > 0, measured[k].elements, measured[k].bits),
        )
        loop = versions[best]
        yield hot_loop(
            listed,
            own,
            list(zip(versions, measured, strict=True)),
            best,
            _number_of(loop, itemsize),
            outside=outside,
            is_located=is_located or all(i.place is not None for i in loop.instructions),
            source=_sources(loop, texts),
        )


def _is_of(loop: Loop, own: SourceLoop, file: str) -> bool:
    """Return whether most of a loop's instructions come from a loop of the source."""
    lines = [i.place[1] for i in loop.instructions if i.place and i.place[0] == file]
    return 2 * sum(own.first <= line <= own.last for line in lines) > len(lines)


def _number_of(loop: Loop, itemsize: int) -> int:
    """Return the bytes of the numbers that the vectors of a loop hold."""
    sizes = {own.itemsize for own in loop.of("vector") if own.computes and own.itemsize}
    return itemsize if itemsize in sizes or not sizes else max(sizes)


def _measured(loop: Loop, own: SourceLoop, itemsize: int) -> OtherLoop:
    """Return the elements of an iteration, the width and the number of instructions."""
    elements = loop.advance / own.itemsize if own.itemsize else 0
    whole = int(elements) if elements == int(elements) else 0
    return OtherLoop(whole, loop.bits(_number_of(loop, itemsize)), len(loop.instructions))


def _sources(loop: Loop, texts: Mapping[Place, str]) -> dict[Place, str]:
    """Return the text of each line that instructions come from, as far as it is known."""
    places = {own.place for own in loop.instructions if own.place}
    return {place: texts[place] for place in places if place in texts}
