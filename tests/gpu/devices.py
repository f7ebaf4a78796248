"""Whether there is a GPU to test on, arrays on it, and learners whose arrays are there."""

import concurrent.futures
import ctypes
import importlib.util
import multiprocessing
import os

import numpy as np
import pytest
from support.battery import assert_close
from support.families import ROUNDING
from support.problems import fitted

from learnerdsl import learners
from learnerdsl.pipeline import compile_rule

DEVICE = "cuda"
DTYPES = ("float32", "float64")
SHAPES = ((), (1,), (0,), (7, 5), (3, 4, 2), (130, 129), (100_003,))
SOME_SHAPES = ((300, 41), (129,), (6, 5, 4))
STEPS = 4
SLEEP = 100_000_000
"""Clock cycles for which a stream is busy: about 50 ms, far longer than an update."""


def missing():
    """Why nothing can be tested on a GPU here, as far as a look without starting it tells."""
    if os.environ.get("NUMBA_ENABLE_CUDASIM", "0") not in ("", "0"):
        return "the CUDA simulator is on (NUMBA_ENABLE_CUDASIM)"
    if importlib.util.find_spec("numba_cuda") is None:
        return "numba-cuda is not installed"
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return "there is no CUDA device: NVIDIA's driver (libcuda.so.1) is not installed"
    return ""


REASON = missing()
MARKS = [
    pytest.mark.gpu,
    pytest.mark.skipif(REASON != "", reason=REASON),
    pytest.mark.usefixtures("gpu"),
    # Libraries of a machine with a GPU have versions of their own, which may warn.
    pytest.mark.filterwarnings("default"),
]


def name_of(value):
    """What a test is called in which this is a parameter."""
    return getattr(value, "name", str(value))


def count_devices():
    """How many CUDA devices the driver finds."""
    driver, count = ctypes.CDLL("libcuda.so.1"), ctypes.c_int(0)
    failed = driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count))
    return 0 if failed else count.value


class OfTorch:
    """PyTorch's tensors on the GPU."""

    def __init__(self, torch):
        self.torch = torch

    def place(self, array):
        """A copy on the GPU."""
        return self.torch.tensor(np.asarray(array), device=DEVICE)

    def on_host(self, array):
        """A copy in NumPy; waits for the current stream."""
        return array.detach().cpu().numpy().copy()


class Behind(OfTorch):
    """Contiguous tensors that start an element behind an aligned address."""

    def place(self, array):
        """A copy on the GPU."""
        tensor = super().place(array)
        flat = self.torch.zeros(tensor.numel() + 1, dtype=tensor.dtype, device=DEVICE)
        return flat[1:].view(tensor.shape).copy_(tensor)


class OfCupy:
    """CuPy's arrays."""

    def __init__(self, cupy):
        self.cupy = cupy

    def place(self, array):
        """A copy on the GPU."""
        return self.cupy.array(array)

    def on_host(self, array):
        """A copy in NumPy; waits for the current stream."""
        return self.cupy.asnumpy(array)


class OfNumba:
    """Numba's arrays."""

    def __init__(self, cuda):
        self.cuda = cuda

    def place(self, array):
        """A copy on the GPU."""
        return self.cuda.to_device(array)

    def on_host(self, array):
        """A copy in NumPy; waits for the default stream."""
        return array.copy_to_host()


class OnGpu:
    """A rule whose learners take NumPy arrays, and update copies of them on the GPU.

    After every update the parameters are copied back, so that tests written for NumPy run as they
    are.
    """

    def __init__(self, rule, library):
        self.rule = rule
        self.name = rule.name
        self.trace = rule.trace
        self.library = library

    def __call__(self, params, **arguments):
        return Mirror(self, params, arguments)


class Mirror:
    """A learner on the GPU, and the NumPy arrays that follow its parameters."""

    def __init__(self, rule, params, arguments):
        self.library = rule.library
        self.host = params
        self.arrays = place_all(self.library, params)
        self.learner = rule.rule(self.arrays, **arguments)
        self.hyperparameters = self.learner.hyperparameters

    def update(self, gradients, minibatch_size=1, **extras):
        """An update with copies of these arrays."""
        placed = {
            name: place_all(self.library, value) if isinstance(value, list) else value
            for name, value in extras.items()
        }
        done = self.learner.update(place_all(self.library, gradients), minibatch_size, **placed)
        for host, array in zip(self.host, self.arrays, strict=True):
            host[...] = self.library.on_host(array)
        return done


def problem(shapes=SOME_SHAPES, steps=STEPS, seed=3):
    """Start and the gradients of every step, in NumPy."""
    rng = np.random.default_rng(seed)

    def draw():
        return [rng.standard_normal(shape).astype(np.float32) for shape in shapes]

    return draw(), [draw() for _ in range(steps)]


def place_all(library, arrays):
    return [library.place(array) for array in arrays]


def fill(targets, arrays):
    """Put NumPy arrays into tensors of torch that stay where they are."""
    for target, array in zip(targets, arrays, strict=True):
        target.copy_(target.new_tensor(array))


def trained(rule, library, start, sequence, minibatch_size=1, **arguments):
    """A learner on the GPU after ordinary updates."""
    learner = rule(place_all(library, start), **arguments)
    for gradients in sequence:
        assert learner.update(place_all(library, gradients), minibatch_size)
    return learner


def assert_as_oracle(rule, library, learner, start, sequence, **arguments):
    """The parameters of a learner are where the oracle's are after the same updates."""
    expected = [p.copy() for p in start]
    oracle = rule(expected, backend="numpy", **arguments)
    for gradients in sequence:
        oracle.update(gradients)
    found = [library.on_host(p) for p in learner.parameters.values()]
    assert_close(start, [found], [expected], 1e-5 * ROUNDING.get(rule.name, (1, ""))[0])


def contents(learner, library):
    """All that updates change, so that == compares it bitwise."""
    own = learner.state_dict()
    arrays = [library.on_host(p) for p in learner.parameters.values()]
    arrays += [a for states in own["state"].values() for _, a in sorted(states.items())]
    scalars = [np.float64(value).tobytes() for _, value in sorted(own["model_state"].items())]
    return [np.asarray(a).tobytes() for a in arrays], scalars, own["step_count"], own["samples"]


def compile_builtin(name, dtype, capability):
    """Compile all kernels of a builtin for a kind of GPU; they are kept on disk."""
    # Not before they are needed: numba-cuda may be missing where these tests are skipped.
    from learnerdsl.kernels.cuda_compile import CudaKernel  # noqa: PLC0415
    from learnerdsl.runtime.cuda.engine import load_kernels  # noqa: PLC0415

    rule = getattr(learners, name)
    for traced in dict.fromkeys(rule.trace(shape=shape) for shape in fitted(name, SHAPES)):
        module = load_kernels(compile_rule(traced, dtype, "cuda"))
        for kernel in vars(module).values():
            if isinstance(kernel, CudaKernel):
                kernel.ptx(capability)


def compile_builtins(cases, capability):
    """Compile the kernels of (name, dtype) pairs by many processes: one would take minutes.

    What fails here fails again in the test of the rule, and is reported there.
    """
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(os.cpu_count(), context) as pool:
        tasks = [pool.submit(compile_builtin, *case, capability) for case in cases]
        concurrent.futures.wait(tasks)
