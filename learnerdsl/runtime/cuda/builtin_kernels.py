"""Kernels that all rules share; they run before, between and after the sweeps.

Reductions have a fixed order. A sweep writes a partial result for each chunk; then one block of
threads for each tensor reduces those of its chunks in a fixed tree, and one block reduces those of
all tensors. So the results are bitwise the same, whatever order the GPU runs the blocks in.
"""

from collections.abc import Callable
from typing import Any

from learnerdsl.kernels.cuda import (
    THREADS,
    block,
    block_scratch,
    blocks,
    float64,
    identity,
    is_closed,
    join,
    lanes_for,
    silenced,
    sum_of,
    thread,
    threads,
    tree,
)
from learnerdsl.kernels.cuda_compile import CudaKernel, device
from learnerdsl.kernels.cuda_encodings import (
    factor_from_int8,
    factor_from_uint8,
    from_bfloat16,
    from_float16,
    from_int8,
    from_split8,
    from_split16,
    from_uint8,
)
from learnerdsl.kernels.cuda_memory import (
    float32_array,
    float64_array,
    int8_array,
    int16_array,
    int64_array,
    uint8_array,
    uint16_array,
)
from learnerdsl.kernels.slots import MINIBATCH_SIZE, SAMPLES, STEP
from learnerdsl.storage import BLOCK


def builtin(words: int) -> Callable[[Callable[..., None]], CudaKernel]:
    """Return a decorator that makes a kernel with this number of arguments."""
    return lambda run: CudaKernel(run, silenced(run), words, THREADS)


@builtin(7)
def begin(words: Any) -> None:
    """Increment the step of every group and copy the host's inputs into its model row.

    The inputs are the minibatch size, the seed, hyperparameters and scalar extras. A rule sees the
    samples before its update, so the samples of an update wait in `pending` for the next one.
    """
    inputs, pending, model_rows, gate, groups, model_width, input_width = words
    group = block() * threads() + thread()
    if not is_closed(gate) and group < groups:
        model = float64_array(model_rows, model_width * group, model_width)
        given = float64_array(inputs, input_width * group, input_width)
        waiting = float64_array(pending, group, 1)
        model[STEP] += 1.0
        model[SAMPLES] += waiting[0]
        waiting[0] = given[0]
        for slot in range(input_width):
            model[MINIBATCH_SIZE + slot] = given[slot]


@builtin(11)
def combine(words: Any) -> None:
    """Reduce the partial results of chunks, one block of threads for each tensor.

    A reduction over the tensor goes to its row, one over the model to `partials`.
    """
    sums, bounds, table, tensor_rows, partials, gate = words[:6]
    reduces, first, last, tensor_width, tensors = words[6:]
    scratch = block_scratch()
    if not is_closed(gate):
        for tensor in range(block(), tensors, blocks()):
            chunks = int64_array(bounds, tensor, 2)
            own = float64_array(tensor_rows, tensor_width * tensor, tensor_width)
            parts = float64_array(partials, reduces * tensor, reduces)
            values = float64_array(sums, 0, reduces * chunks[1])
            for r in range(first, last):
                reduce = int64_array(table, 3 * r, 3)
                total = identity(reduce[0])
                for chunk in range(chunks[0] + thread(), chunks[1], threads()):
                    value = values[reduces * chunk + r]
                    total = join(total, value, reduce[0])
                total = tree(total, threads(), 1, reduce[0], scratch)
                if thread() == 0:
                    if reduce[1] != 0:
                        parts[r] = total
                    else:
                        own[reduce[2]] = total


@builtin(10)
def combine_model(words: Any) -> None:
    """Reduce `partials` over all tensors and write the results to all groups, in one block."""
    partials, table, model_rows, gate, reduces, first, last, model_width, tensors, groups = words
    scratch = block_scratch()
    if not is_closed(gate):
        parts = float64_array(partials, 0, reduces * tensors)
        for r in range(first, last):
            reduce = int64_array(table, 3 * r, 3)
            if reduce[1] != 0:
                total = identity(reduce[0])
                for tensor in range(thread(), tensors, threads()):
                    value = parts[reduces * tensor + r]
                    total = join(total, value, reduce[0])
                total = tree(total, threads(), 1, reduce[0], scratch)
                for group in range(thread(), groups, threads()):
                    float64_array(model_rows, model_width * group, model_width)[reduce[2]] = total


ENCODINGS = (
    *("float32", "float64", "bfloat16", "float16", "int8", "uint8", "split16", "split8"),
    *("bfloat16 kahan", "float16 kahan"),
)
"""What `decode` can decode; the number of an entry is its argument `encoding`."""


@device
def decoded_16(source: Any, i: Any, is_half: Any) -> Any:
    """Return element `i` of a float16 or bfloat16 array."""
    stored = uint16_array(source, i, 1)[0]
    return from_float16(stored) if is_half else from_bfloat16(stored)


@device
def decoded(source: Any, second: Any, i: Any, encoding: Any) -> Any:
    """Return element `i` of an array, float32; `second` is the address of its second array."""
    if encoding == 0:
        return float32_array(source, i, 1)[0]
    if encoding == 4:
        factor = factor_from_int8(float32_array(second, i // BLOCK, 1)[0])
        return from_int8(int8_array(source, i, 1)[0], factor)
    if encoding == 5:
        factor = factor_from_uint8(float32_array(second, i // BLOCK, 1)[0])
        return from_uint8(uint8_array(source, i, 1)[0], factor)
    if encoding == 6:
        return from_split16(uint16_array(source, i, 1)[0], int16_array(second, i, 1)[0])
    if encoding == 7:
        return from_split8(uint16_array(source, i, 1)[0], int8_array(second, i, 1)[0])
    value = decoded_16(source, i, encoding == 3 or encoding == 9)
    return value + decoded_16(second, i, encoding == 9) if encoding >= 8 else value


@builtin(6)
def decode(words: Any) -> None:
    """Write the values of an array of any number type to a float32 or float64 array."""
    source, second, target, count, encoding, is_wide = words
    for i in range(block() * threads() + thread(), count, blocks() * threads()):
        value = float64(0.0)
        if encoding == 1:
            value = float64_array(source, i, 1)[0]
        else:
            value = float64(decoded(source, second, i, encoding))
        if is_wide != 0:
            float64_array(target, i, 1)[0] = value
        else:
            float32_array(target, i, 1)[0] = value


PART_FIELDS = 8
"""Fields that describe an axis array with parts: address, count of values, number of parts, length
of a part, rows of a part, rows (`inner`) and values (`one`) for each index of its outer axes, code
of its monoid."""

TILE = 256
"""Number of values of an axis array that a block joins."""


@device
def joined(vector: Any, k: Any, group: Any, groups: Any) -> Any:
    """Join every `groups`-th partial sum of value `k`, from the value's part number `group` on.

    The parts follow the values in memory: [values | part 0 | part 1 | ...]; see
    `runtime/tables/tables.py`.
    """
    count, parts, length, part_rows = vector[1], vector[2], vector[3], vector[4]
    inner, one, code = vector[5], vector[6], vector[7]
    values = float64_array(vector[0], 0, count + parts * length)
    total = identity(code)
    if k < count:
        # A part covers `part_rows` rows, and holds only the values of the outer indices that these
        # rows meet. The index of value k belongs to `inner` rows, from index * inner on: `first`
        # and `last` are the parts that contain the first and the last of them. A part's own first
        # outer index is part * part_rows // inner, so its first value is `one` times that (start).
        index = k // one
        first, last = index * inner // part_rows, ((index + 1) * inner - 1) // part_rows
        for part in range(first + group, min(last + 1, parts), groups):
            start = part * part_rows // inner * one
            value = values[count + part * length + k - start]
            total = join(total, value, code)
    return total


@builtin(4)
def join_parts(words: Any) -> None:
    """Join the parts of axis arrays into their values.

    `tiles` has a row for each piece of work of a block: number of an axis array, and the first of
    the `TILE` values to join. If the array is short, several threads share a value: each joins some
    of its partial sums, then they join their results in a fixed tree.
    """
    table, tiles, tile_count, gate = words
    scratch = block_scratch()
    if not is_closed(gate):
        for number in range(block(), tile_count, blocks()):
            tile = int64_array(tiles, 2 * number, 2)
            vector = int64_array(table, PART_FIELDS * tile[0], PART_FIELDS)
            count, code = vector[1], vector[7]
            columns = lanes_for(count)
            column, group, groups = thread() % columns, thread() // columns, threads() // columns
            for first in range(tile[1], min(tile[1] + TILE, count), columns):
                k = first + column
                own = joined(vector, k, group, groups)
                total = tree(own, groups, columns, code, scratch)
                if group == 0 and k < count:
                    float64_array(vector[0], 0, count)[k] = total


@builtin(4)
def count_nonfinite(words: Any) -> None:
    """Add up the chunks' counts of NaN and infinite gradient values, in one block."""
    sums, found, reduces, chunks = words
    scratch = block_scratch()
    values = float64_array(sums, 0, reduces * chunks)
    total = 0.0
    for chunk in range(thread(), chunks, threads()):
        total += values[reduces * chunk]
    total = sum_of(total, threads(), scratch)
    if thread() == 0:
        float64_array(found, 0, 1)[0] = total


@builtin(5)
def put_column(words: Any) -> None:
    """Write one value to a slot of every row, each row its own."""
    values, rows, width, slot, count = words
    row = block() * threads() + thread()
    if row < count:
        float64_array(rows, width * row, width)[slot] = float64_array(values, row, 1)[0]


@builtin(7)
def share_rows(words: Any) -> None:
    """Copy the first `shared` slots of the model rows of one variant to those of another."""
    source, target, gate, source_width, target_width, shared, groups = words
    if not is_closed(gate):
        for group in range(groups):
            given = float64_array(source, source_width * group, source_width)
            own = float64_array(target, target_width * group, target_width)
            for slot in range(thread(), shared, threads()):
                own[slot] = given[slot]


@builtin(5)
def join_model(words: Any) -> None:
    """Combine the variants' partial results over the model and write the total to all of them.

    `table` has the address of the model rows, their width and the slot, for each variant.
    """
    table, variants, code, groups, gate = words
    if not is_closed(gate) and thread() == 0:
        total = identity(code)
        for variant in range(variants):
            place = int64_array(table, 3 * variant, 3)
            value = float64_array(place[0], place[2], 1)[0]
            total = join(total, value, code)
        for variant in range(variants):
            place = int64_array(table, 3 * variant, 3)
            for group in range(groups):
                float64_array(place[0], place[1] * group, place[1])[place[2]] = total


@builtin(3)
def add_up(words: Any) -> None:
    """Add up the values at some addresses and write the sum to `target`."""
    addresses, count, target = words
    if thread() == 0:
        total = 0.0
        for number in range(count):
            total += float64_array(int64_array(addresses, number, 1)[0], 0, 1)[0]
        float64_array(target, 0, 1)[0] = total
