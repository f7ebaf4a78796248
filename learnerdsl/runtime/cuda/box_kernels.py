"""Kernels that copy boxes of arrays, and that join those of all processes to whole arrays.

Both read a table whose rows have different lengths, as arrays have different numbers of axes, and
tiles: for each piece of work of a block, where the row begins in the table, and the first of the
`TILE` values to write.
"""

from typing import Any

from learnerdsl.kernels.cuda import block, blocks, identity, join, thread, threads
from learnerdsl.kernels.cuda_memory import float32_array, float64_array, int64_array
from learnerdsl.runtime.cuda.builtin_kernels import TILE, builtin

COPY_HEAD = 5
"""Fields of a copy before those of its axes: source, target, number of values, bytes of a value,
number of axes. An axis has two: its length, and the stride of the source, in values. The target has
no gaps."""


@builtin(3)
def copy_boxes(words: Any) -> None:
    """Copy boxes of arrays to arrays without gaps; see `COPY_HEAD`."""
    table, tiles, tile_count = words
    for number in range(block(), tile_count, blocks()):
        tile = int64_array(tiles, 2 * number, 2)
        head = int64_array(table, tile[0], COPY_HEAD)
        axis_count = head[4]
        axes = int64_array(table, tile[0] + COPY_HEAD, 2 * axis_count)
        for k in range(tile[1] + thread(), min(tile[1] + TILE, head[2]), threads()):
            rest, at = k, 0
            for turn in range(axis_count):
                axis = axis_count - 1 - turn
                length = axes[2 * axis]
                at += rest % length * axes[2 * axis + 1]
                rest //= length
            if head[3] == 8:
                float64_array(head[1], k, 1)[0] = float64_array(head[0], at, 1)[0]
            else:
                float32_array(head[1], k, 1)[0] = float32_array(head[0], at, 1)[0]


JOIN_HEAD = 5
"""Fields of a join before those of its axes: target, number of values, code of the monoid, number
of processes, number of axes. Then come the length of each axis, and for each process the address
of its box, and where on each axis the box begins, and its length there. All values are float64."""


@builtin(3)
def join_boxes(words: Any) -> None:
    """Join the boxes of all processes, in their order, where they overlap; see `JOIN_HEAD`."""
    table, tiles, tile_count = words
    for number in range(block(), tile_count, blocks()):
        tile = int64_array(tiles, 2 * number, 2)
        head = int64_array(table, tile[0], JOIN_HEAD)
        processes, axis_count = head[3], head[4]
        lengths = int64_array(table, tile[0] + JOIN_HEAD, axis_count)
        first_box = tile[0] + JOIN_HEAD + axis_count
        for k in range(tile[1] + thread(), min(tile[1] + TILE, head[1]), threads()):
            total = identity(head[2])
            for process in range(processes):
                width = 1 + 2 * axis_count
                box = int64_array(table, first_box + process * width, width)
                rest, at, scale, is_inside = k, 0, 1, True
                for turn in range(axis_count):
                    axis = axis_count - 1 - turn
                    place = rest % lengths[axis] - box[1 + 2 * axis]
                    length = box[2 + 2 * axis]
                    is_inside = is_inside and place >= 0 and place < length
                    at += place * scale
                    scale *= length
                    rest //= lengths[axis]
                if is_inside:
                    total = join(total, float64_array(box[0], at, 1)[0], head[2])
            float64_array(head[0], k, 1)[0] = total
