"""The library that generated CUDA kernels import: decorators, and functions of threads and values.

A sweep processes one chunk of one tensor, as on the CPU, but all threads of a block share the work.
The decorators add the loop over chunks. All kernels of a rule have the same arguments, `WORDS`,
most of them addresses of tables.

If a sweep works row by row, `lanes` threads share a row, and a block works on several rows at once.
With 8 threads and rows of 4 elements:

    thread   0  1  2  3    4  5  6  7
    row      0  0  0  0    1  1  1  1     then rows 2 and 3, 4 and 5, ...
    column   0  1  2  3    0  1  2  3

A reduction over a row joins the values of its lanes with `tree`. If a sweep keeps partial sums for
each column, each group of lanes has a part of its own and does the rows of it one after the other.

With NUMBA_ENABLE_CUDASIM=1 everything runs in Numba's simulator, in Python.
"""

import functools
import math
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import cuda

from learnerdsl.elementary import FUNCTIONS
from learnerdsl.kernels import cuda_encodings, cuda_math, cuda_memory
from learnerdsl.kernels.cuda_compile import CudaKernel, device
from learnerdsl.kernels.cuda_math import cos_of_turns
from learnerdsl.kernels.cuda_math import maximum as maximum
from learnerdsl.kernels.cuda_math import minimum as minimum
from learnerdsl.kernels.cuda_math import narrowed as narrowed
from learnerdsl.kernels.encodings import NAMES
from learnerdsl.kernels.joining import joining_functions
from learnerdsl.kernels.packs import SHARERS
from learnerdsl.kernels.philox import random_functions
from learnerdsl.kernels.simulator import SIMULATED
from learnerdsl.monoids import MONOIDS, Monoid

THREADS = 8 if SIMULATED else 256
"""Number of threads of a block, a power of two. It is the same on every GPU, since the rounding of
sums depends on it. It is small in the simulator, where each one is a thread of Python."""

nan = math.nan
inf = math.inf
float32 = np.float32
float64 = np.float64
int32 = np.int32
int64 = np.int64
uint32 = np.uint32
float_of = cuda_encodings.float_of
float64_array, int64_array = cuda_memory.float64_array, cuda_memory.int64_array
uint64_array = cuda_memory.uint64_array
globals().update({name: getattr(cuda_memory, name) for name in cuda_memory.NAMES})
globals().update({name: getattr(cuda_encodings, name) for name in NAMES})
globals().update({row.name: getattr(cuda_math, row.name) for row in FUNCTIONS if row.cuda})

SHARING = max(THREADS, SHARERS)
"""Number of threads of a block in sweeps over 8-bit states."""

WORDS = (
    "addresses",  # uint64 (tensors, columns): addresses of the arrays of a tensor
    "model_rows",  # float64 (groups, model_width)
    "tensor_rows",  # float64 (tensors, tensor_width)
    "groups",  # int64 (tensors): model row of a tensor
    "chunks",  # int64 (chunks, 4): tensor, start, start in the gradient, count
    "sums",  # float64 (chunks, reduces): partial sums of each chunk
    "gate",  # float64 (1): not 0 if the update is refused; the address is 0 if nothing is checked
    "columns",
    "model_width",
    "tensor_width",
    "reduces",
    "chunk_count",
    "tensor_count",
    "group_count",
)
"""The arguments of every kernel of a rule: addresses of tables, then sizes."""


@device
def thread() -> Any:
    """Return the number of this thread in its block."""
    return int64(cuda.threadIdx.x)


@device
def low_word(value: Any) -> Any:
    """Return the last 32 bits of an integer, uint32."""
    return np.uint32(int64(value) & int64(0xFFFFFFFF))


@device
def threads() -> Any:
    """Return the number of threads of a block."""
    return int64(cuda.blockDim.x)


@device
def block() -> Any:
    """Return the number of this block."""
    return int64(cuda.blockIdx.x)


@device
def blocks() -> Any:
    """Return the number of blocks."""
    return int64(cuda.gridDim.x)


if SIMULATED:
    _one_array = threading.Lock()

    def block_scratch() -> Any:
        """Return shared memory with one float64 for each thread of the block.

        Without the lock, two threads of the simulator could get different arrays.
        """
        with _one_array:
            return cuda.shared.array(SHARING, float64)

else:

    @device
    def block_scratch() -> Any:
        """Return shared memory with one float64 for each thread of the block."""
        return cuda.shared.array(SHARING, float64)


@device
def sync() -> None:
    """Wait for all threads of the block; then their writes are visible."""
    cuda.syncthreads()


@device
def is_closed(gate: Any) -> Any:
    """Return whether the update is refused."""
    return gate != 0 and float64_array(gate, 0, 1)[0] != 0.0


join, identity = joining_functions(device, maximum, minimum)


@device
def tree(value: Any, members: Any, stride: Any, code: Any, scratch: Any) -> Any:
    """Reduce `value` over `members` threads (a power of two) that are `stride` apart.

    The values are joined pairwise in a fixed tree, so the result does not depend on timing. All
    threads of the block have to call this, and each gets the result of its own group.
    """
    own = thread()
    member = own // stride % members
    half = members // 2
    sync()
    scratch[own] = value
    while half > 0:
        sync()
        if member < half:
            scratch[own] = join(scratch[own], scratch[own + half * stride], code)
        half //= 2
    sync()
    return scratch[own - member * stride]


def _of_block(monoid: Monoid) -> Any:
    """Return a function that reduces a value over the `lanes` threads that share a row."""
    code = monoid.code

    @device
    def of_block(value: Any, lanes: Any, scratch: Any) -> Any:
        return tree(value, lanes, 1, code, scratch)

    return of_block


globals().update({monoid.of_block: _of_block(monoid) for monoid in MONOIDS.values()})


def lanes_among(width: Any, count: Any) -> Any:
    """Return how many of `count` threads share a row of `width` elements, a power of two."""
    lanes = count
    while lanes >= 2 * width and lanes > 1:
        lanes //= 2
    return lanes


_lanes_among = device(lanes_among)


@device
def lanes_for(width: Any) -> Any:
    """Return how many threads of the block share a row of `width` elements."""
    return _lanes_among(width, threads())


key_of, random_key, *_uniforms, normal_float32, normal_float64 = random_functions(
    device, cuda_math.log, cos_of_turns
)
uniform_float32, uniform_float64 = _uniforms


def element(function: Callable[..., Any]) -> Any:
    """Mark a function of one element, which a sweep calls."""
    return device(function)


def silenced(run: Callable[..., None]) -> Callable[..., None]:
    """Return the function; in the simulator, silence NumPy's warnings in each of its threads."""
    if not SIMULATED:
        return run

    @functools.wraps(run)
    def silently(words: Any) -> None:
        with np.errstate(all="ignore"):
            run(words)

    return silently


def _kernel(
    function: Callable[..., None], run: Callable[..., None], by: str, threads: int = THREADS
) -> CudaKernel:
    """Return the kernel of a generated function."""
    return CudaKernel(function, silenced(run), len(WORDS), threads, by)


def element_pass(function: Callable[..., None]) -> CudaKernel:
    """Make a kernel of a sweep: f(arrays, model, tensor, start, grad_start, count, sums, scratch).

    `arrays` holds the addresses of the tensor's arrays; `model` and `tensor` are its rows of
    scalars. The chunk has `count` elements from element `start` on, and its gradient begins at
    element `grad_start` of the gradient array. The function writes its partial sums to `sums`;
    `scratch` is shared memory with one float64 for each thread. A block does one chunk at a time.
    """
    return _kernel(function, _over_chunks(function), "chunk")


def block_pass(function: Callable[..., None]) -> CudaKernel:
    """Make a kernel of a sweep over 8-bit states; see `element_pass`."""
    return _kernel(function, _over_chunks(function), "chunk", SHARING)


def _over_chunks(function: Callable[..., None]) -> Callable[..., None]:
    """Return what each thread of a sweep runs: a loop over chunks."""
    body = device(function)

    def run(words: Any) -> None:
        (addresses, model_rows, tensor_rows, groups, chunks, sums, gate) = words[:7]
        (columns, model_width, tensor_width, reduces, chunk_count) = words[7:12]
        scratch = block_scratch()
        if not is_closed(gate):
            for number in range(block(), chunk_count, blocks()):
                chunk = int64_array(chunks, 4 * number, 4)
                tensor = chunk[0]
                group = int64_array(groups, tensor, 1)[0]
                body(
                    uint64_array(addresses, columns * tensor, columns),
                    float64_array(model_rows, model_width * group, model_width),
                    float64_array(tensor_rows, tensor_width * tensor, tensor_width),
                    chunk[1],
                    chunk[2],
                    chunk[3],
                    float64_array(sums, reduces * number, reduces),
                    scratch,
                )

    return run


def model_scalars(function: Callable[..., None]) -> CudaKernel:
    """Make the kernel of the scalars of model rows, one thread for each group: f(model)."""
    body = device(function)

    def run(words: Any) -> None:
        (model_rows, gate, model_width, group_count) = words[1], words[6], words[8], words[13]
        group = block() * threads() + thread()
        if not is_closed(gate) and group < group_count:
            body(float64_array(model_rows, model_width * group, model_width))

    return _kernel(function, run, "group")


def tensor_scalars(function: Callable[..., None]) -> CudaKernel:
    """Make the kernel of tensors' scalars, one thread for each tensor: f(arrays, model, tensor)."""
    body = device(function)

    def run(words: Any) -> None:
        (addresses, model_rows, tensor_rows, groups, _, _, gate) = words[:7]
        (columns, model_width, tensor_width, _, _, tensor_count) = words[7:13]
        tensor = block() * threads() + thread()
        if not is_closed(gate) and tensor < tensor_count:
            group = int64_array(groups, tensor, 1)[0]
            body(
                uint64_array(addresses, columns * tensor, columns),
                float64_array(model_rows, model_width * group, model_width),
                float64_array(tensor_rows, tensor_width * tensor, tensor_width),
            )

    return _kernel(function, run, "tensors")


def tensor_vectors(function: Callable[..., None]) -> CudaKernel:
    """Make the kernel of scalars and axis arrays: f(arrays, model, tensor, scratch).

    Each tensor has a block of threads.
    """
    body = device(function)

    def run(words: Any) -> None:
        (addresses, model_rows, tensor_rows, groups, _, _, gate) = words[:7]
        (columns, model_width, tensor_width, _, _, tensor_count) = words[7:13]
        scratch = block_scratch()
        if not is_closed(gate):
            for tensor in range(block(), tensor_count, blocks()):
                group = int64_array(groups, tensor, 1)[0]
                body(
                    uint64_array(addresses, columns * tensor, columns),
                    float64_array(model_rows, model_width * group, model_width),
                    float64_array(tensor_rows, tensor_width * tensor, tensor_width),
                    scratch,
                )

    return _kernel(function, run, "tensor")
