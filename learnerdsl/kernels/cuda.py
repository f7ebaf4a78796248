"""What generated CUDA kernels import: decorators that make kernels of them, and functions.

A pass sees one chunk of one tensor, as on the CPU, but all threads of a block work on it together.
The decorators put the loop over the chunks around it. All kernels of a rule are called with the
same `WORDS`, most of them addresses of tables.

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
from learnerdsl.kernels import cuda_math
from learnerdsl.kernels.cuda_compile import CudaKernel, device
from learnerdsl.kernels.cuda_math import cos_of_turns
from learnerdsl.kernels.cuda_math import maximum as maximum
from learnerdsl.kernels.cuda_math import minimum as minimum
from learnerdsl.kernels.cuda_math import narrowed as narrowed
from learnerdsl.kernels.cuda_memory import aligned as aligned
from learnerdsl.kernels.cuda_memory import float32_array as float32_array
from learnerdsl.kernels.cuda_memory import float64_array as float64_array
from learnerdsl.kernels.cuda_memory import int64_array, uint64_array
from learnerdsl.kernels.cuda_memory import load2 as load2
from learnerdsl.kernels.cuda_memory import load4 as load4
from learnerdsl.kernels.cuda_memory import store2 as store2
from learnerdsl.kernels.cuda_memory import store4 as store4
from learnerdsl.kernels.philox import random_functions
from learnerdsl.kernels.simulator import SIMULATED
from learnerdsl.monoids import MAX, MIN, MONOIDS, PROD, SUM, Monoid

THREADS = 8 if SIMULATED else 256
"""Threads of a block, a power of two. Sums depend on it, so it is the same on every card; the
simulator runs each of them as a thread of Python."""

nan = math.nan
inf = math.inf
float32 = np.float32
float64 = np.float64
int64 = np.int64
MAX_CODE, MIN_CODE, PROD_CODE = MAX.code, MIN.code, PROD.code
globals().update({row.name: getattr(cuda_math, row.name) for row in FUNCTIONS if row.cuda})

WORDS = (
    "addresses",  # uint64 (tensors, columns): where the arrays of a tensor are
    "model_rows",  # float64 (groups, model_width)
    "tensor_rows",  # float64 (tensors, tensor_width)
    "groups",  # int64 (tensors): which model row a tensor has
    "chunks",  # int64 (chunks, 4): tensor, start, start in the gradient, count
    "sums",  # float64 (chunks, reduces): what a pass sums over each chunk
    "gate",  # float64 (1): the update is refused where it is not 0; 0 if there is no gate
    "columns",
    "model_width",
    "tensor_width",
    "reduces",
    "chunk_count",
    "tensor_count",
    "group_count",
)
"""What every kernel of a rule is called with."""


@device
def thread() -> Any:
    """Number of this thread in its block."""
    return int64(cuda.threadIdx.x)


@device
def threads() -> Any:
    """Threads of a block."""
    return int64(cuda.blockDim.x)


@device
def block() -> Any:
    """Number of this block."""
    return int64(cuda.blockIdx.x)


@device
def blocks() -> Any:
    """How many blocks there are."""
    return int64(cuda.gridDim.x)


if SIMULATED:
    _one_array = threading.Lock()

    def block_scratch() -> Any:
        """A float64 for each thread, which all of the block see.

        In the simulator two threads that ask at once would get an array each.
        """
        with _one_array:
            return cuda.shared.array(THREADS, float64)

else:

    @device
    def block_scratch() -> Any:
        """A float64 for each thread, which all of the block see."""
        return cuda.shared.array(THREADS, float64)


@device
def sync() -> None:
    """Waits for all threads of the block, and sees what they wrote."""
    cuda.syncthreads()


@device
def is_closed(gate: Any) -> Any:
    """Whether the update is refused."""
    return gate != 0 and float64_array(gate, 0, 1)[0] != 0.0


@device
def join(a: Any, b: Any, code: Any) -> Any:
    """Return two values joined by the monoid of this code."""
    if code == MAX_CODE:
        return maximum(a, b)
    if code == MIN_CODE:
        return minimum(a, b)
    return a * b if code == PROD_CODE else a + b


@device
def identity(code: Any) -> Any:
    """Return the identity element of the monoid of this code."""
    if code == MAX_CODE:
        return -inf
    if code == MIN_CODE:
        return inf
    return 1.0 if code == PROD_CODE else 0.0


@device
def tree(value: Any, members: Any, stride: Any, code: Any, scratch: Any) -> Any:
    """Reduce the values of `members` threads (a power of two) that are `stride` apart.

    They are joined pairwise in a fixed tree, so the result does not depend on timing.
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
    """Return the function that joins what `lanes` threads (a power of two) of a row have."""
    code = monoid.code

    @device
    def of_block(value: Any, lanes: Any, scratch: Any) -> Any:
        return tree(value, lanes, 1, code, scratch)

    return of_block


globals().update({monoid.of_block: _of_block(monoid) for monoid in MONOIDS.values()})
sum_of = _of_block(SUM)


def lanes_among(width: Any, count: Any) -> Any:
    """How many of so many threads share a row of this many elements: a power of two."""
    lanes = count
    while lanes >= 2 * width and lanes > 1:
        lanes //= 2
    return lanes


_lanes_among = device(lanes_among)


@device
def lanes_for(width: Any) -> Any:
    """How many threads of the block share a row of this many elements."""
    return _lanes_among(width, threads())


random_key, uniform_float32, uniform_float64, normal_float32, normal_float64 = random_functions(
    device, cuda_math.log, cos_of_turns
)


def element(function: Callable[..., Any]) -> Any:
    """What is done to one element, for a pass to call."""
    return device(function)


def silenced(run: Callable[..., None]) -> Callable[..., None]:
    """The same function; the simulator's threads compute without warnings."""
    if not SIMULATED:
        return run

    @functools.wraps(run)
    def silently(words: Any) -> None:
        with np.errstate(all="ignore"):
            run(words)

    return silently


def _kernel(function: Callable[..., None], run: Callable[..., None], by: str) -> CudaKernel:
    """The kernel of a generated function."""
    return CudaKernel(function, silenced(run), len(WORDS), THREADS, by)


def element_pass(function: Callable[..., None]) -> CudaKernel:
    """A pass: f(arrays, model, tensor, start, grad_start, count, sums, scratch), block by block.

    `arrays` are the addresses of the tensor's arrays, `model` and `tensor` its scalar rows, `start`
    and `count` the chunk, `grad_start` where its gradients start, `sums` takes the chunk's sums,
    and `scratch` has a float64 for each thread, which all of the block see.
    """
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

    return _kernel(function, run, "chunk")


def model_scalars(function: Callable[..., None]) -> CudaKernel:
    """Scalars of the model: f(model), a thread for each group."""
    body = device(function)

    def run(words: Any) -> None:
        (model_rows, gate, model_width, group_count) = words[1], words[6], words[8], words[13]
        group = block() * threads() + thread()
        if not is_closed(gate) and group < group_count:
            body(float64_array(model_rows, model_width * group, model_width))

    return _kernel(function, run, "group")


def tensor_scalars(function: Callable[..., None]) -> CudaKernel:
    """Scalars of a tensor: f(arrays, model, tensor), a thread for each tensor."""
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
    """Scalars and vectors of a tensor: f(arrays, model, tensor, scratch), a block for each."""
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
